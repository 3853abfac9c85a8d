"""`container list`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from andock.naming import tell_away
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table
from andock.operations.container.reading import Filters
from andock.operations.container.selection import fits, is_pattern
from andock.operations.container.targets import list_reached, target_of
from andock.ports.containers import ContainerRow

State: TypeAlias = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]


class _Like(Params):
    name: str | None = Field(
        default=None,
        max_length=200,
        description="Only names like this: `web-*`, or a part of the name.",
        json_schema_extra={"positional": True},
    )


class ListParams(Filters, _Like):
    """What `container list` takes."""

    state: State | None = Field(default=None, description="Only those in this state.")


def find_listed(params: ListParams, ctx: Reader) -> Found[ContainerRow]:
    """Every container that fits all that is asked for."""
    listing = list_reached(ctx)
    rows = [row for row in listing.rows if _is_meant(params, row)]
    where = ", ".join(listing.searched)
    like = f" like `{params.name}`" if params.name else ""
    asked = params.model_fields_set - {"name"}
    such = " that is as you ask" if any(getattr(params, field) for field in asked) else ""
    return Found(
        rows=tuple((target_of(row), row) for row in rows),
        notes=tell_away(listing),
        empty=f"No container{like}{such} on {where}.",
    )


def _is_meant(params: ListParams, row: ContainerRow) -> bool:
    return (
        (params.name is None or _is_like(row, params.name))
        and not params.lacks(row)
        and (params.state is None or row.state == params.state)
    )


def _is_like(row: ContainerRow, wanted: str) -> bool:
    return fits(row, wanted) if is_pattern(wanted) else wanted.lower() in row.name.lower()


def show_list(_params: ListParams, _ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """One line a container."""
    rows = [row for _, row in found.rows]
    running = sum(row.state == "running" for row in rows)
    engines = len({row.site for row in rows})
    return Outcome(
        summary=f"{_count(len(rows), 'container')} on {_count(engines, 'engine')}, {running} running.",
        table=Table(
            columns=("name", "state", "status", "image", "engine", "environment"),
            rows=tuple(
                (row.name, row.state, row.status, row.image, row.site, row.environment) for row in rows
            ),
        ),
        notes=found.notes,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


CONTAINER_LIST = Read(
    name="container list",
    summary="The containers of one engine or of all, running or not.",
    params=ListParams,
    backend=Backend.DOCKER,
    find=find_listed,
    run=show_list,
    many=True,
    examples=(
        "container list",
        "container list web-*",
        "container list --engine edge-1 --health unhealthy",
        "container list --label app=shop --image */web:* --state running",
    ),
)
