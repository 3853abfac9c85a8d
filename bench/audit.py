"""How long a record waits until it is confirmed to be on disk, and how fast the record is verified."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml
from redis import Redis

from andock.audit import AuditRecord, Event, Journal
from andock.chain.lines import FOLDER, Link, list_files
from andock.chain.proof import verify
from andock.chain.writer import ChainWriter
from andock.ledger import Ledger
from andock.receipts import SEALED, Answer, AuditReceipt, Receipts
from andock.signing import load_audit_key, load_signer, load_verifier, make_keys
from bench.lab import DisagreementError, Lab
from bench.rows import Row, at_most_for, limit, middle, reach
from config.installation import connect
from sandbox.processes import start
from sandbox.redis_server import RedisServer, start_redis

RATE = 1_000  # records a second
SENDERS = 8
MOST_WAIT = 25.0  # ms until 99 % are confirmed
LEAST_VERIFIED = 50_000  # records a second
GROUP = 500
SLOWER = 1.0  # seconds that writing may take longer than its time
PATIENCE = 60.0  # seconds for the last answer
INSTANCE = "bench"
Read = Callable[[dict[bytes, bytes]], Sequence[str]]  # the ids that an answer confirms


@dataclass
class Desk:
    """A Redis, keys, and where the record lies."""

    server: RedisServer
    home: Path
    redis: Redis

    @property
    def keys(self) -> Path:
        """Where the keys lie."""
        return self.home / "keys"

    @property
    def journal(self) -> Journal:
        """A worker's."""
        ledger = Ledger(self.redis, INSTANCE)
        return Journal(ledger, load_signer(self.keys, "worker"), load_verifier(self.keys))

    def make_record(self, number: int) -> AuditRecord:
        """A record as long as they are."""
        return AuditRecord(
            event=Event.STARTED,
            request="r23456789abc",
            attempt=1,
            operation="vm restart",
            command=f"vm restart prod-db-{number}",
            actor="T0TEAM/U0OPS1",
            name="ops-1",
            channel="C0OPS",
            rule="production changes need two leads (policy.yaml:12)",
            plan=hashlib.sha256(b"%d" % number).hexdigest(),
            approvers=("T0TEAM/U0LEAD1", "T0TEAM/U0LEAD2"),
            targets=(f"vm:lab/vm-{number} prod-db-{number}",),
            environments=("prod",),
        )


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    home = lab.state / "audit"
    shutil.rmtree(home, ignore_errors=True)
    make_keys(home / "keys")
    server = start_redis(home)
    desk = Desk(server, home, connect(server.url))
    try:
        return [_measure_recording(lab, desk), _measure_verifying(lab, desk)]
    finally:
        desk.redis.close()
        server.stop()


# --- until a record is confirmed --------------------------------------------------------------------------


def _measure_recording(lab: Lab, desk: Desk) -> Row:
    ours: list[float] = []
    peers: list[float] = []
    for number in range(lab.effort.rounds):
        with _recorder(desk):
            receipts = Receipts(desk.journal.ledger, desk.journal.verifier).stream
            ours.append(_round(desk, receipts, _confirmed_by(desk), lab.effort.seconds))
        with _plain_writer(desk):
            peers.append(_round(desk, "answers", _named, lab.effort.seconds))
        lab.tell(f"round {number + 1}: p99 {ours[-1]:.1f} against {peers[-1]:.1f} ms")
    return limit(
        "audit record at 1,000 a second, until it is confirmed, p99",
        ours=middle(ours), peer=middle(peers), most=MOST_WAIT, unit="ms",
    )  # fmt: skip


def _confirmed_by(desk: Desk) -> Read:
    verifier = load_verifier(desk.keys)

    def read(fields: dict[bytes, bytes]) -> Sequence[str]:
        return verifier.open(fields[SEALED.encode()], AuditReceipt, by="recorder").records

    return read


def _named(fields: dict[bytes, bytes]) -> Sequence[str]:
    return (fields[b"entry"].decode(),)


def _round(desk: Desk, answers: str, read: Read, seconds: float) -> float:
    """Write records at the rate; the p99 in ms from writing one until it is confirmed.

    Raises:
        DisagreementError: one was not confirmed, or the rate was not kept.
    """
    journal = desk.journal
    records = [desk.make_record(number) for number in range(int(RATE * seconds))]
    sealed = [journal.seal(record) for record in records]
    sent: dict[str, float] = {}
    heard: dict[str, float] = {}
    listener = threading.Thread(target=_listen, args=(desk, answers, read, heard, len(records)))
    listener.start()
    begun = time.perf_counter()
    senders = [
        threading.Thread(target=_send, args=(desk, journal.stream, records, sealed, sent, begun, number))
        for number in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    spent = time.perf_counter() - begun
    listener.join()
    if spent > seconds + SLOWER:
        raise DisagreementError(f"{len(records)} records took {spent:.1f} s to write")
    if len(heard) < len(records):
        missing = len(records) - len(heard)
        raise DisagreementError(f"{missing} of {len(records)} records were not confirmed on `{answers}`")
    waits = [(heard[name] - at) * 1000 for name, at in sent.items() if name in heard]
    return at_most_for(0.99, waits)


def _send(
    desk: Desk,
    stream: str,
    records: list[AuditRecord],
    sealed: list[bytes],
    sent: dict[str, float],
    begun: float,
    first: int,
) -> None:
    """Every `SENDERS`th record, each at its time."""
    redis = connect(desk.server.url)
    for number in range(first, len(records), SENDERS):
        time.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
        at = time.perf_counter()
        entry = cast("bytes", redis.xadd(stream, {SEALED: sealed[number]})).decode()
        sent[records[number].id] = sent[entry] = at  # the peer knows no ids
    redis.close()


def _listen(desk: Desk, answers: str, read: Read, heard: dict[str, float], count: int) -> None:
    redis = connect(desk.server.url)
    place = "0-0"
    deadline = time.perf_counter() + PATIENCE + count / RATE
    while len(heard) < count and time.perf_counter() < deadline:
        answer = cast("list[tuple[bytes, list[Answer]]]", redis.xread({answers: place}, block=500))
        for _, entries in answer:
            now = time.perf_counter()
            for entry, fields in entries:
                place = entry.decode()
                heard.update(dict.fromkeys(read(fields), now))
    redis.close()


@contextmanager
def _recorder(desk: Desk) -> Iterator[None]:
    """Ours, on an empty Redis; at the end everything must be on disk as it was written."""
    desk.redis.flushall()
    state = desk.home / "state"
    shutil.rmtree(state, ignore_errors=True)
    config = desk.home / "config"
    config.mkdir(exist_ok=True)
    engines = {"edge-1": {"url": "unix:///nowhere", "environment": "dev"}}
    (config / "sites.yaml").write_text(yaml.safe_dump({"instance": INSTANCE, "engines": engines}))
    (config / "policy.yaml").write_text("rules:\n  - {name: all, allow: ['*'], to: [everyone]}\n")
    env = {
        **os.environ,
        "REDIS_URL": desk.server.url,
        "ANDOCK_CONFIG_DIR": str(config),
        "ANDOCK_KEYS_DIR": str(desk.keys),
        "ANDOCK_STATE_DIR": str(state),
    }
    log = desk.home / "logs" / "recorder.log"
    child = start(
        [sys.executable, "-m", "workers", "recorder"], log=log, ready=re.compile('"recording"'), env=env
    )
    try:
        yield
        child.stop()
        proof = verify(state / FOLDER, load_audit_key(desk.keys))
        written = desk.redis.xlen(desk.journal.stream)
        if proof.fault is not None or proof.count != written:
            raise DisagreementError(
                f"{written} records were written, {proof.count} lie on disk: {proof.fault}"
            )
    finally:
        child.stop()


@contextmanager
def _plain_writer(desk: Desk) -> Iterator[None]:
    desk.redis.flushall()
    path = desk.home / "plain.jsonl"
    path.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "bench.plain_writer", desk.server.url, desk.journal.stream, "answers"]
    log = desk.home / "logs" / "plain.log"
    child = start([*argv, str(path)], log=log, ready=re.compile("ready"))
    try:
        yield
    finally:
        child.stop()


# --- verifying ---------------------------------------------------------------------------------------------


def _measure_verifying(lab: Lab, desk: Desk) -> Row:
    folder = desk.home / "verified"
    folder.mkdir()
    key = load_audit_key(desk.keys)
    writer = ChainWriter.open(folder, key, confirmed=None)
    for begin in range(0, lab.effort.records, GROUP):
        sealed = [desk.journal.seal(desk.make_record(begin + number)) for number in range(GROUP)]
        writer.append(
            [Link.of(one, f"{begin + 1}-{at}", "worker") for at, one in enumerate(sealed)], time.time()
        )
    writer.close()
    ours: list[float] = []
    peers: list[float] = []
    for _ in range(lab.effort.rounds):
        begun = time.perf_counter()
        proof = verify(folder, key)
        ours.append(proof.count / (time.perf_counter() - begun))
        if proof.fault is not None or proof.count != lab.effort.records:
            raise DisagreementError(f"{proof.count} records are sound: {proof.fault}")
        peers.append(lab.effort.records / _hash_files(folder))
    return reach(
        "audit verify, against a SHA-256 over the files",
        ours=middle(ours), peer=middle(peers), least=LEAST_VERIFIED, unit="records/s",
    )  # fmt: skip


def _hash_files(folder: Path) -> float:
    """Seconds for what `sha256sum` does."""
    begun = time.perf_counter()
    for path in list_files(folder):
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    return time.perf_counter() - begun
