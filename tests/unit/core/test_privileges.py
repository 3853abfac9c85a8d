from __future__ import annotations

import pytest

from andock.catalogue import load_catalogue
from andock.operation import Backend, Change, Risk
from andock.patterns import Globs
from andock.policy import Policy, Rule
from andock.privileges import CANCEL, NEEDED, operations_allowed, privileges_for


def test_every_change_on_a_vcenter_says_what_the_account_needs() -> None:
    changes = {
        one.name for one in load_catalogue() if isinstance(one, Change) and one.backend is Backend.VSPHERE
    }
    assert set(NEEDED) == changes
    assert all(NEEDED.values())


def test_a_read_needs_nothing_and_a_change_can_be_cancelled() -> None:
    assert privileges_for("vm info") == ()
    assert privileges_for("vm on") == ("VirtualMachine.Interact.PowerOn", CANCEL)


def allowed(*rules: Rule) -> set[str]:
    return {one.name for one in operations_allowed(Policy(rules=rules), load_catalogue(), "lab")}


def rule(**fields: object) -> Rule:
    globs = {name: Globs(value) for name, value in fields.items() if name in {"allow", "deny"}}  # type: ignore[arg-type]  # tuples of text
    return Rule.model_validate({"name": "r", **fields, **globs})


@pytest.mark.parametrize(
    ("rules", "on"),
    [
        ((rule(allow=("vm *",)),), True),
        ((rule(allow=("VM ON",)),), True),
        ((rule(allow=("vm *",), risk=frozenset({Risk.READ})),), False),
        ((rule(allow=("vm *",), sites=frozenset({"other"})),), False),
        ((rule(deny=("vm on",)), rule(allow=("*",))), False),
        ((rule(deny=("vm on",), environments=frozenset({"prod"})), rule(allow=("*",))), True),
        ((rule(deny=("vm on",), to=("guests",)), rule(allow=("*",))), True),
        ((), False),
    ],
)
def test_an_operation_counts_if_a_rule_lets_somebody_do_it_somewhere(
    rules: tuple[Rule, ...], on: bool
) -> None:
    assert ("vm on" in allowed(*rules)) is on
