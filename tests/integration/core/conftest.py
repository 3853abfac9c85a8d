from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from andock.audit import Event, Journal, record_of
from andock.catalogue import Catalogue
from andock.entries import Entry, StepMark
from andock.leases import Leases
from andock.ledger import Ledger
from andock.memberships import Roster
from andock.messages import Actor, Reply, Request, make_request_id
from andock.operation import Plan
from andock.outbox import Outbox
from andock.policy import Policy
from andock.protection import Protection
from andock.rejections import Kind, Rejections
from andock.runner import Runner
from andock.seals import open_begun, open_plan
from andock.signing import Signer, Verifier, load_signer

Accept = Callable[..., Request]
OPS = Actor(team="T1", user="U0OPS1", name="ops-1")


def plan_of(runner: Runner, entry: Entry) -> Plan:
    """The plan that lies in an entry."""
    stored = open_plan(entry, runner.verifier, runner.instance)
    assert stored is not None
    return stored.plan


def marks_of(runner: Runner, entry: Entry) -> Mapping[int, StepMark]:
    """The marks that lie in an entry."""
    begun = open_begun(entry, runner.verifier, runner.instance)
    return begun.marks if begun is not None else {}


@pytest.fixture
def accept(ledger: Ledger, signer: Signer, journal: Journal) -> Accept:
    """Puts a signed request into the ledger, as the bot does."""

    def accept(operation: str = "toy poke", dedupe: str = "", **changes: Any) -> Request:
        now = time.time()
        request = Request(
            id=make_request_id(),
            instance=ledger.prefix.split(":")[1],
            operation=operation,
            params=changes.pop("params", {"toy": ["a"]}),
            command=operation,
            actor=changes.pop("actor", OPS),
            channel="C0OPS",
            reply=changes.pop("reply", Reply(channel="C0OPS", private=False)),
            accepted_at=now,
            not_after=changes.pop("not_after", now + 300),
            **changes,
        )
        record = journal.seal(record_of(request, Event.ASKED))
        ledger.accept(request, signer.sign(request), dedupe=dedupe or request.id, record=record)
        return request

    return accept


@pytest.fixture
def make_runner(ledger: Ledger, keys: Path, verifier: Verifier, recorder: None) -> Callable[..., Runner]:
    """A runner over a test's own operations and policy, on the real ledger."""

    def make(
        catalogue: Catalogue,
        policy: Policy,
        announce: Mapping[str, str] | None = None,
        known: Ledger = ledger,
    ) -> Runner:
        journal = Journal(known, load_signer(keys, "worker"), verifier)
        return Runner(
            ledger=known,
            leases=Leases(known),
            outbox=Outbox(known),
            journal=journal,
            roster=Roster(known, verifier, Rejections(journal).teller(Kind.MEMBERSHIP)),
            catalogue=catalogue,
            policy=policy,
            protection=Protection(),
            verifier=verifier,
            instance=known.instance,
            announce=announce or {},
        )

    return make
