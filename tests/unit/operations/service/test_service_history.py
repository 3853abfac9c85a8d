from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from andock.operation import Desk
from andock.operations.service.history import HistoryParams, show_history
from andock.ports.records import AuditFindings, AuditQuery, AuditRow, Guide, Records
from andock.ports.votes import Votes

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ENDED = AuditRow(
    at=NOW,
    event="concluded",
    actor="ops-1",
    operation="service deploy",
    command="service deploy api v2 to prod",
    request="r2",
    rule="",
    result="succeeded",
    text="`api` v2 is healthy in prod on 3 engines.",
    on_disk=True,
    environments=("prod",),
    seconds=61.4,
)
STARTED = replace(ENDED, event="started", at=NOW - timedelta(minutes=1), result="", text="")
VOTES = [replace(STARTED, event="approved", actor=lead) for lead in ("lead-2", "lead-1")]
EARLIER = replace(ENDED, request="r1", command="service deploy api v1 to staging", environments=("staging",))
UNDER_WAY = replace(STARTED, request="r3", command="service rollback api in prod")
ASKED = replace(STARTED, request="r4", event="asked")
OTHER = replace(ENDED, request="r5", operation="container restart")


class Book:
    def __init__(self, *rows: AuditRow) -> None:
        self.rows = rows
        self.asked: list[AuditQuery] = []

    def audit(self, query: AuditQuery) -> AuditFindings:
        self.asked.append(query)
        return AuditFindings(self.rows)


def desk(book: Book) -> Desk:
    return Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", None),
        user="U1",
        name="ops-1",
        now=NOW.timestamp(),
    )


def test_it_says_who_what_when_who_agreed_and_how_it_ended() -> None:
    book = Book(UNDER_WAY, ENDED, *VOTES, STARTED, ASKED, OTHER, EARLIER)
    said = show_history(HistoryParams(name="api"), desk(book))
    assert said.table is not None
    assert said.table.rows[:2] == (
        ("2026-11-24 11:59 UTC", "ops-1", "service rollback api in prod", "", "under way", "", "r3"),
        (
            "2026-11-24 11:59 UTC", "ops-1", "service deploy api v2 to prod", "lead-2, lead-1",
            "succeeded: `api` v2 is healthy in prod on 3 engines.", "61 s", "r2",
        ),
    )  # fmt: skip
    assert [row[-1] for row in said.table.rows] == ["r3", "r2", "r1"]
    assert said.offers[0].command == "request show r3"
    assert book.asked[0].target == "service:*/api"


def test_an_environment_alone() -> None:
    said = show_history(HistoryParams(name="api", environment="staging"), desk(Book(ENDED, EARLIER)))
    assert said.table is not None
    assert [row[-1] for row in said.table.rows] == ["r1"]


def test_no_more_than_was_asked_for() -> None:
    said = show_history(HistoryParams(name="api", limit=1), desk(Book(ENDED, EARLIER)))
    assert said.summary == "`api`: the last 1, newest first."


def test_nothing_yet() -> None:
    assert show_history(HistoryParams(name="api"), desk(Book())).summary == "`api` has no history."
