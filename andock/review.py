"""What is wrong with a policy although every word of it is known: dead rules, approvals that fail or leak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from andock.coverage import Ground, cases_of, decided_before, spoken_of
from andock.decisions import Approvals
from andock.detours import detours
from andock.operation import Operation, Risk
from andock.rulebook import EVERYONE, Policy, Rule

Members = Mapping[str, frozenset[str]]  # who is in a user group, of those groups that are known


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an operator should mend; not `sure` where it depends on what cannot be known here."""

    line: int
    problem: str
    fix: str
    sure: bool = True


def review(
    policy: Policy, operations: Iterable[Operation], grounds: Sequence[Ground], members: Members
) -> tuple[Finding, ...]:
    """Everything found, in the order of the file."""
    known = tuple(operations)
    found: list[Finding] = []
    for index, rule in enumerate(policy.rules):
        dead = _dead(policy, index, known, grounds)
        if dead is not None:
            found.append(dead)
            continue
        if rule.approvals is not None:
            found += _unmet(policy, _Asked(rule.name, rule.line, rule.to), rule.approvals, members)
            found += (
                Finding(rule.line, f"`{rule.name}` can be got around: {detour}.", _KEEP_IN)
                for detour in detours(policy, rule, known, grounds)
            )
    for freeze in policy.freezes:
        if freeze.override is not None:
            asks = _Asked(f"freeze {freeze.name}", freeze.line, _changing(policy), freeze.except_.groups)
            found += _unmet(policy, asks, freeze.override, members)
    return tuple(sorted(found, key=lambda finding: finding.line))


_KEEP_IN = "put a denial of the same behind it, as `no other way into production` in the example."


# --- rules that never match -------------------------------------------------------------------------------


def _dead(
    policy: Policy, index: int, operations: Sequence[Operation], grounds: Sequence[Ground]
) -> Finding | None:
    rule = policy.rules[index]
    why = _matches_nothing(policy, rule, operations, grounds)
    if why:
        return Finding(rule.line, f"`{rule.name}` can never match: {why}.", "mend it, or take it out.")
    deciders: dict[int, str] = {}
    for case in cases_of(rule, operations, grounds):
        decider = decided_before(policy, index, case)
        if decider is None:
            return None
        deciders[decider.line] = policy.place(decider)
    by = ", ".join(deciders[line] for line in sorted(deciders))
    return Finding(
        rule.line,
        f"`{rule.name}` can never match: all of it is decided before, by {by}.",
        "put it before them, narrow them, or take it out.",
    )


def _matches_nothing(
    policy: Policy, rule: Rule, operations: Sequence[Operation], grounds: Sequence[Ground]
) -> str:
    groups = [policy.groups[name] for name in rule.to if name != EVERYONE]
    if rule.to and EVERYONE not in rule.to and not any(group.users or group.usergroups for group in groups):
        return f"nobody is in {_listed(rule.to)}"
    if not spoken_of(rule, operations):
        risks = _listed(sorted(rule.risk))
        return f"none of its operations has the risk {risks}" if risks else "no operation is like that"
    if not any(True for _ in cases_of(rule, operations, grounds)):
        if not (rule.environments or rule.sites):
            return "its operations have no target"
        return f"no site has such a target: {_listed(sorted(rule.sites | rule.environments))}"
    return ""


# --- approvals that nobody can give -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """What asks for approvals: a rule, or a freeze's override."""

    name: str
    line: int
    to: tuple[str, ...]  # groups of whom it speaks; empty: all
    except_: tuple[str, ...] = ()  # groups whose people need none of it


def _changing(policy: Policy) -> tuple[str, ...]:
    """The groups to which some rule allows more than reading; empty: everybody."""
    rules = [rule for rule in policy.rules if rule.allow and rule.risk != {Risk.READ}]
    if any(not rule.to for rule in rules):
        return ()
    return tuple(dict.fromkeys(name for rule in rules for name in rule.to))


def _unmet(policy: Policy, asks: _Asked, need: Approvals, members: Members) -> Iterator[Finding]:
    approvers, all_known = _people(policy, need.from_, members)
    askers, askers_known = _people(policy, [name for name in asks.to if name != EVERYONE], members)
    anybody = not asks.to or EVERYONE in asks.to
    asking = approvers if anybody else approvers & askers
    asked = f"`{asks.name}` asks for {need.count} of {_listed(need.from_)}"
    asking -= _people(policy, asks.except_, members)[0]
    if need.requester:
        asking = frozenset()
    if len(approvers) - bool(asking) < need.count:
        if all_known:
            yield Finding(asks.line, f"{asked}, {_too_few(approvers, asking)}.", _MORE_PEOPLE)
        else:
            yield _unknown(asks, asked)
    elif not (need.requester or asking or askers_known) and len(approvers) == need.count:
        yield _unknown(asks, asked)


_MORE_PEOPLE = "name more people, or ask for fewer."


def _too_few(approvers: frozenset[str], asking: frozenset[str]) -> str:
    there = f"and {len(approvers)} {'person is' if len(approvers) == 1 else 'people are'} there"
    if not asking:
        return there
    return f"{there}; {_listed(sorted(asking))} may ask, and cannot approve what they asked for"


def _unknown(asks: _Asked, asked: str) -> Finding:
    problem = f"{asked}, and who is in their user groups cannot be known here."
    return Finding(asks.line, problem, "ask where Andock runs.", sure=False)


def _people(policy: Policy, names: Iterable[str], members: Members) -> tuple[frozenset[str], bool]:
    """Everybody in these groups, and whether that is all."""
    groups = [policy.groups[name] for name in names]
    named = [usergroup for group in groups for usergroup in group.usergroups]
    people = frozenset(user for group in groups for user in group.users)
    people = people.union(*(members.get(usergroup, frozenset()) for usergroup in named))
    return people, all(usergroup in members for usergroup in named)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
