"""What operations ask of Docker engines. Implemented in `workers.containers`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from andock.ports.allowances import Allowances
from andock.ports.container_changes import ContainerChanges
from andock.ports.container_insight import ContainerInsight
from andock.ports.container_output import ContainerOutput
from andock.ports.container_probe import ContainerProbe
from andock.ports.engines import EngineReports
from andock.ports.images import Images
from andock.ports.networks import Networks
from andock.ports.sites import Listing
from andock.ports.volumes import Volumes


@dataclass(frozen=True, slots=True)
class Published:
    """A port of a running container that can be reached through its host."""

    inner: str  # `80/tcp`
    address: str  # on which the host listens; `0.0.0.0` or `::` for all
    port: int


@dataclass(frozen=True, slots=True)
class ContainerRow:
    """One container in a listing."""

    site: str  # the engine's name in sites.yaml
    id: str  # full container id
    name: str  # without the leading slash
    image: str
    state: str  # created, running, paused, restarting, exited, dead
    status: str  # the engine's own words, such as `Up 3 minutes (healthy)`
    environment: str
    image_id: str = ""  # sha256:..., which a name may leave for another image
    labels: Mapping[str, str] = field(default_factory=dict)
    health: str = ""  # healthy, unhealthy, starting, or empty without a health check
    published: tuple[Published, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)  # by network; empty for one that does not run


@dataclass(frozen=True, slots=True)
class Container(ContainerRow):
    """One container as `container info` shows it; values of environment variables are never read."""

    started_at: datetime | None = None  # aware, UTC
    finished_at: datetime | None = None
    exit_code: int = 0
    restarts: int = 0  # by the restart policy, since it was created
    restart_policy: str = ""
    ports: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    memory_limit: int = 0  # bytes, 0 for none
    cpus: float = 0.0  # 0 for no limit
    pid: int = 0
    check_every: float = 0.0  # seconds from its start to the first health check; 0 without one
    last_check: str = ""  # what the last health check said, without secrets
    removed_at_end: bool = False  # made with --rm

    @property
    def restart(self) -> str:
        """The name of its restart policy: `on-failure`, however often."""
        return self.restart_policy.partition(",")[0]


class Containers(
    ContainerInsight,
    ContainerChanges,
    ContainerOutput,
    ContainerProbe,
    Images,
    Networks,
    Volumes,
    EngineReports,
    Protocol,
):
    """All engines of this worker's pool; the subjects are in modules of their own.

    Every method raises BackendUnavailableError when the engine was not reached and nothing was sent,
    BackendRejectedError when it answered no, TargetNotFoundError when the container is gone, and for a change
    OutcomeUnknownError when the call was sent and no answer came. Nothing is repeated here. Every method but
    `list_containers` takes the container's full id, so that it never acts on a namesake.
    """

    @property
    def allowances(self) -> Allowances:
        """What sites.yaml allows on engines."""
        ...

    def sites(self) -> tuple[str, ...]:
        """Names of the engines, in the order of sites.yaml."""
        ...

    def list_containers(
        self, site: str | None = None, names: Collection[str] = (), *, among: Collection[str] = ()
    ) -> Listing[ContainerRow]:
        """All containers, running or not, of one engine, of those `among`, or of all; by name.

        `searched` is who answered.

        With `names` only those called so, which costs an engine with many containers much less. All engines
        are asked at once: one that is away marks itself and never holds the others up.

        Raises:
            UnknownSiteError: no engine has that name.
        """
        ...

    def read_container(self, site: str, container: str) -> Container:
        """Everything `container info` shows of the container."""
        ...

    def start(self, site: str, container: str) -> None:
        """Start it; a running container stays as it is."""
        ...

    def stop(self, site: str, container: str, grace: int) -> None:
        """Stop it: TERM, then KILL after `grace` seconds. Returns when it has stopped."""
        ...

    def restart(self, site: str, container: str, grace: int) -> None:
        """Stop as above and start again. Returns when it was started, which is not yet that it runs on.

        A BackendRejectedError may come from the second half, when it is already stopped.
        """
        ...

    def server_time(self, site: str) -> datetime:
        """The engine's clock, aware, UTC: what `started_at` and `finished_at` compare with."""
        ...
