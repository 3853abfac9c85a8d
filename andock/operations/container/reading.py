"""Which containers a read is about: by name, pattern, label, image and health, on one engine or on all."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from pydantic import Field

from andock.errors import TargetStateError
from andock.naming import tell_away
from andock.operation import Found, Reader
from andock.operations.container.selection import Named, Narrowed, Selected, is_pattern, select
from andock.operations.container.targets import list_reached, target_of
from andock.ports.containers import ContainerRow

MOST_READ = 20  # containers of one question
_RUNS = frozenset({"running", "paused"})

Health: TypeAlias = Literal["healthy", "unhealthy", "starting", "none"]


class Filters(Narrowed):
    """By what every read of containers is narrowed."""

    image: str | None = Field(
        default=None, max_length=300, description="Only those of images like this: `*/web:*`, or a part."
    )
    health: Health | None = Field(
        default=None, description="Only those of this health; `none` have no health check."
    )

    @property
    def narrowing(self) -> str:
        """See `Narrowed`."""
        image = f"--image {self.image}" if self.image else ""
        health = f"--health {self.health}" if self.health else ""
        return " ".join(said for said in (super().narrowing, image, health) if said)

    def lacks(self, row: ContainerRow) -> str:
        """See `Narrowed`."""
        if self.image is not None and not _is_of(row, self.image):
            return f"is of image `{row.image}`, not of `{self.image}`"
        health = row.health or "none"
        if self.health is not None and health != self.health:
            return f"is of health `{health}`, not `{self.health}`"
        return super().lacks(row)


class Reading(Filters, Named):
    """What a read of some containers takes; without any of it, it is about all of them."""


def find_some(params: Reading, ctx: Reader) -> Found[ContainerRow]:
    """Those that are meant, running or not. Raises as `select`; what only filters mean may be nothing."""
    return _found(_select(params, ctx), such=_such(params))


def find_running(params: Reading, ctx: Reader) -> Found[ContainerRow]:
    """Those of them that run.

    Raises:
        TargetStateError: one that was named does not. The others as `find_some`.
    """
    selected = _select(params, ctx)
    for row in selected.rows:
        if row.id in selected.named and row.state not in _RUNS:
            raise TargetStateError(row.name, actual=row.state, wanted="running")
    rows = tuple(row for row in selected.rows if row.state in _RUNS)
    such = _such(params) if not selected.rows else " that is meant runs"
    return _found(Selected(rows, selected.named, selected.warnings), such=such)


def _select(params: Reading, ctx: Reader) -> Selected:
    if params.container:
        return select(params, ctx)
    listing = list_reached(ctx)
    rows = tuple(row for row in listing.rows if not params.lacks(row))
    return Selected(rows, named=frozenset(), warnings=tell_away(listing))


def _found(selected: Selected, such: str) -> Found[ContainerRow]:
    rows, notes = selected.rows, selected.warnings
    if len(rows) > MOST_READ:
        notes = (*notes, f"{len(rows)} are meant; these are the first {MOST_READ}. Narrow it to see others.")
    return Found(
        rows=tuple((target_of(row), row) for row in rows[:MOST_READ]),
        notes=notes,
        empty=f"No container{such}.",
    )


def _such(params: Reading) -> str:
    return f" is as `{params.narrowing}` asks" if params.narrowing else " is there"


def _is_of(row: ContainerRow, wanted: str) -> bool:
    names = (row.image, row.image_id, row.image_id.removeprefix("sha256:"))
    return any(fnmatchcase(name, wanted) if is_pattern(wanted) else wanted in name for name in names)
