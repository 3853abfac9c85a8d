"""config/services/: how the sandbox's service, `api`, is to run, as an operator would write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sandbox.engine.services import GOOD, NAME, PORT

STAGING, PROD = "staging", "prod"
ANNOUNCE = "#releases"
PORTS = range(18080, 18084)  # of each engine: two replicas, and two more that take their places


def describe_service(
    registry: str,
    environments: Mapping[str, Sequence[str]],
    *,
    replicas: int = 2,
    ports: str = f"{PORTS[0]}-{PORTS[-1]}",
    update: Mapping[str, object] | None = None,
    **more: object,
) -> str:
    """The file of `api`: a Compose file with one service.

    Args:
        registry: the address of the one that its image lies in.
        environments: the engines of each; a version has to be healthy in the one before it first.
        replicas: on each engine.
        ports: of each engine; too few for a new container beside each old one make it stop-first.
        update: what differs in `update_config`, e.g. {"parallelism": 3, "failure_action": "pause"}.
        more: what differs in the service itself, e.g. environment={"DRAIN": "1"}.
    """
    names = list(environments)
    places = {
        name: {"engines": list(engines), **({"after": before} if before else {})}
        for (name, engines), before in zip(environments.items(), ["", *names], strict=False)
    }
    rollout = {
        "parallelism": 1,
        "order": "start-first",
        "failure_action": "rollback",
        "monitor": "4s",  # longer than v2.0.0-late stays healthy
        **(update or {}),
    }
    service: dict[str, Any] = {
        "image": f"{registry}/team/{NAME}:{GOOD[0]}",
        "ports": [f"{ports}:{PORT}"],
        "restart": "unless-stopped",
        "stop_grace_period": "10s",
        "deploy": {"replicas": replicas, "update_config": rollout},
        "x-andock": {
            "environments": places,
            "checks": [{"http": "/ready", "port": PORT, "within": "10s"}],
            "announce": ANNOUNCE,
        },
        **more,
    }
    return yaml.safe_dump({"services": {NAME: service}}, sort_keys=False)


def environment_rules(environments: Sequence[str]) -> list[dict[str, str]]:
    """What sites.yaml says of an engine, so that containers of a service are where the service is."""
    return [{"tag": f"andock.environment={name}", "is": name} for name in environments]
