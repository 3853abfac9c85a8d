from __future__ import annotations

from dataclasses import replace

import pytest

from andock.catalogue import Catalogue, load_catalogue
from andock.errors import CatalogueError, InvalidParamsError
from andock.operations.service.deploying import SERVICE_DEPLOY
from bot.manifest import command_names, manifest
from bot.parsing import parse, unparse, usage_of

CATALOGUE = load_catalogue()
CANONICAL = "service deploy api v1.2.3 to prod"


@pytest.mark.parametrize(
    "typed",
    [
        CANONICAL,
        "service deploy api v1.2.3 prod",
        "service deploy api v1.2.3 TO prod",
        "deploy api v1.2.3 to prod",
        "Deploy api v1.2.3 prod",
        "service deploy -- api v1.2.3 to prod",
    ],
)
def test_a_deployment_is_typed_as_it_is_said(typed: str) -> None:
    assert unparse(parse(typed, CATALOGUE)) == CANONICAL


def test_a_slash_command_of_its_own() -> None:
    assert unparse(parse("api v1.2.3 to prod", CATALOGUE, noun="deploy")) == CANONICAL
    assert command_names(CATALOGUE, None, "")["/deploy"] == "deploy"
    made = manifest(CATALOGUE, "socket")["features"]["slash_commands"]
    deploy = next(one for one in made if one["command"] == "/deploy")
    assert deploy["usage_hint"] == "NAME VERSION to ENVIRONMENT"
    assert deploy["description"] == SERVICE_DEPLOY.summary


def test_options_may_stand_anywhere_between() -> None:
    typed = "service deploy --site edge-1 api --plan v1 to prod"
    assert unparse(parse(typed, CATALOGUE)) == "service deploy api v1 to prod --site edge-1 --plan"


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("service scale api prod 3", "service scale api in prod to 3"),
        ("service rollback api in prod --to v1", "service rollback api in prod --to v1"),
        ("service status api in prod", "service status api in prod"),
        ("service status api", "service status api"),
        ("service promote api to prod --from staging", "service promote api to prod --from staging"),
        ("service deploy api to to to", "service deploy api to to to"),
    ],
)
def test_what_is_typed_has_one_form(typed: str, canonical: str) -> None:
    parsed = parse(typed, CATALOGUE)
    assert unparse(parsed) == canonical
    assert parse(canonical, CATALOGUE).params == parsed.params


def test_the_word_alone_names_nothing() -> None:
    with pytest.raises(InvalidParamsError, match="service deploy NAME VERSION to ENVIRONMENT"):
        parse("deploy api v1 to", CATALOGUE)


def test_help_knows_the_short_form() -> None:
    assert unparse(parse("deploy --help", CATALOGUE)) == "help service deploy"
    assert usage_of(SERVICE_DEPLOY).startswith("service deploy NAME VERSION to ENVIRONMENT")


@pytest.mark.parametrize("short", ["service", "help", "two words", "Deploy"])
def test_a_short_form_that_means_something_else_stops_the_start(short: str) -> None:
    others = [operation for operation in CATALOGUE if operation.name in ("service status", "help")]
    with pytest.raises(CatalogueError, match="cannot be typed as"):
        Catalogue([*others, replace(SERVICE_DEPLOY, short=short)])
