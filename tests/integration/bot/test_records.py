"""`request show` and `list`: what the ledger tells one person, by the policy as it is now."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from andock.audit import Journal
from andock.catalogue import load_catalogue
from andock.doorbell import Doorbell
from andock.ledger import Ledger, failed
from andock.messages import Actor, Reply, Request, State, make_request_id
from andock.operation import Plan, Risk, Step, Target
from andock.policy import Group, Policy, Rule
from andock.redaction import SHAPES_ONLY
from andock.routing import Routing
from andock.seals import StoredPlan, seal_plan
from andock.signing import load_signer, load_verifier
from bot.records import LedgerRecords
from bot.stops import ActorStops

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
DEV = Actor(team="T1", user="U0DEV1", name="dev-1")
ELSEWHERE = Actor(team="T2", user="U0OPS1", name="somebody in another workspace")
VAULT = Target(kind="vm", site="lab", id="vm-1", name="vault-1", environment="prod")
POLICY = Policy(
    groups={"ops": Group(users=frozenset({"U0OPS1"})), "devs": Group(users=frozenset({"U0DEV1"}))},
    rules=(
        Rule(name="ops", allow=("*",), to=("ops",)),
        Rule(name="devs", allow=("*",), to=("devs",), environments=frozenset({"dev"})),
    ),
)


class Book:
    """A ledger with requests of `OPS` in it, read by others."""

    def __init__(self, ledger: Ledger, keys: Path) -> None:
        self.ledger, self.keys = ledger, keys

    def seen_by(self, actor: Actor, policy: Policy = POLICY) -> LedgerRecords:
        verifier = load_verifier(self.keys)
        journal = Journal(self.ledger, load_signer(self.keys, "bot"), verifier)
        return LedgerRecords(
            self.ledger, verifier, Doorbell(self.ledger.redis, self.ledger.instance), load_catalogue(),
            Routing({}), ActorStops(self.ledger, verifier, journal, policy, (), actor), "C0OPS",
        )  # fmt: skip

    def turn_off(self, target: Target, *, private: bool = False, operation: str = "vm off") -> str:
        """A change of the target that failed; its id."""
        now = time.time()
        request = Request(
            id=make_request_id(), instance=self.ledger.instance, operation=operation, params={},
            command="vm off vault-1", actor=OPS, channel="C0OPS",
            reply=Reply(channel="C0OPS", private=private), accepted_at=now, not_after=now + 300,
        )  # fmt: skip
        plan = Plan(batches=((Step(target=target, action="off", text="turn off vault-1"),),))
        sealed = load_signer(self.keys, "bot").sign(request)
        self.ledger.accept(request, sealed, dedupe=request.id, record=b"not looked for")
        self.ledger.claim(request.id, 1, "a-worker")
        stored = StoredPlan(instance=self.ledger.instance, request=request.id, attempt=1, plan=plan)
        sealed_plan = seal_plan(stored, load_signer(self.keys, "worker"), SHAPES_ONLY)
        self.ledger.note(request.id, "a-worker", {"plan": sealed_plan, "digest": plan.digest})
        result = failed("rejected", "vault-1 is locked away")
        self.ledger.conclude(request.id, result, State.FAILED, owner="a-worker", record=b"not looked for")
        return request.id


@pytest.fixture
def book(ledger: Ledger, keys: Path) -> Book:
    return Book(ledger, keys)


def test_who_may_not_read_the_targets_sees_neither_steps_nor_end(book: Book) -> None:
    request = book.turn_off(VAULT)

    asker, other = book.seen_by(OPS).show(request), book.seen_by(DEV).show(request)

    assert asker is not None
    assert asker.summary == "vault-1 is locked away"
    assert ("Step 1", "turn off vault-1: not begun") in asker.detail
    assert other is not None
    assert other.summary == "Not allowed: no rule matches, and what no rule allows is denied (rule: none)."
    assert other.detail == ()
    (listed,) = book.seen_by(DEV).recent(user=None, limit=5)
    assert listed == other


def test_the_asker_is_judged_too_by_the_policy_as_it_is_now(book: Book) -> None:
    request = book.turn_off(VAULT)
    now = Policy(rules=(Rule(name="nobody", deny=("*",), environments=frozenset({"prod"})),))

    row = book.seen_by(OPS, now).show(request)

    assert row is not None
    assert "rule: nobody" in row.summary


def test_who_may_read_there_sees_it_whatever_they_may_do(book: Book) -> None:
    request = book.turn_off(VAULT)
    readers = Policy(rules=(Rule(name="all read", allow=("*",), risk=frozenset({Risk.READ})),))

    row = book.seen_by(DEV, readers).show(request)

    assert row is not None
    assert row.summary == "vault-1 is locked away"


def test_an_operation_that_is_no_more_keeps_its_end_to_itself(book: Book) -> None:
    request = book.turn_off(VAULT, operation="vm explode")

    row = book.seen_by(OPS).show(request)

    assert row is not None
    assert "`vm explode` is no operation any more" in row.summary


def test_the_same_user_id_in_another_workspace_is_somebody_else(book: Book) -> None:
    request = book.turn_off(VAULT, private=True)

    assert book.seen_by(OPS).show(request) is not None
    assert book.seen_by(ELSEWHERE).show(request) is None
    assert [row.id for row in book.seen_by(OPS).recent(user=OPS.key, limit=5)] == [request]
    assert book.seen_by(ELSEWHERE).recent(user=ELSEWHERE.key, limit=5) == ()
