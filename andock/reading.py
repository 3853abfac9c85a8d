"""What the rules say of one target: which of them matches, and which may match as far as is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from pydantic import JsonValue

from andock.conditions import fits
from andock.messages import Actor
from andock.operation import Risk, Target
from andock.rulebook import EVERYONE, Group, Policy, Rule

FRESH = 900.0  # seconds; what Slack said of user groups before that is no longer known


@dataclass(frozen=True, slots=True)
class Question:
    """What policy is asked: everything about a request but its targets."""

    actor: Actor
    operation: str
    risk: Risk
    channel: str
    params: Mapping[str, JsonValue] | None = field(default_factory=dict)  # None: not typed yet
    now: float = 0.0  # seconds since the epoch; freezes and the age of memberships are judged by it
    emergency: bool = False  # asked with --break-glass


class Fit(Enum):
    """Whether something fits."""

    NO = 0
    UNSURE = 1  # it depends on what is not known: who is in a user group now, or a parameter's value
    YES = 2


Belonging: TypeAlias = Mapping[str, Fit]  # of the asker, to each group of the policy


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules say of one target.

    Where a rule may or may not match, both are looked at and the stricter counts: an unsure denial denies,
    and what an unsure rule asks for is asked for besides.
    """

    rule: Rule | None
    unsure: tuple[Rule, ...] = ()
    old: bool = False  # it would perhaps be another if the memberships were fresh


def read_rules(
    policy: Policy,
    question: Question,
    target: Target | None,
    groups: Belonging,
    last_known: Belonging | None = None,
) -> Reading:
    """The first rule that matches; `last_known` decides for rules whose glass the asker may break."""
    names = tuple(name.casefold() for name in target.names) if target is not None else ()
    unsure: list[Rule] = []
    old = False
    for rule in policy.rules if target is None else policy.rules_on(names):
        if not on_topic(rule, question) or not speaks_of(rule, target, names):
            continue
        asked, typed = asked_by(rule, groups), typed_as(rule, question)
        if last_known is not None and may_break(rule, last_known):
            old = old or not may_break(rule, groups)
            asked = Fit.YES
        if asked is Fit.NO or typed is Fit.NO:
            continue
        old = old or asked is Fit.UNSURE
        if rule.deny or (asked is Fit.YES and typed is Fit.YES):
            return Reading(rule, tuple(unsure), old)
        unsure.append(rule)
    return Reading(None, tuple(unsure), old)


def on_topic(rule: Rule, question: Question) -> bool:
    """Whether the rule speaks of such an operation, asked for in such a channel."""
    return (
        (not rule.risk or question.risk in rule.risk)
        and (not rule.channels or question.channel in rule.channels)
        and (rule.allow or rule.deny).fits(question.operation)
    )


def speaks_of(rule: Rule, target: Target | None, names: Iterable[str]) -> bool:
    """Whether the rule speaks of a target, whose names are given in lower case; None: of no target at all."""
    if target is None:
        return not rule.about_targets
    # vCenter compares names without case, so a rule on `prod-db-*` also speaks of PROD-DB-1
    return (
        (not rule.environments or target.environment in rule.environments)
        and (not rule.sites or target.site in rule.sites)
        and (not rule.labels or not rule.labels.isdisjoint(target.labels))
        and (not rule.targets or rule.targets.fit_any(names))
    )


def typed_as(rule: Rule, question: Question) -> Fit:
    """Whether the parameters are as the rule wants them; an operation without them it does not speak of."""
    if not rule.params:
        return Fit.YES
    if question.params is None:
        return Fit.UNSURE
    every = bool(rule.allow)  # of several values an allowance needs all to fit, a denial one
    for name, condition in rule.params.items():
        if not fits(condition, question.params.get(name), every=every):
            return Fit.NO
    return Fit.YES


def asked_by(rule: Rule, groups: Belonging) -> Fit:
    """Whether the rule speaks of somebody who belongs to these groups."""
    if not rule.to:
        return Fit.YES
    found = [groups[name] for name in rule.to]
    return Fit.YES if Fit.YES in found else Fit.UNSURE if Fit.UNSURE in found else Fit.NO


def belonging(policy: Policy, question: Question) -> Belonging:
    """To which groups the asker belongs, looked up once for all rules."""
    actor = question.actor
    known = question.now - actor.groups_at <= FRESH
    found = {name: _belongs(group, actor, known=known) for name, group in policy.groups.items()}
    found[EVERYONE] = Fit.YES if actor.in_slack else Fit.NO
    return found


def _belongs(group: Group, actor: Actor, *, known: bool) -> Fit:
    if actor.user in group.users:
        return Fit.YES
    if not group.usergroups or not actor.in_slack:
        return Fit.NO
    if not known:
        return Fit.UNSURE
    return Fit.NO if group.usergroups.isdisjoint(actor.usergroups) else Fit.YES


def may_break(rule: Rule, groups: Belonging) -> bool:
    """Whether the rule speaks of the asker and they may break its glass."""
    if rule.break_glass is None or asked_by(rule, groups) is not Fit.YES:
        return False
    return any(groups[name] is Fit.YES for name in rule.break_glass.to)
