"""`container top` and `container diff`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import repeat

from andock.naming import count
from andock.operation import Backend, Found, Outcome, Read, Reader, Table
from andock.operations.container.excerpt import Excerpt
from andock.operations.container.looks import Looks
from andock.operations.container.reading import Reading, find_running, find_some
from andock.ports.container_insight import FileChange
from andock.ports.containers import ContainerRow

_SIGNS = {"added": "+", "changed": "~", "deleted": "-"}


class TopParams(Reading):
    """What `container top` takes."""


class DiffParams(Reading):
    """What `container diff` takes."""


def show_top(_params: TopParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """Processes, with the ids that they have on the host; of several containers in one table."""
    rows = [row for _, row in found.rows]
    if len(rows) == 1:
        row = rows[0]
        listed = ctx.containers.processes(row.site, row.id)
        return Outcome(
            summary=f"`{row.name}` on {row.site} has {_number(len(listed.rows))}.",
            table=Table(columns=listed.columns, rows=listed.rows),
            notes=found.notes,
        )
    looks = Looks()
    told = [(row, looks.at(row, ctx.containers.processes)) for row in rows]
    seen = [(row, listed) for row, listed in told if listed is not None]
    looks.require(seen)
    # an engine's `ps` is its host's own, and may show other columns than the next one's
    columns = tuple(dict.fromkeys(column for _, listed in seen for column in listed.columns))
    lines = [
        (row.name, row.site, *map(dict(zip(listed.columns, line, strict=False)).get, columns, repeat("")))
        for row, listed in seen
        for line in listed.rows
    ]
    return Outcome(
        summary=f"{count(len(seen), 'container')}, {_number(len(lines))}.",
        table=Table(columns=("name", "engine", *columns), rows=tuple(lines)),
        notes=(*found.notes, *looks.notes),
    )


def show_diff(_params: DiffParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """What writable layers make different from their images; of several, each line behind its container."""
    rows = [row for _, row in found.rows]
    if len(rows) == 1:
        row = rows[0]
        excerpt = Excerpt(ctx, f"{row.name}.diff")
        said = _write(excerpt, ctx.containers.file_changes(row.site, row.id))
        return _tell(excerpt, f"`{row.name}` on {row.site} differs from its image in: {said}.", found.notes)
    looks = Looks()
    told = [(row, looks.at(row, ctx.containers.file_changes)) for row in rows]
    seen = [(row, changes) for row, changes in told if changes is not None]
    looks.require(seen)
    excerpt = Excerpt(ctx, f"{len(seen)}-containers.diff")
    found_there = (_write(excerpt, changes, f"{row.site}/{row.name} ") for row, changes in seen)
    each = "; ".join(f"`{row.name}` {said}" for (row, _), said in zip(seen, found_there, strict=True))
    summary = f"{count(len(seen), 'container')} against their images: {each}."
    return _tell(excerpt, summary, (*found.notes, *looks.notes))


def _write(excerpt: Excerpt, changes: Sequence[FileChange], front: str = "") -> str:
    """A line for each; how many of each kind there are."""
    for change in changes:
        excerpt.add(f"{front}{_SIGNS[change.kind]} {change.path}")
    counts = Counter(change.kind for change in changes)
    return ", ".join(f"{counts[kind]} {kind}" for kind in _SIGNS if counts[kind]) or "nothing"


def _tell(excerpt: Excerpt, summary: str, notes: tuple[str, ...]) -> Outcome:
    text = excerpt.text
    attachment, more = excerpt.close()
    return Outcome(summary=summary, text=text, attachment=attachment, notes=(*notes, *more))


def _number(processes: int) -> str:
    return f"{processes} process{'' if processes == 1 else 'es'}"


CONTAINER_TOP = Read(
    name="container top",
    summary="The processes of containers.",
    params=TopParams,
    backend=Backend.DOCKER,
    find=find_running,
    run=show_top,
    many=True,
    time_limit=timedelta(minutes=1),
    examples=("container top web", "container top --health unhealthy"),
)

CONTAINER_DIFF = Read(
    name="container diff",
    summary="Which files containers have added, changed or deleted, against their images.",
    params=DiffParams,
    backend=Backend.DOCKER,
    find=find_some,
    run=show_diff,
    many=True,
    time_limit=timedelta(minutes=1),
    examples=("container diff web", "container diff --engine edge-1 --image */web:*"),
)
