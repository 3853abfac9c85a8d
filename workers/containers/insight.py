"""What a container is made of and uses: the engine's JSON becomes the values of `ContainerInsight`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import requests

from andock.errors import BackendRejectedError
from andock.ports.container_insight import (
    Anatomy,
    Counters,
    FileChange,
    Limits,
    MountedVolume,
    Namespace,
    Processes,
)
from workers.containers.calls import Calls, ask
from workers.containers.engines import EngineClient
from workers.containers.inventory import cpus_of, read_time

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_KINDS = {0: "changed", 1: "added", 2: "deleted"}
_SHORT_ID = 12
_NANO = 1_000_000_000
_NOT_FOUND = 404
_NOT_RUNNING = "it does not run"


class InsightCalls(Calls):
    """Implements `ContainerInsight`."""

    def read_anatomy(self, site: str, container: str) -> Anatomy:
        """See `ContainerInsight`."""
        with self._asking(site, container) as client:
            found = ask(client, f"/containers/{container}/json", {"size": "1"})
            security = client.info().get("SecurityOptions") or ()
            anatomy = _anatomy(found, _image(client, found["Image"]), remapped=_remaps(security))
        return replace(anatomy, last_check=self._redactor.redact(anatomy.last_check))

    def read_limits(self, site: str, container: str) -> Limits:
        """See `ContainerInsight`."""
        with self._asking(site, container) as client:
            return limits_of(client.inspect_container(container)["HostConfig"])

    def count(self, site: str, container: str) -> Counters:
        """See `ContainerInsight`."""
        with self._asking(site, container) as client:
            counted = ask(client, f"/containers/{container}/stats", {"stream": "0", "one-shot": "1"})
        at = read_time(counted.get("read", ""))
        if at is None:
            raise BackendRejectedError(f"Engine `{site}`", _NOT_RUNNING)
        cpu = counted["cpu_stats"]
        throttling = cpu.get("throttling_data") or {}
        networks = (counted.get("networks") or {}).values()
        return Counters(
            at=at,
            cpu_seconds=cpu["cpu_usage"]["total_usage"] / _NANO,
            memory=_memory(counted.get("memory_stats") or {}),
            pids=(counted.get("pids_stats") or {}).get("current", 0),
            throttled=throttling.get("throttled_periods", 0),
            periods=throttling.get("periods", 0),
            received=sum(network["rx_bytes"] for network in networks),
            sent=sum(network["tx_bytes"] for network in networks),
            read=_block(counted, "read"),
            written=_block(counted, "write"),
        )

    def processes(self, site: str, container: str) -> Processes:
        """See `ContainerInsight`."""
        with self._asking(site, container) as client:
            listed = ask(client, f"/containers/{container}/top")
        rows = listed.get("Processes") or ()
        return Processes(tuple(listed["Titles"]), tuple(tuple(row) for row in rows))

    def file_changes(self, site: str, container: str) -> tuple[FileChange, ...]:
        """See `ContainerInsight`."""
        with self._asking(site, container) as client:
            changes = client.diff(container) or ()
        hide = self._redactor.redact
        found = (
            FileChange(_KINDS.get(change["Kind"], "changed"), hide(change["Path"])) for change in changes
        )
        return tuple(sorted(found, key=lambda change: change.path))


def limits_of(host: Mapping[str, Any]) -> Limits:
    """Limits and restart policy out of a HostConfig."""
    policy = host.get("RestartPolicy") or {}
    return Limits(
        memory=host.get("Memory") or 0,
        memory_with_swap=host.get("MemorySwap") or 0,
        cpus=cpus_of(host),
        pids=max(host.get("PidsLimit") or 0, 0),
        restart=policy.get("Name") or "no",
    )


def _anatomy(found: Mapping[str, Any], image: Mapping[str, Any], *, remapped: bool) -> Anatomy:
    host, health = found["HostConfig"], found["State"].get("Health") or {}
    checks = health.get("Log") or ()
    return Anatomy(
        namespaces=tuple(_namespaces(host, remapped=remapped)),
        limits=limits_of(host),
        cgroup_parent=host.get("CgroupParent") or "",
        runtime=host.get("Runtime") or "",
        storage_driver=found.get("Driver") or "",
        image_layers=len((image.get("RootFS") or {}).get("Layers") or ()),
        image_bytes=image.get("Size", 0),
        writable_bytes=found.get("SizeRw") or 0,
        volumes=tuple(_volume(mount) for mount in found.get("Mounts") or ()),
        variables=tuple(sorted(pair.partition("=")[0] for pair in found["Config"].get("Env") or ())),
        privileged=bool(host.get("Privileged")),
        added_capabilities=tuple(host.get("CapAdd") or ()),
        removed_at_end=bool(host.get("AutoRemove")),
        last_check=str(checks[-1].get("Output", "")).strip() if checks else "",
        failing_checks=health.get("FailingStreak", 0),
    )


def _image(client: EngineClient, image: str) -> Mapping[str, Any]:
    """What the engine knows of the image; nothing when it was removed from under the container."""
    try:
        found: Mapping[str, Any] = ask(client, f"/images/{image}/json")
    except requests.HTTPError as error:
        if error.response.status_code != _NOT_FOUND:
            raise
        return {}
    return found


def _remaps(security: Iterable[str]) -> bool:
    """Whether the engine gives containers user namespaces of their own."""
    return any(option.split(",")[0] in {"name=userns", "name=rootless"} for option in security)


def _namespaces(host: Mapping[str, Any], *, remapped: bool) -> Iterable[Namespace]:
    for kind, key in (("pid", "PidMode"), ("net", "NetworkMode"), ("ipc", "IpcMode"), ("uts", "UTSMode")):
        yield Namespace(kind, _sharer(host.get(key) or ""))
    of_its_own = remapped and host.get("UsernsMode") != "host"
    yield Namespace("user", "" if of_its_own else "host")
    # engines before 20.10 say nothing and share it, as those on cgroup v1 do by default
    yield Namespace("cgroup", "" if host.get("CgroupnsMode") == "private" else "host")


def _sharer(mode: str) -> str:
    kind, _, other = mode.partition(":")
    if kind == "container":
        return f"container {other[:_SHORT_ID]}"
    return "host" if kind == "host" else ""


def _volume(mount: Mapping[str, Any]) -> MountedVolume:
    name = mount.get("Name") or ""
    return MountedVolume(
        name=name,
        source=mount.get("Source") or mount.get("Type", ""),
        destination=mount["Destination"],
        anonymous=bool(_ANONYMOUS.fullmatch(name)),
    )


def _memory(memory: Mapping[str, Any]) -> int:
    """As the docker command counts: without file pages that nobody has used of late."""
    stats = memory.get("stats") or {}
    idle = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    return max(int(memory.get("usage", 0)) - int(idle), 0)


def _block(counted: Mapping[str, Any], direction: str) -> int:
    rows = (counted.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return sum(row["value"] for row in rows if row["op"].lower() == direction)
