"""Real recorders on a real Redis, and what other processes would write to it."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import RedisError

from andock.audit import AuditRecord, Event, Journal
from andock.chain.lines import FOLDER, Line, list_files, read_lines
from andock.chain.proof import Proof, verify
from andock.ledger import Ledger
from andock.messages import Notice
from andock.outbox import Outbox
from andock.receipts import Receipts
from andock.signing import load_audit_key, load_signer, load_verifier
from config.installation import connect
from sandbox.processes import Child, start
from sandbox.redis_server import RedisServer, start_redis

ROOT = Path(__file__).resolve().parents[3]
CHANNEL = "C0AUDIT"


def until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass
class Office:
    """An installation of which only the recorders run."""

    server: RedisServer
    instance: str
    redis: Redis
    keys: Path
    home: Path
    audit: dict[str, Any] = field(default_factory=dict)
    recorders: list[Child] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.redis, self.instance)

    @property
    def folder(self) -> Path:
        return self.home / "state" / FOLDER

    def journal(self, process: str = "worker") -> Journal:
        return Journal(self.ledger, load_signer(self.keys, process), load_verifier(self.keys))

    def configure(self, **audit: Any) -> None:
        """Write sites.yaml and policy.yaml with these settings of the record."""
        config = self.home / "config"
        config.mkdir(exist_ok=True)
        engines = {
            "edge-1": {"url": "unix:///nowhere", "environment": "dev"},
            "edge-2": {"url": "unix:///nowhere", "environment": "prod"},
        }
        sites = {"instance": self.instance, "engines": engines, "audit": audit}
        (config / "sites.yaml").write_text(yaml.safe_dump(sites))
        (config / "policy.yaml").write_text("rules:\n  - {name: all, allow: ['*'], to: [everyone]}\n")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "REDIS_URL": self.server.url,
            "ANDOCK_CONFIG_DIR": str(self.home / "config"),
            "ANDOCK_KEYS_DIR": str(self.keys),
            "ANDOCK_STATE_DIR": str(self.home / "state"),
        }

    def start(self, says: str = "recording") -> Child:
        """Start a recorder and wait until it says that it records, or stands by."""
        log = self.home / f"recorder-{len(self.recorders)}.log"
        argv = [sys.executable, "-m", "workers", "recorder"]
        child = start(argv, log=log, cwd=ROOT, env=self.environment)
        self.recorders.append(child)
        child.wait_ready(lambda: bool(events(child, says)), 30)
        return child

    def start_dying(self, moment: str) -> None:
        """Start a recorder that is killed at that moment of its first write, and wait until it is."""
        argv = [sys.executable, "-m", "tests.integration.recorder.dying", moment]
        child = start(argv, log=self.home / "dying.log", cwd=ROOT, env=self.environment)
        self.recorders.append(child)
        assert until(lambda: not child.alive), "it went on"
        assert not child.output().count("Traceback"), child.output()

    def write(self, count: int = 1, process: str = "worker", **fields: Any) -> list[AuditRecord]:
        """Records that a process writes as usual."""
        journal = self.journal(process)
        made = [AuditRecord(**{"event": Event.ASKED, **fields}) for _ in range(count)]
        for record in made:
            journal.write(record)
        return made

    def confirmed(self, count: int = 1, **fields: Any) -> list[AuditRecord]:
        """Records that are on disk; fails if the recorder does not say so."""
        journal = self.journal()
        made = [AuditRecord(**{"event": Event.STARTED, **fields}) for _ in range(count)]
        for record in made:
            journal.await_recorded(journal.write(record), record, within=60)
        return made

    def lines(self) -> list[Line]:
        return list(read_lines(list_files(self.folder)))

    def records(self, *kinds: Event) -> list[AuditRecord]:
        """What is on disk, of some kinds or all."""
        found = [AuditRecord.model_validate_json(line.link.record) for line in self.lines()]
        return [record for record in found if not kinds or record.event in kinds]

    def proof(self) -> Proof:
        return verify(self.folder, load_audit_key(self.keys), (), load_verifier(self.keys))

    @property
    def receipts(self) -> Receipts:
        return Receipts(self.ledger, load_verifier(self.keys))

    def notices(self) -> list[Notice]:
        """What is due to be said in Slack."""
        due = self.redis.zrange(self.ledger.outbox, 0, -1)
        names = [member.decode().partition("|")[0] for member in due]
        read = [Outbox(self.ledger).read_notice(name, load_verifier(self.keys)) for name in names]
        return [notice for notice in read if notice is not None]

    def answers(self) -> bool:
        """Whether Redis is there."""
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False


def events(child: Child, name: str) -> list[dict[str, Any]]:
    """What a process logged under this name."""
    logged = [json.loads(line) for line in child.output().splitlines() if line.startswith("{")]
    return [entry for entry in logged if entry.get("event") == name]


def _open(server: RedisServer, keys: Path, home: Path) -> Office:
    made = Office(server, f"t{secrets.token_hex(4)}", connect(server.url), keys, home)
    made.configure()
    return made


def _close(office: Office) -> None:
    for recorder in office.recorders:
        recorder.kill()
    office.redis.close()


@pytest.fixture
def office(redis_server: RedisServer, keys: Path, tmp_path: Path) -> Iterator[Office]:
    made = _open(redis_server, keys, tmp_path)
    yield made
    _close(made)


@pytest.fixture
def own_office(keys: Path, tmp_path: Path) -> Iterator[Office]:
    """One with a Redis of its own, which may be killed."""
    server = start_redis(tmp_path)
    made = _open(server, keys, tmp_path)
    yield made
    _close(made)
    server.stop()
