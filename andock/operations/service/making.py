"""The container of a replica, as its service's file describes it."""

from __future__ import annotations

from collections.abc import Iterable

from andock.operations.service import labels
from andock.operations.service.assignment import Assignment
from andock.operations.service.labels import Version
from andock.ports.container_changes import NewContainer
from andock.ports.services import Service, Services

BUILT_IN = frozenset({"bridge", "host", "none"})  # networks in which containers have no names


def new_container(
    service: Service,
    told: Assignment,
    slot: int,
    request: str,
    healthy: Iterable[Version],
    services: Services,
) -> NewContainer:
    """What is to be made in a slot; the values of its secrets are read now.

    Raises:
        ConfigError: a secret cannot be read.
    """
    own = labels.labels_of(
        service.name,
        told.environment,
        version=told.version,
        config=told.config,
        parts=service.parts,
        slot=slot,
        request=request,
        asker=told.asker,
        healthy=healthy,
    )
    network = service.networks[0] if service.networks else ""
    return NewContainer(
        name=labels.name_of(service.name, slot),
        image=told.name.pinned,
        limits=service.limits,
        command=service.command,
        labels={**service.labels, **own},
        environment={
            name: value if isinstance(value, str) else services.secret(value, service.name)
            for name, value in service.environment.items()
        },
        ports=service.ports,
        network=network,
        aliases=() if not network or network in BUILT_IN else (service.name,),
        binds=tuple(volume for volume in service.volumes if volume.startswith("/")),
        volumes=tuple(volume for volume in service.volumes if not volume.startswith("/")),
        healthcheck=service.healthcheck,
        stop_grace=service.stop_grace,
    )
