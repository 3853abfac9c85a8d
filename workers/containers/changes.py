"""Signals, names, limits, removal and making: one call each, and no second try."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from andock.ports.container_changes import Deed, LocalImage, NewContainer
from andock.ports.container_insight import Limits
from andock.ports.services import HealthCheck
from workers.containers.calls import Calls, ask, tell
from workers.containers.inventory import read_clock

_NANO = 1_000_000_000
_NOT_FOUND = 404


class ChangeCalls(Calls):
    """Implements `ContainerChanges`."""

    def kill(self, site: str, container: str, signal: str) -> None:
        """See `ContainerChanges`."""
        with self._telling(site, container) as client:
            client.kill(container, signal)

    def pause(self, site: str, container: str) -> None:
        """See `ContainerChanges`."""
        with self._telling(site, container) as client:
            client.pause(container)

    def unpause(self, site: str, container: str) -> None:
        """See `ContainerChanges`."""
        with self._telling(site, container) as client:
            client.unpause(container)

    def rename(self, site: str, container: str, name: str) -> None:
        """See `ContainerChanges`."""
        with self._telling(site, container) as client:
            client.rename(container, name)

    def remove(self, site: str, container: str, *, force: bool, volumes: bool) -> None:
        """See `ContainerChanges`."""
        with self._telling(site, container) as client:
            client.remove_container(container, v=volumes, force=force)

    def update(self, site: str, container: str, limits: Limits) -> None:
        """See `ContainerChanges`."""
        with self._telling(site, container) as client:
            tell(client, f"/containers/{container}/update", _limits(limits))

    def create(self, site: str, new: NewContainer) -> str:
        """See `ContainerChanges`."""
        with self._telling(site) as client:
            made = tell(client, "/containers/create", _settings(new), {"name": new.name})
            return str(made.json()["Id"])

    def join_network(self, site: str, container: str, network: str, aliases: tuple[str, ...]) -> None:
        """See `ContainerChanges`."""
        body = {"Container": container, "EndpointConfig": {"Aliases": list(aliases)}}
        with self._telling(site) as client:
            tell(client, f"/networks/{quote(network, safe='')}/connect", body)

    def local_image(self, site: str, image: str) -> LocalImage | None:
        """See `ContainerChanges`."""
        with self._asking(site) as client:
            try:
                found = ask(client, f"/images/{image}/json")
            except requests.HTTPError as error:
                if error.response.status_code != _NOT_FOUND:
                    raise
                return None
            return LocalImage(found["Id"], found.get("Size", 0))

    def find_labelled(self, site: str, label: str) -> tuple[str, ...]:
        """See `ContainerChanges`."""
        with self._asking(site) as client:
            return tuple(listed["Id"] for listed in client.containers(all=True, filters={"label": label}))

    def environment_of(self, site: str, labels: Mapping[str, str]) -> str:
        """See `ContainerChanges`."""
        pairs = [f"{key}={value}" for key, value in labels.items()]
        return self._engines.engine(site).environment_of(path="", labels=pairs)

    def deeds(self, site: str, container: str, since: datetime) -> tuple[Deed, ...]:
        """See `ContainerChanges`."""
        with self._asking(site, container) as client:
            # without an end of the time asked about, the engine would go on telling for ever
            query = {
                "since": f"{since.timestamp():.6f}",
                "until": f"{read_clock(client).timestamp():.6f}",
                "filters": json.dumps({"type": ["container"], "container": [container]}),
            }
            url = f"{client.base_url}/v{client.api_version}/events"
            with client.get(url, params=query, stream=True) as response:
                response.raise_for_status()
                return tuple(_deed(json.loads(line)) for line in response.iter_lines() if line)


def _deed(event: Mapping[str, Any]) -> Deed:
    attributes = (event.get("Actor") or {}).get("Attributes") or {}
    return Deed(
        at=datetime.fromtimestamp(event["timeNano"] / _NANO, UTC),
        action=event["Action"].partition(":")[0],
        signal=attributes.get("signal", ""),
    )


def _limits(limits: Limits) -> dict[str, Any]:
    """What is set, in the engine's words; what is not named is left as it is."""
    set_: dict[str, Any] = {}
    if limits.memory:
        set_["Memory"] = limits.memory
    if limits.memory_with_swap:
        set_["MemorySwap"] = limits.memory_with_swap
    if limits.cpus:
        set_["NanoCpus"] = math.floor(limits.cpus * _NANO)
    if limits.pids:
        set_["PidsLimit"] = limits.pids
    if limits.restart:
        set_["RestartPolicy"] = {"Name": limits.restart}
    return set_


def _settings(new: NewContainer) -> dict[str, Any]:
    published = _published(new.ports)
    host = _limits(new.limits) | {
        "PortBindings": published,
        "PidMode": new.pid,
        "IpcMode": new.ipc,
        "UTSMode": new.uts,
        "UsernsMode": new.user_namespace,
        "CgroupnsMode": new.cgroup_namespace,
        "NetworkMode": new.network or "default",
        "Binds": [*new.binds, *new.volumes],
        "CapAdd": list(new.capabilities),
        "Privileged": new.privileged,
        "Devices": [
            {"PathOnHost": device, "PathInContainer": device, "CgroupPermissions": "rwm"}
            for device in new.devices
        ],
    }
    settings: dict[str, Any] = {
        "Image": new.image,
        "Labels": dict(new.labels),
        "ExposedPorts": {inner: {} for inner in published},
        "Env": [f"{name}={value}" for name, value in new.environment.items()],
        "HostConfig": host,
    }
    if new.aliases:
        endpoints = {new.network: {"Aliases": list(new.aliases)}}
        settings["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    if new.command:
        settings["Cmd"] = list(new.command)
    if new.healthcheck is not None:
        settings["Healthcheck"] = _health(new.healthcheck)
    if new.stop_grace:
        settings["StopTimeout"] = new.stop_grace
    return settings


def _health(check: HealthCheck) -> dict[str, Any]:
    return {
        "Test": list(check.test),
        "Interval": round(check.interval * _NANO),
        "Timeout": round(check.timeout * _NANO),
        "StartPeriod": round(check.start_period * _NANO),
        "Retries": check.retries,
    }


def _published(ports: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """`127.0.0.1:8080:80/udp` as the engine has it, by the port inside."""
    published: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        outer, _, inner = port.rpartition(":")
        address, _, number = outer.rpartition(":")
        protocol = inner if "/" in inner else f"{inner}/tcp"
        published.setdefault(protocol, []).append({"HostIp": address, "HostPort": number})
    return published
