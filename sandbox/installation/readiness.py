"""When Andock's processes are ready, asked from outside: the bot's own page, RQ's register, a log's lines."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import Self
from urllib.parse import unquote, urlsplit

from sandbox.processes import LOOPBACK

SECONDS = 2.0


def bot_is_ready(port: int) -> bool:
    """Whether /readyz answers 200: Redis answers it and, in Socket Mode, its connection stands."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=SECONDS)  # looks at no proxy variable
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def workers_are_ready(
    redis_url: str, wanted: Mapping[str, int], before: Mapping[str, frozenset[str]]
) -> bool:
    """Whether as many RQ workers listen on each queue as are wanted, besides those there were `before`.

    A killed worker stays in RQ's register for a while, which is why earlier ones do not count.
    """
    return all(
        len(names - before.get(queue, frozenset())) >= wanted[queue]
        for queue, names in list_workers(redis_url, wanted).items()
    )


def list_workers(redis_url: str, queues: Mapping[str, int]) -> dict[str, frozenset[str]]:
    """The RQ workers in each queue's register.

    Raises:
        OSError: Redis cannot be reached.
    """
    with _Redis(redis_url) as redis:
        return {queue: redis.members(f"rq:workers:{queue}") for queue in queues}


class _Redis:
    """Just enough of Redis' protocol to read a set: the sandbox needs no client library."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        connection = socket.create_connection((parts.hostname or LOOPBACK, parts.port or 6379), SECONDS)
        if parts.scheme == "rediss":
            context = ssl.create_default_context()
            connection = context.wrap_socket(connection, server_hostname=parts.hostname)
        self._socket = connection
        self._answers = connection.makefile("rb")
        if parts.password:
            names = [unquote(parts.username)] if parts.username else []
            self._ask("AUTH", *names, unquote(parts.password))
        self._ask("SELECT", parts.path.strip("/") or "0")

    def members(self, key: str) -> frozenset[str]:
        count = int(self._ask("SMEMBERS", key)[1:])
        return frozenset(self._bulk() for _ in range(count))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._socket.close()

    def _ask(self, *words: str) -> str:
        encoded = [word.encode() for word in words]
        request = b"*%d\r\n" % len(encoded)
        self._socket.sendall(request + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
        answer = self._answers.readline().decode().strip()
        if not answer or answer.startswith("-"):
            raise ConnectionError(f"Redis: {answer or 'no answer'}")
        return answer

    def _bulk(self) -> str:
        size = int(self._answers.readline()[1:])
        return self._answers.read(size + 2)[:-2].decode()
