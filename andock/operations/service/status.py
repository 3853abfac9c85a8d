"""`service status`: what runs where now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from andock.naming import count, tell_away
from andock.operation import Backend, Found, Offer, Outcome, Read, Reader, Table
from andock.operations.service.params import IN, NameParams
from andock.operations.service.standing import Replica, Standing, doubts, survey
from andock.operations.service.targets import place_of, target_of


class StatusParams(NameParams):
    """What `service status` takes."""

    environment: str = Field(
        default="",
        max_length=63,
        description="One of its environments; all without it.",
        json_schema_extra={"positional": True, **IN},
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """A service on one engine, in one environment; no standing where the engine is away."""

    environment: str
    site: str
    standing: Standing | None


def find_status(params: StatusParams, ctx: Reader) -> Found[Seen]:
    """The service on each of its engines."""
    service = ctx.services.read(params.name)
    places = [place_of(service, params.environment)] if params.environment else list(service.places.values())
    rows = []
    notes: dict[str, None] = {}
    for place in places:
        standings, listing = survey(service, place, ctx)
        rows += [
            (target_of(service, place, site), Seen(place.environment, site, standings.get(site)))
            for site in place.engines
        ]
        notes |= dict.fromkeys(tell_away(listing))
    return Found(rows=tuple(rows), notes=tuple(notes))


def show_status(params: StatusParams, ctx: Reader, found: Found[Seen]) -> Outcome:  # noqa: ARG001  a Read's run
    """Each replica, and of each environment whether it proves its version."""
    seen = [one for _, one in found.rows]
    said = [_sum_up(environment, seen) for environment in dict.fromkeys(one.environment for one in seen)]
    return Outcome(
        summary=f"`{params.name}`: {'; '.join(said)}.",
        table=Table(
            columns=("engine", "environment", "container", "version", "digest", "health", "status"),
            rows=tuple(row for one in seen for row in _rows(one)),
        ),
        notes=found.notes,
        offers=(offer_deploy(params.name),),
    )


def offer_deploy(name: str) -> Offer:
    """A button that opens the form in which version and environment are chosen."""
    return Offer(label="Deploy …", command=f"service deploy {name}")


def _sum_up(environment: str, seen: Sequence[Seen]) -> str:
    here = [one for one in seen if one.environment == environment]
    standings = [one.standing for one in here if one.standing is not None]
    why = doubts(standings)
    if len(standings) < len(here) or not standings:
        return f"{environment} is not known whole"
    if not any(one.current for one in standings):
        return f"{environment} has nothing of it"
    if why:
        return f"{environment} is not well, {why[0]}"
    return f"{environment} runs {standings[0].text}, healthy on {count(len(standings), 'engine')}"


def _rows(seen: Seen) -> list[tuple[str, ...]]:
    if seen.standing is None:
        return [(seen.site, seen.environment, "", "not reached", "", "", "")]
    replicas = [*seen.standing.current.values(), *seen.standing.kept]
    if not replicas:
        return [(seen.site, seen.environment, "", "nothing", "", "", "")]
    return [_row(seen, replica) for replica in replicas]


def _row(seen: Seen, replica: Replica) -> tuple[str, ...]:
    health = replica.row.health or replica.row.state
    version, title = replica.version, replica.version.title
    return (seen.site, seen.environment, replica.row.name, title, version.short, health, replica.row.status)


SERVICE_STATUS = Read(
    name="service status",
    summary="Which version of a service runs where, and how it is.",
    params=StatusParams,
    backend=Backend.DOCKER,
    find=find_status,
    run=show_status,
    many=True,
    examples=("service status api", "service status api in prod"),
)
