from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import pytest

from andock.errors import UnknownSiteError
from andock.operation import Desk
from andock.operations.halt.changes import HaltParams, ResumeParams, halt_changes, resume_changes
from andock.ports.records import Guide, Halt, Records, RequestRow
from andock.ports.votes import Votes

ASKED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Book:
    stops: dict[str, Halt] = field(default_factory=dict)
    waiting: tuple[RequestRow, ...] = ()

    def halt(self, halt: Halt) -> None:
        self.stops[halt.scope] = halt

    def resume(self, scope: str) -> tuple[RequestRow, ...]:
        del self.stops[scope]
        return self.waiting

    def halts(self) -> tuple[Halt, ...]:
        return tuple(self.stops.values())

    def held(self, scope: str) -> tuple[RequestRow, ...]:
        return self.waiting if scope in self.stops else ()

    def sites(self) -> tuple[str, ...]:
        return ("lab", "edge-1")


def desk(book: Book) -> Desk:
    return Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", None),
        user="U1",
        name="ann",
        now=ASKED.timestamp(),
    )


def row(number: int) -> RequestRow:
    return RequestRow(
        id=f"r{number}",
        command=f"vm restart web-{number}",
        actor="bob",
        user="U2",
        state="held",
        asked_at=ASKED,
    )


def test_halt_is_recorded_and_offers_what_is_held() -> None:
    book = Book()
    outcome = halt_changes(HaltParams(reason="storm"), desk(book))
    assert book.stops["*"] == Halt(scope="*", by="ann", reason="storm", since=ASKED)
    assert "all sites" in outcome.summary
    assert outcome.offers[0].command == "resume all"


def test_halt_of_one_site_says_who_halted_it_before() -> None:
    book = Book({"lab": Halt(scope="lab", by="bob", reason="disk", since=ASKED)})
    outcome = halt_changes(HaltParams(scope="lab"), desk(book))
    assert any("bob: disk" in note for note in outcome.notes)
    assert outcome.offers[0].command == "resume lab"


def test_an_unknown_site_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownSiteError, match="lab"):
        halt_changes(HaltParams(scope="lba"), desk(Book()))
    with pytest.raises(UnknownSiteError):
        resume_changes(ResumeParams(scope="nowhere", yes=True), desk(Book()))


def test_resume_shows_first_and_changes_nothing() -> None:
    book = Book({"*": Halt(scope="*", by="bob", reason="", since=ASKED)}, tuple(map(row, range(25))))
    outcome = resume_changes(ResumeParams(), desk(book))
    assert "*" in book.stops
    assert outcome.table is not None
    assert len(outcome.table.rows) == 20
    assert "5 more are held." in outcome.notes
    assert [offer.command for offer in outcome.offers] == ["resume all --yes"]


def test_resume_with_yes_lifts_the_halt() -> None:
    book = Book({"lab": Halt(scope="lab", by="bob", reason="", since=ASKED)}, (row(1),))
    outcome = resume_changes(ResumeParams(scope="lab", yes=True), desk(book))
    assert not book.stops
    assert ("Held requests let go", "1") in outcome.fields


def test_resume_of_what_is_not_halted_names_what_is() -> None:
    book = Book({"lab": Halt(scope="lab", by="Bob McX", reason="Disk", since=ASKED)})
    outcome = resume_changes(ResumeParams(yes=True), desk(book))
    assert "lab" in book.stops
    assert "Bob McX: Disk" in outcome.notes[0]
    assert outcome.offers[0].command == "resume lab"


def test_a_halt_of_a_site_that_is_gone_can_be_lifted() -> None:
    book = Book({"old": Halt(scope="old", by="bob", reason="", since=ASKED)})
    resume_changes(ResumeParams(scope="old", yes=True), desk(book))
    assert not book.stops
