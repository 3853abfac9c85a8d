"""Which containers a command means: names, names with wildcards, labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol, Self

from pydantic import Field, model_validator

from andock.errors import BackendUnavailableError, TargetNotFoundError, UserError
from andock.naming import similar_names, tell_away
from andock.operation import Params, Plan, Reader, Step
from andock.operations.container.targets import NAMING, list_reached, resolve
from andock.ports.containers import ContainerRow
from andock.ports.sites import Listing

MOST = 100  # containers of one command
_WILD = frozenset("*?[")


class Named(Params):
    """Containers by name or by pattern."""

    container: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description=f"{NAMING} Several may be named; `web-*` are all with such a name.",
    )


class Narrowed(Params):
    """What narrows it down to some of them."""

    label: tuple[str, ...] = Field(
        default=(),
        max_length=20,
        description="Only those with this label, `key=value` or `key`. Several: with all of them.",
        json_schema_extra={"positional": False},
    )

    @property
    def narrowing(self) -> str:
        """As it is typed; empty for none."""
        return f"--label {' '.join(self.label)}" if self.label else ""

    def lacks(self, row: ContainerRow) -> str:
        """What keeps the container out, a clause; empty for one that is meant."""
        return "" if _has_labels(row, self.label) else f"has no label `{' '.join(self.label)}`"


class Choice(Protocol):
    """Names, and what narrows it."""

    @property
    def container(self) -> tuple[str, ...]:
        """See `Named`."""
        ...

    @property
    def narrowing(self) -> str:
        """See `Narrowed`."""
        ...

    def lacks(self, row: ContainerRow) -> str:
        """See `Narrowed`."""
        ...


class Selection(Narrowed, Named):
    """Containers by name, by pattern or by label; something must be said."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.container and not self.label:
            raise ValueError("name a container, or select some with `--label key=value`")
        return self


class Changing(Selection):
    """What every change of containers takes."""

    at_once: int = Field(default=5, ge=1, le=50, description="So many containers are changed at a time.")
    max_fail: int = Field(
        default=1, ge=1, le=MOST, description="After so many failures no more containers are begun with."
    )

    def plan_of(self, steps: Iterable[Step], warnings: Iterable[str]) -> Plan:
        """One batch of these steps, as many at a time as was asked for."""
        batch = tuple(steps)
        return Plan(batches=(batch,), warnings=tuple(warnings), at_once=self.at_once, max_fail=self.max_fail)


@dataclass(frozen=True, slots=True)
class Selected:
    """What was found; `named` are the ids of those that were named one by one."""

    rows: tuple[ContainerRow, ...]
    named: frozenset[str]
    warnings: tuple[str, ...] = ()


def select(params: Choice, ctx: Reader) -> Selected:
    """The containers that are meant, each once, in the order of the names.

    Raises:
        TargetNotFoundError, AmbiguousTargetError, BackendUnavailableError: as `resolve`.
        UserError: one that was named is not among what the rest asks for, or more than MOST are meant.
    """
    listing = list_reached(ctx, params.container)
    exact = [name for name in params.container if not is_pattern(name)]
    named = resolve(listing, exact) if exact else ()
    for row in named:
        lacks = params.lacks(row)
        if lacks:
            raise UserError(f"`{row.name}` on {row.site} {lacks}.")
    patterns = [name for name in params.container if is_pattern(name)]
    found = {row.id: row for row in named}
    for pattern in patterns or ([] if named else ["*"]):
        found |= {row.id: row for row in _matching(listing, pattern, params)}
    if len(found) > MOST:
        raise UserError(f"That means {len(found)} containers; at most {MOST} at once. Narrow it.")
    is_open = bool(patterns) or not named
    return Selected(
        rows=tuple(found.values()),
        named=frozenset(row.id for row in named),
        warnings=_left_out(listing) if is_open else tell_away(listing),
    )


def is_pattern(name: str) -> bool:
    """Whether it has wildcards, which no container's name has."""
    return bool(_WILD & set(name))


def fits(row: ContainerRow, pattern: str) -> bool:
    """Whether the pattern, `web-*` or `edge-*/web-*`, means this container."""
    site, _, name = pattern.strip("/").rpartition("/")
    return fnmatchcase(row.name, name) and (not site or fnmatchcase(row.site, site))


def _has_labels(row: ContainerRow, labels: Iterable[str]) -> bool:
    """Whether it has all of the labels, each `key=value` or `key`."""
    return all(
        row.labels.get(key) == value if equals else key in row.labels
        for key, equals, value in (label.partition("=") for label in labels)
    )


def _matching(listing: Listing[ContainerRow], pattern: str, params: Choice) -> list[ContainerRow]:
    rows = [row for row in listing.rows if fits(row, pattern) and not params.lacks(row)]
    if rows:
        return rows
    typed = f"{pattern} {params.narrowing}".strip()
    for away in listing.not_reached:
        elsewhere = f", and no `{typed}` on {', '.join(listing.searched)}"
        raise BackendUnavailableError(f"Engine `{away.site}`", away.why + elsewhere)
    similar = (
        () if params.narrowing else similar_names(pattern.strip("*?"), [row.name for row in listing.rows])
    )
    raise TargetNotFoundError("container", typed, searched=listing.searched, similar=similar)


def _left_out(listing: Listing[ContainerRow]) -> tuple[str, ...]:
    """A pattern means nothing on an engine that did not answer, and that must be said."""
    return tuple(f"{said}; what it has is not part of this" for said in tell_away(listing))
