from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from pydantic import ValidationError

from andock.alarms import Alarm
from andock.catalogue import load_catalogue
from andock.errors import UserError
from andock.mutes import Mute
from andock.operation import Desk
from andock.operations.alarm.muting import (
    MutedParams,
    MuteParams,
    UnmuteParams,
    mute_alarms,
    show_muted,
    unmute_alarms,
)
from andock.ports.mutes import MuteRow
from andock.ports.records import Guide, Records
from andock.ports.votes import Votes
from bot.parsing import parse

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ALARM = Alarm(
    instance="main",
    site="lab",
    kind="VM",
    entity_id="vm-7",
    entity="Web-01",
    alarm_id="alarm-1",
    name="Virtual machine CPU usage",
    status="red",
    since=1.0,
)


@dataclass
class Book:
    """What `Records` and `Mutes` say to these operations."""

    rows: dict[tuple[str, str], MuteRow] = field(default_factory=dict)

    @property
    def mutes(self) -> Book:
        return self

    def standing(self) -> tuple[MuteRow, ...]:
        return tuple(self.rows.values())

    def mute(self, entity: str, alarm: str, until: datetime) -> MuteRow:
        self.rows[entity, alarm] = MuteRow(entity, alarm, "ops-1", until)
        return self.rows[entity, alarm]

    def unmute(self, entity: str, alarm: str) -> MuteRow:
        if (entity, alarm) not in self.rows:
            raise UserError("No alarms are muted on it.")
        return self.rows.pop((entity, alarm))


def desk(book: Book) -> Desk:
    return Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", None),
        user="U1",
        name="ops-1",
        now=NOW.timestamp(),
    )


def test_alarms_are_muted_for_an_hour_unless_said_otherwise() -> None:
    book = Book()
    said = mute_alarms(MuteParams(entity="web-01"), desk(book))
    assert said.summary == "Alarms on `web-01` are muted by ops-1 until 2026-12-01 13:00 UTC."
    mute_alarms(MuteParams(entity="web-02", for_=timedelta(days=2)), desk(book))
    assert [row.until - NOW for row in book.standing()] == [timedelta(hours=1), timedelta(days=2)]


def test_the_button_takes_back_just_this_mute() -> None:
    book = Book()
    said = mute_alarms(MuteParams(entity="esx-*", name='*"CPU"*'), desk(book))
    typed = parse(said.offers[0].command, load_catalogue())
    assert typed.params == UnmuteParams(entity="esx-*", name='*"CPU"*')
    assert isinstance(typed.params, UnmuteParams)
    assert unmute_alarms(typed.params, desk(book)).summary == 'Alarms `*"CPU"*` on `esx-*` are told again.'
    assert book.rows == {}


def test_what_is_not_muted_is_not_unmuted() -> None:
    with pytest.raises(UserError):
        unmute_alarms(UnmuteParams(entity="web-01"), desk(Book()))


def test_mutes_are_listed_with_what_they_are_on() -> None:
    book = Book()
    assert show_muted(MutedParams(), desk(book)).summary == "No alarms are muted."
    mute_alarms(MuteParams(entity="web-01"), desk(book))
    listed = show_muted(MutedParams(), desk(book)).table
    assert listed is not None
    assert listed.rows == (("web-01", "all", "ops-1", "2026-12-01 13:00 UTC"),)


@pytest.mark.parametrize("length", ["10s", "31d"])
def test_a_mute_is_neither_a_blink_nor_for_ever(length: str) -> None:
    with pytest.raises((UserError, ValidationError)):
        parse(f"alarm mute web-01 --for {length}", load_catalogue())


@pytest.mark.parametrize(
    ("entity", "alarm", "covered"),
    [
        ("web-01", "", True),
        ("WEB-*", "*cpu*", True),
        ("lab:web-01", "", True),
        ("vm-7", "", True),
        ("web-01", "*memory*", False),
        ("web-0", "", False),
        ("edge:web-01", "", False),
    ],
)
def test_a_mute_covers_by_entity_and_name(entity: str, alarm: str, covered: bool) -> None:
    mute = Mute(
        instance="main", entity=entity, alarm=alarm, owner="T1/U1", name="ops-1", since=1.0, until=2.0
    )
    assert mute.covers(ALARM) is covered
