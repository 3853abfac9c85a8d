"""Ways around a rule's approvals: the same operation, asked elsewhere by the same person, needs none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import JsonValue

from andock.conditions import Bounds
from andock.coverage import Case, Ground, cases_of
from andock.messages import CLI_TEAM, Actor, team_outside
from andock.operation import Operation, Target
from andock.patterns import Globs
from andock.policy import Allowed, NeedsApproval, Policy, Question, Rule, decide
from andock.rulebook import EVERYONE

ELSEWHERE = "C0ELSEWHERE"  # a channel that no rule names
_WILD = re.compile(r"\*|\?|\[!?.[^\]]*\]")


@dataclass(frozen=True, slots=True)
class _Example:
    """One request that the rule decides, made up from its words."""

    question: Question
    target: Target


def detours(
    policy: Policy, rule: Rule, operations: Sequence[Operation], grounds: Sequence[Ground]
) -> Iterator[str]:
    """A clause for each rule that lets pass what this one would have stopped; found by trying."""
    told: set[str] = set()
    for case in cases_of(rule, operations, grounds):
        for example in _examples(policy, rule, case):
            if not _is_stopped(policy, rule, example):
                continue
            for where, elsewhere in _elsewhere(policy, rule, grounds, example):
                decision = decide(policy, elsewhere.question, (elsewhere.target,))
                if isinstance(decision, Allowed) and decision.rule not in told:
                    told.add(decision.rule)
                    asked = f"`{case.operation.name}`" + (
                        f" in {case.environment}" if case.environment else ""
                    )
                    yield f"{where}, {asked} needs no approval, by {decision.rule}"


def _is_stopped(policy: Policy, rule: Rule, example: _Example) -> bool:
    decision = decide(policy, example.question, (example.target,))
    return isinstance(decision, NeedsApproval) and decision.rule == policy.place(rule)


def _elsewhere(
    policy: Policy, rule: Rule, grounds: Sequence[Ground], example: _Example
) -> Iterator[tuple[str, _Example]]:
    """The same request in other channels, and on sites that no rule names besides."""
    if rule.channels and example.question.actor.in_slack:
        named = {channel for other in policy.rules for channel in other.channels}
        for channel in (ELSEWHERE, *sorted(named - rule.channels - {"cli"})):
            where = "in another channel" if channel == ELSEWHERE else f"in `{channel}`"
            yield f"asked {where}", replace(example, question=replace(example.question, channel=channel))
    if rule.sites and (rule.environments or rule.targets or rule.labels):
        meant = {
            site for other in policy.rules for site in other.sites
        }  # rules were written with them in mind
        here = next(ground for ground in grounds if ground.site == example.target.site)
        for ground in grounds:
            same = ground.backend is here.backend and example.target.environment in ground.environments
            if same and ground.site not in meant:
                moved = example.target.model_copy(update={"site": ground.site})
                yield f"on site `{ground.site}`", replace(example, target=moved)


# --- examples ---------------------------------------------------------------------------------------------


def _examples(policy: Policy, rule: Rule, case: Case) -> Iterator[_Example]:
    for actor in _people(policy, case.group):
        channel = "cli" if actor.team == CLI_TEAM else case.channel or ELSEWHERE
        params: dict[str, JsonValue] = {name: _value(wanted) for name, wanted in rule.params.items()}
        question = Question(actor, case.operation.name, case.operation.risk, channel, params=params)
        yield _Example(question, _target(case))


def _people(policy: Policy, group: str) -> Iterator[Actor]:
    """Somebody of each kind that a group holds."""
    somebody = Actor(team="T0", user="U0SOMEBODY", name="somebody")
    if group in ("", EVERYONE):
        yield somebody
        return
    for user in sorted(policy.groups[group].users):
        yield Actor(team=team_outside(user) or "T0", user=user, name=user)
    for usergroup in sorted(policy.groups[group].usergroups):
        yield somebody.model_copy(update={"usergroups": (usergroup,)})


def _target(case: Case) -> Target:
    name = _WILD.sub("x", case.glob) or "x"
    return Target(
        kind=case.operation.backend.value,
        site=case.site,
        id=name,
        name=name.rpartition("/")[2] or name,
        path=name,
        environment=case.environment,
        labels=(case.label,) if case.label else (),
    )


def _value(wanted: bool | Globs | Bounds) -> JsonValue:
    """A value that fits."""
    match wanted:
        case bool():
            return wanted
        case Globs():
            return _WILD.sub("x", wanted[0])
        case Bounds():
            bound = wanted.min if wanted.min is not None else wanted.max
            return f"PT{bound.total_seconds():.0f}S" if isinstance(bound, timedelta) else bound
