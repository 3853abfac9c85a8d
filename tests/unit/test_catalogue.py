from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from andock.catalogue import Catalogue, load_catalogue
from andock.errors import CatalogueError, UnknownOperationError
from andock.operation import Desk, DeskOperation, Outcome, Params, Risk


class Nothing(Params):
    pass


class Undescribed(Params):
    name: str


def say_nothing(params: Params, desk: Desk) -> Outcome:
    return Outcome(summary="nothing")


def declare(name: str, params: type[Params] = Nothing) -> DeskOperation[Params]:
    return DeskOperation(
        name=name, summary="Does it.", params=params, risk=Risk.READ, run=say_nothing, examples=(name,)
    )


NAMES = ("vm restart", "vm info", "vm list", "container restart", "container list", "help", "halt")


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(declare(name) for name in NAMES)


def test_finds_the_operations_of_the_repository_in_order() -> None:
    catalogue = load_catalogue()
    assert {"help", "can-i", "halt", "resume", "request list", "request show"} <= set(catalogue.names)
    assert [operation.name for operation in catalogue] == sorted(catalogue.names)
    assert "request" in catalogue.nouns


def test_get_names_and_nouns(catalogue: Catalogue) -> None:
    assert catalogue.get("vm info").name == "vm info"
    assert catalogue.nouns == ("container", "vm")
    assert [operation.name for operation in catalogue.of_noun("container")] == [
        "container list",
        "container restart",
    ]
    assert len(catalogue) == len(NAMES)
    assert "vm list" in catalogue
    assert catalogue.find("vm lst") is None


def test_an_unknown_name_comes_with_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownOperationError) as caught:
        catalogue.get("vm retsart")
    assert caught.value.similar[0] == "vm restart"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("restart vm", ("vm restart",)),
        ("RESTART vm", ("vm restart",)),
        ("vm retsart", ("vm restart",)),
        ("restart web-01", ("vm restart", "container restart")),
        ("vm lsit", ("vm list",)),
        ("vm stop", ("vm info", "vm list", "vm restart")),
        ("hepl", ("help",)),
        ("hlep vm", ("help",)),
        ("conatiner list", ("container list",)),
        ("", ()),
        ("make coffee", ()),
    ],
)
def test_nearest(catalogue: Catalogue, typed: str, expected: tuple[str, ...]) -> None:
    assert catalogue.nearest(typed)[: len(expected) or None] == expected


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ([declare("vm info"), declare("vm info")], "two operations"),
        ([declare("VM info")], "is no name"),
        ([declare("vm info now")], "is no name"),
        ([declare("")], "is no name"),
        ([replace(declare("vm info"), summary=" ")], "no summary"),
        ([declare("vm info", Undescribed)], "no description"),
        ([replace(declare("vm info"), examples=())], "no examples"),
        ([replace(declare("vm info"), examples=("vm list",))], "another operation"),
        ([declare("vm"), declare("vm info")], "noun of others"),
    ],
)
def test_wrong_declarations_stop_start_up(wrong: list[DeskOperation[Params]], complaint: str) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        Catalogue(wrong)


def test_loading_imports_no_sdk() -> None:
    code = (
        "import sys; from andock.catalogue import load_catalogue; load_catalogue();"
        "print([name for name in ('pyVmomi', 'docker', 'slack_sdk', 'slack_bolt', 'rq', 'redis', 'click')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_lists_every_operation_with_its_parameters() -> None:
    command = [sys.executable, "-m", "andock", "operations", "--json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert [one["name"] for one in listed] == [operation.name for operation in load_catalogue()]
    (restart,) = (one for one in listed if one["name"] == "vm restart")
    assert (restart["risk"], restart["backend"]) == ("disruptive", "vsphere")
    assert {"vm", "within", "hard_after"} <= {one["name"] for one in restart["parameters"]}
