from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from andock.errors import TargetNotFoundError
from andock.operation import Desk
from andock.operations.request.history import ListParams, ShowParams, list_requests, show_request
from andock.ports.records import Guide, Records, RequestRow
from andock.ports.votes import Votes

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWN = RequestRow(
    id="r1",
    command="vm restart web-01",
    actor="ann",
    user="U1",
    state="succeeded",
    asked_at=datetime(2026, 3, 1, 11, 55, tzinfo=UTC),
    detail=(("Rule", "ops run the rest (policy.yaml:12)"),),
    summary="web-01 restarted",
)
SECRET = replace(OWN, id="r2", user="U2", actor="bob", private=True)
SHARED = replace(SECRET, id="r3", private=False)


class Book:
    def __init__(self, *rows: RequestRow) -> None:
        self.rows = rows
        self.asked: list[Any] = []

    def recent(self, *, user: str | None, limit: int) -> tuple[RequestRow, ...]:
        self.asked.append((user, limit))
        return tuple(row for row in self.rows if user in (None, row.user))[:limit]

    def show(self, request: str) -> RequestRow | None:
        return next((row for row in self.rows if row.id == request), None)


def desk(book: Book) -> Desk:
    return Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", None),
        user="U1",
        name="ann",
        now=NOW.timestamp(),
    )


def test_own_requests_with_their_age() -> None:
    book = Book(OWN, SHARED)
    outcome = list_requests(ListParams(limit=5), desk(book))
    assert book.asked == [("U1", 5)]
    assert outcome.table is not None
    assert outcome.table.rows == (("r1", "5 min", "succeeded", "ann", "vm restart web-01"),)
    assert outcome.offers[0].command == "request show r1"


def test_all_leaves_out_what_others_asked_in_private() -> None:
    outcome = list_requests(ListParams(all=True), desk(Book(SECRET, SHARED, OWN)))
    assert outcome.table is not None
    assert [row[0] for row in outcome.table.rows] == ["r3", "r1"]


def test_none_yet() -> None:
    outcome = list_requests(ListParams(), desk(Book()))
    assert outcome.summary == "Your requests: none yet."
    assert outcome.table is None


def test_show_has_state_and_detail() -> None:
    outcome = show_request(ShowParams(id="r1"), desk(Book(OWN)))
    assert ("State", "succeeded") in outcome.fields
    assert ("Rule", "ops run the rest (policy.yaml:12)") in outcome.fields
    assert "2026-03-01 11:55 UTC" in dict(outcome.fields)["Asked at"]


@pytest.mark.parametrize("request_id", ["r2", "r9"])
def test_a_private_request_looks_like_none(request_id: str) -> None:
    with pytest.raises(TargetNotFoundError, match=f"No request `{request_id}`"):
        show_request(ShowParams(id=request_id), desk(Book(OWN, SECRET)))
