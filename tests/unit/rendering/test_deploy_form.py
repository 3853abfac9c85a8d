"""The form for deployments keeps within what Slack takes, whatever services and versions are called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from andock.rendering.deploy_form import DeployForm, deploy_form, version_options
from sandbox.slack.blockkit import check_view

MADE = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
FORM = DeployForm("C0OPS", "1.2", "api")


@pytest.mark.parametrize("form", [FORM, DeployForm("C0OPS", "")])
@pytest.mark.parametrize("count", [1, 250])
def test_slack_takes_the_form(form: DeployForm, count: int) -> None:
    services = tuple(f"{'s' * 36}{number:03}" for number in range(count))
    environments = tuple(f"{'e' * 60}{number:03}" for number in range(count))
    made = deploy_form(form, services, environments)
    assert check_view(made) == []
    assert DeployForm.loads(made["private_metadata"]) == form


def test_the_service_that_was_named_is_chosen_even_beyond_the_first_hundred() -> None:
    services = tuple(f"s{number:03}" for number in range(250))
    made = deploy_form(DeployForm("C0OPS", "", "s249"), services, ("dev",))
    element = made["blocks"][0]["element"]
    assert element["initial_option"]["value"] == "s249"
    assert element["initial_option"] in element["options"]
    assert len(element["options"]) == 100


def test_a_single_environment_is_chosen_and_of_several_none() -> None:
    assert deploy_form(FORM, ("api",), ("dev",))["blocks"][2]["element"]["initial_option"]["value"] == "dev"
    assert "initial_option" not in deploy_form(FORM, ("api",), ("dev", "prod"))["blocks"][2]["element"]


def test_of_versions_a_hundred_are_offered_and_each_fits() -> None:
    tags = [(f"{'v' * 120}{number:03}", MADE) for number in range(300)]
    offered = version_options(tags, timedelta(0), "sha256:" + "1" * 64)
    options = [option for group in offered["option_groups"] for option in group["options"]]
    assert len(options) == 100
    assert all(len(option["text"]["text"]) <= 75 and len(option["value"]) <= 150 for option in options)
    assert options[-1]["value"] == "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("age", "label"),
    [
        (timedelta(seconds=59), "From the registry, just now"),
        (timedelta(seconds=61), "From the registry, as of 1m ago"),
        (timedelta(days=2, minutes=5), "From the registry, as of 2d5m ago"),
    ],
)
def test_how_old_the_list_is_stands_above_it(age: timedelta, label: str) -> None:
    (group,) = version_options([("v1", None)], age, "")["option_groups"]
    assert group["label"]["text"] == label


def test_where_there_is_nothing_to_offer_the_list_is_empty() -> None:
    assert version_options([], timedelta(0), "") == {"options": []}
