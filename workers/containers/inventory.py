"""What containers there are, and all about one of them: the engine's JSON becomes the port's values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from andock.ports.containers import Container, ContainerRow, Published
from andock.ports.sites import Listing
from config.sites import Engine
from workers.containers.engines import EngineClient
from workers.containers.fleet import LIST_SECONDS, ask_all

_NEVER = "0001-01-01T00:00:00Z"
_NANO = 1_000_000_000
_USUAL_CHECK = 30 * _NANO  # between two health checks where nothing else is said
_STARTING_CHECK = 5 * _NANO  # the same, while a container starts
_HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)$")


def list_all(
    sites: Iterable[str], list_one: Callable[[str], tuple[ContainerRow, ...]]
) -> Listing[ContainerRow]:
    """The rows of all sites, asked at once; `list_one` raises our own errors for one that is away."""
    listing = ask_all(sites, list_one, LIST_SECONDS)
    rows = sorted(listing.rows, key=lambda row: (row.name, row.site))
    return Listing(tuple(rows), listing.searched, listing.not_reached)


def list_one(
    client: EngineClient, site: str, engine: Engine, names: Iterable[str] = ()
) -> tuple[ContainerRow, ...]:
    """All containers of one engine, or those of these names. Raises the SDK's errors."""
    wanted = {"name": [f"^/?{re.escape(name)}$" for name in names]}
    listed = client.containers(all=True, filters=wanted if wanted["name"] else None)
    return tuple(_row(site, engine, one) for one in listed)


def read_one(client: EngineClient, site: str, engine: Engine, container: str) -> Container:
    """All about one container, without its environment variables. Raises the SDK's errors."""
    found: Mapping[str, Any] = client.inspect_container(container)
    config, host, state = found["Config"], found["HostConfig"], found["State"]
    labels = dict(config.get("Labels") or {})
    policy = host.get("RestartPolicy") or {}
    return Container(
        site=site,
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        image=config.get("Image", ""),
        image_id=found.get("Image", ""),
        state=state["Status"],
        status=_status(state),
        environment=_environment(engine, labels),
        labels=labels,
        health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
        started_at=read_time(state.get("StartedAt", _NEVER)),
        finished_at=read_time(state.get("FinishedAt", _NEVER)),
        exit_code=state.get("ExitCode", 0),
        restarts=found.get("RestartCount", 0),
        restart_policy=_policy(policy.get("Name") or "no", policy.get("MaximumRetryCount", 0)),
        ports=tuple(_ports((found.get("NetworkSettings") or {}).get("Ports") or {})),
        mounts=tuple(_mount(mount) for mount in found.get("Mounts") or ()),
        networks=tuple(_networks((found.get("NetworkSettings") or {}).get("Networks") or {})),
        memory_limit=host.get("Memory") or 0,
        cpus=cpus_of(host),
        pid=state.get("Pid", 0),
        published=tuple(published_by(found)),
        addresses=addresses_of(found),
        check_every=_check_every(config.get("Healthcheck") or {}),
        last_check=_last_check(state),
        removed_at_end=bool(host.get("AutoRemove")),
    )


def published_by(found: Mapping[str, Any]) -> Iterable[Published]:
    """Where a running container's ports are reached, out of its inspection."""
    for inner, bindings in ((found.get("NetworkSettings") or {}).get("Ports") or {}).items():
        for binding in bindings or ():
            yield Published(inner, binding.get("HostIp", ""), int(binding["HostPort"]))


def addresses_of(found: Mapping[str, Any]) -> dict[str, str]:
    """A running container's own addresses by network, out of its inspection or its line in a listing."""
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    told = {
        name: network.get("IPAddress") or network.get("GlobalIPv6Address") or ""
        for name, network in networks.items()
    }
    return {name: address for name, address in told.items() if address}


def _check_every(check: Mapping[str, Any]) -> float:
    if (check.get("Test") or ["NONE"])[0] == "NONE":
        return 0.0
    spans = [check.get("Interval") or _USUAL_CHECK]
    if check.get("StartPeriod"):  # in which engines from 25.0 on look more often
        spans.append(check.get("StartInterval") or _STARTING_CHECK)
    return float(min(spans)) / _NANO


def _last_check(state: Mapping[str, Any]) -> str:
    checks = (state.get("Health") or {}).get("Log") or ()
    return str(checks[-1].get("Output", "")) if checks else ""


def read_clock(client: EngineClient) -> datetime:
    """The engine's clock. Raises the SDK's errors."""
    return read_time(client.info()["SystemTime"]) or datetime.now(UTC)


def read_time(text: str) -> datetime | None:
    """An engine's RFC 3339 time as UTC, to the microsecond; None for never."""
    return None if text.startswith("0001-") or not text else datetime.fromisoformat(text).astimezone(UTC)


def cpus_of(host: Mapping[str, Any]) -> float:
    """How many CPUs a HostConfig allows; 0 for no limit."""
    if host.get("NanoCpus"):
        return float(host["NanoCpus"]) / _NANO
    if host.get("CpuQuota", 0) > 0:
        return float(host["CpuQuota"]) / float(host.get("CpuPeriod") or 100_000)
    return 0.0


def _row(site: str, engine: Engine, listed: Mapping[str, Any]) -> ContainerRow:
    labels = dict(listed.get("Labels") or {})
    # a linked container is also listed under other containers' names: /other/alias
    own = next((name for name in listed.get("Names") or () if name.count("/") == 1), "")
    return ContainerRow(
        site=site,
        id=listed["Id"],
        name=own.lstrip("/") or listed["Id"][:12],
        image=listed.get("Image", ""),
        image_id=listed.get("ImageID", ""),
        state=listed.get("State", ""),
        status=listed.get("Status", ""),
        environment=_environment(engine, labels),
        labels=labels,
        health=_health(listed.get("Status", "")),
        published=tuple(_listed_ports(listed.get("Ports") or ())),
        addresses=addresses_of(listed),
    )


def _listed_ports(ports: Iterable[Mapping[str, Any]]) -> Iterable[Published]:
    for port in ports:
        if port.get("PublicPort"):
            inner = f"{port['PrivatePort']}/{port.get('Type', 'tcp')}"
            yield Published(inner, port.get("IP", ""), int(port["PublicPort"]))


def _health(status: str) -> str:
    """Out of `Up 3 minutes (unhealthy)` or `Up 2 seconds (health: starting)`."""
    found = _HEALTH.search(status)
    return found.group(1) if found else ""


def _environment(engine: Engine, labels: Mapping[str, str]) -> str:
    return engine.environment_of(path="", labels=(f"{key}={value}" for key, value in labels.items()))


def _status(state: Mapping[str, Any]) -> str:
    """What a listing says in the engine's own words, from an inspection, which has no such words."""
    if state["Status"] == "exited":
        return f"exited ({state.get('ExitCode', 0)})"
    return str(state["Status"])


def _policy(name: str, retries: int) -> str:
    return f"{name}, at most {retries} times" if name == "on-failure" and retries else name


def _ports(ports: Mapping[str, Any]) -> Iterable[str]:
    for inner, bindings in sorted(ports.items()):
        if not bindings:
            yield f"{inner} (not published)"
        for binding in bindings or ():
            host = binding.get("HostIp") or "0.0.0.0"  # noqa: S104  the engine's own default, shown to people
            yield f"{f'[{host}]' if ':' in host else host}:{binding['HostPort']} -> {inner}"


def _mount(mount: Mapping[str, Any]) -> str:
    source = mount.get("Name") or mount.get("Source") or mount.get("Type", "")
    return f"{source} -> {mount['Destination']}" + ("" if mount.get("RW", True) else " (read-only)")


def _networks(networks: Mapping[str, Any]) -> Iterable[str]:
    for name, network in sorted(networks.items()):
        yield f"{name} {network.get('IPAddress') or network.get('GlobalIPv6Address') or ''}".strip()
