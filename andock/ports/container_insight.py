"""What a container is made of and what it uses, as engines tell it. Part of `Containers`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Namespace:
    """One of a container's namespaces."""

    kind: str  # pid, net, ipc, uts, user, cgroup
    shared_with: str = ""  # `host`, another container's name or id, or empty for one of its own


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """One mount of a container."""

    name: str  # of a volume; empty for a folder of the host
    source: str
    destination: str
    anonymous: bool = False  # a volume that only this container knows: it goes with it


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container's cgroup allows; 0 for no limit. Bytes, CPUs, processes."""

    memory: int = 0
    memory_with_swap: int = 0  # -1 for no limit on swap
    cpus: float = 0.0
    pids: int = 0
    restart: str = ""  # no, always, unless-stopped, on-failure; no limit, but set the same way


@dataclass(frozen=True, slots=True)
class Counters:
    """What a running container has used so far, at one moment of the engine's clock."""

    at: datetime  # aware, UTC
    cpu_seconds: float  # all CPUs together, since it was started
    memory: int  # bytes, without the page cache that can be given back at once
    pids: int
    throttled: int = 0  # periods in which it was held back by its CPU limit
    periods: int = 0  # of those that were looked at
    received: int = 0  # bytes over all networks
    sent: int = 0
    read: int = 0  # bytes from block devices
    written: int = 0


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What a container is made of."""

    namespaces: tuple[Namespace, ...]
    limits: Limits
    cgroup_parent: str
    runtime: str
    storage_driver: str
    image_layers: int  # read-only ones; 0 when its image is gone
    image_bytes: int
    writable_bytes: int
    volumes: tuple[MountedVolume, ...]
    variables: tuple[str, ...]  # names of environment variables, never their values
    privileged: bool = False
    added_capabilities: tuple[str, ...] = ()
    removed_at_end: bool = False  # made with --rm
    last_check: str = ""  # what the last health check said
    failing_checks: int = 0  # in a row


@dataclass(frozen=True, slots=True)
class Processes:
    """What runs in a container, as the engine's `ps` shows it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path of the writable layer that differs from the image."""

    kind: str  # added, changed, deleted
    path: str


class ContainerInsight(Protocol):
    """Reads of one container by its full id; errors are those of `Containers`."""

    def read_anatomy(self, site: str, container: str) -> Anatomy:
        """Namespaces, limits, layers; the engine measures the writable layer, which may take seconds."""
        ...

    def read_limits(self, site: str, container: str) -> Limits:
        """Limits and restart policy alone."""
        ...

    def count(self, site: str, container: str) -> Counters:
        """What it has used so far; a BackendRejectedError when it does not run."""
        ...

    def processes(self, site: str, container: str) -> Processes:
        """What runs in it; a BackendRejectedError when it does not run."""
        ...

    def file_changes(self, site: str, container: str) -> tuple[FileChange, ...]:
        """What its writable layer adds to, changes in and deletes from its image, by path."""
        ...
