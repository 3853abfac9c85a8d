"""Ringing twice is ringing once: also when the answer to the first ring was lost."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from andock.doorbell import Doorbell
from config.installation import connect
from tests.integration.workers.conftest import Playground
from tests.integration.workers.toys import POOL


class LosingProxy:
    """Passes a client on to Redis, and once drops the answer to a transaction that Redis has carried out."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._redis = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{parts.port}", f":{self._listener.getsockname()[1]}")
        self.lost = 0
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._redis) as redis, suppress(OSError):
            losing = Event()
            Thread(target=self._answer, args=(redis, client, losing), daemon=True).start()
            while asked := client.recv(1 << 20):
                if self.lost == 0 and (b"EXEC\r\n" in asked or b"EVAL" in asked):
                    self.lost += 1
                    losing.set()
                redis.sendall(asked)

    def _answer(self, redis: socket.socket, client: socket.socket, losing: Event) -> None:
        with suppress(OSError):
            while answer := redis.recv(1 << 20):
                if losing.is_set():
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def losing(toys: Playground) -> Iterator[LosingProxy]:
    proxy = LosingProxy(toys.url)
    yield proxy
    proxy.close()


def ring(toys: Playground, redis: Redis, request: str, attempt: int = 1) -> None:
    Doorbell(redis, toys.instance).ring(POOL, toys.janitor.catalogue.get("toy poke"), request, attempt)


def test_an_attempt_rung_twice_is_one_job(toys: Playground) -> None:
    request = toys.ask()

    ring(toys, toys.redis, request.id)

    assert toys.waiting() == [f"{request.id}-1"]


def test_each_attempt_is_a_job_of_its_own(toys: Playground) -> None:
    request = toys.ask()

    ring(toys, toys.redis, request.id, 2)

    assert toys.waiting() == [f"{request.id}-1", f"{request.id}-2"]


def test_a_ring_whose_answer_was_lost_is_one_job_however_often_a_client_tries_again(
    toys: Playground, losing: LosingProxy
) -> None:
    request = toys.accept()
    retrying = Redis.from_url(losing.url, retry=Retry(ConstantBackoff(0.01), 3))  # redis-py's own habit

    ring(toys, retrying, request.id)

    assert losing.lost == 1
    assert toys.waiting() == [f"{request.id}-1"]
    retrying.close()


def test_our_client_says_that_an_answer_was_lost_and_ringing_again_adds_nothing(
    toys: Playground, losing: LosingProxy
) -> None:
    request = toys.accept()
    ours = connect(losing.url)

    with pytest.raises(RedisError):
        ring(toys, ours, request.id)
    ring(toys, ours, request.id)

    assert losing.lost == 1
    assert toys.waiting() == [f"{request.id}-1"]
    ours.close()


def test_two_jobs_of_one_request_are_one_effect(toys: Playground) -> None:
    request = toys.ask()
    ring(toys, toys.redis, request.id, 2)
    toys.start_worker()
    toys.start_worker()

    toys.end_of(request)
    toys.end_of(toys.ask(toy="b"))  # both jobs before it were taken

    assert toys.world.effects() == ["poke:a", "poke:b"]
