"""Engines and containers as targets, and what a container belongs to: its engine, and its service."""

from __future__ import annotations

from andock.naming import engine_key
from andock.operation import Target
from andock.ports.containers import ContainerRow

SERVICE_LABEL = "andock.service"  # what bears it was made by a deployment, and names its service

RESERVED_LABELS = ("andock.", "com.docker.compose.")  # so begin keys that nobody sets but their owners


def service_key(site: str, name: str) -> str:
    """The key of a service on one engine, as a target."""
    return f"service:{site}/{name}"


def engine_target(site: str, environment: str) -> Target:
    """An engine as policy judges it."""
    return Target(kind="engine", site=site, id=site, name=site, environment=environment)


def container_target(row: ContainerRow) -> Target:
    """A container as policy judges it; while its service is deployed nobody else may have it."""
    service = row.labels.get(SERVICE_LABEL, "")
    return Target(
        kind="container",
        site=row.site,
        id=row.id,
        name=row.name,
        environment=row.environment,
        labels=tuple(f"{key}={value}" for key, value in sorted(row.labels.items())),
        parents=(engine_key(row.site), *([service_key(row.site, service)] if service else [])),
    )
