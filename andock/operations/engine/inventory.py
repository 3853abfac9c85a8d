"""`engine list` and `engine info`."""

from __future__ import annotations

from pydantic import Field

from andock.naming import count, tell_away
from andock.operation import Backend, Found, Offer, Outcome, Params, Read, Reader, Table
from andock.operations.engine.targets import NAMING, choose, list_engines, target_of
from andock.ports.engines import Engine, EngineRow
from andock.sizes import write_size


class ListParams(Params):
    """What `engine list` takes."""


class InfoParams(Params):
    """What `engine info` takes."""

    name: str | None = Field(
        default=None, max_length=100, description=NAMING, json_schema_extra={"positional": True}
    )


def find_listed(_params: ListParams, ctx: Reader) -> Found[EngineRow]:
    """Every engine that answers."""
    listing = list_engines(ctx, None)
    return Found(
        rows=tuple((target_of(row), row) for row in listing.rows),
        notes=tell_away(listing),
        empty="No engine.",
    )


def show_list(_params: ListParams, _ctx: Reader, found: Found[EngineRow]) -> Outcome:
    """One line an engine."""
    rows = [row for _, row in found.rows]
    running = sum(row.running for row in rows)
    return Outcome(
        summary=f"{count(len(rows), 'engine')}, {count(running, 'running container')}.",
        table=Table(
            columns=(
                "engine",
                "version",
                "containerd",
                "runc",
                "storage",
                "cgroups",
                "running",
                "environment",
            ),
            rows=tuple(
                (
                    row.site,
                    row.version,
                    row.containerd,
                    row.runc,
                    row.storage,
                    row.cgroups,
                    f"{row.running} of {row.containers}",
                    row.environment,
                )
                for row in rows
            ),
        ),
        notes=found.notes,
    )


def find_one(params: InfoParams, ctx: Reader) -> Found[EngineRow]:
    """The engine that is meant."""
    row = choose(ctx, params.name)
    return Found(rows=((target_of(row), row),))


def show_info(_params: InfoParams, ctx: Reader, found: Found[EngineRow]) -> Outcome:
    """What the engine says of itself."""
    engine = ctx.containers.read_engine(found.rows[0][1].site)
    return Outcome(
        summary=f"Engine `{engine.site}`: Docker {engine.version} on {engine.host}, "
        f"{engine.running} of {count(engine.containers, 'container')} running.",
        fields=tuple((label, value) for label, value in _fields(engine) if value),
        notes=tuple(engine.warnings),
        offers=(
            Offer(label="Disk", command=f"engine disk {engine.site}"),
            Offer(label="Containers", command=f"container list --site {engine.site}"),
        ),
    )


def _fields(engine: Engine) -> tuple[tuple[str, str], ...]:
    return (
        ("Environment", engine.environment),
        ("Versions", f"containerd {engine.containerd}, runc {engine.runc}, API {engine.api}"),
        ("System", engine.system),
        ("Machine", f"{count(engine.cpus, 'CPU')}, {write_size(engine.memory)} memory"),
        ("Storage", f"{engine.storage} in {engine.folder}"),
        ("Cgroups", engine.cgroups),
        ("Runtimes", ", ".join(engine.runtimes)),
        ("Logs", engine.logging),
        ("Security", ", ".join(engine.security)),
        ("Images", str(engine.images)),
        ("Unchecked registries", ", ".join(engine.registries)),
        ("Live restore", "containers run on while dockerd restarts" if engine.live_restore else "off"),
        ("Swarm", engine.swarm if engine.swarm != "inactive" else ""),
        ("Labels", ", ".join(engine.labels)),
    )


ENGINE_LIST = Read(
    name="engine list",
    summary="All engines: versions, storage driver, cgroups, how many containers run.",
    params=ListParams,
    backend=Backend.DOCKER,
    find=find_listed,
    run=show_list,
    many=True,
    examples=("engine list",),
)

ENGINE_INFO = Read(
    name="engine info",
    summary="One engine: versions of it, containerd and runc, machine, storage, cgroups, security.",
    params=InfoParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_info,
    examples=("engine info edge-1",),
)
