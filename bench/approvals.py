"""What a thousand requests that wait for approval cost the janitor."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator

from andock.approvals import Approval, Need
from andock.audit import Event, Journal, record_of
from andock.catalogue import load_catalogue
from andock.doorbell import Doorbell
from andock.ledger import Field, Ledger
from andock.messages import Actor, Reply, Request, State, make_request_id
from andock.operation import Backend, Plan, Step, Target
from andock.redaction import SHAPES_ONLY
from andock.routing import Route, Routing
from andock.seals import StoredPlan, seal_plan
from andock.signing import Signer, load_signer, load_verifier, make_keys
from andock.votes import Votes
from bench.lab import DisagreementError, Lab
from bench.rows import Row, limit, middle
from config.installation import connect
from sandbox.redis_server import start_redis
from workers.janitor import BATCH, Janitor

PENDING = 1_000
MOST = 50.0  # ms a sweep
SWEEPS = 40
INSTANCE = "bench"
TARGET = Target(kind="vm", site="lab", id="vm-1", name="prod-web-1", environment="prod")
PLAN = Plan(batches=((Step(action="power off", target=TARGET, text="power off `prod-web-1` (on)"),),))
APPROVAL = Approval(
    rule="two leads (policy.yaml:12)",
    needs=(Need(count=2, groups=("leads",), people=("U0LEAD1", "U0LEAD2")),),
    within=900.0,
)


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    home = lab.state / "approvals"
    shutil.rmtree(home, ignore_errors=True)
    make_keys(home / "keys")
    server = start_redis(home)
    try:
        ledger = Ledger(connect(server.url), INSTANCE)
        verifier = load_verifier(home / "keys")
        bot = Journal(ledger, load_signer(home / "keys", "bot"), verifier)
        worker = load_signer(home / "keys", "worker")
        waiting = [_park(bot, worker) for _ in range(PENDING)]
        janitor = Janitor(
            ledger,
            Doorbell(ledger.redis, INSTANCE),
            load_catalogue(),
            Routing({"lab": Route(Backend.VSPHERE, "vsphere")}),
            verifier,
            Journal(ledger, load_signer(home / "keys", "janitor"), verifier),
        )
        spent = [_sweep(janitor) for _ in range(SWEEPS)]
        reminding = [_remind(janitor, ids) for ids in _batches(waiting)]
        if len(ledger.open_requests()) != PENDING:
            raise DisagreementError("not every request still waits for its approval")
    finally:
        server.stop()
    return [
        limit(
            f"a sweep of the janitor, {PENDING:,} approvals pending", ours=middle(spent), most=MOST, unit="ms"
        ),
        limit(
            f"the same, {BATCH} of them at half time and reminded of",
            ours=middle(reminding),
            most=MOST,
            unit="ms",
        ),
    ]


def _sweep(janitor: Janitor) -> float:
    started = time.perf_counter()
    janitor.sweep()
    return (time.perf_counter() - started) * 1000


def _batches(requests: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(requests), BATCH):
        yield requests[first : first + BATCH]


def _remind(janitor: Janitor, requests: Iterable[str]) -> float:
    """A sweep in which half of the time to answer these has passed.

    Raises:
        DisagreementError: it reminded of others, or not of all of them.
    """
    ledger = janitor.ledger
    ledger.redis.zadd(ledger.key("open"), dict.fromkeys(requests, 0))
    before = ledger.redis.zcard(ledger.outbox)
    spent = _sweep(janitor)
    if ledger.redis.zcard(ledger.outbox) - before != BATCH:
        raise DisagreementError("not every approver was reminded")
    return spent


def _park(bot: Journal, worker: Signer) -> str:
    """A request that waits for approval; its id."""
    now = time.time()
    request = Request(
        id=make_request_id(),
        instance=INSTANCE,
        operation="vm off",
        params={"vm": ["prod-web-1"]},
        command="vm off prod-web-1",
        actor=Actor(team="T0TEAM", user="U0OPS1", name="ops-1"),
        channel="C0OPS",
        reply=Reply(channel="C0OPS", private=False),
        accepted_at=now,
        not_after=now + 300,
    )
    ledger = bot.ledger
    record = bot.seal(record_of(request, Event.ASKED))
    ledger.accept(request, bot.signer.sign(request), dedupe=request.id, record=record)
    ledger.claim(request.id, 1, "worker")
    stored = StoredPlan(instance=INSTANCE, request=request.id, attempt=1, plan=PLAN)
    plan = seal_plan(stored, worker, SHAPES_ONLY)
    fields: dict[str, Field] = {"plan": plan, "digest": PLAN.digest, "approval": APPROVAL}
    ledger.park(request.id, "worker", State.APPROVING, fields, look_again=600_000)
    Votes(ledger).start_clock(request.id, APPROVAL.within, f"{request.id}|main")
    return request.id
