"""Fixtures that every test may use: one Redis a run, one installation's ledger a test."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis

from andock.audit import AuditRecord, Event, Journal
from andock.chain.lines import FOLDER
from andock.ledger import Ledger
from andock.receipts import RECORDER
from andock.signing import Signer, Verifier, load_audit_key, load_signer, load_verifier, make_keys
from config.installation import connect
from config.sites import Audit
from sandbox.redis_server import RedisServer, start_redis
from workers.recorder import Recorder

settings.register_profile("andock", deadline=None)  # how slow a machine is breaks no property
settings.load_profile("andock")

HEAVY = ("tests/e2e/", "tests/integration/bench/", "tests/integration/demo/")
LONGEST = "tests/integration/demo/test_demo.py"  # it plays the whole tour

for name in [name for name in os.environ if name.startswith(("ANDOCK_", "SLACK_"))]:
    del os.environ[name]  # a developer's own settings never reach a test


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that start whole installations evenly, so that few of them run at a time.

    Those are first among their neighbours, and the longest of all: a long one at the end would run alone.
    """
    files = list(dict.fromkeys(_file_of(item) for item in items))
    heavy = sorted((file for file in files if file.startswith(HEAVY)), key=lambda file: file != LONGEST)
    light = [file for file in files if not file.startswith(HEAVY)]
    places = {file: number / len(heavy) for number, file in enumerate(heavy)}
    places |= {file: (number + 1) / len(light) for number, file in enumerate(light)}
    items.sort(key=lambda item: places[_file_of(item)])


def _file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    client = connect(redis_server.url)
    yield client
    client.close()


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    """A ledger that no other test writes to."""
    return Ledger(redis, f"t{secrets.token_hex(4)}")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture
def signer(keys: Path) -> Signer:
    return load_signer(keys, "bot")


@pytest.fixture
def verifier(keys: Path) -> Verifier:
    return load_verifier(keys)


@contextmanager
def recording(ledger: Ledger, keys: Path, folder: Path) -> Iterator[None]:
    """A recorder for one installation, in a thread; without one no change begins."""
    journal = Journal(ledger, load_signer(keys, RECORDER), load_verifier(keys))
    stop = threading.Event()
    recorder = Recorder(journal, folder, load_audit_key(keys), Audit())
    thread = threading.Thread(target=recorder.run, args=(stop,), name="recorder")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        journal.write(AuditRecord(event=Event.SAID))  # it reads for a second, unless something comes
        thread.join()


@pytest.fixture
def recorder(ledger: Ledger, keys: Path, tmp_path: Path) -> Iterator[None]:
    with recording(ledger, keys, tmp_path / FOLDER):
        yield


@pytest.fixture
def journal(ledger: Ledger, signer: Signer, verifier: Verifier) -> Journal:
    return Journal(ledger, signer, verifier)


def untold(_why: str, _content: bytes) -> None:
    """Where a test looks at what is believed, not at what is recorded of the rest."""
