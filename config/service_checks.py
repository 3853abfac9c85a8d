"""What of a service's file only sites.yaml, or another part of the file, can tell to be wrong."""

from __future__ import annotations

from collections.abc import Mapping

from andock.belonging import RESERVED_LABELS
from andock.errors import ConfigError
from andock.ports.registry import ImageName
from andock.ports.services import Service
from config.compose import ComposeFile, ComposeService, Declaration
from config.documents import Document, Place
from config.sites import Engine, ImageRegistry, Sites
from config.unsupported import EXTENSION

_OF_ENGINES = ("bridge", "default", "host", "none")


def check_service(
    document: Document, service: Service, said: ComposeService, file: ComposeFile, sites: Sites
) -> None:
    """Let a service pass that fits sites.yaml and itself.

    Raises:
        ConfigError: the first thing wrong, with line and fix.
    """
    place = ("services", service.name)
    inside = (*place, EXTENSION) if said.x_andock is not None else (EXTENSION,)
    _check_labels(document, place, service)
    _check_ports(document, place, said)
    _check_mounts(document, place, said)
    volumes = [mount.source for mount in said.volumes if mount.type == "volume"]
    _check_declared(document, (*place, "volumes"), "volume", volumes, file.volumes)
    _check_networks(document, (*place, "networks"), said, file.networks)
    _check_image(document, (*place, "image"), service.image, sites)
    _check_engines(document, (*inside, "environments"), service, sites)
    _check_order(document, (*inside, "environments"), service)


def _check_labels(document: Document, place: Place, service: Service) -> None:
    for label in service.labels:
        if label.startswith(RESERVED_LABELS):
            raise ConfigError(
                f"the label `{label}` is not yours to set: `andock.*` and `com.docker.compose.*` are taken.",
                where=document.where((*place, "labels", label)),
                fix="give it another name.",
            )


def _check_ports(document: Document, place: Place, said: ComposeService) -> None:
    many = said.deploy.replicas
    for index, port in enumerate(said.ports):
        where = document.where((*place, "ports", index))
        if port.replicas < many:
            first, inside = port.taken[0], port.target.partition("-")[0]
            raise ConfigError(
                f"{many} containers on an engine cannot share its port {port.published}.",
                where=where,
                fix=f"give them as many: `{first}-{first + many - 1}:{inside}`.",
            )
        if any(port.meets(other) for other in said.ports[:index]):
            raise ConfigError(
                f"the engine's port {port.published} is published twice.",
                where=where,
                fix="keep one of them.",
            )


def _check_mounts(document: Document, place: Place, said: ComposeService) -> None:
    inside = [mount.inside for mount in said.volumes]
    for index, path in enumerate(inside):
        if path in inside[:index]:
            raise ConfigError(
                f"two volumes are mounted at `{path}`.",
                where=document.where((*place, "volumes", index)),
                fix="keep one of them.",
            )


def _check_networks(
    document: Document, place: Place, said: ComposeService, declared: Mapping[str, Declaration]
) -> None:
    for network in said.networks:
        if network in _OF_ENGINES:
            raise ConfigError(
                f"`{network}` is no network that a service can be in.",
                where=document.where((*place, network)),
                fix="leave it out for the engine's own bridge, or write `network_mode: host` in the service.",
            )
    _check_declared(document, place, "network", list(said.networks), declared)


def _check_declared(
    document: Document, place: Place, what: str, used: list[str], declared: Mapping[str, Declaration]
) -> None:
    """Where a file declares any, it declares all that it uses."""
    for name in used:
        if declared and name not in declared:
            raise document.unknown((*place, name), f"{what} under `{what}s:`", name, tuple(declared))


def _check_image(document: Document, place: Place, image: ImageName, sites: Sites) -> None:
    registry = sites.registries.get(image.registry)
    if registry is None:
        raise document.unknown(place, "registry in sites.yaml", image.registry, tuple(sites.registries))
    if not _allows(registry, image):
        raise ConfigError(
            f"`{image.familiar}` is not allowed by `registries:` in sites.yaml.",
            where=document.where(place),
            fix=f"name one that is ({', '.join(registry.allow)}), or add it there.",
        )


def _allows(registry: ImageRegistry, image: ImageName) -> bool:
    """Whether the image may be pulled; with any tag, where the file leaves it open."""
    if not registry.allow or any(image.fits(pattern) for pattern in registry.allow):
        return True
    heads = [pattern.rpartition(":") for pattern in registry.allow]
    return not image.tag and any(head and "/" not in tag and image.fits(head) for head, _, tag in heads)


def _check_engines(document: Document, place: Place, service: Service, sites: Sites) -> None:
    for environment, there in service.places.items():
        if environment not in sites.environments:
            raise document.unknown((*place, environment), "environment", environment, sites.environments)
        for index, engine in enumerate(there.engines):
            spot = (*place, environment, "engines", index)
            if engine not in sites.engines:
                raise document.unknown(spot, "engine", engine, tuple(sites.engines))
            if engine in there.engines[:index]:
                raise ConfigError(
                    f"`{engine}` is there twice.", where=document.where(spot), fix="keep one of them."
                )
            judged = _judged(service, environment, sites.engines[engine])
            if judged != environment:
                raise ConfigError(
                    f"by sites.yaml the service is in environment `{judged}` on `{engine}`.",
                    where=document.where(spot),
                    fix=f"name engines of `{environment}` here, or change the engine's environment there.",
                )
    _check_pool(document, place, service, sites)


def _judged(service: Service, environment: str, engine: Engine) -> str:
    """The environment in which policy will see the service's containers."""
    labels = {**service.labels, "andock.service": service.name, "andock.environment": environment}
    return engine.environment_of("", [f"{key}={text}" for key, text in labels.items()])


def _check_pool(document: Document, place: Place, service: Service, sites: Sites) -> None:
    engines = [
        (engine, (*place, environment, "engines", index))
        for environment, there in service.places.items()
        for index, engine in enumerate(there.engines)
    ]
    first, _ = engines[0]
    for engine, spot in engines:
        if sites.pool_of(engine) != sites.pool_of(first):
            raise ConfigError(
                f"`{engine}` is in pool `{sites.pool_of(engine)}`, `{first}` in `{sites.pool_of(first)}`.",
                where=document.where(spot),
                fix="name engines of one pool: one worker must reach all of them.",
            )


def _check_order(document: Document, place: Place, service: Service) -> None:
    """`after` names another environment of the service, and leads to one that is after none."""
    for environment, there in service.places.items():
        if there.after and there.after not in service.places:
            others = tuple(name for name in service.places if name != environment)
            spot = (*place, environment, "after")
            raise document.unknown(spot, "environment of this service", there.after, others)
    for environment in service.places:
        seen = [environment]
        while after := service.places[seen[-1]].after:
            if after in seen:
                raise ConfigError(
                    f"`{environment}` would have to wait for itself.",
                    where=document.where((*place, environment, "after")),
                    fix="let the first environment be after none.",
                )
            seen.append(after)
