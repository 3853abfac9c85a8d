"""`container info`."""

from __future__ import annotations

from datetime import datetime, timedelta

from andock.errors import BackendRejectedError
from andock.naming import count
from andock.operation import Backend, Found, Offer, Outcome, Read, Reader, Table
from andock.operations.container.looks import Looks
from andock.operations.container.reading import Reading, find_some
from andock.ports.container_insight import Anatomy, Counters
from andock.ports.containers import Container, ContainerRow
from andock.sizes import write_size

_SHORT_ID = 12
_ENDED = frozenset({"exited", "dead"})
_UP = frozenset({"running", "paused"})


class InfoParams(Reading):
    """What `container info` takes."""


def show_info(_params: InfoParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """What the engine knows of it, without the values of environment variables; of several, a line each."""
    if len(found.rows) > 1:
        return _show_several(ctx, found)
    row = found.rows[0][1]
    container = ctx.containers.read_container(row.site, row.id)
    anatomy = ctx.containers.read_anatomy(row.site, row.id)
    health = f", {container.health}" if container.health else ""
    fields = (*_fields(container), *_inner_fields(anatomy))
    return Outcome(
        summary=f"`{container.name}` on {container.site} is {container.state}{health}.",
        fields=tuple((label, value) for label, value in fields if value),
        table=_cgroups(anatomy, _used(container, ctx)),
        notes=found.notes,
        offers=_offers(container),
    )


def _show_several(ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    looks = Looks()
    told = [(row, looks.at(row, ctx.containers.read_container)) for _, row in found.rows]
    seen = [(row, container) for row, container in told if container is not None]
    looks.require(seen)
    lines = [
        _line(container, looks.at(row, ctx.containers.count) if container.state in _UP else None)
        for row, container in seen
    ]
    return Outcome(
        summary=f"{count(len(seen), 'container')}, "
        f"{sum(container.state == 'running' for _, container in seen)} running.",
        table=Table(
            columns=(
                "name", "state", "health", "restarts", "memory", "of", "cpus", "pids", "ports", "image",
                "engine",
            ),
            rows=tuple(lines),
        ),
        notes=(*found.notes, *looks.notes),
    )  # fmt: skip


def _line(container: Container, used: Counters | None) -> tuple[str, ...]:
    return (
        container.name,
        container.state if container.state not in _ENDED else f"{container.state} ({container.exit_code})",
        container.health,
        str(container.restarts),
        write_size(used.memory) if used else "",
        write_size(container.memory_limit) if container.memory_limit else "no limit",
        f"{container.cpus:g}" if container.cpus else "no limit",
        str(used.pids) if used else "",
        ", ".join(container.ports),
        container.image,
        container.site,
    )


def _used(container: Container, ctx: Reader) -> Counters | None:
    if container.state not in _UP:
        return None
    try:
        return ctx.containers.count(container.site, container.id)
    except BackendRejectedError:  # it has ended this moment
        return None


def _fields(container: Container) -> tuple[tuple[str, str], ...]:
    ended = container.state in _ENDED
    return (
        ("Environment", container.environment),
        ("Image", f"{container.image} ({container.image_id.removeprefix('sha256:')[:_SHORT_ID]})"),
        ("Id", container.id[:_SHORT_ID]),
        ("Started", _moment(container.started_at)),
        ("Ended", f"{_moment(container.finished_at)}, exit code {container.exit_code}" if ended else ""),
        ("Restarts", f"{container.restarts} (policy: {container.restart_policy})"),
        ("Ports", ", ".join(container.ports)),
        ("Mounts", ", ".join(container.mounts)),
        ("Networks", ", ".join(container.networks)),
        ("Labels", str(len(container.labels))),
    )


def _inner_fields(anatomy: Anatomy) -> tuple[tuple[str, str], ...]:
    own = [space.kind for space in anatomy.namespaces if not space.shared_with]
    shared = [f"{space.kind} with {space.shared_with}" for space in anatomy.namespaces if space.shared_with]
    image = (
        f"{anatomy.image_layers} read-only, {write_size(anatomy.image_bytes)}"
        if anatomy.image_layers
        else "its image is gone"
    )
    check = " ".join(anatomy.last_check.split())[:200]
    return (
        (
            "Last health check",
            f"{check} ({anatomy.failing_checks} failed in a row)" if anatomy.failing_checks else "",
        ),
        ("Own namespaces", ", ".join(own) or "none"),
        ("Shared namespaces", ", ".join(shared) or "none"),
        (
            "Layers",
            f"{image}; the writable one {write_size(anatomy.writable_bytes)} ({anatomy.storage_driver})",
        ),
        ("Runtime", anatomy.runtime),
        ("Privileged", "yes: it may do all that its host may" if anatomy.privileged else ""),
        ("Added capabilities", ", ".join(anatomy.added_capabilities)),
        ("At its end", "it is removed (made with --rm)" if anatomy.removed_at_end else ""),
        ("Variables", f"{', '.join(anatomy.variables)} (values are not read)" if anatomy.variables else ""),
    )


def _cgroups(anatomy: Anatomy, used: Counters | None) -> Table:
    """What each cgroup allows and what is used of it."""
    limits = anatomy.limits
    swap = limits.memory_with_swap
    memory = write_size(limits.memory) if limits.memory else "no limit"
    memory += f" ({write_size(swap)} with swap)" if swap > limits.memory else ""
    held_back = (
        f", held back in {used.throttled} of {used.periods} periods" if used and used.throttled else ""
    )
    rows = (
        ("memory", memory, write_size(used.memory) if used else ""),
        (
            "cpu",
            f"{limits.cpus:g} CPUs" if limits.cpus else "no limit",
            f"{used.cpu_seconds:.1f} s so far{held_back}" if used else "",
        ),
        ("pids", str(limits.pids) if limits.pids else "no limit", str(used.pids) if used else ""),
        (
            "blkio",
            "no limit",
            f"{write_size(used.read)} read, {write_size(used.written)} written" if used else "",
        ),
    )
    return Table(columns=("cgroup", "limit", "in use"), rows=rows)


def _offers(container: Container) -> tuple[Offer, ...]:
    named = f"{container.site}/{container.name}"
    change = "restart" if container.state == "running" else "start"
    return (
        Offer(label="Logs", command=f"container logs {named}"),
        Offer(label=change.capitalize(), command=f"container {change} {named}", danger=change == "restart"),
    )


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "never"


CONTAINER_INFO = Read(
    name="container info",
    summary="One container: state, health, cgroups, namespaces, layers, mounts, networks, ports; or several.",
    params=InfoParams,
    backend=Backend.DOCKER,
    find=find_some,
    run=show_info,
    many=True,
    time_limit=timedelta(minutes=1),
    examples=(
        "container info web",
        "container info edge-1/web",
        "container info --engine edge-1 --health unhealthy",
    ),
)
