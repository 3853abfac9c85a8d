"""Health, readiness and metrics, also while Redis is away."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.redis_server import RedisServer, start_redis
from tests.integration.bot.conftest import Door, StartBot


def metrics(door: Door) -> dict[str, float]:
    """Every sample by name and labels' values."""
    return {
        ":".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(door.get("/metrics").body)
        for sample in family.samples
    }


def test_healthy_and_ready(door: Door) -> None:
    assert door.get("/healthz").body == "ok\n"
    ready = door.get("/readyz")
    assert (ready.status, json.loads(ready.body)) == (200, {"ready": True, "faults": []})


def test_metrics_can_be_read_by_prometheus(door: Door) -> None:
    assert metrics(door)["andock_redis_up"] == 1.0
    assert door.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


def test_what_comes_in_is_counted(door: Door) -> None:
    before = metrics(door)

    door.slash("vm list")
    door.slash("vm lsit")

    after = metrics(door)
    assert after["andock_ack_seconds_count"] - before["andock_ack_seconds_count"] == 2
    assert after["andock_open_requests:accepted"] == 1
    refused = "andock_commands_refused_total:unknown_operation"
    assert after[refused] - before.get(refused, 0) == 1


class OwnRedis:
    """A bot on a Redis that may be killed."""

    def __init__(self, server: RedisServer, door: Door) -> None:
        self.server = server
        self.door = door


@pytest.fixture
def own(start_bot: StartBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnRedis]:
    monkeypatch.delenv("REDIS_URL", raising=False)
    server = start_redis(tmp_path)
    door = start_bot(server)
    door.pretend_workers()
    yield OwnRedis(server, door)
    door.process.stop()
    server.stop()


def test_while_redis_is_away_the_bot_says_what_is_missing_and_recovers(own: OwnRedis) -> None:
    own.server.kill()

    ready = own.door.get("/readyz")
    assert ready.status == 503
    assert json.loads(ready.body)["faults"][0].startswith("redis")
    assert own.door.get("/healthz").status == 200
    assert metrics(own.door)["andock_redis_up"] == 0.0

    own.server.restart()
    assert own.door.get("/readyz").status == 200
    own.door.pretend_workers()
    assert "Working on" in own.door.slash("vm list").text


def test_while_redis_is_away_whoever_asks_hears_it_within_three_seconds(own: OwnRedis) -> None:
    own.server.kill()
    started = time.monotonic()

    answer = own.door.slash("vm off web-01")

    assert time.monotonic() - started < 3
    assert "Redis was not reached" in answer.text
    assert "nothing was changed" in answer.text


def test_while_redis_hangs_whoever_asks_hears_it_within_three_seconds(own: OwnRedis) -> None:
    own.door.redis.config_set("busy-reply-threshold", 60_000)
    own.door.redis.execute_command("CLIENT", "PAUSE", 6000, "ALL")
    started = time.monotonic()

    answer = own.door.slash("vm off web-01")

    assert time.monotonic() - started < 3
    assert re.search("Redis (did not answer|was not reached)|too long", answer.text)
    assert "Traceback" not in own.door.process.output()


def test_no_secret_is_in_the_log(own: OwnRedis) -> None:
    own.server.kill()
    own.door.slash("vm off hunter2")
    own.door.get("/readyz")
    own.door.get("/metrics")
    secrets = (
        own.server.url.split("@")[0].split(":")[-1],
        own.door.slack.bot_token,
        own.door.slack.signing_secret,
        "hunter2",
    )

    logged = own.door.process.output()

    assert logged
    assert [secret for secret in secrets if secret in logged] == []
    assert all(json.loads(line) for line in logged.splitlines())
