"""`audit search` shows what is genuine, whether it is on disk, and nothing of others' private requests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from andock.audit import AuditRecord, Event, Journal
from andock.ledger import Ledger
from andock.messages import Actor, Reply, Request, make_request_id
from andock.ports.records import AuditQuery, AuditRow
from andock.receipts import SEALED, AuditReceipt, Receipts
from andock.signing import load_signer, load_verifier
from bot.trail import PAGE, AuditTrail
from tests.integration.bot.conftest import Door

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
LEAD = Actor(team="T1", user="U0LEAD1", name="lead-1")


@dataclass
class Desk:
    ledger: Ledger
    keys: Path

    @property
    def journal(self) -> Journal:
        return Journal(self.ledger, load_signer(self.keys, "worker"), load_verifier(self.keys))

    def write(self, **fields: Any) -> str:
        """A record; its place on the stream."""
        return self.journal.write(AuditRecord(**{"event": Event.ASKED, **fields}))

    def ask(self, actor: Actor, *, private: bool) -> str:
        """A request in the ledger; its id."""
        now = time.time()
        request = Request(
            id=make_request_id(), instance=self.ledger.instance, operation="vm list", params={},
            command="vm list", actor=actor, channel="C0OPS", reply=Reply(channel="C0OPS", private=private),
            accepted_at=now, not_after=now + 300,
        )  # fmt: skip
        self.ledger.accept(
            request, load_signer(self.keys, "bot").sign(request), dedupe=request.id, record=b"not looked for"
        )
        return request.id

    def search(self, user: str = "T1/U0OPS1", **query: Any) -> tuple[AuditRow, ...]:
        return AuditTrail(self.ledger, load_verifier(self.keys), user).search(AuditQuery(**query)).rows

    def texts(self, **query: Any) -> list[str]:
        return [row.text for row in self.search(**query)]


@pytest.fixture
def desk(ledger: Ledger, keys: Path) -> Desk:
    return Desk(ledger, keys)


def test_the_newest_come_first_and_no_more_than_were_asked_for(desk: Desk) -> None:
    for number in range(5):
        desk.write(text=str(number))

    assert desk.texts(limit=3) == ["4", "3", "2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"event": Event.APPROVED}, ["b"]),
        ({"by": "lead-1"}, ["b"]),
        ({"by": "@U0LEAD1"}, ["b"]),
        ({"by": "T1/U0LEAD1"}, ["b"]),
        ({"by": "lead"}, []),
        ({"operation": "vm *"}, ["b", "a"]),
        ({"operation": "vm restart"}, ["a"]),
        ({"target": "web-*"}, ["b", "a"]),
        ({"target": "web-01"}, ["a"]),
        ({"target": "vm-2"}, ["b"]),
        ({"target": "vm:lab/*"}, ["b", "a"]),
        ({"target": "web"}, []),
        ({"words": ("STORAGE", "restart")}, ["a"]),
        ({"words": ("storage", "nowhere")}, []),
        ({"since": datetime.fromtimestamp(time.time() + 86_400, UTC)}, []),
        ({"since": datetime.fromtimestamp(0, UTC)}, ["c", "b", "a"]),
    ],
)
def test_filters(desk: Desk, query: dict[str, Any], found: list[str]) -> None:
    desk.write(
        text="a", operation="vm restart", command="vm restart web-01", name="ops-1", actor="T1/U0OPS1",
        targets=("vm:lab/vm-1 web-01",), result="storage moved",
    )  # fmt: skip
    desk.write(
        text="b", event=Event.APPROVED, operation="vm off", name="lead-1", actor="T1/U0LEAD1",
        targets=("vm:lab/vm-2 web-02",),
    )  # fmt: skip
    desk.write(text="c", event=Event.POLICY)

    assert desk.texts(**query) == found


def test_others_private_requests_leave_no_trace(desk: Desk) -> None:
    for actor in (OPS, LEAD):
        for private in (True, False):
            request = desk.ask(actor, private=private)
            desk.write(text=f"{actor.name} {private}", request=request, actor=actor.key)
            desk.write(text=f"{actor.name} {private}", request=request, event=Event.SAID)

    assert set(desk.texts(user="T1/U0OPS1")) == {"ops-1 True", "ops-1 False", "lead-1 False"}
    assert set(desk.texts(user="T1/U0LEAD1")) == {"lead-1 True", "lead-1 False", "ops-1 False"}


def test_of_a_request_that_the_ledger_does_not_hold_only_its_own_people_see_anything(desk: Desk) -> None:
    desk.write(text="mine", request="rgone", actor=OPS.key)
    desk.write(text="theirs", request="rgone", actor=LEAD.key)

    assert desk.texts() == ["mine"]


def test_what_is_forged_or_from_elsewhere_is_not_found(desk: Desk) -> None:
    sealed = desk.journal.seal(AuditRecord(event=Event.ASKED, text="genuine"))
    for forged in (
        sealed.replace(b"genuine", b"altered"),
        load_signer(desk.keys, "worker").sign(AuditRecord(event=Event.ASKED, text="of no installation")),
        b"nonsense",
        b"",
    ):
        desk.ledger.redis.xadd(desk.journal.stream, {SEALED: forged})
    desk.ledger.redis.xadd(desk.journal.stream, {"other": "field"})

    assert desk.texts() == []


def test_a_record_that_was_put_there_again_is_found_once(desk: Desk) -> None:
    sealed = desk.journal.seal(AuditRecord(event=Event.ASKED, text="once"))
    for _ in range(3):
        desk.ledger.redis.xadd(desk.journal.stream, {SEALED: sealed})

    assert desk.texts() == ["once"]


def test_each_row_says_whether_the_recorder_has_it_on_disk(desk: Desk) -> None:
    first = desk.write(text="first")
    desk.write(text="second")
    assert [row.on_disk for row in desk.search()] == [False, False]

    receipt = AuditReceipt(
        instance=desk.ledger.instance, entry=first, seq=1, mac="0" * 64, records=(), at=time.time()
    )
    receipts = Receipts(desk.ledger, load_verifier(desk.keys))
    receipts.publish(
        receipt.model_copy(update={"entry": "9999999999999-0"}), load_signer(desk.keys, "worker")
    )
    receipts.publish(receipt, load_signer(desk.keys, "recorder"))

    assert [(row.text, row.on_disk) for row in desk.search()] == [("second", False), ("first", True)]


def test_what_lies_many_pages_back_is_found(desk: Desk) -> None:
    desk.write(text="needle")
    sealed = desk.journal.seal(AuditRecord(event=Event.ASKED, text="hay"))
    pipe = desk.ledger.redis.pipeline()
    for _ in range(3 * PAGE):
        pipe.xadd(desk.journal.stream, {SEALED: sealed})
    pipe.execute()

    assert desk.texts(words=("needle",)) == ["needle"]


def test_a_search_ends_in_time_however_long_the_stream_is(desk: Desk) -> None:
    pipe = desk.ledger.redis.pipeline()
    for _ in range(2 * PAGE):
        pipe.xadd(desk.journal.stream, {SEALED: b"nonsense"})
    places = pipe.execute()

    found = AuditTrail(desk.ledger, load_verifier(desk.keys), "T1/U0OPS1", patience=0.0).search(AuditQuery())

    assert found.back_to == datetime.fromtimestamp(int(places[PAGE].split(b"-")[0]) / 1000, UTC)


def test_it_is_asked_for_in_chat_like_everything_else(door: Door) -> None:
    journal = Journal(door.ledger, load_signer(door.keys, "worker"), load_verifier(door.keys))
    journal.write(AuditRecord(event=Event.HALT, name="ops-1", text="storage move"))

    answer = door.slash('audit search "storage move" --event halt --since 1h')

    assert answer.status == 200
    entry = door.ledger.recent(actor=None, limit=1)[0]
    assert entry.result is not None
    assert entry.result.outcome is not None
    assert entry.result.outcome.summary == "One record."
    assert entry.result.outcome.table is not None
    assert entry.result.outcome.table.rows[0][1:4] == ("halt", "ops-1", "storage move")


def test_an_event_that_does_not_exist_is_refused_with_those_that_do(door: Door) -> None:
    said = door.slash("audit search --event exploded").text

    assert "approved" in said
    assert "Traceback" not in said
