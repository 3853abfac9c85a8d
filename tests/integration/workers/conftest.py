from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis
from rq.serializers import JSONSerializer

from andock.audit import AuditRecord, Event, Journal, record_of
from andock.chain.lines import FOLDER
from andock.doorbell import Doorbell, queue_name
from andock.entries import Entry, StepMark
from andock.ledger import Field, Ledger
from andock.messages import Actor, Reply, Request, make_request_id
from andock.operation import Plan
from andock.outbox import message
from andock.redaction import SHAPES_ONLY
from andock.routing import Route, Routing
from andock.seals import StoredPlan, seal_mark, seal_plan
from andock.signing import SIGNERS, Signer, Verifier, load_signer, load_verifier
from config.installation import connect
from sandbox.processes import Child, start
from sandbox.redis_server import RedisServer
from tests.conftest import recording
from tests.integration.workers.toys import POOL, World, make_catalogue
from workers.janitor import Janitor

ROOT = Path(__file__).resolve().parents[3]
OPS = Actor(team="T1", user="U0OPS1", name="ops-1")


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class Playground:
    """An installation of toys: its ledger, its world, and the workers that a test starts."""

    url: str
    instance: str
    redis: Redis
    ledger: Ledger
    signer: Signer
    journal: Journal
    verifier: Verifier
    keys: Path
    folder: Path
    world: World
    doorbell: Doorbell
    janitor: Janitor
    workers: list[Child] = field(default_factory=list)

    def queue(self, kind: str = "change") -> str:
        return queue_name(self.instance, POOL, kind)

    def sealed(
        self, request: Request, plan: Plan, marks: Mapping[int, StepMark] | None = None
    ) -> dict[str, Field]:
        """The fields that a worker stores of a plan: shown, or begun if there are marks of its steps."""
        signer = load_signer(self.keys, "worker")
        stored = StoredPlan(instance=self.instance, request=request.id, attempt=1, plan=plan)
        sealed = seal_plan(stored, signer, SHAPES_ONLY)
        fields: dict[str, Field] = {"plan": sealed, "digest": plan.digest}
        for number, mark in (marks or {}).items():
            fields[f"mark:{number}"] = seal_mark(sealed, number, mark, signer, SHAPES_ONLY)
        return fields

    def waiting(self, kind: str = "change") -> list[str]:
        """Ids of the jobs on a queue."""
        return [job.decode() for job in self.redis.lrange(f"rq:queue:{self.queue(kind)}", 0, -1)]

    def argv(self, kind: str = "change") -> list[str]:
        module = [sys.executable, "-m", "tests.integration.workers.toys"]
        return [*module, self.url, self.instance, self.queue(kind), str(self.keys), str(self.world.folder)]

    def env(self) -> Mapping[str, str]:
        return {**os.environ, "CANARY": str(self.canary)}

    @property
    def canary(self) -> Path:
        """The file that only what must never run would make."""
        return self.folder / "canary"

    def start_worker(self, kind: str = "change") -> Child:
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = start(self.argv(kind), log=log, cwd=ROOT, env=self.env())
        self.workers.append(worker)
        name = f"rq:workers:{self.queue(kind)}"
        before = self.redis.scard(name)
        worker.wait_ready(lambda: self.redis.scard(name) > before, 20)
        return worker

    def make_request(self, operation: str = "toy poke", **changes: Any) -> Request:
        now = time.time()
        return Request(
            id=changes.pop("id", make_request_id()),
            instance=self.instance,
            operation=operation,
            params={"toy": changes.pop("toy", "a"), "how": changes.pop("how", "")},
            command=operation,
            actor=OPS,
            channel="C0OPS",
            reply=changes.pop("reply", Reply(channel="C0OPS", private=False)),
            accepted_at=now,
            not_after=changes.pop("not_after", now + 300),
            **changes,
        )

    def accept(self, operation: str = "toy poke", **changes: Any) -> Request:
        """Record a request as the bot does, without ringing."""
        request = self.make_request(operation, **changes)
        self.ledger.accept(
            request,
            self.signer.sign(request),
            dedupe=request.id,
            record=self.journal.seal(record_of(request, Event.ASKED)),
            message=message(request.id),
        )
        return request

    def ask(self, operation: str = "toy poke", **changes: Any) -> Request:
        """Record a request and ring."""
        request = self.accept(operation, **changes)
        self.doorbell.ring(POOL, self.janitor.catalogue.get(operation), request.id, 1)
        return request

    def entry(self, request: Request) -> Entry:
        entry = self.ledger.read(request.id)
        assert entry is not None
        return entry

    def end_of(self, request: Request, seconds: float = 15.0) -> Entry:
        """The request when it has ended."""
        assert until(lambda: self.entry(request).state.ended, seconds), self.last_words()
        return self.entry(request)

    def events(self) -> list[str]:
        """What was recorded, in order."""
        return [record.event.value for record in self.records()]

    def refused(self) -> list[str]:
        """What the record says of everything that was refused."""
        return [record.text for record in self.records() if record.event is Event.REFUSED]

    def records(self) -> list[AuditRecord]:
        """All records, in order."""
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", self.redis.xrange(self.ledger.audit))
        sealed = [fields[b"sealed"] for _, fields in entries]
        return [self.verifier.open(one, AuditRecord, by=SIGNERS) for one in sealed]

    def set(self, request: Request, **fields: Any) -> None:
        """Write fields of the stored request, as somebody with Redis' password could."""
        self.redis.hset(self.ledger.key("request", request.id), mapping=fields)

    def make_due(self, request: Request) -> None:
        """Its time to be looked at has come."""
        self.redis.zadd(self.ledger.key("open"), {request.id: 0})

    def lapse(self, request: Request) -> None:
        """Its lease is over, as it is 15 s after its worker died."""
        self.set(request, lease_until=1)
        self.make_due(request)

    def put_job(self, fields: Mapping[str, bytes], job: str = "", kind: str = "change") -> str:
        """A job as somebody with Redis' password could forge it."""
        job = job or f"forged-{secrets.token_hex(4)}"
        if fields:
            self.redis.hset(f"rq:job:{job}", mapping=dict(fields))
        self.redis.rpush(f"rq:queue:{self.queue(kind)}", job)
        return job

    def logs(self) -> str:
        return "\n".join(worker.output() for worker in self.workers)

    def last_words(self) -> str:
        """The end of what the workers logged, for a failed assertion."""
        return "\n".join(line[:800] for line in self.logs().splitlines()[-3:])


def job_fields(data: object, **more: bytes) -> dict[str, bytes]:
    """A job hash as RQ writes it."""
    body = data if isinstance(data, bytes) else JSONSerializer.dumps(data)
    stamp = b"2026-11-24T00:00:00.000000Z"
    return {"data": body, "status": b"queued", "created_at": stamp, "timeout": b"60", "origin": b"x", **more}


def make_playground(server: RedisServer, keys: Path, folder: Path) -> Playground:
    redis = connect(server.url)
    instance = f"t{secrets.token_hex(4)}"
    world = World(folder / "world")
    world.folder.mkdir()
    ledger, doorbell, catalogue = Ledger(redis, instance), Doorbell(redis, instance), make_catalogue(world)
    verifier = load_verifier(keys)
    signer = load_signer(keys, "bot")
    journal = Journal(ledger, signer, verifier)
    routing = Routing({"lab": Route(catalogue.get("toy poke").backend, POOL)})
    return Playground(
        url=server.url,
        instance=instance,
        redis=redis,
        ledger=ledger,
        signer=signer,
        journal=journal,
        verifier=verifier,
        keys=keys,
        folder=folder,
        world=world,
        doorbell=doorbell,
        janitor=Janitor(ledger, doorbell, catalogue, routing, verifier, journal),
    )


@contextmanager
def playing(server: RedisServer, keys: Path, folder: Path) -> Iterator[Playground]:
    """A playground with a recorder; its workers end with it."""
    playground = make_playground(server, keys, folder)
    with recording(playground.ledger, keys, folder / FOLDER):
        yield playground
        for worker in playground.workers:
            worker.kill()
    playground.redis.close()


@pytest.fixture
def toys(redis_server: RedisServer, keys: Path, tmp_path: Path) -> Iterator[Playground]:
    with playing(redis_server, keys, tmp_path) as playground:
        yield playground
