"""`container top` and `container diff`."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from andock.errors import TargetStateError
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table
from andock.operations.container.excerpt import Excerpt
from andock.operations.container.targets import NAMING, find_named
from andock.ports.containers import ContainerRow

_RUNS = frozenset({"running", "paused"})
_SIGNS = {"added": "+", "changed": "~", "deleted": "-"}


class OneParams(Params):
    """What `container top` and `container diff` take."""

    container: str = Field(min_length=1, max_length=300, description=NAMING)


def find_one(params: OneParams, ctx: Reader) -> Found[ContainerRow]:
    """The one container of that name."""
    return find_named(params.container, ctx)


def show_top(_params: OneParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """Its processes, with the ids that they have on the host."""
    row = found.rows[0][1]
    if row.state not in _RUNS:
        raise TargetStateError(row.name, actual=row.state, wanted="running")
    listed = ctx.containers.processes(row.site, row.id)
    count = len(listed.rows)
    return Outcome(
        summary=f"`{row.name}` on {row.site} has {count} process{'' if count == 1 else 'es'}.",
        table=Table(columns=listed.columns, rows=listed.rows),
        notes=found.notes,
    )


def show_diff(_params: OneParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """What its writable layer makes different from its image."""
    row = found.rows[0][1]
    changes = ctx.containers.file_changes(row.site, row.id)
    excerpt = Excerpt(ctx, f"{row.name}.diff")
    for change in changes:
        excerpt.add(f"{_SIGNS[change.kind]} {change.path}")
    counts = Counter(change.kind for change in changes)
    said = ", ".join(f"{counts[kind]} {kind}" for kind in _SIGNS if counts[kind]) or "nothing"
    text = excerpt.text
    attachment, notes = excerpt.close()
    return Outcome(
        summary=f"`{row.name}` on {row.site} differs from its image in: {said}.",
        text=text,
        attachment=attachment,
        notes=(*found.notes, *notes),
    )


CONTAINER_TOP = Read(
    name="container top",
    summary="The processes of a container.",
    params=OneParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_top,
    examples=("container top web",),
)

CONTAINER_DIFF = Read(
    name="container diff",
    summary="Which files a container has added, changed or deleted, against its image.",
    params=OneParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_diff,
    examples=("container diff web",),
)
