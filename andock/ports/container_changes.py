"""What can be done to a container besides starting and stopping it. Part of `Containers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from andock.ports.container_insight import Limits
from andock.ports.services import HealthCheck


@dataclass(frozen=True, slots=True)
class NewContainer:
    """A container to be made."""

    name: str
    image: str
    limits: Limits
    command: tuple[str, ...] = ()  # empty: the image's own
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets
    ports: tuple[str, ...] = ()  # `8080:80`, `127.0.0.1:8080:80/udp`; of `8080-8082:80` a free one is taken
    network: str = ""  # a network's name, or `host`
    aliases: tuple[str, ...] = ()  # further names in that network, which is none of the engine's own then
    pid: str = ""  # `host` or empty, as the four below
    ipc: str = ""
    uts: str = ""
    user_namespace: str = ""
    cgroup_namespace: str = ""
    binds: tuple[str, ...] = ()  # `/host/path:/inside[:ro]`
    volumes: tuple[str, ...] = ()  # `name:/inside[:ro]`; made if there is none
    devices: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    privileged: bool = False
    healthcheck: HealthCheck | None = None  # None: the image's own
    stop_grace: int = 0  # seconds from TERM to KILL where nobody says otherwise; 0 for the engine's own


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that an engine has."""

    id: str  # sha256:...
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that an engine remembers to have done to a container."""

    at: datetime  # aware, UTC, the engine's clock
    action: str  # the engine's word: kill, pause, unpause, rename, update, die, start, ...
    signal: str = ""  # of a kill, as a number


class ContainerChanges(Protocol):
    """One call each, never repeated, by the container's full id; errors are those of `Containers`."""

    def kill(self, site: str, container: str, signal: str) -> None:
        """Send a signal such as `KILL`; returns when it was sent."""
        ...

    def pause(self, site: str, container: str) -> None:
        """Freeze all of its processes."""
        ...

    def unpause(self, site: str, container: str) -> None:
        """Let them go on."""
        ...

    def rename(self, site: str, container: str, name: str) -> None:
        """Give it another name."""
        ...

    def remove(self, site: str, container: str, *, force: bool, volumes: bool) -> None:
        """Remove it: with `force` also while it runs, with `volumes` its anonymous volumes too."""
        ...

    def update(self, site: str, container: str, limits: Limits) -> None:
        """Set limits and restart policy; what is 0 or empty stays as it is."""
        ...

    def create(self, site: str, new: NewContainer) -> str:
        """Make it, not started; its id. A BackendRejectedError when the image is not on the engine."""
        ...

    def join_network(self, site: str, container: str, network: str, aliases: tuple[str, ...]) -> None:
        """Put it into one more network, by that network's name, under further names."""
        ...

    def local_image(self, site: str, image: str) -> LocalImage | None:
        """The image as the engine has it now; None when it has none of that name."""
        ...

    def find_labelled(self, site: str, label: str) -> tuple[str, ...]:
        """Ids of all containers with the label `key=value`."""
        ...

    def environment_of(self, site: str, labels: Mapping[str, str]) -> str:
        """The environment of a container with these labels on this engine."""
        ...

    def deeds(self, site: str, container: str, since: datetime) -> tuple[Deed, ...]:
        """What the engine remembers since then, oldest first; it forgets when it is restarted."""
        ...
