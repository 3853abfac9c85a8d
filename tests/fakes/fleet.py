"""Images, networks, volumes and reports of engines in memory; a part of `FakeContainers`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from andock.errors import (
    BackendRejectedError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
    UnknownSiteError,
)
from andock.ports.engines import Disk, Engine, EngineRow, Event, Held
from andock.ports.images import Image, ImageRow, Layer
from andock.ports.networks import Network, NetworkRow
from andock.ports.registry import ImageName
from andock.ports.sites import Listing, NotReached
from andock.ports.uses import Use
from andock.ports.volumes import VolumeRow
from andock.ports.watch import Watch

MIB = 1024 * 1024
T = TypeVar("T")


@dataclass(kw_only=True)
class FakeFleet:
    """Implements `Images`, `Networks`, `Volumes` and `EngineReports`; the rest of the port is around it."""

    images: dict[tuple[str, str], Image] = field(default_factory=dict)
    networks: dict[tuple[str, str], Network] = field(default_factory=dict)
    volumes: dict[tuple[str, str], VolumeRow] = field(default_factory=dict)
    caches: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    happened: list[Event] = field(default_factory=list)
    pullable: dict[str, str] = field(default_factory=dict)  # digest -> id of the image that it is
    pull_fails: str = ""  # the engine's words to the next pull
    free: dict[str, int] = field(default_factory=dict)  # bytes on an engine's disk, where it is known
    keeping: bool = False  # a removal is told as done, and the thing stays

    # --- what a test puts there ----------------------------------------------------------------------

    def hold_image(self, site: str, *names: str, digests: Sequence[str] = (), **fields: Any) -> str:
        made = (
            "sha256:"
            + hashlib.sha256("".join((*names, *digests, str(len(self.images)))).encode()).hexdigest()
        )
        made = fields.pop("id", made)
        layer = Layer(command="ADD file in /", size=2 * MIB, made_at=self.now)
        known: dict[str, Any] = {"size": 2 * MIB, "made_at": self.now, "history": (layer,), "layers": 1}
        known |= {"environment": self.engines[site], "platform": "linux/amd64", **fields}
        self.images[site, made] = Image(site=site, id=made, names=names, digests=tuple(digests), **known)
        return made

    def hold_network(self, site: str, name: str, **fields: Any) -> str:
        made = hashlib.sha256(f"{site}/{name}".encode()).hexdigest()
        known: dict[str, Any] = {"driver": "bridge", "environment": self.engines[site], **fields}
        self.networks[site, made] = Network(site=site, id=made, name=name, **known)
        return made

    def hold_volume(self, site: str, name: str, **fields: Any) -> str:
        known: dict[str, Any] = {"driver": "local", "environment": self.engines[site], "made_at": self.now}
        self.volumes[site, name] = VolumeRow(site=site, name=name, **{**known, **fields})
        return name

    # --- the port -------------------------------------------------------------------------------------

    def list_images(self, site: str | None = None) -> Listing[ImageRow]:
        rows = [self._with_users(image) for image in self.images.values()]
        return self._listed(site, rows, lambda row: (row.names[:1] or ("~",), row.id, row.site))

    def read_image(self, site: str, image: str) -> Image:
        return self._with_users(self._thing(self.images, "image", site, image))

    def pull_image(self, site: str, name: ImageName, watch: Watch) -> None:
        self._reach(site)
        self.calls.append(("pull", site, name.familiar))
        watch.look(percent=50, text=f"pull `{name.familiar}`: 1 of 2 layers")
        self._answer(site, self.pull_fails)
        known = self.pullable.get(name.digest, "sha256:" + name.digest[-64:])
        old = self.images.get((site, known))
        names = dict.fromkeys(
            (*(old.names if old else ()), *([f"{name.path}:{name.tag}"] if name.tag else ()))
        )
        digests = dict.fromkeys((*(old.digests if old else ()), name.pinned))
        self.hold_image(site, *names, digests=tuple(digests), id=known)

    def remove_image(self, site: str, reference: str) -> None:
        self._reach(site)
        self.calls.append(("remove_image", site, reference))
        found = [
            i for (where, _), i in self.images.items() if where == site and reference in (i.id, *i.names)
        ]
        if not found:
            raise TargetNotFoundError("image", _short(reference), searched=(site,))
        self._answer(site, self.refusing)
        image = found[0]
        left = tuple(name for name in image.names if name != reference)
        if self._users(site, lambda c: c.image_id == image.id) and not left:
            raise BackendRejectedError(f"Engine `{site}`", "conflict: unable to remove: image is in use")
        if self.keeping:
            return
        if left and reference != image.id:
            self.images[site, image.id] = replace(image, names=left)
        else:
            del self.images[site, image.id]

    def list_networks(self, site: str | None = None) -> Listing[NetworkRow]:
        return self._listed(site, list(self.networks.values()), lambda row: (row.name, row.site))

    def read_network(self, site: str, network: str) -> Network:
        return self._thing(self.networks, "network", site, network)

    def remove_network(self, site: str, network: str) -> None:
        self._remove(self.networks, "network", site, network)

    def list_volumes(self, site: str | None = None) -> Listing[VolumeRow]:
        return self._listed(site, list(self.volumes.values()), lambda row: (row.name, row.site))

    def read_volume(self, site: str, volume: str) -> VolumeRow:
        return replace(self._thing(self.volumes, "volume", site, volume), size=-1)

    def remove_volume(self, site: str, volume: str) -> None:
        self._remove(self.volumes, "volume", site, volume)

    def list_engines(self, site: str | None = None) -> Listing[EngineRow]:
        order = list(self.engines)
        rows = [self._engine(name) for name in order]
        return self._listed(site, rows, lambda row: order.index(row.site))

    def read_engine(self, site: str) -> Engine:
        self._reach(site)
        return self._engine(site)

    def read_disk(self, site: str) -> Disk:
        self._reach(site)
        held = [
            Held("image", i.id, (i.names or (_short(i.id),))[0], i.size, bool(self._with_users(i).used_by),
                 i.environment, "" if i.names else "no name", i.labels,
                 i.digests[0].partition("@")[2] if i.digests else i.id)
            for (where, _), i in self.images.items() if where == site
        ]  # fmt: skip
        held += [
            Held(
                "container",
                c.id,
                c.name,
                MIB,
                c.state in {"running", "paused"},
                c.environment,
                c.status,
                c.labels,
            )
            for (where, _), c in self.held.items()
            if where == site
        ]
        held += [
            Held("volume", v.name, v.name, max(0, v.size), bool(v.used_by), v.environment, "", v.labels)
            for (where, _), v in self.volumes.items()
            if where == site
        ]
        layers = sum(i.size for (where, _), i in self.images.items() if where == site)
        return Disk(site=site, layers=layers, held=(*held, *self.caches.get(site, ())))

    def free_space(self, site: str) -> int | None:
        self._reach(site)
        return self.free.get(site)

    def list_disks(self, sites: Collection[str]) -> Listing[Disk]:
        return self._gathered(sites, lambda site: (self.read_disk(site),))

    def list_events(self, sites: Collection[str], back: timedelta, *, most: int) -> Listing[Event]:
        since = self.now - back
        return self._gathered(
            sites, lambda site: [e for e in self.happened if e.site == site and e.at >= since][-most:]
        )

    def remove_stopped(self, site: str, container: str) -> None:
        if self.read_container(site, container).state == "running":
            raise BackendRejectedError(f"Engine `{site}`", "you cannot remove a running container")
        self._remove(self.held, "container", site, container)

    def prune_cache(self, site: str) -> int:
        self._reach(site)
        self.calls.append(("prune_cache", site))
        self._answer(site, self.refusing)
        gone = [entry for entry in self.caches.get(site, ()) if not entry.used]
        self.caches[site] = tuple(entry for entry in self.caches.get(site, ()) if entry.used)
        return sum(entry.size for entry in gone)

    # --- inside ---------------------------------------------------------------------------------------

    def _listed(self, site: str | None, rows: Iterable[Any], key: Callable[[Any], Any]) -> Listing[Any]:
        if site is not None and site not in self.engines:
            raise UnknownSiteError(site)
        asked = self.sites() if site is None else (site,)
        return Listing(
            rows=tuple(sorted((r for r in rows if r.site in asked and r.site not in self.away), key=key)),
            searched=tuple(name for name in asked if name not in self.away),
            not_reached=tuple(NotReached(name, why) for name, why in self.away.items() if name in asked),
        )

    def _gathered(self, sites: Collection[str], ask: Callable[[str], Iterable[T]]) -> Listing[T]:
        for site in sites:
            if site not in self.engines:
                raise UnknownSiteError(site)
        near = tuple(site for site in sites if site not in self.away)
        return Listing(
            rows=tuple(row for site in near for row in ask(site)),
            searched=near,
            not_reached=tuple(NotReached(site, self.away[site]) for site in sites if site in self.away),
        )

    def _thing(self, things: Mapping[tuple[str, str], Any], kind: str, site: str, thing: str) -> Any:
        self._reach(site)
        if (site, thing) not in things:
            raise TargetNotFoundError(kind, _short(thing), searched=(site,))
        return things[site, thing]

    def _remove(self, things: dict[tuple[str, str], Any], kind: str, site: str, thing: str) -> None:
        found = self._thing(things, kind, site, thing)
        self.calls.append((f"remove_{kind}", site, thing))
        self._answer(site, self.refusing)
        if getattr(found, "used_by", ()):
            raise BackendRejectedError(f"Engine `{site}`", f"{kind} is in use")
        if not self.keeping:
            del things[site, thing]

    def _answer(self, site: str, refusal: str) -> None:
        self.tick()
        if site in self.lost:
            raise OutcomeUnknownError(f"Engine `{site}` was told and did not answer.")
        if refusal:
            raise BackendRejectedError(f"Engine `{site}`", refusal, changed=Changed.NOTHING)

    def _with_users(self, image: Image) -> Image:
        return replace(image, used_by=self._users(image.site, lambda c: c.image_id == image.id))

    def _users(self, site: str, uses: Callable[[Any], bool]) -> tuple[Use, ...]:
        return tuple(
            Use(c.id, c.name, c.state == "running", c.labels)
            for (where, _), c in self.held.items()
            if where == site and uses(c)
        )

    def _engine(self, site: str) -> Engine:
        here = [c for (where, _), c in self.held.items() if where == site]
        return Engine(
            site=site, environment=self.engines[site], version="20.10.24", api="1.41", containerd="1.6.20",
            runc="1.1.5", storage="overlay2", cgroups="v1 (cgroupfs)", containers=len(here),
            running=sum(c.state == "running" for c in here),
            images=sum(where == site for where, _ in self.images), host="host-1", system="Debian, kernel 6.1",
            cpus=2, memory=4096 * MIB, folder="/var/lib/docker", logging="json-file", runtimes=("runc",),
        )  # fmt: skip


def _short(thing: str) -> str:
    name = thing.removeprefix("sha256:")
    return name[:12] if len(name) == 64 else thing
