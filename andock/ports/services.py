"""Services as config/services/ describes them: what runs, where, and how a new version comes in.

Names and meanings are those of the Compose specification (compose-spec, `spec.md` and `deploy.md`); what is
Andock's own stands under `x-andock`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from andock.ports.container_insight import Limits
from andock.ports.registry import ImageName

Order = Literal["stop-first", "start-first"]
FailureAction = Literal["pause", "rollback", "continue"]
_PART = 6  # digits for each thing that a container is made from


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret value lies: `{env: NAME}` or `{file: PATH}`; only a worker reads it."""

    kind: Literal["env", "file"]
    name: str


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How the engine tells whether a container is healthy; times in seconds, 0 for the engine's own."""

    test: tuple[str, ...]  # `CMD wget ...` or `CMD-SHELL ...` as the engine takes it; `NONE` switches it off
    interval: float = 0.0
    timeout: float = 0.0
    start_period: float = 0.0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """An HTTP request that each new container must answer with 2xx or 3xx, on top of its health check."""

    path: str  # `/ready`
    port: int  # inside the container
    within: float = 60.0  # seconds that it may fail, once the container is healthy


@dataclass(frozen=True, slots=True)
class Rollout:
    """How containers are exchanged; `update_config` and `rollback_config` of the specification."""

    parallelism: int = 1  # engines at a time; 0 for all at once
    delay: float = 0.0  # seconds between two batches
    order: Order = "stop-first"
    failure_action: FailureAction = "pause"
    monitor: float = 5.0  # seconds that a new container must stay up and healthy
    max_failure_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """One environment of a service."""

    environment: str
    engines: tuple[str, ...]  # in the order of the roll-out; all of the service's engines are of one pool
    after: str = ""  # the environment before: what is not healthy there is warned of, and not promoted


@dataclass(frozen=True, slots=True)
class Service:
    """One file of config/services/."""

    name: str
    image: ImageName  # its tag is the version that is deployed if none is named; empty: one must be
    command: tuple[str, ...] = ()  # empty: the image's own
    environment: Mapping[str, str | SecretRef] = field(default_factory=dict)
    # `8080:80`, `127.0.0.1:8080:80/udp`; of `8080-8082:80` the engine takes a free one
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()  # `data:/var/lib/api` or `/host/path:/inside:ro`; the latter is a power
    external_volumes: tuple[str, ...] = ()  # those of them that the engines must have: none is made
    # the engines must have them, and the service's name is an alias on each; `host`, then alone, is a power
    networks: tuple[str, ...] = ()
    healthcheck: HealthCheck | None = None  # None: the image's own
    labels: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1  # on each engine
    limits: Limits = field(default_factory=Limits)
    stop_grace: int = 10  # seconds from TERM to KILL
    update: Rollout = field(default_factory=Rollout)
    rollback: Rollout = field(default_factory=Rollout)
    places: Mapping[str, Place] = field(default_factory=dict)  # by environment, in the order of the file
    checks: tuple[Check, ...] = ()
    announce: str = ""  # a channel that is told of every deployment

    @property
    def config(self) -> str:
        """Twelve digits that change with anything that a container is made from, but its image.

        A secret counts by its reference; its value is not known here.
        """
        return _digest(self._made_from)[:12]

    @property
    def parts(self) -> Mapping[str, str]:
        """A few digits for each thing that `config` is made from, by its name: `ports`, `environment MODE`.

        Two files differ in a thing when its digits do. What a file does not set is not there.
        """
        whole = self._made_from
        variables = {f"environment {name}": value for name, value in whole.pop("environment").items()}
        limits = whole.pop("limits")
        said = {**whole, **variables, **limits}
        return {name: _digest(value)[:_PART] for name, value in said.items() if value or name in variables}

    @property
    def _made_from(self) -> dict[str, Any]:
        return {
            "command": self.command,
            "environment": {
                name: value if isinstance(value, str) else asdict(value)
                for name, value in self.environment.items()
            },
            "ports": self.ports,
            "volumes": self.volumes,
            "networks": self.networks,
            "healthcheck": None if self.healthcheck is None else asdict(self.healthcheck),
            "labels": dict(self.labels),
            "limits": asdict(self.limits),
            "stop_grace_period": self.stop_grace,
        }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Services(Protocol):
    """What config/services/ describes, read anew for each request."""

    def names(self) -> tuple[str, ...]:
        """All services, by name."""
        ...

    def read(self, name: str) -> Service:
        """One service.

        Raises:
            TargetNotFoundError: there is none of that name; says the nearest.
            UserError: its file is wrong; says line and fix.
        """
        ...

    def secret(self, ref: SecretRef, service: str) -> str:
        """The value of a secret; nothing keeps it.

        Raises:
            ConfigError: it cannot be read.
        """
        ...
