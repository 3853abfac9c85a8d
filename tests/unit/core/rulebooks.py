"""Made-up policies, people and targets for the properties of decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from andock.messages import CLI_TEAM, Actor
from andock.operation import Risk, Target
from andock.policy import EVERYONE, Approvals, BreakGlass, Group, Policy, Question, Rule

NOW = 10_000.0
USERGROUPS = ("S0OPS", "S0LEADS", "S0CALL")
GROUPS = {
    "ops": Group(users=frozenset({"U0OPS1"}), usergroups=frozenset({"S0OPS"})),
    "leads": Group(usergroups=frozenset({"S0LEADS"})),
    "oncall": Group(usergroups=frozenset({"S0CALL"})),
    "static": Group(users=frozenset({"U0OPS1", "U0LEAD1"})),
    "host": Group(users=frozenset({"cli:root"})),
}
ENVIRONMENTS = ("dev", "stage", "prod")
NAMES = ("a", "b", "prod-db-1")
SITES = ("lab", "other")
LABELS = ("team=web", "team=db")
GLOBS = ("*", "*", "vm *", "container *")
OPERATIONS = ("vm off", "container stop")
CHANNELS = ("C0OPS", "C0LAB")


def vm(name: str, environment: str = "dev", *, site: str = "lab", labels: tuple[str, ...] = ()) -> Target:
    path = f"/DC0/vm/{environment}/{name}"
    return Target(
        kind="vm", site=site, id=f"vm-{name}", name=name, environment=environment, path=path, labels=labels
    )


targets = st.builds(
    vm,
    st.sampled_from(NAMES),
    st.sampled_from(ENVIRONMENTS),
    site=st.sampled_from(SITES),
    labels=st.sets(st.sampled_from(LABELS)).map(lambda found: tuple(sorted(found))),
)
several = st.lists(targets, min_size=1, max_size=4)
memberships = st.sets(st.sampled_from(USERGROUPS)).map(lambda found: tuple(sorted(found)))
in_slack = st.builds(
    Actor,
    team=st.just("T1"),
    user=st.sampled_from(("U0OPS1", "U0LEAD1", "U0OTHER")),
    name=st.just("somebody"),
    usergroups=memberships,
    groups_at=st.just(NOW),
)
on_the_host = st.just(Actor(team=CLI_TEAM, user="cli:root", name="root on the host"))
values = st.fixed_dictionaries(
    {"force": st.booleans(), "image": st.sampled_from(("team/web", "other/web")), "count": st.integers(0, 9)}
)
questions = st.builds(
    Question,
    st.one_of(in_slack, on_the_host),
    st.sampled_from(OPERATIONS),
    st.sampled_from(tuple(Risk)),
    st.sampled_from(CHANNELS),
    params=values,
    now=st.just(NOW),
    emergency=st.booleans(),
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "force": st.booleans(),
        "image": st.sampled_from((["team/*"], ["other/*", "x"])),
        "count": st.sampled_from(({"max": 3}, {"min": 2, "max": 5})),
    },
)
approvals = st.builds(
    lambda count, group: Approvals.model_validate({"count": count, "from": [group]}),
    st.integers(1, 2),
    st.sampled_from(("leads", "static")),
)
glasses = st.builds(
    lambda group: BreakGlass(to=(group,), tell=("leads",)), st.sampled_from(("oncall", "static"))
)


def seldom(wanted: st.SearchStrategy[Any], empty: Any) -> st.SearchStrategy[Any]:
    """Mostly nothing, so that rules match often enough to stand in each other's way."""
    return st.integers(0, 3).flatmap(lambda dice: wanted if dice == 3 else st.just(empty))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    globs = (draw(st.sampled_from(GLOBS)),)
    allows = draw(st.sampled_from((True, True, False)))
    asks = draw(st.none() | approvals) if allows else None
    return Rule(
        name=f"rule {draw(st.integers(0, 999))}",
        allow=globs if allows else (),
        deny=() if allows else globs,
        to=draw(st.sampled_from(((), (EVERYONE,), ("ops",), ("leads",), ("oncall", "static"), ("host",)))),
        risk=draw(seldom(st.sampled_from(tuple(Risk)).map(lambda risk: {risk}), frozenset())),
        environments=draw(seldom(st.sampled_from(ENVIRONMENTS).map(lambda name: {name}), frozenset())),
        sites=draw(seldom(st.sampled_from(SITES).map(lambda name: {name}), frozenset())),
        targets=draw(seldom(st.sampled_from((("prod-*",), ("a",), ("/DC0/*",))), ())),
        labels=draw(seldom(st.sampled_from(LABELS).map(lambda name: {name}), frozenset())),
        params=draw(seldom(conditions, {})),
        channels=draw(seldom(st.sampled_from(CHANNELS).map(lambda name: {name}), frozenset())),
        approvals=asks,
        break_glass=draw(st.none() | glasses) if asks else None,
        confirm=allows and draw(st.booleans()),
    )


policies = st.lists(rules(), min_size=2, max_size=7).map(
    lambda made: Policy(groups=GROUPS, rules=tuple(made))
)


def grown_old(question: Question, *, groups: tuple[str, ...] | None = None) -> Question:
    """The same question when Slack was last asked 20 minutes ago, and perhaps said something else."""
    known = question.actor.usergroups if groups is None else groups
    actor = question.actor.model_copy(update={"groups_at": NOW - 1200, "usergroups": known})
    return replace(question, actor=actor)


def for_all(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Checks a property on made-up values; a slow machine breaks none."""

    def check(holds: Callable[..., None]) -> Callable[..., None]:
        return settings(deadline=None, max_examples=100)(given(*strategies)(holds))

    return check
