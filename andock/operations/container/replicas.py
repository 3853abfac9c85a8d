"""Whether a service loses the last of its containers that runs: a plan says so before."""

from __future__ import annotations

from collections.abc import Iterable

from andock.belonging import SERVICE_LABEL
from andock.operation import Reader
from andock.ports.containers import ContainerRow

ENDING = frozenset(
    {"stop", "kill", "remove", "restart", "pause"}
)  # actions after or during which none answers
_COMPOSE_SERVICE = "com.docker.compose.service"
_COMPOSE_PROJECT = "com.docker.compose.project"
_WELL = frozenset({"", "healthy"})


def warn_of_last(rows: Iterable[ContainerRow], ctx: Reader) -> tuple[str, ...]:
    """A warning for each service of which nothing but these containers runs well, on the engines of the pool.

    Raises:
        BackendUnavailableError: no engine answers.
    """
    going: dict[str, list[ContainerRow]] = {}
    for row in rows:
        service = _service_of(row)
        if service and row.state == "running":
            going.setdefault(service, []).append(row)
    if not going:
        return ()
    ending = {row.id for found in going.values() for row in found}
    others = (row for row in ctx.containers.list_containers().rows if row.id not in ending)
    left = {_service_of(row) for row in others if row.state == "running" and row.health in _WELL}
    return tuple(_say(service, found) for service, found in going.items() if service not in left)


def _service_of(row: ContainerRow) -> str:
    """Of which service it is, as people are told; empty for none."""
    if service := row.labels.get(SERVICE_LABEL):
        return f"service `{service}` in {row.environment}"
    if service := row.labels.get(_COMPOSE_SERVICE):
        project = row.labels.get(_COMPOSE_PROJECT, "")
        return f"`{service}` of the Compose project `{project}` on {row.site}"
    return ""


def _say(service: str, rows: list[ContainerRow]) -> str:
    names = ", ".join(f"`{row.name}`" for row in rows)
    return f"Nothing else of {service} runs and is healthy: {names} {'are' if rows[1:] else 'is'} the last"
