from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from andock.ports.containers import ContainerRow
from config.sites import Engine, EnvironmentRule
from workers.containers import inventory
from workers.containers.engines import EngineClient

EDGE = Engine(
    url="unix:///x", environment="dev", environments=(EnvironmentRule(tag="env=prod", **{"is": "prod"}),)
)
INSPECTED: Mapping[str, Any] = {
    "Id": "3f" * 32,
    "Name": "/web",
    "Image": "sha256:22",
    "RestartCount": 2,
    "State": {
        "Status": "exited",
        "ExitCode": 3,
        "StartedAt": "2026-01-01T12:00:00.123456789+02:00",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {"Status": "unhealthy"},
        "Pid": 0,
    },
    "Config": {"Image": "shop/web:1", "Env": ["PASSWORD=hunter2"], "Labels": {"env": "prod"}},
    "HostConfig": {
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5},
        "Memory": 67108864,
        "NanoCpus": 500000000,
    },
    "Mounts": [
        {"Type": "bind", "Source": "/srv", "Destination": "/data", "RW": False},
        {
            "Type": "volume",
            "Name": "cache",
            "Source": "/var/lib/docker/x",
            "Destination": "/cache",
            "RW": True,
        },
    ],
    "NetworkSettings": {
        "Ports": {
            "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
            "90/tcp": None,
        },
        "Networks": {"bridge": {"IPAddress": "172.17.0.2"}},
    },
}


class Client:
    """Answers as the SDK does."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def containers(self, *, all: bool, filters: object) -> Any:  # noqa: A002  the SDK's word
        assert all
        assert filters is None
        return self.answer

    def inspect_container(self, container: str) -> Any:
        return {**self.answer, "Id": container}


def sdk(answer: Any) -> EngineClient:
    return cast("EngineClient", Client(answer))


def test_everything_of_a_container_but_its_environment() -> None:
    read = inventory.read_one(sdk(INSPECTED), "edge-1", EDGE, "3f" * 32)
    assert (read.name, read.state, read.status, read.environment) == ("web", "exited", "exited (3)", "prod")
    assert read.started_at == datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert read.finished_at is None
    assert (read.health, read.restarts, read.restart_policy) == (
        "unhealthy",
        2,
        "on-failure, at most 5 times",
    )
    assert read.ports == ("0.0.0.0:8080 -> 80/tcp", "[::]:8080 -> 80/tcp", "90/tcp (not published)")
    assert read.mounts == ("/srv -> /data (read-only)", "cache -> /cache")
    assert read.networks == ("bridge 172.17.0.2",)
    assert (read.memory_limit, read.cpus) == (67108864, 0.5)
    assert "hunter2" not in repr(read)


def test_a_quota_is_a_limit_too() -> None:
    limited = {**INSPECTED, "HostConfig": {"CpuQuota": 150_000, "CpuPeriod": 100_000}}
    read = inventory.read_one(sdk(limited), "edge-1", EDGE, "3f" * 32)
    assert (read.cpus, read.memory_limit, read.restart_policy) == (1.5, 0, "no")


@pytest.mark.parametrize(
    ("check", "seconds"),
    [
        ({}, 0.0),
        ({"Test": ["NONE"], "Interval": 10**9}, 0.0),
        ({"Test": ["CMD", "true"]}, 30.0),
        ({"Test": ["CMD", "true"], "Interval": 5 * 10**8}, 0.5),
        ({"Test": ["CMD", "true"], "StartPeriod": 10**10}, 5.0),
        ({"Test": ["CMD", "true"], "StartPeriod": 10**10, "StartInterval": 10**9}, 1.0),
        ({"Test": ["CMD", "true"], "StartInterval": 10**9}, 30.0),
    ],
)
def test_when_the_first_check_of_a_containers_health_is_due(check: dict[str, object], seconds: float) -> None:
    checked = {**INSPECTED, "Config": {"Healthcheck": check}}
    assert inventory.read_one(sdk(checked), "edge-1", EDGE, "3f" * 32).check_every == seconds


def test_a_linked_container_keeps_its_own_name() -> None:
    listed = [{"Id": "3f" * 32, "Names": ["/shop/db", "/db"], "State": "running"}]
    assert [row.name for row in inventory.list_one(sdk(listed), "edge-1", EDGE)] == ["db"]


def test_a_container_without_a_name_goes_by_its_id() -> None:
    assert inventory.list_one(sdk([{"Id": "3f" * 32, "Names": None}]), "edge-1", EDGE)[0].name == "3f" * 6


def row(site: str, name: str) -> ContainerRow:
    return ContainerRow(site, name * 64, name, "busybox", "running", "Up", "dev")


def test_an_engine_that_never_ends_its_listing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "LIST_SECONDS", 0.2)

    def list_one(site: str) -> tuple[ContainerRow, ...]:
        time.sleep(1.0 if site == "slow" else 0.0)
        return (row(site, "b" if site == "one" else "a"),)

    began = time.monotonic()
    listing = inventory.list_all(["one", "slow", "two"], list_one)
    assert time.monotonic() - began < 0.9
    assert [(found.name, found.site) for found in listing.rows] == [("a", "two"), ("b", "one")]
    assert listing.searched == ("one", "two")
    assert [away.site for away in listing.not_reached] == ["slow"]


def test_a_bug_in_one_engines_listing_is_not_an_engine_away() -> None:
    def list_one(site: str) -> tuple[ContainerRow, ...]:
        raise KeyError(site)

    with pytest.raises(KeyError):
        inventory.list_all(["one"], list_one)
