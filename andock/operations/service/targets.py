"""What a service is to policy: on each engine one target, in the environment that its file says."""

from __future__ import annotations

from andock.errors import UserError
from andock.naming import engine_key, list_names
from andock.operation import Target
from andock.ports.services import Place, Service

NAMING = "Its name: that of its file in config/services/."


def target_of(service: Service, place: Place, engine: str) -> Target:
    """A service on one engine, as policy judges it."""
    return Target(
        kind="service",
        site=engine,
        id=service.name,
        name=service.name,
        environment=place.environment,
        labels=tuple(f"{key}={value}" for key, value in sorted(service.labels.items())),
        parents=(engine_key(engine),),
    )


def place_of(service: Service, environment: str) -> Place:
    """Where a service runs in an environment.

    Raises:
        UserError: it has no such environment; says which it has.
    """
    place = service.places.get(environment)
    if place is None:
        has = list_names(tuple(service.places), 20)
        raise UserError(f"Service `{service.name}` has no environment `{environment}`; it has: {has}.")
    return place
