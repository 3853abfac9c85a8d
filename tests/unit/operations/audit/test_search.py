from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from andock.catalogue import load_catalogue
from andock.events import Event
from andock.operation import Desk
from andock.operations.audit.search import SearchParams, search_record
from andock.ports.records import AuditFindings, AuditQuery, AuditRow, Guide, Records
from andock.ports.votes import Votes
from bot.parsing import parse, unparse

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROW = AuditRow(
    at=datetime(2026, 11, 24, 11, 55, 1, tzinfo=UTC),
    event="concluded",
    actor="ops-1",
    operation="vm restart",
    command="vm restart web-01",
    request="r1",
    rule="ops run the rest (policy.yaml:12)",
    result="succeeded",
    text="",
    on_disk=True,
)
HEAD = AuditRow(
    at=ROW.at, event="head", actor="", operation="", command="", request="", rule="", result="", text="5:ab",
    on_disk=False,
)  # fmt: skip


class Book:
    def __init__(self, *rows: AuditRow, back_to: datetime | None = None) -> None:
        self.findings = AuditFindings(rows, back_to)
        self.asked: list[AuditQuery] = []

    def audit(self, query: AuditQuery) -> AuditFindings:
        self.asked.append(query)
        return self.findings


def desk(book: Book) -> Desk:
    return Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", None),
        user="U1",
        name="ops-1",
        now=NOW.timestamp(),
    )


def test_each_row_says_whether_it_is_on_disk() -> None:
    outcome = search_record(SearchParams(), desk(Book(ROW, HEAD)))

    assert outcome.table is not None
    assert outcome.table.rows == (
        ("2026-11-24 11:55:01", "concluded", "ops-1", "vm restart web-01", "succeeded", "r1", "yes"),
        ("2026-11-24 11:55:01", "head", "", "5:ab", "", "", "not yet"),
    )
    assert outcome.offers[0].command == "request show r1"


def test_what_is_typed_is_what_is_looked_for() -> None:
    book = Book()
    typed = 'audit search "storage move" now --by @U0OPS1 --target web-* --operation "vm *"'
    typed += " --event started --since 2h"
    parsed = parse(typed, load_catalogue())

    outcome = search_record(SearchParams.model_validate(parsed.params.model_dump(mode="json")), desk(book))

    assert outcome.summary == "No record fits."
    assert book.asked == [
        AuditQuery(
            words=("storage move", "now"), by="@U0OPS1", target="web-*", operation="vm *",
            event=Event.STARTED, since=NOW - timedelta(hours=2), limit=20,
        )
    ]  # fmt: skip
    assert parse(unparse(parsed), load_catalogue()) == parsed


def test_a_search_that_ran_out_of_time_says_how_far_it_came() -> None:
    outcome = search_record(SearchParams(), desk(Book(back_to=NOW)))

    assert outcome.notes[0] == "There was time to look back to 2026-11-24 12:00:00 UTC only."
