"""The part of the port in which engines speak of themselves: versions, disk, events."""

from __future__ import annotations

import json
import re
import shutil
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from andock.ports.engines import Disk, Engine, EngineRow, Event, Held
from andock.ports.sites import Listing
from workers.containers.engines import EngineClient
from workers.containers.fleet import FleetCalls

_NONE = "<none>"
_NANO = 1_000_000_000
_COUNT_SECONDS = 60.0  # an engine with many volumes takes so long to say what is on its disk
_ID = re.compile(r"[0-9a-f]{64}")
_RUNNING = frozenset({"running", "paused", "restarting"})
_DETAILS = ("image", "exitCode", "signal", "container")


class ReportCalls(FleetCalls):
    """Implements `EngineReports`."""

    def list_engines(self, site: str | None = None) -> Listing[EngineRow]:
        """See `EngineReports`."""
        return self._each(site, lambda client, name: (self._engine_row(client, name),))

    def read_engine(self, site: str) -> Engine:
        """See `EngineReports`."""
        with self._asking(site) as client:
            info = client.info()
            row = self._engine_row(client, site, info)
        known = {field.name: getattr(row, field.name) for field in fields(EngineRow)}
        return Engine(
            **known,
            host=info.get("Name", ""),
            system=f"{info.get('OperatingSystem', '')}, kernel {info.get('KernelVersion', '')}",
            cpus=info.get("NCPU", 0),
            memory=info.get("MemTotal", 0),
            folder=info.get("DockerRootDir", ""),
            logging=info.get("LoggingDriver", ""),
            runtimes=tuple(sorted(info.get("Runtimes") or ())),
            security=tuple(_security(info.get("SecurityOptions") or ())),
            registries=tuple(_unchecked(info.get("RegistryConfig") or {})),
            live_restore=bool(info.get("LiveRestoreEnabled")),
            swarm=(info.get("Swarm") or {}).get("LocalNodeState", ""),
            labels=tuple(info.get("Labels") or ()),
            warnings=tuple(warning.removeprefix("WARNING: ") for warning in info.get("Warnings") or ()),
        )

    def free_space(self, site: str) -> int | None:
        """See `EngineReports`. No engine tells; on this machine the file system does."""
        if not self._engines.engine(site).url.startswith("unix:"):
            return None
        with self._asking(site) as client:
            if client.folder is None:
                client.folder = str(client.info().get("DockerRootDir", ""))
            folder = client.folder
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            return None

    def read_disk(self, site: str) -> Disk:
        """See `EngineReports`."""
        with self._asking(site) as client:
            return self._disk(client, site)

    def list_disks(self, sites: Collection[str]) -> Listing[Disk]:
        """See `EngineReports`."""
        return self._each_of(sites, lambda client, name: (self._disk(client, name),), _COUNT_SECONDS)

    def list_events(self, sites: Collection[str], back: timedelta, *, most: int) -> Listing[Event]:
        """See `EngineReports`."""
        return self._each_of(sites, lambda client, name: _events(client, name, back, most))

    def _disk(self, client: EngineClient, site: str) -> Disk:
        said = client.df()
        held = (
            *_images(said.get("Images") or ()),
            *_containers(said.get("Containers") or ()),
            *_volumes(said.get("Volumes") or ()),
            *_cache(said.get("BuildCache") or ()),
        )
        placed = tuple(replace(one, environment=self._environment(site, one.labels)) for one in held)
        return Disk(site=site, layers=said.get("LayersSize", 0), held=placed)

    def remove_stopped(self, site: str, container: str) -> None:
        """See `EngineReports`."""
        with self._telling(site, container) as client:
            client.remove_container(container)

    def prune_cache(self, site: str) -> int:
        """See `EngineReports`."""
        with self._telling(site) as client:
            return int(client.prune_builds().get("SpaceReclaimed", 0))

    def _engine_row(
        self, client: EngineClient, site: str, info: Mapping[str, Any] | None = None
    ) -> EngineRow:
        info, version = info or client.info(), client.version()
        parts = {part.get("Name", ""): part.get("Version", "") for part in version.get("Components") or ()}
        return EngineRow(
            site=site,
            environment=self._engines.engine(site).environment,
            version=version.get("Version", ""),
            api=version.get("ApiVersion", ""),
            containerd=_without_build(parts.get("containerd", "")),
            runc=_without_build(parts.get("runc", "")),
            storage=info.get("Driver", ""),
            cgroups=f"v{info.get('CgroupVersion', '1')} ({info.get('CgroupDriver', '?')})",
            running=info.get("ContainersRunning", 0),
            containers=info.get("Containers", 0),
            images=info.get("Images", 0),
        )


def _images(listed: Iterable[Mapping[str, Any]]) -> Iterator[Held]:
    for image in listed:
        names = [name for name in image.get("RepoTags") or () if _NONE not in name]
        yield Held(
            kind="image",
            id=image["Id"],
            name=names[0] if names else image["Id"].removeprefix("sha256:")[:12],
            # what others share stays when it goes
            size=max(0, image.get("Size", 0) - max(0, image.get("SharedSize", 0))),
            used=image.get("Containers", 0) > 0,
            environment="",  # as the labels say, which is seen to for all kinds at once
            detail="" if names else "no name",
            labels=dict(image.get("Labels") or {}),
            digest=_digest(image),
        )


def _digest(image: Mapping[str, Any]) -> str:
    known = (digest.partition("@")[2] for digest in image.get("RepoDigests") or () if _NONE not in digest)
    return min(known, default="") or str(image["Id"])


def _containers(listed: Iterable[Mapping[str, Any]]) -> Iterator[Held]:
    for container in listed:
        own = next((name for name in container.get("Names") or () if name.count("/") == 1), "")
        yield Held(
            kind="container",
            id=container["Id"],
            name=own.lstrip("/") or container["Id"][:12],
            size=container.get("SizeRw") or 0,
            used=container.get("State") in _RUNNING,
            environment="",
            detail=container.get("Status", "").lower(),
            labels=dict(container.get("Labels") or {}),
        )


def _volumes(listed: Iterable[Mapping[str, Any]]) -> Iterator[Held]:
    for volume in listed:
        usage = volume.get("UsageData") or {}
        yield Held(
            kind="volume",
            id=volume["Name"],
            name=volume["Name"],
            size=max(0, usage.get("Size", 0)),
            used=usage.get("RefCount", 0) != 0,
            environment="",
            labels=dict(volume.get("Labels") or {}),
        )


def _cache(listed: Iterable[Mapping[str, Any]]) -> Iterator[Held]:
    for entry in listed:
        yield Held(
            kind="cache",
            id=entry["ID"],
            name=entry["ID"][:12],
            size=0 if entry.get("Shared") else entry.get("Size", 0),
            used=bool(entry.get("InUse")),
            environment="",
            detail=entry.get("Description", ""),
        )


def _events(client: EngineClient, site: str, back: timedelta, most: int) -> tuple[Event, ...]:
    now = datetime.fromisoformat(client.info()["SystemTime"])
    query = {"since": f"{(now - back).timestamp():.9f}", "until": f"{now.timestamp():.9f}"}
    url = f"{client.base_url}/v{client.api_version}/events"
    newest: deque[Event] = deque(maxlen=most)
    with client.get(url, params=query, stream=True) as response:
        response.raise_for_status()
        newest.extend(_event(site, json.loads(line)) for line in response.iter_lines() if line.strip())
    return tuple(newest)


def _event(site: str, said: Mapping[str, Any]) -> Event:
    actor = said.get("Actor") or {}
    about = dict(actor.get("Attributes") or {})
    name = _short(about.get("name") or actor.get("ID", ""))
    detail = [f"{key} {_short(about[key])}" for key in _DETAILS if about.get(key) and about[key] != name]
    action = said.get("Action", "")
    return Event(
        site=site,
        at=datetime.fromtimestamp(said.get("timeNano", 0) / _NANO, UTC),
        kind=said.get("Type", ""),
        # a health check's or an exec's command comes along in the action, and is nobody's business here
        action=action.partition(":")[0] if action.startswith("exec_") else action,
        name=name,
        detail=", ".join(detail),
    )


def _short(name: str) -> str:
    """An id as people know it; anything else as it is."""
    digits = name.removeprefix("sha256:")
    return digits[:12] if _ID.fullmatch(digits) else name


def _security(options: Iterable[str]) -> Iterator[str]:
    """`name=seccomp,profile=default` as `seccomp (default)`."""
    for option in options:
        parts = dict(part.split("=", 1) for part in option.split(",") if "=" in part)
        more = ", ".join(value for key, value in parts.items() if key != "name")
        yield f"{parts.get('name', option)}{f' ({more})' if more else ''}"


def _unchecked(config: Mapping[str, Any]) -> Iterator[str]:
    yield from config.get("InsecureRegistryCIDRs") or ()
    for address, registry in (config.get("IndexConfigs") or {}).items():
        if not registry.get("Secure", True):
            yield address


def _without_build(version: str) -> str:
    """`1.6.20~ds1` and `1.1.5+ds1` as `1.6.20` and `1.1.5`."""
    return re.split(r"[~+]", version)[0]
