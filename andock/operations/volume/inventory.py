"""`volume list`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from andock.naming import count, engine_key, list_names, reached, tell_away
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table, Target
from andock.ports.volumes import VolumeRow
from andock.sizes import write_size

_ANONYMOUS = 64  # digits that an engine makes up for a name
_SHORT = 12
_USERS_SHOWN = 2


class ListParams(Params):
    """What `volume list` takes."""

    name: str | None = Field(
        default=None,
        max_length=200,
        description="Only names with this in them.",
        json_schema_extra={"positional": True},
    )
    unused: bool = Field(default=False, description="Only those that no container uses.")


def target_of(row: VolumeRow) -> Target:
    """What policy judges."""
    return Target(
        kind="volume",
        site=row.site,
        id=row.name,
        name=row.name,
        environment=row.environment,
        labels=tuple(f"{key}={value}" for key, value in sorted(row.labels.items())),
        parents=(engine_key(row.site),),
    )


def is_anonymous(row: VolumeRow) -> bool:
    """Whether an engine made up its name, for a container that asked for a volume without one."""
    return len(row.name) == _ANONYMOUS and not set(row.name) - set("0123456789abcdef")


def find_listed(params: ListParams, ctx: Reader) -> Found[VolumeRow]:
    """Every volume whose name fits."""
    listing = reached(ctx.containers.list_volumes(ctx.site))
    wanted = (params.name or "").lower()
    rows = [row for row in listing.rows if wanted in row.name.lower() and not (params.unused and row.used_by)]
    like = f" like `{params.name}`" if params.name else ""
    return Found(
        rows=tuple((target_of(row), row) for row in rows),
        notes=tell_away(listing),
        empty=f"No{' unused' if params.unused else ''} volume{like} on {', '.join(listing.searched)}.",
    )


def show_list(_params: ListParams, _ctx: Reader, found: Found[VolumeRow]) -> Outcome:
    """One line a volume."""
    rows = [row for _, row in found.rows]
    unused = [row for row in rows if not row.used_by]
    size = write_size(sum(max(0, row.size) for row in rows))
    free = write_size(sum(max(0, row.size) for row in unused))
    engines = count(len({row.site for row in rows}), "engine")
    return Outcome(
        summary=f"{count(len(rows), 'volume')} on {engines}, {size}; "
        f"{len(unused)} used by no container, {free}.",
        table=Table(
            columns=("name", "size", "driver", "made", "used by", "engine", "environment"),
            rows=tuple(
                (
                    f"{row.name[:_SHORT]} (no name)" if is_anonymous(row) else row.name,
                    write_size(row.size),
                    row.driver,
                    row.made_at.strftime("%Y-%m-%d %H:%M") if row.made_at else "",
                    list_names([use.name for use in row.used_by], _USERS_SHOWN),
                    row.site,
                    row.environment,
                )
                for row in rows
            ),
        ),
        notes=found.notes,
    )


VOLUME_LIST = Read(
    name="volume list",
    summary="The volumes of one engine or of all, with their sizes and who uses them.",
    params=ListParams,
    backend=Backend.DOCKER,
    find=find_listed,
    run=show_list,
    many=True,
    time_limit=timedelta(minutes=1),
    examples=("volume list", "volume list --unused --site edge-1"),
)
