"""Who may do what to which targets: pure decisions over rules. First match wins, no match denies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from andock.decisions import Allowed, Approvals, BreakGlass, Decision, Denied, NeedsApproval
from andock.freezes import Freeze, freeze_decision
from andock.operation import Risk, Target
from andock.reading import (
    FRESH,
    Belonging,
    Fit,
    Question,
    Reading,
    asked_by,
    belonging,
    may_break,
    on_topic,
    read_rules,
    speaks_of,
    typed_as,
)
from andock.rulebook import EVERYONE, Group, Limit, Limits, Policy, Rule

__all__ = [
    "EVERYONE",
    "FRESH",
    "NO_RULE",
    "Allowed",
    "Approvals",
    "BreakGlass",
    "Decision",
    "Denied",
    "Group",
    "Limit",
    "Limits",
    "NeedsApproval",
    "Policy",
    "Question",
    "Rule",
    "could_allow",
    "decide",
    "decide_to_show",
    "decide_without_target",
    "strictness",
]
NO_RULE = "no rule matches, and what no rule allows is denied"


def decide(
    policy: Policy, question: Question, targets: Sequence[Target], freezes: Sequence[Freeze] = ()
) -> Decision:
    """The decision on resolved targets: the strictest over all of them, and one denial refuses all.

    `freezes` are those added by command; those of policy.yaml count in any case.
    """
    groups = belonging(policy, question)
    decision = _decide_by_rules(policy, question, targets)
    for environment in dict.fromkeys(target.environment for target in targets):
        decision = freeze_decision(
            decision,
            (*policy.freezes, *freezes),
            environment=environment,
            operation=question.operation,
            risk=question.risk,
            belongs=lambda group: groups[group] is Fit.YES,
            now=question.now,
        )
    return decision


def _decide_by_rules(policy: Policy, question: Question, targets: Sequence[Target]) -> Decision:
    most, count = policy.limits.targets, len({target.key for target in targets})
    if most is not None and count > most:
        place = f"limits ({policy.source}:{policy.limits.line})"
        return Denied(place, f"these are {count} targets, and one request may have {most}")
    return _judge(policy, question, targets)


def decide_without_target(policy: Policy, question: Question) -> Decision:
    """The decision on an operation of Andock's own desk, which has no target."""
    return _combine(policy, question, [read_rules(policy, question, None, belonging(policy, question))])


def could_allow(
    policy: Policy, question: Question, *, desk: bool = False, target: Target | None = None
) -> Decision:
    """Before targets or parameters are known: denied only if no rule could allow it on any target.

    An operation of Andock's own `desk` has no target, so no rule about targets ever speaks of it. Where a
    `target` is given, denied only if no rule could allow it on this one, whatever the parameters.
    """
    names = tuple(name.casefold() for name in target.names) if target is not None else ()
    groups = belonging(policy, question)
    last_known = belonging(policy, replace(question, now=question.actor.groups_at))
    old = False
    for rule in policy.rules:
        if not on_topic(rule, question) or (desk and rule.about_targets):
            continue
        if target is not None and not speaks_of(rule, target, names):
            continue
        asked, typed = asked_by(rule, groups), typed_as(rule, question)
        if question.emergency and may_break(rule, last_known):
            asked = Fit.YES
        if asked is Fit.NO or typed is Fit.NO:
            continue
        old = old or asked is Fit.UNSURE
        if rule.allow and asked is Fit.YES:
            return Allowed(policy.place(rule))
        if rule.deny and typed is Fit.YES and (target is not None or not rule.about_targets):
            return _denial(policy, question, rule, old=old)
    return _denial(policy, question, None, old=old)


def decide_to_show(
    policy: Policy, question: Question, targets: Sequence[Target], *, desk: bool = False
) -> Decision:
    """Whether what became of an earlier request may be shown now: to whoever may read there, or do it.

    `question` is about that request's operation, and about who wants to see it. Without `targets`, denied
    only if no rule could allow it on any. Limits and freezes are about doing, and hide nothing.
    """
    decision: Decision = Denied("none", NO_RULE)
    for risk in dict.fromkeys((Risk.READ, question.risk)):
        asked = replace(question, risk=risk)
        decision = _judge(policy, asked, targets) if targets else could_allow(policy, asked, desk=desk)
        if not isinstance(decision, Denied):
            break
    return decision


def strictness(decision: Decision) -> int:
    """Orders decisions: of many, the strictest decides."""
    match decision:
        case Denied():
            return 3
        case NeedsApproval():
            return 2
        case Allowed(confirm=True):
            return 1
        case Allowed():
            return 0


# --- of several targets and rules, one decision -----------------------------------------------------------


def _judge(policy: Policy, question: Question, targets: Sequence[Target]) -> Decision:
    """What the rules say of all targets together, in an emergency with what they then let pass."""
    groups = belonging(policy, question)
    if question.emergency:
        last_known = belonging(policy, replace(question, now=question.actor.groups_at))
        granted = _break_glass(policy, question, targets, groups, last_known)
        if granted is not None:
            return granted
    readings = [read_rules(policy, question, target, groups) for target in targets]
    decision = _combine(policy, question, readings)
    glass = decision.break_glass if isinstance(decision, NeedsApproval) and question.emergency else None
    if glass is not None and any(groups[name] is Fit.UNSURE for name in glass.to):
        return replace(decision, as_of=question.actor.groups_at)
    return decision


def _combine(policy: Policy, question: Question, readings: Sequence[Reading]) -> Decision:
    """One denial refuses all; all that is asked for is asked for."""
    for reading in readings:
        if reading.rule is None or reading.rule.deny:
            return _denial(policy, question, reading.rule, old=reading.old)
    rules = _distinct(readings)
    if not rules:
        return Denied("none", NO_RULE)
    as_of = question.actor.groups_at if any(reading.old for reading in readings) else None
    needing = [rule for rule in rules if rule.approvals is not None]
    confirming = [rule for rule in rules if rule.confirm]
    if needing:
        needs = dict.fromkeys(rule.approvals for rule in needing if rule.approvals is not None)
        return NeedsApproval(_places(policy, needing), tuple(needs), _joint(needing), as_of)
    return Allowed(policy.place((confirming or rules)[0]), confirm=bool(confirming), as_of=as_of)


def _break_glass(
    policy: Policy,
    question: Question,
    targets: Sequence[Target],
    groups: Belonging,
    last_known: Belonging,
) -> Allowed | None:
    """Leave to go ahead at once, if the asker may break the glass of every rule that asks for approvals.

    Who may is judged by what was last known of user groups, however long ago: Slack being away must not
    keep the person on call from acting.
    """
    readings = [read_rules(policy, question, target, groups, last_known) for target in targets]
    if any(reading.rule is None or reading.rule.deny for reading in readings):
        return None
    rules = _distinct(readings)
    needing = [rule for rule in rules if rule.approvals is not None]
    glass = _joint(needing)
    if glass is None or not all(may_break(rule, last_known) for rule in needing):
        return None
    as_of = question.actor.groups_at if any(reading.old for reading in readings) else None
    return Allowed(_places(policy, needing), any(rule.confirm for rule in rules), glass, as_of)


def _joint(rules: Sequence[Rule]) -> BreakGlass | None:
    """The break-glass of all these rules together; None unless each has one."""
    glasses = [rule.break_glass for rule in rules if rule.break_glass is not None]
    if not glasses or len(glasses) < len(rules):
        return None
    return BreakGlass(
        to=tuple(dict.fromkeys(name for glass in glasses for name in glass.to)),
        tell=tuple(dict.fromkeys(name for glass in glasses for name in glass.tell)),
        review=min(glass.review for glass in glasses),
    )


def _denial(policy: Policy, question: Question, rule: Rule | None, *, old: bool) -> Denied:
    as_of = question.actor.groups_at if old else None
    if rule is None:
        return Denied("none", NO_RULE, as_of)
    return Denied(policy.place(rule), f"`{question.operation}` is denied to you here", as_of)


def _distinct(readings: Sequence[Reading]) -> list[Rule]:
    """Every rule that has a say, once, in the order in which they were met."""
    met = {id(rule): rule for reading in readings for rule in (reading.rule, *reading.unsure) if rule}
    return list(met.values())


def _places(policy: Policy, rules: Sequence[Rule]) -> str:
    return ", ".join(policy.place(rule) for rule in rules)
