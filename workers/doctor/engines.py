"""Docker engines: reached, and by whom else; with the right time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from andock.errors import OpsError
from config.sites import Engine
from workers.containers import DockerContainers, Engines
from workers.containers.faults import reading
from workers.doctor.clocks import compare_clock
from workers.doctor.configuration import check_secret_file
from workers.doctor.findings import Finding, fail_with, ok, warn


def check_engine(name: str, engine: Engine, base: Path) -> tuple[Finding, ...]:
    """One engine."""
    what = f"engine {name}"
    found = list(_check_transport(what, engine, base))
    engines = Engines({name: engine}, base)
    containers = DockerContainers(engines)
    try:
        client = engines.client(name)
        with reading(name):
            version = client.version()
        said = f"Docker {version.get('Version', '?')}, API {version.get('ApiVersion', '?')} at {engine.url}"
        clock = compare_clock(f"{what} clock", lambda: _seconds(containers.server_time(name)))
    except OpsError as error:
        return (fail_with(what, error, f"check engines.{name} in sites.yaml, and that dockerd runs."), *found)
    finally:
        containers.close()
    return (ok(what, said), clock, *found)


def _seconds(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp()


def _check_transport(what: str, engine: Engine, base: Path) -> tuple[Finding, ...]:
    found = []
    if engine.url.startswith("tcp://") and engine.tls is None:
        detail = "TCP without TLS: whoever reaches the port is root on that machine"
        fix = "give it tls: {ca, cert, key}, and let dockerd ask for client certificates."
        found.append(warn(f"{what} tls", detail, fix))
    if engine.tls is not None and engine.tls.key.file is not None:
        open_file = check_secret_file(f"{what} key", base / engine.tls.key.file)
        found += [open_file] if open_file is not None else []
    return tuple(found)
