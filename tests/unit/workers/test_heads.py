"""A head is posted once a day and after changes that are watched, never twice within ten seconds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from andock.audit import AuditRecord, Event
from config.sites import Audit
from workers.heads import HeadTimes

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
WATCHED = Audit(channel="C0AUDIT", environments=("prod",))
CHANGE = AuditRecord(event=Event.CONCLUDED, environments=("dev", "prod"), plan="ab" * 32)


def after(*records: AuditRecord, audit: Audit = WATCHED) -> HeadTimes:
    """The times when a head was posted at noon, and then these happened."""
    heads = HeadTimes(audit)
    for record in (AuditRecord(event=Event.HEAD, at=NOON), *records):
        heads.see(record)
    return heads


def test_the_first_head_is_due_at_once() -> None:
    assert HeadTimes(WATCHED).due(NOON)


def test_a_new_day_in_utc_makes_a_head_due() -> None:
    assert not after().due(NOON + 12 * 3_600 - 1)
    assert after().due(NOON + 12 * 3_600)


def test_a_watched_change_makes_a_head_due_ten_seconds_after_the_last_one() -> None:
    assert not after(CHANGE).due(NOON + 9.9)
    assert after(CHANGE).due(NOON + 10)


def test_a_posted_head_stands_for_the_changes_before_it() -> None:
    assert not after(CHANGE, AuditRecord(event=Event.HEAD, at=NOON + 20)).due(NOON + 60)


@pytest.mark.parametrize(
    "changes",
    [
        {"environments": ("dev",)},
        {"environments": ()},
        {"plan": ""},  # a read
        {"event": Event.STARTED},
    ],
)
def test_what_is_not_watched_makes_no_head_due(changes: dict[str, object]) -> None:
    assert not after(CHANGE.model_copy(update=changes)).due(NOON + 60)


def test_without_a_channel_nothing_is_ever_due() -> None:
    assert not after(CHANGE, audit=Audit()).due(NOON + 2 * 86_400)
