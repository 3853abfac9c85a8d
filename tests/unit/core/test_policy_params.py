"""Rules about parameters, and several rules at once: what each asks for is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from andock.conditions import Bounds, fits, implies
from andock.messages import Actor
from andock.operation import Risk, Target
from andock.patterns import Globs, covers
from andock.policy import (
    Allowed,
    Approvals,
    BreakGlass,
    Denied,
    Group,
    NeedsApproval,
    Policy,
    Question,
    Rule,
    could_allow,
    decide,
)

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
GROUPS = {"ops": Group(users=frozenset({"U0OPS1"})), "dba": Group(users=frozenset({"U0DBA1"}))}
LEADS = Approvals.model_validate({"count": 2, "from": ["leads"]})
DBA = Approvals.model_validate({"count": 1, "from": ["dba"], "within": "1h"})


def target(environment: str, name: str = "web-1") -> Target:
    return Target(kind="vm", site="lab", id=f"{environment}-{name}", name=name, environment=environment)


def ask(params: dict[str, Any] | None, *rules: Rule) -> Allowed | NeedsApproval | Denied:
    question = Question(OPS, "container run", Risk.CHANGE, "C0OPS", params=params)
    return decide(Policy(groups=GROUPS, rules=rules), question, (target("dev"),))


def allow(**params: Any) -> Rule:
    return Rule(name="allow", allow=("*",), params=params)


def deny(**params: Any) -> Rule:
    return Rule(name="deny", deny=("*",), params=params)


ALL = Rule(name="all", allow=("*",))


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        (True, True, True),
        (True, False, False),
        (True, 1, False),
        (False, False, True),
        (["registry.lab:5000/team/*"], "registry.lab:5000/team/web:2", True),
        (["registry.lab:5000/team/*"], "Registry.Lab:5000/Team/web:2", True),
        (["registry.lab:5000/team/*"], "docker.io/library/web", False),
        (["a", "b?"], "bx", True),
        (["*"], None, False),
        ({"max": 5}, 5, True),
        ({"max": 5}, 5.5, False),
        ({"min": 2, "max": 5}, 1, False),
        ({"min": 2}, 2, True),
        ({"max": 5}, True, False),
        ({"max": 5}, None, False),
        ({"max": "10m"}, "PT10M", True),
        ({"max": "10m"}, "PT601S", False),
        ({"min": "0s"}, None, False),
        ({"min": "0s"}, "P1DT2H", True),
    ],
)
def test_a_condition_speaks_of_the_value_as_a_request_carries_it(
    condition: Any, value: Any, *, holds: bool
) -> None:
    assert isinstance(ask({"x": value}, allow(x=condition)), Allowed) is holds


def test_an_allowance_needs_all_values_to_fit_and_a_denial_one() -> None:
    mounts = ["/data/a", "/etc"]

    assert isinstance(ask({"mount": mounts}, allow(mount=["/data/*"])), Denied)
    assert isinstance(ask({"mount": mounts[:1]}, allow(mount=["/data/*"])), Allowed)
    assert isinstance(ask({"mount": mounts}, deny(mount=["/etc*"]), ALL), Denied)
    assert isinstance(ask({"mount": []}, deny(mount=["*"]), ALL), Allowed)


def test_all_parameters_that_a_rule_names_must_fit() -> None:
    both = allow(force=True, count={"max": 2})

    assert isinstance(ask({"force": True, "count": 2}, both), Allowed)
    assert isinstance(ask({"force": True, "count": 3}, both), Denied)


def test_a_rule_with_parameters_passes_over_an_operation_that_has_none_of_them() -> None:
    assert isinstance(ask({}, deny(force=True), ALL), Allowed)


def test_before_they_are_typed_parameters_could_be_any() -> None:
    question = Question(OPS, "container run", Risk.CHANGE, "C0OPS", params=None)

    def could(*rules: Rule) -> bool:
        return isinstance(could_allow(Policy(groups=GROUPS, rules=rules), question), Allowed)

    assert could(deny(force=True), allow(force=False))
    assert not could(deny(force=True))


def test_on_a_known_target_rules_about_others_do_not_count_and_parameters_stay_open() -> None:
    question = Question(OPS, "container run", Risk.CHANGE, "C0OPS", params=None)
    dev, prod = target("dev"), target("prod")

    def may(target: Target, *rules: Rule) -> bool:
        policy = Policy(groups=GROUPS, rules=rules)
        return isinstance(could_allow(policy, question, target=target), Allowed)

    only_dev = Rule(name="dev", allow=("*",), environments=frozenset({"dev"}))
    never_prod = Rule(name="prod", deny=("*",), environments=frozenset({"prod"}))
    assert (may(dev, only_dev), may(prod, only_dev)) == (True, False)
    assert (may(dev, never_prod, ALL), may(prod, never_prod, ALL)) == (True, False)
    assert may(dev, deny(version=["latest"]), ALL)
    assert may(dev, allow(version=["v*"]))


@pytest.mark.parametrize(
    ("narrow", "wide", "implied"),
    [
        (True, True, True),
        (True, False, False),
        (Globs(["team/web-*"]), Globs(["x", "team/*"]), True),
        (Globs(["team/*", "y"]), Globs(["team/*"]), False),
        (Bounds(min=2, max=4), Bounds(max=5), True),
        (Bounds(min=2), Bounds(max=5), False),
        (Bounds(max=timedelta(minutes=5)), Bounds(max=timedelta(hours=1)), True),
        (True, Globs(["*"]), False),
    ],
)
def test_one_condition_implies_another_only_if_it_is_sure_to(
    narrow: Any, wide: Any, *, implied: bool
) -> None:
    assert implies(narrow, wide) is implied


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("*", "[ab]?", True),
        ("prod-*", "PROD-db-*", True),
        ("*-db-*", "prod-db-1", True),
        ("prod-?", "prod-1", True),
        ("prod-?", "prod-*", False),
        ("prod-*", "prod*", False),
        ("*a*", "[ab]x", False),
        ("[ab]x", "[ab]x", True),
        ("*]x", "[ab]x", False),
        ("prod-db-1", "prod-db-?", False),
    ],
)
def test_one_pattern_covers_another_only_if_it_is_sure_to(wide: str, narrow: str, *, covered: bool) -> None:
    assert covers(wide, narrow) is covered


def test_a_value_given_twice_is_judged_in_full() -> None:
    assert fits(Globs(["a"]), ["a", "b"], every=False)
    assert not fits(Globs(["a"]), ["a", "b"], every=True)


# --- several rules at once --------------------------------------------------------------------------------

PROD = Rule(name="prod", allow=("*",), environments={"prod"}, approvals=LEADS, line=1)
DATA = Rule(name="data", allow=("*",), environments={"data"}, approvals=DBA, line=2)
STAGE = Rule(name="stage", allow=("*",), environments={"stage"}, confirm=True, line=3)
REST = Rule(name="rest", allow=("*",), environments={"dev"}, line=4)


def over(
    *environments: str, emergency: bool = False, rules: tuple[Rule, ...] = (PROD, DATA, STAGE, REST)
) -> Any:
    question = Question(OPS, "vm off", Risk.DISRUPTIVE, "C0OPS", emergency=emergency)
    return decide(Policy(groups=GROUPS, rules=rules), question, [target(name) for name in environments])


def test_each_rules_approvals_are_asked_for_and_all_rules_are_named() -> None:
    decision = over("prod", "dev", "data", "stage")

    assert decision == NeedsApproval("prod (policy.yaml:1), data (policy.yaml:2)", (LEADS, DBA))


def test_the_same_approvals_are_asked_for_once() -> None:
    twin = Rule(name="twin", allow=("*",), environments={"twin"}, approvals=LEADS, line=5)

    assert over("prod", "twin", rules=(PROD, twin)).needs == (LEADS,)


def test_one_target_to_look_at_asks_for_a_look_at_all() -> None:
    assert over("dev", "stage") == Allowed("stage (policy.yaml:3)", confirm=True)


def test_one_denied_target_refuses_those_that_need_approval() -> None:
    assert isinstance(over("prod", "nowhere"), Denied)


def glass(rule: Rule, *to: str, tell: str, review: str) -> Rule:
    broken = BreakGlass.model_validate({"to": to, "tell": [tell], "review": review})
    return rule.model_copy(update={"break_glass": broken})


def test_the_glass_of_several_rules_is_broken_only_by_who_may_break_each() -> None:
    prod, data = glass(PROD, "ops", tell="leads", review="24h"), glass(DATA, "dba", tell="C0DB", review="2h")

    decision = over("prod", "data", emergency=True, rules=(prod, data))

    assert isinstance(decision, NeedsApproval)
    assert decision.break_glass == BreakGlass(
        to=("ops", "dba"), tell=("leads", "C0DB"), review=timedelta(hours=2)
    )
    data = glass(DATA, "dba", "ops", tell="C0DB", review="2h")
    decision = over("prod", "data", emergency=True, rules=(prod, data))
    assert decision.emergency.tell == ("leads", "C0DB")
    assert decision.rule == "prod (policy.yaml:1), data (policy.yaml:2)"


def test_there_is_no_glass_where_one_rule_has_none() -> None:
    decision = over(
        "prod", "data", emergency=True, rules=(glass(PROD, "ops", tell="leads", review="1h"), DATA)
    )

    assert isinstance(decision, NeedsApproval)
    assert decision.break_glass is None


def test_in_an_emergency_a_plan_that_is_to_be_looked_at_still_is() -> None:
    prod = glass(PROD, "ops", tell="leads", review="1h")

    assert over("prod", "stage", emergency=True, rules=(prod, STAGE)).confirm
    assert not over("prod", emergency=True, rules=(prod, STAGE)).confirm


def test_asked_as_an_emergency_where_nothing_stands_in_the_way_nothing_is_broken() -> None:
    assert over("dev", emergency=True) == Allowed("rest (policy.yaml:4)")
