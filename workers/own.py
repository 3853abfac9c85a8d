"""What Andock runs on, so that it never stops itself: its VM, its containers, its Redis and their engines."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from andock.errors import BackendUnavailableError
from andock.operation import Target
from andock.ports.containers import ContainerRow, Containers
from andock.ports.sites import Listing
from andock.protection import Protection
from andock.residents import Residents
from config.own_container import find_container_ids
from config.sites import Engine, OwnMachines

_UUID = Path("/sys/class/dmi/id/product_uuid")
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  where a port is published, not bound
_COMPOSE_NAME = "com.docker.compose.service"  # by which containers of one network find each other
_REDIS_PORT = 6379
_DOWN = frozenset({"created", "exited", "dead"})


def find_own(declared: OwnMachines, containers: Iterable[str] | None = None) -> Protection:
    """What sites.yaml declares, and what this process can see of what it runs on.

    Args:
        declared: `own:` in sites.yaml.
        containers: ids of the containers that it runs in; left out: they are looked up.
    """
    here = find_container_ids() if containers is None else containers
    return Protection(
        vms=frozenset(uuid.lower() for uuid in (*declared.vms, *_bios_uuids())),
        containers=frozenset((*declared.containers, *here)),
        engines=dict.fromkeys(declared.engines, "`own:` in sites.yaml says so"),
    )


def _bios_uuids() -> tuple[str, ...]:
    """This machine's BIOS UUID, as DMI writes it and with the first three groups the other way round.

    SMBIOS before 2.6 stored them big-endian; vCenter shows the little-endian reading.
    """
    try:
        text = _UUID.read_text(encoding="ascii").strip().lower()
    except OSError:
        return ()
    groups = text.split("-")
    turned = ["".join(reversed(re.findall("..", group))) for group in groups[:3]] + groups[3:]
    return (text, "-".join(turned))


@dataclass(frozen=True)
class EngineSurroundings:
    """Implements `Surroundings` for the engines of a pool."""

    own: Protection
    here: frozenset[str]  # ids of the containers that this process runs in
    residents: Residents
    redis_url: str
    engines: Mapping[str, Engine]

    def look(self, targets: Collection[Target], containers: Containers) -> Protection:
        """See `Surroundings`."""
        sites = {target.site for target in targets if target.kind in {"container", "engine"}}
        asked = [site for site in containers.sites() if site in sites]
        if not asked:
            return self.own
        listing = self._list(asked, targets, containers)
        for away in listing.not_reached:
            raise BackendUnavailableError(f"Engine `{away.site}`", away.why)
        known = self.own | Protection(containers=self.residents.read())
        redis = _RedisPlace.of(self.redis_url)
        for site in asked:
            rows = [row for row in listing.rows if row.site == site]
            known |= self._find(site, rows, known, redis)
        return known

    def _list(
        self, asked: Collection[str], targets: Collection[Target], containers: Containers
    ) -> Listing[ContainerRow]:
        """The containers that are meant: an engine with many takes its time to list them all.

        All are listed where an engine is meant itself, where this process may be in a container of it, and
        where one that is meant has another name by now.
        """
        meant = [target for target in targets if target.kind == "container"]
        if not self.here and all(target.kind != "engine" for target in targets):
            listing = containers.list_containers(names={target.name for target in meant}, among=asked)
            if listing.not_reached or {target.id for target in meant} <= {row.id for row in listing.rows}:
                return listing
        return containers.list_containers(among=asked)

    def _find(
        self, site: str, rows: Collection[ContainerRow], known: Protection, redis: _RedisPlace | None
    ) -> Protection:
        """Andock's containers among those of one engine; while one is up, the engine is its own too."""
        found = {row.id: f"container `{row.name}`" for row in rows if known.is_own(row)}
        if redis is not None:
            with_us = any(row.id.startswith(own) for row in rows for own in self.here)
            reach = redis.reached_on(self.engines[site].url, with_us=with_us)
            found |= {row.id: f"its Redis `{row.name}`" for row in rows if reach.leads_to(row)}
        up = [found[row.id] for row in rows if row.id in found and row.state not in _DOWN]
        engines = {site: up[0]} if up else {}
        return Protection(containers=frozenset(found), engines=engines)


@dataclass(frozen=True)
class _RedisPlace:
    """Where Redis is reached from here."""

    host: str
    port: int
    addresses: frozenset[str]

    @classmethod
    def of(cls, url: str) -> _RedisPlace | None:
        """None for a socket in the file system: whose it is cannot be told."""
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return None
        host = parts.hostname or "localhost"
        return cls(host, parts.port or _REDIS_PORT, _resolve(host))

    def reached_on(self, url: str, *, with_us: bool) -> _Reach:
        """What of it can be a container of the engine at `url`; `with_us`: this process runs there too.

        Engines give the same addresses to their containers, so these say something on this machine's alone.
        """
        parts = urlsplit(url)
        engine = frozenset() if parts.scheme == "unix" else _resolve(parts.hostname or "")
        here = with_us or parts.scheme == "unix" or any(map(_is_local, engine))
        on_its_host = bool(engine & self.addresses) or (here and any(map(_is_local, self.addresses)))
        return _Reach(
            names=frozenset({self.host}) if with_us else frozenset(),
            inside=self.addresses if here else frozenset(),
            published=self.port if on_its_host else None,
            addresses=self.addresses | _EVERYWHERE,
        )


@dataclass(frozen=True)
class _Reach:
    """How a container of one engine is known as Redis."""

    names: frozenset[str]
    inside: frozenset[str]  # addresses in networks of the engine
    published: int | None  # the port of its host
    addresses: frozenset[str]  # on which that is published

    def leads_to(self, row: ContainerRow) -> bool:
        """Whether it is this one."""
        if self.names & {row.name, row.labels.get(_COMPOSE_NAME, "")}:
            return True
        if self.inside & set(row.addresses.values()):
            return True
        return any(
            port.port == self.published and port.inner.endswith("/tcp") and port.address in self.addresses
            for port in row.published
        )


def _resolve(host: str) -> frozenset[str]:
    """The addresses of a host; none while its name is not known."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)


def _is_local(address: str) -> bool:
    """Whether it is one of this machine's, or of this container's: only on these a socket can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
