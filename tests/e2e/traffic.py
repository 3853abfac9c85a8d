"""Clients that ask a service without pause, and count what they were not answered."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PAUSE = 0.005  # seconds between an answer and the next question, so that the machine does other things too
PATIENCE = 15.0
PATHS = ("/version", "/version", "/version", "/cgi-bin/slow")  # a client each; the last one waits a second


@dataclass
class Traffic:
    """What the clients have seen.

    Attributes:
        failed: each request that got no answer or another one than 200, and why.
        answers: how often each body came: a service that says its version shows which ones answered.
    """

    url: str
    failed: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, version: str, *, more: int = 20) -> None:
        """Wait until so many more answers of this version have come.

        Raises:
            TimeoutError: they did not.
        """
        wanted = self.answers[version] + more
        deadline = time.monotonic() + PATIENCE
        while self.answers[version] < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{version} does not answer: {self.answers}, {self.failed[:3]}")
            time.sleep(0.02)

    def ask(self, path: str) -> None:
        """One request on a connection of its own; what becomes of it is counted."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            said = answer.read().decode().strip()
            failure = "" if answer.status == http.HTTPStatus.OK else f"{path}: {answer.status} {said[:80]}"
        except (OSError, http.client.HTTPException) as error:
            said, failure = "", f"{path}: {error!r}"
        finally:
            connection.close()
        with self._lock:
            if failure:
                self.failed.append(failure)
            else:
                self.answers[said] += 1

    def ask_on(self, path: str) -> None:
        """Ask until it is over."""
        while not self._over.wait(PAUSE):
            self.ask(path)

    def end(self) -> None:
        """No more questions."""
        self._over.set()


@contextmanager
def traffic(url: str) -> Iterator[Traffic]:
    """Clients at work while the block runs; at its end each has its last answer."""
    seen = Traffic(url)
    clients = [threading.Thread(target=seen.ask_on, args=(path,), daemon=True) for path in PATHS]
    for client in clients:
        client.start()
    try:
        yield seen
    finally:
        seen.end()
        for client in clients:
            client.join(PATIENCE + 5)
