"""`service diff`: what a version and the service's file would change about what runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from andock.operation import Backend, Found, Outcome, Read, Reader, Table
from andock.operations.service.labels import Version
from andock.operations.service.params import VersionParams
from andock.operations.service.planning import name_version
from andock.operations.service.standing import Replica, survey
from andock.operations.service.targets import place_of, target_of
from andock.ports.services import Service
from andock.sizes import write_size


@dataclass(frozen=True, slots=True)
class Compared:
    """One engine: each thing that differs, with what is and what would be."""

    site: str
    differences: tuple[tuple[str, str, str], ...]


def find_diff(params: VersionParams, ctx: Reader) -> Found[Compared]:
    """What differs on each engine of the environment that answers."""
    service = ctx.services.read(params.name)
    place = place_of(service, params.environment)
    version = Version.of(ctx.registry.resolve(name_version(service, params.version)).name)
    standings, listing = survey(service, place, ctx)
    rows = tuple(
        (
            target_of(service, place, site),
            Compared(site, _compare(service, version, one.current.values(), ctx)),
        )
        for site, one in standings.items()
    )
    notes = tuple(f"{away.site} not reached: {away.why}" for away in listing.not_reached)
    return Found(rows=rows, notes=notes)


def show_diff(params: VersionParams, ctx: Reader, found: Found[Compared]) -> Outcome:  # noqa: ARG001  a Read's run
    """A row for each thing that differs. Values of variables are never read, so their change is not shown."""
    rows = tuple((one.site, *row) for _, one in found.rows for row in one.differences)
    said = f"`{params.name}` {params.version} in {params.environment}"
    if not rows:
        return Outcome(summary=f"{said}: nothing differs from what runs.", notes=found.notes)
    table = Table(columns=("engine", "what", "now", "then"), rows=rows)
    return Outcome(summary=f"{said}: this differs from what runs.", table=table, notes=found.notes)


def _compare(
    service: Service, version: Version, replicas: Iterable[Replica], ctx: Reader
) -> tuple[tuple[str, str, str], ...]:
    found = list(replicas)
    if not found:
        return (("containers", "none", str(service.replicas)),)
    now = found[0]
    pairs = [
        ("image", now.version.full, version.full, now.version.digest == version.digest),
        ("replicas", str(len(found)), str(service.replicas), len(found) == service.replicas),
    ]
    said = [(what, old, new) for what, old, new, same in pairs if not same]
    if now.config == service.config:
        return tuple(said)
    return (*said, ("config", now.config, service.config), *_compare_settings(service, now, ctx))


def _compare_settings(service: Service, now: Replica, ctx: Reader) -> Iterator[tuple[str, str, str]]:
    """What of the configuration differs, with what can be said of it; never the value of a variable."""
    container = ctx.containers.read_container(now.row.site, now.id)
    networks = sorted(one.partition(" ")[0] for one in container.networks)
    known = {
        "memory": (write_size(container.memory_limit), write_size(service.limits.memory)),
        "cpus": (f"{container.cpus:g}", f"{service.limits.cpus:g}"),
        "networks": (", ".join(networks), ", ".join(sorted(service.networks)) or "bridge"),
        "restart": (container.restart_policy, service.limits.restart),
    }
    for name in now.list_changes(service):
        was = "set" if name in now.parts else "not set"
        will_be = ("set otherwise" if name in now.parts else "set") if name in service.parts else "not set"
        yield (name, *known.get(name, (was, will_be)))


SERVICE_DIFF = Read(
    name="service diff",
    summary="How a version, and the service's file, differ from what runs.",
    params=VersionParams,
    backend=Backend.DOCKER,
    find=find_diff,
    run=show_diff,
    examples=("service diff api v1.2.3 to prod",),
)
