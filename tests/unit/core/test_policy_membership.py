"""Old memberships: who is in a user group is judged both ways, the stricter counts, and one reads its age."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from andock.messages import CLI_TEAM, HOOK_TEAM, Actor
from andock.operation import Risk, Target
from andock.policy import (
    EVERYONE,
    FRESH,
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
from andock.verdicts import explain, refusal

NOW = 1_800_000_000.0
OLD = NOW - FRESH - 1
GROUPS = {
    "ops": Group(users=frozenset({"U0OPS1"}), usergroups=frozenset({"S0OPS"})),
    "oncall": Group(usergroups=frozenset({"S0CALL"})),
    "guests": Group(usergroups=frozenset({"S0GUESTS"})),
    "leads": Group(users=frozenset({"U0LEAD1"})),
}
TWO_LEADS = Approvals.model_validate({"count": 2, "from": ["leads"]})
GLASS = BreakGlass(to=("oncall",), tell=("leads", "C0OPS"))
WEB = Target(kind="vm", site="lab", id="vm-1", name="web-1", environment="prod")


def actor(user: str = "U0OPS2", *usergroups: str, at: float = OLD) -> Actor:
    return Actor(team="T1", user=user, name=user, usergroups=usergroups, groups_at=at)


def ask(who: Actor, *rules: Rule, emergency: bool = False) -> Allowed | NeedsApproval | Denied:
    policy = Policy(groups=GROUPS, rules=rules)
    question = Question(who, "vm off", Risk.DISRUPTIVE, "C0OPS", now=NOW, emergency=emergency)
    decision = decide(policy, question, (WEB,))
    if not isinstance(decision, Denied):
        assert not isinstance(could_allow(policy, question), Denied)
    return decision


OPS_MAY = Rule(name="ops may", allow=("*",), to=("ops",))
EVERYONE_MAY = Rule(name="everyone may", allow=("*",), to=(EVERYONE,))
GUESTS_MAY_NOT = Rule(name="guests may not", deny=("*",), to=("guests",))
OPS_ASK = Rule(name="ops ask", allow=("*",), to=("ops",), approvals=TWO_LEADS)
OPS_LOOK = Rule(name="ops look", allow=("*",), to=("ops",), confirm=True)
ON_CALL_MAY = Rule(name="on call", allow=("*",), to=("ops",), approvals=TWO_LEADS, break_glass=GLASS)


def test_for_fifteen_minutes_slacks_word_counts() -> None:
    assert ask(actor("U0OPS2", "S0OPS", at=NOW - FRESH), OPS_MAY) == Allowed("ops may (policy.yaml:0)")


def test_after_that_a_user_group_allows_nothing_and_the_denial_says_how_old_it_is() -> None:
    decision = ask(actor("U0OPS2", "S0OPS"), OPS_MAY)

    assert isinstance(decision, Denied)
    assert decision.as_of == OLD


def test_a_person_whom_the_policy_names_is_allowed_all_the_same_and_unmarked() -> None:
    assert ask(actor("U0OPS1"), OPS_MAY) == Allowed("ops may (policy.yaml:0)")


@pytest.mark.parametrize(
    "outside",
    [
        Actor(team=CLI_TEAM, user="cli:root", name="root"),
        Actor(team=HOOK_TEAM, user="hook:ci", name="hook ci for ops-1", author="T1/U0OPS1"),
    ],
)
def test_who_asks_on_the_host_and_a_hook_are_in_no_user_group_and_not_everyone(outside: Actor) -> None:
    assert isinstance(ask(outside, GUESTS_MAY_NOT, Rule(name="all", allow=("*",))), Allowed)
    assert isinstance(ask(outside, EVERYONE_MAY, OPS_MAY), Denied)


def test_a_user_group_on_a_denial_counts_as_matching() -> None:
    decision = ask(actor("U0OPS2"), GUESTS_MAY_NOT, EVERYONE_MAY)

    assert isinstance(decision, Denied)
    assert decision.rule.startswith("guests may not")
    assert decision.as_of == OLD


def test_an_allowance_that_no_user_group_decides_is_unmarked() -> None:
    assert ask(actor("U0OPS2"), EVERYONE_MAY, GUESTS_MAY_NOT).as_of is None


@pytest.mark.parametrize("groups", [(), ("S0OPS",)])
def test_what_a_rule_asks_for_is_asked_for_if_it_may_be_the_one(groups: tuple[str, ...]) -> None:
    decision = ask(actor("U0OPS2", *groups), OPS_ASK, EVERYONE_MAY)

    assert decision == NeedsApproval("ops ask (policy.yaml:0)", (TWO_LEADS,), as_of=OLD)
    assert ask(actor("U0OPS2", *groups), OPS_LOOK, EVERYONE_MAY) == Allowed(
        "ops look (policy.yaml:0)", confirm=True, as_of=OLD
    )


def test_the_person_on_call_as_last_known_breaks_the_glass() -> None:
    decision = ask(actor("U0OPS2", "S0OPS", "S0CALL"), ON_CALL_MAY, emergency=True)

    assert decision == Allowed("on call (policy.yaml:0)", emergency=GLASS, as_of=OLD)


def test_who_was_not_on_call_when_last_known_does_not() -> None:
    assert isinstance(ask(actor("U0OPS2", "S0OPS"), ON_CALL_MAY, emergency=True), Denied)
    assert isinstance(ask(actor("U0OPS1", at=NOW), ON_CALL_MAY, emergency=True), NeedsApproval)


def test_a_denial_stands_in_the_way_of_the_glass_whoever_may_be_meant_by_it() -> None:
    decision = ask(actor("U0OPS2", "S0OPS", "S0CALL"), GUESTS_MAY_NOT, ON_CALL_MAY, emergency=True)

    assert isinstance(decision, Denied)


def test_a_membership_that_nobody_knows_is_old_and_says_so() -> None:
    decision = ask(actor("U0OPS2", at=0.0), OPS_MAY)

    assert isinstance(decision, Denied)
    assert "not known at present" in refusal(decision).sentence


def test_people_read_how_old_the_membership_is() -> None:
    today = time.time() // 86_400 * 86_400 + 10 * 3600 + 2 * 60  # 10:02 UTC
    denied = ask(actor("U0OPS2", "S0OPS"), OPS_MAY)
    needed = ask(actor("U0OPS2"), OPS_ASK, EVERYONE_MAY)
    assert isinstance(denied, Denied)
    assert isinstance(needed, NeedsApproval)

    denied, needed = replace(denied, as_of=today), replace(needed, as_of=today)

    assert "; membership as of 10:02 UTC (rule: none)" in refusal(denied).sentence
    assert "; membership as of 10:02 UTC (rule: ops ask" in refusal(needed).sentence
    assert "; membership as of 10:02 UTC" in explain("can-i vm off web-1", denied).summary
    assert "; membership as of 10:02 UTC" in explain("can-i vm off web-1", needed).summary
    yesterday = replace(denied, as_of=today - 86_400)
    assert "; membership as of 10:02 UTC on 20" in refusal(yesterday).sentence
