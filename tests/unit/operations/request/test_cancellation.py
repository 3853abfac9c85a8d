from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from andock.errors import TargetNotFoundError, UserError
from andock.operation import Desk, Outcome
from andock.operations.request.cancellation import CancelParams, cancel_request
from andock.ports.records import Guide, Records, RequestRow
from andock.ports.votes import Cancelled, Votes

ROW = RequestRow(
    id="r1",
    command="vm off web-01",
    actor="ann",
    user="U1",
    state="running",
    asked_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
)


class Book:
    def __init__(self, row: RequestRow | None, answer: Cancelled = Cancelled.ASKED) -> None:
        self.row, self.answer = row, answer
        self.asked: list[str] = []

    def show(self, _request: str) -> RequestRow | None:
        return self.row

    def cancel(self, request: str) -> Cancelled:
        self.asked.append(request)
        return self.answer


def cancel(book: Book, user: str = "U2") -> Outcome:
    desk = Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", book),
        user=user,
        name="ops-2",
        now=0.0,
    )
    return cancel_request(CancelParams(id="r1"), desk)


def test_a_running_request_is_asked_to_stop() -> None:
    book = Book(ROW)
    outcome = cancel(book)
    assert book.asked == ["r1"]
    assert outcome.summary == "`vm off web-01` is asked to stop."
    assert "what was done and what was not" in outcome.notes[0]


def test_a_waiting_request_ends_undone() -> None:
    assert "nothing had been done" in cancel(Book(ROW, Cancelled.UNDONE)).summary


def test_one_that_had_ended_is_refused() -> None:
    with pytest.raises(UserError, match="had ended already: succeeded"):
        cancel(Book(replace(ROW, state="succeeded"), Cancelled.HAD_ENDED))


@pytest.mark.parametrize("row", [None, replace(ROW, private=True)])
def test_nobody_learns_of_anothers_private_request(row: RequestRow | None) -> None:
    book = Book(row)
    with pytest.raises(TargetNotFoundError):
        cancel(book)
    assert book.asked == []
