"""What policy.yaml says: groups, limits and rules, as values. `andock.policy` decides by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

from pydantic import Field, model_validator

from andock.conditions import Condition
from andock.decisions import Approvals, BreakGlass
from andock.freezes import Freeze
from andock.messages import Actor
from andock.operation import Risk, Value
from andock.patterns import Globs
from andock.shortlist import Shortlist

EVERYONE = "everyone"


class Group(Value):
    """People by Slack user id and user group id.

    `cli:NAME` is somebody on the host, `hook:NAME` a hook, `schedule:NAME` what asks by the clock.
    """

    users: frozenset[str] = frozenset()
    usergroups: frozenset[str] = frozenset()

    def holds(self, actor: Actor) -> bool:
        """Whether the actor belongs to it, by the groups that the actor is said to be in."""
        return actor.user in self.users or not self.usergroups.isdisjoint(actor.usergroups)


class Limit(Value):
    """How much one person, or one channel, may ask for."""

    per_minute: int | None = Field(
        default=None, ge=1, le=100_000, description="commands, reads and `can-i` too; left out: any number"
    )
    targets: int | None = Field(default=None, ge=1, description="targets of one change; left out: any number")


class Limits(Value):
    """How much may be asked for, whoever is allowed it."""

    user: Limit = Limit()
    channel: Limit = Limit()
    line: int = Field(default=0, description="set by the loader")

    @property
    def targets(self) -> int | None:
        """The most targets that one change may have."""
        given = [limit.targets for limit in (self.user, self.channel) if limit.targets is not None]
        return min(given, default=None)


class Rule(Value):
    """One rule; what it does not mention matches anything."""

    name: str
    allow: Globs = Field(default=Globs(), description="patterns over operation names")
    deny: Globs = Field(default=Globs(), description="patterns over operation names")
    to: tuple[str, ...] = Field(default=(), description="groups, or `everyone`; empty: whoever asks")
    risk: frozenset[Risk] = frozenset()
    environments: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    targets: Globs = Field(default=Globs(), description="patterns over a target's name, path and id")
    labels: frozenset[str] = Field(
        default=frozenset(), description="tags or labels as key=value; any of them"
    )
    params: Mapping[str, Condition] = Field(
        default_factory=dict,
        description='parameters and what they must be: `force: true`, `image: ["team/*"]`, `count: {max: 5}`',
    )
    channels: frozenset[str] = Field(default=frozenset(), description="channel ids; `cli` is the host")
    approvals: Approvals | None = None
    break_glass: BreakGlass | None = Field(
        default=None, description="who may go ahead without the approvals, with `--break-glass REASON`"
    )
    confirm: bool = Field(
        default=False, description="show the plan and ask for Go ahead, even for one target"
    )
    line: int = Field(default=0, description="set by the loader")

    @model_validator(mode="after")
    def _one_verdict(self) -> Rule:
        if bool(self.allow) == bool(self.deny):
            raise ValueError("a rule has either allow or deny")
        if self.deny and (self.approvals or self.confirm):
            raise ValueError("a denial has neither approvals nor confirm")
        if self.break_glass and not self.approvals:
            raise ValueError("break_glass goes with approvals: it is the way round them")
        return self

    @property
    def operations(self) -> Globs:
        """Patterns over the names of the operations that it speaks of."""
        return self.allow or self.deny

    @property
    def about_targets(self) -> bool:
        """Whether it depends on what an operation is done to."""
        return bool(self.environments or self.sites or self.targets or self.labels)


class Policy(Value):
    """policy.yaml as a whole."""

    groups: Mapping[str, Group] = Field(default_factory=dict)
    limits: Limits = Limits()
    rules: tuple[Rule, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    source: str = "policy.yaml"

    @property
    def usergroups(self) -> tuple[str, ...]:
        """User groups that a rule may ask about; members of others are never fetched."""
        return tuple(sorted({name for group in self.groups.values() for name in group.usergroups}))

    def rules_on(self, names: Iterable[str]) -> Sequence[Rule]:
        """The rules whose patterns may fit a target with these names, given in lower case, in their order."""
        return [self.rules[place] for place in self._shortlist.places(names)]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic does it, but a copy with other rules makes a shortlist of its own."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("_shortlist", None)
        return copy

    @cached_property
    def _shortlist(self) -> Shortlist:
        return Shortlist.over([rule.targets for rule in self.rules])

    def place(self, rule: Rule) -> str:
        """How a rule is named to people: `name (policy.yaml:12)`."""
        return f"{rule.name} ({self.source}:{rule.line})"
