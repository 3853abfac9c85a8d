"""Locks and freezes as the bot keeps them for one person, in a real Redis."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from andock.added_freezes import AddedFreezes
from andock.audit import Journal
from andock.errors import UserError
from andock.freezes import Freeze, in_force
from andock.ledger import Ledger
from andock.messages import Actor
from andock.policy import Policy
from andock.ports.stops import FreezeDraft
from andock.refusals import LockedError
from andock.signing import Verifier
from bot.stops import ActorStops
from tests.conftest import untold

NOW = datetime.now(UTC)
WEEKENDS = Freeze.model_validate({
    "name": "weekends", "rrule": "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18", "lasts": "62h", "line": 31,
})  # fmt: skip


@pytest.fixture
def stops(ledger: Ledger, verifier: Verifier, journal: Journal) -> ActorStops:
    actor = Actor(team="T1", user="U0OPS1", name="ops-1")
    return ActorStops(ledger, verifier, journal, Policy(freezes=(WEEKENDS,)), ("dev", "prod"), actor)


def of_lead(stops: ActorStops) -> ActorStops:
    return replace(stops, actor=Actor(team="T1", user="U0LEAD1", name="lead-1"))


def draft(**fields: object) -> FreezeDraft:
    end = (NOW + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    empty = FreezeDraft(name="storage", begins="", ends=end, zone="UTC", environments=("prod",), reason="")
    return replace(empty, **fields)  # type: ignore[arg-type]  # fields of the draft by name


def test_a_lock_returns_who_what_why_and_until_when(stops: ActorStops) -> None:
    until = NOW + timedelta(hours=1)
    taken = stops.take_lock("web-01", until, "disk")

    assert (taken.owner, taken.name, taken.reason, taken.until) == ("T1/U0OPS1", "ops-1", "disk", until)
    with pytest.raises(LockedError):
        of_lead(stops).take_lock("web-01", until, "")
    assert of_lead(stops).locks() == (taken,)
    assert of_lead(stops).release_lock("web-01", force=True) == taken
    assert stops.locks() == ()


def test_a_freeze_counts_for_policy_as_soon_as_it_is_added(
    stops: ActorStops, ledger: Ledger, verifier: Verifier
) -> None:
    row = stops.add_freeze(draft(zone="America/New_York", ends=_in_new_york(hours=2), reason="failing over"))

    (added,) = AddedFreezes(ledger, verifier, untold).standing()
    (force,) = in_force([added.freeze], "prod", time.time())
    assert force.freeze.place == row.place == "freeze storage (added by ops-1)"
    assert timedelta(hours=1, minutes=50) < force.end - NOW < timedelta(hours=2, minutes=1)
    assert (row.on, row.added_by, row.reason) == (True, "ops-1", "failing over")
    assert (added.owner, added.until) == ("T1/U0OPS1", force.end.timestamp())


def _in_new_york(*, hours: int) -> str:
    return (NOW + timedelta(hours=hours)).astimezone(ZoneInfo("America/New_York")).strftime("%Y-%m-%dT%H:%M")


def test_the_list_has_those_of_the_file_too_and_what_is_on_first(stops: ActorStops) -> None:
    stops.add_freeze(draft())
    later = NOW + timedelta(days=2)
    stops.add_freeze(draft(name="later", begins=later.isoformat(), ends=(later + timedelta(1)).isoformat()))

    rows = stops.freezes()

    assert {row.name: row.added_by for row in rows} == {"storage": "ops-1", "later": "ops-1", "weekends": ""}
    assert [row.on for row in rows] == sorted((row.on for row in rows), reverse=True)
    assert next(row for row in rows if row.name == "weekends").recurs


def test_a_freeze_of_the_file_is_not_ended_by_command_nor_its_name_taken(stops: ActorStops) -> None:
    with pytest.raises(UserError, match=r"`weekends` stands in policy\.yaml:31"):
        stops.end_freeze("Weekends")
    with pytest.raises(UserError, match="is the name of a freeze in policy"):
        stops.add_freeze(draft(name="WEEKENDS"))


def test_anybody_who_may_ends_an_added_one(stops: ActorStops) -> None:
    added = stops.add_freeze(draft())

    ended = of_lead(stops).end_freeze("storage")
    assert (ended.name, ended.added_by, ended.ends) == (added.name, "ops-1", added.ends)
    with pytest.raises(UserError, match="There is no freeze `storage`"):
        stops.end_freeze("storage")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"ends": "tomorrow"}, "`tomorrow` is no day with its time; write it like `2026-12-24T18:00`"),
        ({"ends": "2026-12-24"}, "no day with its time"),
        ({"ends": "0001-01-01T00:00"}, "is in the year 1"),
        ({"ends": "2020-12-24T18:00"}, "ends before it begins"),
        ({"begins": "2020-12-24T18:00", "ends": "2020-12-25T18:00"}, "is over"),
        ({"ends": "2150-12-24T18:00"}, "At most 366 days"),
        ({"zone": "Berlin"}, "There is no time zone `Berlin`. Write it like `Europe/Berlin`."),
    ],
)
def test_times_that_make_no_freeze_are_refused_with_the_way_out(
    stops: ActorStops, fields: dict[str, str], says: str
) -> None:
    with pytest.raises(UserError) as refused:
        stops.add_freeze(draft(**fields))
    assert says in refused.value.sentence
    assert len(stops.freezes()) == 1
