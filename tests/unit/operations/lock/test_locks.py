from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from pydantic import ValidationError

from andock.catalogue import load_catalogue
from andock.errors import UserError
from andock.operation import Desk
from andock.operations.lock.locks import (
    ReleaseParams,
    ShowParams,
    TakeParams,
    release_lock,
    show_locks,
    take_lock,
)
from andock.ports.records import Guide, Records
from andock.ports.stops import LockRow
from andock.ports.votes import Votes
from bot.parsing import parse

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@dataclass
class Book:
    """What `Records` and `Stops` say to these operations."""

    rows: dict[str, LockRow] = field(default_factory=dict)

    @property
    def stops(self) -> Book:
        return self

    def sites(self) -> tuple[str, ...]:
        return ("lab", "edge-1")

    def environments(self) -> tuple[str, ...]:
        return ("dev", "prod")

    def locks(self) -> tuple[LockRow, ...]:
        return tuple(self.rows.values())

    def take_lock(self, scope: str, until: datetime, reason: str) -> LockRow:
        self.rows[scope] = LockRow(scope, "T1/U1", "ops-1", reason, NOW, until)
        return self.rows[scope]

    def release_lock(self, scope: str, *, force: bool) -> LockRow:
        assert force
        return self.rows.pop(scope)


def desk(book: Book) -> Desk:
    return Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", None),
        user="U1",
        name="ops-1",
        now=NOW.timestamp(),
    )


def test_a_lock_is_taken_for_an_hour_unless_said_otherwise() -> None:
    book = Book()
    said = take_lock(TakeParams(scope="web-01"), desk(book))
    assert said.summary == "`web-01` is locked by ops-1 until 2026-12-01 13:00 UTC."
    take_lock(TakeParams(scope="web-02", for_=timedelta(days=2)), desk(book))
    assert [row.until - NOW for row in book.locks()] == [timedelta(hours=1), timedelta(days=2)]


def test_a_lock_on_an_environment_says_how_much_that_is() -> None:
    said = take_lock(TakeParams(scope="prod", reason="migration"), desk(Book()))
    assert said.summary.startswith("Everything in `prod` is locked")
    assert said.fields == (("Reason", "migration"),)


@pytest.mark.parametrize("lasts", [timedelta(seconds=30), timedelta(days=7, seconds=1)])
def test_a_lock_lasts_a_minute_to_seven_days(lasts: timedelta) -> None:
    with pytest.raises(ValidationError):
        TakeParams(scope="web-01", for_=lasts)


def test_what_would_keep_nobody_off_is_refused_with_the_way_out() -> None:
    book = Book()
    with pytest.raises(UserError, match="`halt lab` stops all changes there"):
        take_lock(TakeParams(scope="lab"), desk(book))
    with pytest.raises(UserError, match="one target by its name"):
        take_lock(TakeParams(scope="web-*"), desk(book))
    assert not book.rows


def test_the_button_releases_also_a_name_with_spaces_and_quotes() -> None:
    said = take_lock(TakeParams(scope='web "1" C:\\x'), desk(Book()))
    parsed = parse(said.offers[0].command, load_catalogue())
    assert parsed.params == ReleaseParams(scope='web "1" C:\\x')


def test_locks_are_shown_with_owner_end_and_reason() -> None:
    book = Book()
    assert show_locks(ShowParams(), desk(book)).summary == "Nothing is locked."
    take_lock(TakeParams(scope="web-01", reason="disk"), desk(book))
    take_lock(TakeParams(scope="prod"), desk(book))

    shown = show_locks(ShowParams(), desk(book))
    assert shown.table is not None
    assert shown.table.rows[0] == ("web-01", "ops-1", "2026-12-01 12:00 UTC", "2026-12-01 13:00 UTC", "disk")
    assert show_locks(ShowParams(scope="PROD"), desk(book)).summary == "1 lock."
    assert show_locks(ShowParams(scope="db-1"), desk(book)).summary == "`db-1` is not locked."


def test_a_release_says_whose_lock_it_was() -> None:
    book = Book()
    take_lock(TakeParams(scope="web-01"), desk(book))
    said = release_lock(ReleaseParams(scope="web-01", force=True), desk(book))
    assert said.summary == "`web-01` is released by ops-1."
    assert ("It was locked by", "ops-1") in said.fields
