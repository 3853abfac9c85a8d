"""What was refused is on record, of what kind and how much, and a flood does not fill the record."""

from __future__ import annotations

import hashlib
import time

import pytest

from andock.audit import AuditRecord, Event, Journal
from andock.ledger import Ledger
from andock.rejections import RATE, Kind, Rejections
from andock.runner import Runner
from andock.signing import Verifier
from tests.integration.core.conftest import Accept
from tests.integration.core.test_approvals import catalogue, perform, records, runner, world

__all__ = ["catalogue", "runner", "world"]  # fixtures of the approvals' tests


@pytest.fixture
def rejections(journal: Journal) -> Rejections:
    return Rejections(journal)


def told(ledger: Ledger, verifier: Verifier) -> list[AuditRecord]:
    return [record for record in records(ledger, verifier) if record.event is Event.REFUSED]


def refill(ledger: Ledger, kind: Kind) -> None:
    """Minutes pass."""
    ledger.redis.delete(ledger.key("budget", f"rejected:{kind.name}"))


def test_a_refusal_is_recorded_with_size_and_digest_and_never_with_its_content(
    rejections: Rejections, ledger: Ledger, verifier: Verifier
) -> None:
    content = b"os.system('a plan of somebody')"

    rejections.record(Kind.JOB, "it is no doorbell", content=content, request="r" * 500)

    (record,) = told(ledger, verifier)
    assert f"31 bytes, SHA-256 {hashlib.sha256(content).hexdigest()}" in record.text
    assert "os.system" not in record.model_dump_json()
    assert record.request == "r" * 40


def test_of_a_flood_a_few_are_recorded_and_the_next_says_how_many_were_not(
    rejections: Rejections, ledger: Ledger, verifier: Verifier
) -> None:
    for number in range(RATE[1] + 30):
        rejections.record(Kind.HTTP, f"wrong signature {number}")
    assert len(told(ledger, verifier)) == RATE[1]
    rejections.record(Kind.PERSON, "guests never act")
    assert "guests never act" in told(ledger, verifier)[-1].text

    refill(ledger, Kind.HTTP)
    rejections.record(Kind.HTTP, "wrong signature")
    rejections.record(Kind.HTTP, "wrong signature")

    *_, first, second = told(ledger, verifier)
    assert "30 more of this kind before it were left out" in first.text
    assert "left out" not in second.text


def test_what_was_left_out_at_the_end_of_a_flood_is_said_once_when_there_is_room(
    rejections: Rejections, ledger: Ledger, verifier: Verifier
) -> None:
    for _ in range(RATE[1] + 3):
        rejections.record(Kind.HTTP, "wrong signature")
    rejections.tell_left_out()
    assert len(told(ledger, verifier)) == RATE[1]

    refill(ledger, Kind.HTTP)
    rejections.tell_left_out()
    rejections.tell_left_out()

    assert len(told(ledger, verifier)) == RATE[1] + 1
    assert "3 more of this kind" in told(ledger, verifier)[-1].text


@pytest.mark.parametrize("left_out", [{b"\xff": b"1"}, {b"NO_KIND": b"1"}, {b"HTTP": b"many"}])
def test_a_count_that_nobody_of_us_wrote_does_no_harm(
    rejections: Rejections, ledger: Ledger, verifier: Verifier, left_out: dict[bytes, bytes]
) -> None:
    ledger.redis.hset(ledger.key("rejected"), mapping=left_out)

    rejections.tell_left_out()

    assert not ledger.redis.exists(ledger.key("rejected"))
    assert all("more of this kind" not in record.text for record in told(ledger, verifier))


@pytest.mark.parametrize("kind", ["lock", "freeze"])
def test_a_forged_lock_or_freeze_that_a_worker_meets_is_recorded(
    runner: Runner, ledger: Ledger, verifier: Verifier, accept: Accept, kind: str
) -> None:
    ledger.redis.set(ledger.key(kind, "a"), b"forged")
    ledger.redis.zadd(ledger.key(f"{kind}s"), {"a": (time.time() + 60) * 1000})

    perform(runner, accept("toy poke", params={"toy": ["a"]}))

    record = told(ledger, verifier)[0]
    assert f"a stored {kind} was refused" in record.text
    assert hashlib.sha256(b"forged").hexdigest() in record.text


def test_a_forged_membership_that_a_worker_meets_is_recorded(
    runner: Runner, ledger: Ledger, verifier: Verifier, accept: Accept
) -> None:
    ledger.redis.set(ledger.key("members", "S0DBA"), b"forged")

    perform(runner, accept("toy poke", params={"toy": ["a"]}))

    assert "a stored membership of a user group was refused" in told(ledger, verifier)[0].text
