"""Which rules can never match: every case that they speak of is decided by rules before them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from andock.conditions import implies
from andock.messages import team_outside
from andock.operation import Backend, Operation
from andock.patterns import covers
from andock.rulebook import EVERYONE, Policy, Rule


@dataclass(frozen=True, slots=True)
class Ground:
    """One site, and the environments that its targets may be in."""

    site: str
    backend: Backend
    environments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One of the cases that a rule speaks of: an empty value stands for any that it does not name."""

    operation: Operation
    site: str
    environment: str
    channel: str
    group: str
    glob: str
    label: str


def cases_of(rule: Rule, operations: Iterable[Operation], grounds: Sequence[Ground]) -> Iterator[Case]:
    """Every case that the rule speaks of, as far as rules can tell them apart; none if it never matches."""
    for operation in spoken_of(rule, operations):
        for site, environment in _places(rule, operation, grounds):
            for channel, group, glob, label in itertools.product(
                sorted(rule.channels) or ("",),
                rule.to or ("",),
                rule.targets or ("",),
                sorted(rule.labels) or ("",),
            ):
                yield Case(operation, site, environment, channel, group, glob, label)


def spoken_of(rule: Rule, operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The operations whose name, risk and parameters are those of the rule."""
    return tuple(
        operation
        for operation in operations
        if rule.operations.fits(operation.name)
        and (not rule.risk or operation.risk in rule.risk)
        and rule.params.keys() <= operation.params.model_fields.keys()
    )


def decided_before(policy: Policy, index: int, case: Case) -> Rule | None:
    """The first rule before this one that matches whenever this one does in that case, if there is one."""
    rule = policy.rules[index]
    return next((earlier for earlier in policy.rules[:index] if _covers(policy, earlier, rule, case)), None)


def _places(rule: Rule, operation: Operation, grounds: Sequence[Ground]) -> Iterator[tuple[str, str]]:
    if operation.backend is Backend.DESK:
        if not rule.about_targets:
            yield "", ""
        return
    for ground in grounds:
        if ground.backend is not operation.backend or (rule.sites and ground.site not in rule.sites):
            continue
        for environment in ground.environments:
            if not rule.environments or environment in rule.environments:
                yield ground.site, environment


def _covers(policy: Policy, earlier: Rule, rule: Rule, case: Case) -> bool:
    operation = case.operation
    return (
        earlier.operations.fits(operation.name)
        and (not earlier.risk or operation.risk in earlier.risk)
        and (not earlier.channels or case.channel in earlier.channels)
        and (not earlier.sites or case.site in earlier.sites)
        and (not earlier.environments or case.environment in earlier.environments)
        and (not earlier.labels or case.label in earlier.labels)
        and (not earlier.targets or any(case.glob and covers(wide, case.glob) for wide in earlier.targets))
        and all(
            name in rule.params and implies(rule.params[name], wanted)
            for name, wanted in earlier.params.items()
        )
        and (not earlier.to or _holds_all(policy, earlier.to, case.group))
    )


def _holds_all(policy: Policy, groups: Sequence[str], group: str) -> bool:
    """Whether everybody of a group is sure to be in one of these; no group stands for whoever asks."""
    if group in groups or group == "":
        return group in groups
    if group == EVERYONE:
        return False
    asked = policy.groups[group]
    if EVERYONE in groups and not any(map(team_outside, asked.users)):
        return True
    held = [policy.groups[name] for name in groups if name != EVERYONE]
    users = {user for one in held for user in one.users}
    usergroups = {name for one in held for name in one.usergroups}
    return asked.users <= users and asked.usergroups <= usergroups
