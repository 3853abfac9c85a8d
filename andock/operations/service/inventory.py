"""`service list` and `service info`: what config/services/ says now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from andock.errors import TargetNotFoundError, UserError
from andock.naming import count, list_names
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table, Target
from andock.operations.service.targets import NAMING, place_of, target_of
from andock.operations.service.wording import list_fields, write_places, write_variables
from andock.ports.services import Place, Service


class ListParams(Params):
    """What `service list` takes."""

    name: str | None = Field(
        default=None,
        max_length=100,
        description="Only names with this in them.",
        json_schema_extra={"positional": True},
    )
    environment: str | None = Field(default=None, max_length=100, description="Only those that run there.")


class InfoParams(Params):
    """What `service info` takes."""

    service: str = Field(min_length=1, max_length=100, description=NAMING)
    environment: str | None = Field(default=None, max_length=100, description="Only this one of its places.")


@dataclass(frozen=True, slots=True)
class Located:
    """A service on one engine."""

    service: Service
    place: Place
    engine: str


def find_listed(params: ListParams, ctx: Reader) -> Found[Located]:
    """Every service of these engines whose name fits; those that cannot be read are noted."""
    rows: list[tuple[Target, Located]] = []
    notes: list[str] = []
    wanted = (params.name or "").lower()
    for name in ctx.services.names():
        if wanted not in name:
            continue
        try:
            service = ctx.services.read(name)
        except TargetNotFoundError:
            continue  # removed meanwhile
        except UserError as error:
            notes.append(error.sentence)
            continue
        rows += _locate(service, ctx, params.environment)
    like = f" like `{params.name}`" if params.name else ""
    there = f" in {params.environment}" if params.environment else ""
    return Found(tuple(rows), tuple(notes), empty=f"No service{like}{there} on {_engines(ctx)}.")


def show_list(_params: ListParams, _ctx: Reader, found: Found[Located]) -> Outcome:
    """One line a service."""
    located = [row for _, row in found.rows]
    services = {row.service.name: row.service for row in located}
    engines = count(len({row.engine for row in located}), "engine")
    return Outcome(
        summary=f"{count(len(services), 'service')} on {engines}.",
        table=Table(
            columns=("name", "image", "environments", "replicas"),
            rows=tuple(
                (
                    name,
                    service.image.familiar,
                    ", ".join(write_places(_let_through(found, name))),
                    str(service.replicas),
                )
                for name, service in services.items()
            ),
        ),
        notes=found.notes,
    )


def find_one(params: InfoParams, ctx: Reader) -> Found[Located]:
    """The service of that name, on each of its engines."""
    service = ctx.services.read(params.service)
    if params.environment is not None:
        place_of(service, params.environment)
    empty = f"`{service.name}` does not run on {_engines(ctx)}."
    return Found(tuple(_locate(service, ctx, params.environment)), empty=empty)


def show_info(_params: InfoParams, _ctx: Reader, found: Found[Located]) -> Outcome:
    """All that its file says; secrets by where they lie."""
    service = found.rows[0][1].service
    places = _let_through(found, service.name)
    return Outcome(
        summary=f"Service `{service.name}`: `{service.image.familiar}` in "
        f"{list_names([place.environment for place in places], 20)}.",
        fields=list_fields(service, places),
        text=write_variables(service),
        filename=f"{service.name}-variables.txt",
        notes=found.notes,
    )


def _locate(service: Service, ctx: Reader, environment: str | None) -> Iterator[tuple[Target, Located]]:
    """The service on each of this worker's engines that is asked about."""
    engines = (ctx.site,) if ctx.site is not None else ctx.containers.sites()
    for place in service.places.values():
        if environment not in (None, place.environment):
            continue
        for engine in place.engines:
            if engine in engines:
                yield target_of(service, place, engine), Located(service, place, engine)


def _let_through(found: Found[Located], name: str) -> tuple[Place, ...]:
    """Where the service runs, as far as policy shows it."""
    places: dict[str, Place] = {}
    for _, row in found.rows:
        if row.service.name == name:
            before = places.get(row.place.environment)
            engines = (*(before.engines if before else ()), row.engine)
            places[row.place.environment] = Place(row.place.environment, engines, row.place.after)
    return tuple(places.values())


def _engines(ctx: Reader) -> str:
    return ctx.site or ", ".join(ctx.containers.sites())


SERVICE_LIST = Read(
    name="service list",
    summary="The services of config/services/: image, environments with their engines, replicas.",
    params=ListParams,
    backend=Backend.DOCKER,
    find=find_listed,
    run=show_list,
    many=True,
    examples=("service list", "service list api --environment prod", "service list --site edge-1"),
)

SERVICE_INFO = Read(
    name="service info",
    summary="All that a service's file says; secrets by where they lie.",
    params=InfoParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_info,
    many=True,
    examples=("service info api", "service info api --environment prod"),
)
