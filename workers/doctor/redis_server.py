"""Redis: everything that Andock knows lies there, so it must not forget, drop or give away anything."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, cast

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as NotReachedError

from config.installation import connect
from workers.doctor.clocks import compare_clock
from workers.doctor.findings import Finding, fail, ok, warn

OLDEST = (6, 2)  # the outbox's script needs ZADD LT
_WANTED = {
    "appendonly": ("yes", "a restart of Redis forgets every request"),
    "appendfsync": ("always", "a power cut forgets the last second: approvals, and changes that were done"),
    "maxmemory-policy": ("noeviction", "a full Redis drops requests, silently"),
}


def check_redis(url: str) -> tuple[Finding, ...]:
    """Reachable, new enough, durable, closed to strangers, with the right time."""
    try:
        redis = connect(url)
    except ValueError:  # its text may hold a part of the password
        fix = "write redis://:PASSWORD@HOST:PORT/0, rediss://... for TLS, or unix://PATH."
        return (fail("redis", "REDIS_URL is no address that redis-py reads", fix),)
    try:
        info = redis.info()
        found = [_server(redis, info), *_settings(redis, info), _disk(info), _door(redis)]
        found.append(compare_clock("redis clock", lambda: _clock(redis)))
    except AuthenticationError as error:
        return (fail("redis", f"refused the password: {error}", "set REDIS_URL with user and password."),)
    except NotReachedError as error:
        fix = "start it, or mend host and port in REDIS_URL."
        return (fail("redis", f"{_address(redis)} was not reached ({error})", fix),)
    except RedisError as error:
        return (fail("redis", f"{type(error).__name__}: {error}", "see the log of Redis."),)
    finally:
        redis.close()
    return tuple(finding for finding in found if finding is not None)


def _server(redis: Redis, info: Mapping[str, Any]) -> Finding:
    version = str(info.get("redis_version", "0"))
    said = f"{version} at {_address(redis)}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return fail("redis", said, "Andock needs Redis 6.2 or newer.")
    if info.get("role") != "master":
        return fail(
            "redis", f"{said} is a replica, which takes no requests", "name the primary in REDIS_URL."
        )
    return ok("redis", said)


def _settings(redis: Redis, info: Mapping[str, Any]) -> list[Finding]:
    known = _configured(redis)
    # managed servers keep CONFIG to themselves; INFO tells the rest
    known.setdefault("appendonly", "yes" if info.get("aof_enabled") else "no")
    known.setdefault("maxmemory-policy", str(info.get("maxmemory_policy", "")))
    found = []
    for name, (wanted, harm) in _WANTED.items():
        what, value = f"redis {name}", known.get(name, "")
        if value == wanted:
            found.append(ok(what, value))
        elif not value:
            found.append(
                warn(
                    what, "this account may not ask", f"make sure that it is `{wanted}`, or allow CONFIG GET."
                )
            )
        else:
            fix = f"set `{name} {wanted}` in redis.conf, and `CONFIG SET {name} {wanted}` now."
            found.append(fail(what, f"is {value}: {harm}", fix))
    return found


def _configured(redis: Redis) -> dict[str, str]:
    known: dict[str, str] = {}
    for name in _WANTED:
        try:
            known.update(cast("dict[str, str]", redis.config_get(name)))
        except ResponseError:  # no right to, or no such command
            return known
    return {_text(name): _text(value) for name, value in known.items()}


def _disk(info: Mapping[str, Any]) -> Finding | None:
    """Whether its last writes reached the disk."""
    wrong = [
        name
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status")
        if info.get(name, "ok") != "ok"
    ]
    if not wrong:
        return None
    return fail("redis disk", f"{', '.join(wrong)} is not ok", "look at its disk: full, read-only or broken?")


def _door(redis: Redis) -> Finding | None:
    """Whether somebody without a password gets in."""
    what = "redis password"
    options = redis.connection_pool.connection_kwargs
    if "path" in options:
        return None  # a socket in the file system has its own permissions
    stranger = Redis(
        connection_pool=redis.connection_pool.__class__(
            connection_class=redis.connection_pool.connection_class,
            **{key: value for key, value in options.items() if key not in ("username", "password")},
        )
    )
    try:
        stranger.ping()
    except RedisError:
        return ok(what, "nobody gets in without it")
    finally:
        stranger.close()
    fix = "set `requirepass`, and put the password into REDIS_URL."
    if _is_loopback(str(options.get("host", ""))) and _keeps_to_loopback(redis):
        return warn(what, "none is asked; everybody on this machine gets in", fix)
    return fail(what, "none is asked, and it listens to the network: whoever reaches it owns Andock", fix)


def _keeps_to_loopback(redis: Redis) -> bool:
    try:
        known = {
            _text(name): _text(value)
            for pattern in ("bind", "protected-mode")
            for name, value in cast("dict[str, str]", redis.config_get(pattern)).items()
        }
    except ResponseError:
        return False
    addresses = [address.removeprefix("-") for address in known.get("bind", "").split()]
    only_here = bool(addresses) and all(_is_loopback(address) for address in addresses)
    return only_here or known.get("protected-mode") == "yes"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _clock(redis: Redis) -> float:
    seconds, microseconds = redis.time()
    return seconds + microseconds / 1e6


def _address(redis: Redis) -> str:
    options = redis.connection_pool.connection_kwargs
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
