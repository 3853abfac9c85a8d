"""What holds for every policy, person and target: nothing added, and nothing unknown, loosens a decision."""

from __future__ import annotations

from dataclasses import replace

from andock.operation import Target
from andock.policy import (
    Allowed,
    Denied,
    Limit,
    Limits,
    NeedsApproval,
    Policy,
    Question,
    Rule,
    could_allow,
    decide,
    decide_without_target,
    strictness,
)
from tests.unit.core.rulebooks import (
    NOW,
    for_all,
    grown_old,
    memberships,
    policies,
    questions,
    rules,
    several,
    targets,
)


@for_all(policies, questions, several, targets)
def test_one_target_more_never_loosens_a_decision(
    policy: Policy, question: Question, some: list[Target], one_more: Target
) -> None:
    before = decide(policy, question, some)
    after = decide(policy, question, [*some, one_more])

    assert strictness(after) >= strictness(before)


@for_all(policies, questions, several, targets)
def test_one_target_more_never_takes_an_approval_away(
    policy: Policy, question: Question, some: list[Target], one_more: Target
) -> None:
    before = decide(policy, question, some)
    after = decide(policy, question, [*some, one_more])

    if isinstance(before, NeedsApproval) and isinstance(after, NeedsApproval):
        assert set(before.needs) <= set(after.needs)


@for_all(policies, questions, several)
def test_many_are_as_strict_as_the_strictest_of_them(
    policy: Policy, question: Question, some: list[Target]
) -> None:
    each = [strictness(decide(policy, question, (target,))) for target in some]

    assert strictness(decide(policy, question, some)) == max(each)


@for_all(policies, questions, targets)
def test_what_is_allowed_is_allowed_by_allowing_rules_of_the_policy(
    policy: Policy, question: Question, target: Target
) -> None:
    decision = decide(policy, question, (target,))

    allowing = {policy.place(rule) for rule in policy.rules if rule.allow}
    assert isinstance(decision, Denied) or set(decision.rule.split(", ")) <= allowing


@for_all(policies, questions, targets)
def test_what_is_denied_before_the_target_is_known_is_denied_on_every_target(
    policy: Policy, question: Question, target: Target
) -> None:
    for asked in (question, grown_old(question)):
        for typed in (asked, replace(asked, params=None)):
            if isinstance(could_allow(policy, typed), Denied):
                assert isinstance(decide(policy, asked, (target,)), Denied)


@for_all(policies, questions, targets)
def test_what_is_denied_on_a_target_before_it_is_typed_is_denied_there(
    policy: Policy, question: Question, target: Target
) -> None:
    for asked in (question, grown_old(question)):
        if isinstance(could_allow(policy, replace(asked, params=None), target=target), Denied):
            assert isinstance(decide(policy, asked, (target,)), Denied)


@for_all(policies, questions)
def test_what_is_denied_at_the_desk_before_it_is_typed_is_denied_at_the_desk(
    policy: Policy, question: Question
) -> None:
    if isinstance(could_allow(policy, replace(question, params=None), desk=True), Denied):
        assert isinstance(decide_without_target(policy, question), Denied)


@for_all(policies, rules(), questions, targets)
def test_a_denial_put_first_never_loosens_a_decision(
    policy: Policy, rule: Rule, question: Question, target: Target
) -> None:
    if rule.deny:
        stricter = policy.model_copy(update={"rules": (rule, *policy.rules)})
        before, after = decide(policy, question, (target,)), decide(stricter, question, (target,))

        assert strictness(after) >= strictness(before)


# --- what is not known ------------------------------------------------------------------------------------


@for_all(policies, questions, memberships, several)
def test_old_memberships_are_at_least_as_strict_as_fresh_ones_whatever_slack_would_say(
    policy: Policy, question: Question, known: tuple[str, ...], some: list[Target]
) -> None:
    question = replace(question, emergency=False)
    fresh, old = decide(policy, question, some), decide(policy, grown_old(question, groups=known), some)

    assert strictness(old) >= strictness(fresh)
    if isinstance(fresh, NeedsApproval) and isinstance(old, NeedsApproval):
        assert set(fresh.needs) <= set(old.needs)


@for_all(policies, questions, memberships, several)
def test_a_decision_that_fresh_memberships_could_change_says_how_old_they_are(
    policy: Policy, question: Question, known: tuple[str, ...], some: list[Target]
) -> None:
    fresh, old = decide(policy, question, some), decide(policy, grown_old(question, groups=known), some)

    assert fresh.as_of is None
    if replace(old, as_of=None) != fresh:
        assert old.as_of == NOW - 1200


@for_all(policies, questions, several)
def test_parameters_that_are_not_known_are_at_least_as_strict_as_any(
    policy: Policy, question: Question, some: list[Target]
) -> None:
    question = replace(question, emergency=False)
    known, unknown = decide(policy, question, some), decide(policy, replace(question, params=None), some)

    assert strictness(unknown) >= strictness(known)


# --- break-glass ------------------------------------------------------------------------------------------


@for_all(policies, questions, several)
def test_break_glass_gets_past_approvals_and_past_no_denial(
    policy: Policy, question: Question, some: list[Target]
) -> None:
    calm = decide(policy, replace(question, emergency=False), some)
    hasty = decide(policy, replace(question, emergency=True), some)

    if not isinstance(calm, NeedsApproval):
        assert hasty == calm
    elif isinstance(hasty, Allowed):
        assert hasty.emergency == calm.break_glass
        assert hasty.emergency is not None
    else:
        assert hasty == calm


@for_all(policies, questions, several)
def test_only_who_is_in_its_group_as_last_known_breaks_the_glass(
    policy: Policy, question: Question, some: list[Target]
) -> None:
    for asked in (replace(question, emergency=True), grown_old(replace(question, emergency=True))):
        decision = decide(policy, asked, some)
        if isinstance(decision, Allowed) and decision.emergency is not None:
            groups = [policy.groups[name] for name in decision.emergency.to]
            assert any(
                asked.actor.user in group.users or not group.usergroups.isdisjoint(asked.actor.usergroups)
                for group in groups
            )


@for_all(policies, questions, several)
def test_in_an_emergency_old_memberships_allow_no_more_than_the_same_ones_fresh(
    policy: Policy, question: Question, some: list[Target]
) -> None:
    question = replace(question, emergency=True)
    fresh, old = decide(policy, question, some), decide(policy, grown_old(question), some)

    assert strictness(old) >= strictness(fresh)


# --- limits -----------------------------------------------------------------------------------------------


@for_all(policies, questions, several)
def test_more_targets_than_the_limit_are_denied_and_fewer_are_as_without_it(
    policy: Policy, question: Question, some: list[Target]
) -> None:
    limited = policy.model_copy(update={"limits": Limits(user=Limit(targets=2), channel=Limit(targets=3))})

    decision = decide(limited, question, some)

    if len({target.key for target in some}) > 2:
        assert isinstance(decision, Denied)
        assert decision.rule.startswith("limits (")
    else:
        assert decision == decide(policy, question, some)
