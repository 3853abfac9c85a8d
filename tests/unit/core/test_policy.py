"""Decisions: denied unless a rule allows, the first rule that fits, and of many targets the strictest."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from andock.freezes import Freeze
from andock.messages import CLI_TEAM, Actor
from andock.operation import Risk, Target
from andock.policy import (
    EVERYONE,
    NO_RULE,
    Allowed,
    Approvals,
    Decision,
    Denied,
    Group,
    Limit,
    Limits,
    NeedsApproval,
    Policy,
    Question,
    Rule,
    could_allow,
    decide,
    decide_to_show,
    decide_without_target,
)

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
LEAD = Actor(team="T1", user="U0LEAD1", name="lead-1", usergroups=("S0LEADS",))
ANYBODY = Actor(team="T1", user="U0OTHER", name="other")
HOST = Actor(team=CLI_TEAM, user="cli:root", name="root on the host")
POLICY = Policy(
    groups={
        "ops": Group(users=frozenset({"U0OPS1"})),
        "leads": Group(usergroups=frozenset({"S0LEADS"})),
        "host": Group(users=frozenset({"cli:root"})),
    },
    rules=(
        Rule(name="hands off", deny=("vm off",), targets=("prod-db-*",), line=1),
        Rule(
            name="two leads",
            allow=("*",),
            risk=frozenset({Risk.CHANGE, Risk.DISRUPTIVE}),
            environments=frozenset({"prod"}),
            channels=frozenset({"C0OPS"}),
            to=("ops",),
            approvals=Approvals.model_validate({"count": 2, "from": ["leads"]}),
            line=2,
        ),
        Rule(
            name="no other way",
            deny=("*",),
            risk=frozenset({Risk.CHANGE, Risk.DISRUPTIVE}),
            environments=frozenset({"prod"}),
            line=3,
        ),
        Rule(
            name="careful with stage",
            allow=("vm *",),
            environments=frozenset({"stage"}),
            to=("ops", "leads"),
            confirm=True,
            line=4,
        ),
        Rule(name="tagged", allow=("vm on",), labels=frozenset({"team=web"}), to=(EVERYONE,), line=5),
        Rule(name="lab only", allow=("vm reset",), sites=frozenset({"lab"}), to=("leads",), line=6),
        Rule(name="ops rest", allow=("*",), to=("ops", "host"), line=7),
        Rule(name="reads", allow=("*",), risk=frozenset({Risk.READ}), to=(EVERYONE,), line=8),
    ),
)


def vm(name: str, environment: str = "dev", *, site: str = "lab", labels: tuple[str, ...] = ()) -> Target:
    path = f"/DC0/vm/{environment}/{name}"
    return Target(
        kind="vm", site=site, id=f"vm-{name}", name=name, environment=environment, path=path, labels=labels
    )


def ask(actor: Actor, operation: str, risk: Risk = Risk.DISRUPTIVE, channel: str = "C0OPS") -> Question:
    return Question(actor, operation, risk, channel)


def rule_of(decision: Decision) -> str:
    return decision.rule.partition(" (")[0]


@pytest.mark.parametrize(
    ("question", "target", "kind", "rule"),
    [
        (ask(OPS, "vm off"), vm("web-1"), Allowed, "ops rest"),
        (ask(OPS, "vm off"), vm("prod-db-1"), Denied, "hands off"),
        (ask(OPS, "vm off"), vm("PROD-DB-1"), Denied, "hands off"),
        (ask(OPS, "vm restart"), vm("prod-db-1"), Allowed, "ops rest"),
        (ask(OPS, "vm restart"), vm("a", "prod"), NeedsApproval, "two leads"),
        (ask(OPS, "vm restart", channel="C0LAB"), vm("a", "prod"), Denied, "no other way"),
        (ask(LEAD, "vm restart"), vm("a", "prod"), Denied, "no other way"),
        (ask(OPS, "vm info", Risk.READ), vm("a", "prod"), Allowed, "ops rest"),
        (ask(LEAD, "vm restart"), vm("a", "stage"), Allowed, "careful with stage"),
        (ask(ANYBODY, "vm restart"), vm("a", "stage"), Denied, "none"),
        (ask(ANYBODY, "vm on"), vm("a", labels=("team=web", "x=y")), Allowed, "tagged"),
        (ask(ANYBODY, "vm on"), vm("a", labels=("team=db",)), Denied, "none"),
        (ask(LEAD, "vm reset"), vm("a", site="lab"), Allowed, "lab only"),
        (ask(LEAD, "vm reset"), vm("a", site="other"), Denied, "none"),
        (ask(ANYBODY, "vm info", Risk.READ), vm("a"), Allowed, "reads"),
        (ask(HOST, "vm restart"), vm("a"), Allowed, "ops rest"),
    ],
)
def test_the_first_rule_that_fits_decides(
    question: Question, target: Target, kind: type[Decision], rule: str
) -> None:
    decision = decide(POLICY, question, (target,))

    assert isinstance(decision, kind)
    assert rule_of(decision) == rule


def test_what_no_rule_allows_is_denied_and_says_so() -> None:
    assert decide(POLICY, ask(ANYBODY, "vm off"), (vm("a"),)) == Denied("none", NO_RULE)


def test_a_policy_without_rules_denies() -> None:
    assert decide(Policy(), ask(OPS, "vm info", Risk.READ), (vm("a"),)) == Denied("none", NO_RULE)


def test_a_decision_names_its_rule_with_file_and_line() -> None:
    assert decide(POLICY, ask(OPS, "vm off"), (vm("prod-db-1"),)).rule == "hands off (policy.yaml:1)"


def test_a_confirming_rule_allows_after_a_go_ahead_only() -> None:
    decision = decide(POLICY, ask(LEAD, "vm restart"), (vm("a", "stage"),))

    assert decision == Allowed("careful with stage (policy.yaml:4)", confirm=True)


@pytest.mark.parametrize("glob", ["prod-*", "/DC0/vm/dev/prod-a", "VM-PROD-A"])
def test_a_denial_of_any_of_a_targets_names_denies_it(glob: str) -> None:
    policy = Policy(rules=(Rule(name="no", deny=("*",), targets=(glob,)), Rule(name="yes", allow=("*",))))

    assert isinstance(decide(policy, ask(OPS, "vm off"), (vm("prod-a"),)), Denied)


def test_everyone_means_everyone_in_slack_and_nobody_on_the_host() -> None:
    policy = Policy(rules=(Rule(name="all", allow=("*",), to=(EVERYONE,)),))

    assert isinstance(decide(policy, ask(HOST, "vm info", Risk.READ), (vm("a"),)), Denied)


def test_several_targets_are_judged_by_the_strictest() -> None:
    targets = (vm("a"), vm("b", "prod"), vm("c", "stage"))

    assert isinstance(decide(POLICY, ask(OPS, "vm restart"), targets), NeedsApproval)


def test_one_denied_target_refuses_all() -> None:
    targets = (vm("a"), vm("prod-db-1"), vm("c", "prod"))

    assert isinstance(decide(POLICY, ask(OPS, "vm off"), targets), Denied)


def test_before_targets_are_known_only_what_nothing_could_allow_is_denied() -> None:
    assert isinstance(could_allow(POLICY, ask(OPS, "vm off")), Allowed)
    assert isinstance(could_allow(POLICY, ask(LEAD, "vm restart")), Allowed)
    assert isinstance(could_allow(POLICY, ask(ANYBODY, "container stop")), Denied)


def test_the_desk_itself_is_denied_by_default_too() -> None:
    assert isinstance(decide_without_target(POLICY, ask(ANYBODY, "halt", Risk.CHANGE)), Denied)
    assert isinstance(decide_without_target(POLICY, ask(OPS, "halt", Risk.CHANGE)), Allowed)


@pytest.mark.parametrize(
    ("question", "targets", "shown"),
    [
        (ask(ANYBODY, "vm restart"), (vm("a", "prod"),), True),  # who may not do it, but read
        (ask(OPS, "vm off"), (vm("a"),), True),
        (ask(OPS, "vm off"), (vm("a"), vm("prod-db-1")), False),
        (ask(HOST, "vm info", Risk.READ), (vm("a"),), True),
        (ask(ANYBODY, "vm info", Risk.READ), (), True),
        (ask(Actor(team=CLI_TEAM, user="cli:x", name="x"), "vm info", Risk.READ), (), False),
    ],
)
def test_what_became_of_a_request_is_shown_to_who_may_read_there_or_do_it(
    question: Question, targets: tuple[Target, ...], shown: bool
) -> None:
    assert isinstance(decide_to_show(POLICY, question, targets), Denied) is not shown


def test_limits_and_freezes_hide_nothing() -> None:
    only_on = Rule(name="on", allow=("vm on",), risk=frozenset({Risk.CHANGE}), to=("ops",))
    policy = Policy(
        groups=POLICY.groups,
        rules=(only_on,),
        limits=Limits(user=Limit(targets=1)),
        freezes=(
            Freeze.model_validate({"name": "long", "from": "2020-01-01T00:00", "to": "2090-01-01T00:00"}),
        ),
    )
    question = replace(ask(OPS, "vm on", Risk.CHANGE), now=time.time())

    assert isinstance(decide(policy, question, (vm("a"),)), Denied)
    assert isinstance(decide(policy, question, (vm("a"), vm("b"))), Denied)
    assert isinstance(decide_to_show(policy, question, (vm("a"), vm("b"))), Allowed)
