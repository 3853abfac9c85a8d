"""What stands in a deployment's way, and what its approvers should know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from andock.errors import TargetNotFoundError, UserError
from andock.naming import list_names
from andock.operation import Reader
from andock.operations.service.engines import ask_each
from andock.operations.service.labels import Version
from andock.operations.service.ports import HOST, is_published
from andock.operations.service.standing import Replica, Standing, doubts, survey
from andock.ports.services import Place, Service
from andock.sizes import write_size

_UNPACKED = 3  # times its compressed size is what an image takes on disk, roughly


def powers_of(service: Service) -> tuple[str, ...]:
    """What its containers ask for of their engines, as rules name it."""
    binds = (volume for volume in service.volumes if volume.startswith("/"))
    return (
        *(f"net={network}" for network in service.networks if network == HOST),
        *(f"bind={bind}" for bind in binds),
    )


def warn_unproven(service: Service, place: Place, version: Version, ctx: Reader) -> tuple[str, ...]:
    """A warning when the environment before this one has not proven the version."""
    before = service.places.get(place.after)
    if before is None:
        return ()
    standings, listing = survey(service, before, ctx)
    away = [f"{site.site} not reached" for site in listing.not_reached]
    why = (*away, *doubts(standings.values()))
    if why:
        return (f"not proven in {place.after}: {why[0]}",)
    runs = next(iter(standings.values())).versions[0]
    return () if runs.digest == version.digest else (f"not proven in {place.after}, where {runs.full} runs",)


def refuse_unasked_checks(service: Service, place: Place, ctx: Reader) -> None:
    """Raises UserError when a check cannot be asked from the workers' machine."""
    for check in service.checks:
        far = [site for site in place.engines if not ctx.containers.is_near(site)]
        if far and not is_published(service, check):
            raise UserError(
                f"The check `{check.path}` of `{service.name}` asks port {check.port}, which is not "
                f"published, and {list_names(far)} is not on the workers' machine. Publish the port under "
                "`ports:`, or ask it in the health check."
            )


def refuse_missing_networks(service: Service, place: Place, ctx: Reader) -> None:
    """Raises UserError when an engine lacks one of the service's networks."""
    if not service.networks:
        return
    known = ask_each(
        place.engines, lambda site: {row.name for row in ctx.containers.list_networks(site).rows}
    )
    for site, networks in known.items():
        for network in service.networks:
            if network not in networks:
                raise UserError(
                    f"{site} has no network `{network}`, which `{service.name}` is to be in. Make it there "
                    f"first: `docker network create {network}`."
                )


def refuse_missing_volumes(service: Service, place: Place, ctx: Reader) -> None:
    """Raises UserError when an engine lacks an external volume: it would silently make an empty one."""
    if not service.external_volumes:
        return

    def look(site: str) -> None:
        for volume in service.external_volumes:
            try:
                ctx.containers.read_volume(site, volume)
            except TargetNotFoundError as error:
                raise UserError(
                    f"{site} has no volume `{volume}`, `external` in `{service.name}`. Make it there "
                    f"first: `docker volume create {volume}`. Without `external`, an empty one is made."
                ) from error

    ask_each(place.engines, look)


def warn_of_disk(size: int, free: Mapping[str, int | None]) -> list[str]:
    """A warning for each engine whose free disk has no room for an image of `size` bytes, compressed."""
    need = size * _UNPACKED
    return [
        f"{site} has {write_size(left)} free on its disk, and the image may take {write_size(need)}"
        for site, left in free.items()
        if left is not None and left < need
    ]


def warn_of_leftovers(standings: Iterable[Standing]) -> list[str]:
    """Warnings of what other deployments have left, and of different versions side by side."""
    found = list(standings)
    said = [
        f"`{replica.row.name}` on {one.site} was left by request {replica.keeper} and is removed at the end"
        for one in found
        for replica in one.kept
    ]
    if len({version.digest for one in found for version in one.versions}) > 1:
        said.append("different versions run now: " + ", ".join(f"{one.site} {one.text}" for one in found))
    return said


def warn_of_others(standings: Iterable[Standing], version: Version, asker: str) -> list[str]:
    """A warning for each deployment of another version by somebody else, which this one replaces."""
    theirs: dict[str, Replica] = {}
    sites: dict[str, list[str]] = {}
    for one in standings:
        for replica in one.current.values():
            if replica.asker not in ("", asker) and replica.version.digest != version.digest:
                theirs.setdefault(replica.deployment, replica)
                sites.setdefault(replica.deployment, []).append(one.site)
    return [
        f"{first.version.full} on {', '.join(dict.fromkeys(sites[request]))} is of {first.asker}: "
        f"request {request}, {first.made}"
        for request, first in theirs.items()
    ]
