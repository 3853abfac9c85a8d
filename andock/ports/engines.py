"""What operations ask engines about themselves. A part of the `Containers` port."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from andock.ports.sites import Listing


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One engine in a listing."""

    site: str
    environment: str
    version: str = ""  # of dockerd
    api: str = ""
    containerd: str = ""
    runc: str = ""
    storage: str = ""  # the storage driver, `overlay2`
    cgroups: str = ""  # `v1 (cgroupfs)`
    running: int = 0
    containers: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class Engine(EngineRow):
    """One engine as `engine info` shows it."""

    host: str = ""  # the host's name
    system: str = ""  # operating system and kernel
    cpus: int = 0
    memory: int = 0  # bytes
    folder: str = ""  # where it keeps its data
    logging: str = ""  # the log driver of its containers
    runtimes: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()  # that it speaks to without checking a certificate
    live_restore: bool = False  # containers run on while it restarts
    swarm: str = ""
    labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that takes room on an engine's disk."""

    kind: str  # image, container, volume, cache
    id: str
    name: str
    size: int  # bytes that its removal frees, as far as the engine can tell
    used: bool  # by a container, or a running one, or by a build
    environment: str
    detail: str = ""  # `exited 3 days ago`, `no name`
    labels: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""  # of an image: by which registries know it, or its id where none does


@dataclass(frozen=True, slots=True)
class Disk:
    """What an engine's data folder is full of."""

    site: str
    layers: int  # bytes of all images together, shared layers once
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on an engine."""

    site: str
    at: datetime  # aware, UTC, by the engine's clock
    kind: str  # container, image, network, volume, daemon, ...
    action: str  # start, die, pull, ...
    name: str
    detail: str = ""  # image and exit code, where it has them


class EngineReports(Protocol):
    """Engines on themselves. Raises as `Containers`."""

    def list_engines(self, site: str | None = None) -> Listing[EngineRow]:
        """One engine or all, in the order of sites.yaml.

        Raises:
            UnknownSiteError: no engine has that name.
        """
        ...

    def read_engine(self, site: str) -> Engine:
        """Everything that the engine says of itself."""
        ...

    def read_disk(self, site: str) -> Disk:
        """What takes room, by kind; an engine with many volumes may take a minute to count."""
        ...

    def free_space(self, site: str) -> int | None:
        """Bytes free where the engine keeps its data; None where that cannot be known from here."""
        ...

    def list_disks(self, sites: Collection[str]) -> Listing[Disk]:
        """`read_disk` of these engines at once; one that does not answer marks itself.

        Raises:
            UnknownSiteError: no engine has one of the names.
        """
        ...

    def list_events(self, sites: Collection[str], back: timedelta, *, most: int) -> Listing[Event]:
        """What has happened on these engines in that time before now, by each one's own clock.

        Of each engine at most so many and then the newest, oldest first. Marks and raises as `list_disks`.
        """
        ...

    def remove_stopped(self, site: str, container: str) -> None:
        """Remove a container that does not run; the engine refuses for one that does. Volumes stay."""
        ...

    def prune_cache(self, site: str) -> int:
        """Remove what builds have left and no build uses; the bytes that this freed."""
        ...
