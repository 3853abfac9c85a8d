from __future__ import annotations

from dataclasses import replace

import pytest

from andock.event_feed import Cursor, news_after
from andock.mutes import Mute
from andock.rendering.notices import MOST_EVENTS, events_told
from andock.site_events import KINDS, USUAL, SiteEvent, kind_of

FIRST = SiteEvent(
    site="lab",
    key=7,
    at=1_000.0,
    name="host-lost",
    entity="esx-1",
    entity_id="host-1",
    text="Host esx-1 <in> DC0\nis not responding",
)


def nth(*keys: int, later: float = 0.0) -> list[SiteEvent]:
    return [replace(FIRST, key=key, at=1_000.0 + key + later) for key in keys]


def cursor(key: int) -> Cursor:
    return Cursor(instance="main", site="lab", key=key, at=1_000.0 + key)


def keys_after(key: int, page: list[SiteEvent]) -> list[int]:
    return [event.key for event in news_after(cursor(key), page)]


def test_new_is_what_vcenter_counted_later_the_oldest_first() -> None:
    assert keys_after(7, nth(9, 8, 7, 3)) == [8, 9]
    assert keys_after(9, nth(9, 8, 7)) == []
    assert keys_after(9, []) == []


def test_an_event_with_an_earlier_time_is_new_if_it_was_counted_later() -> None:
    assert keys_after(7, nth(7, 8, later=-500)) == [8]


def test_where_vcenter_counts_anew_its_clock_tells_what_is_new() -> None:
    assert keys_after(500, nth(2, 1, later=10_000)) == [1, 2]
    assert keys_after(500, nth(499, 498)) == []  # an older page, because other kinds are told now


def test_two_cursors_are_two_messages_and_the_same_one_is_the_same() -> None:
    assert cursor(7).notice == cursor(7).notice
    assert len({cursor(7).notice, cursor(8).notice, replace_site(cursor(7)).notice}) == 3


def replace_site(one: Cursor) -> Cursor:
    return one.model_copy(update={"site": "other"})


def test_one_event_is_one_line_with_its_site() -> None:
    said = events_told("lab", [replace(FIRST, user="CORP\\admin")])
    assert said.startswith("🔴 *host-lost* · `esx-1` (lab) · <!date^1000^")
    assert said.endswith("· Host esx-1 &lt;in&gt; DC0 is not responding · by CORP\\admin")
    assert "\n" not in said


def test_of_many_the_newest_are_shown_and_the_others_counted() -> None:
    events = [replace(one, text=f"number {one.key}.") for one in nth(*range(100, 140))]
    said = events_told("lab", events)
    assert said.startswith("*40 events* on lab:\n")
    assert said.count("host-lost") == MOST_EVENTS
    assert "number 139." in said
    assert "number 100." not in said
    assert f"and {40 - MOST_EVENTS} more before them" in said
    assert len(said) < 4000  # what Slack shows of one message


def test_where_vcenter_showed_no_more_it_says_so() -> None:
    assert events_told("lab", nth(1), cut=True).startswith("*more than 1 events* on lab:")


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("HostConnectionLostEvent", "host-lost"),
        ("com.vmware.vc.ha.DasHostFailedEvent", "ha-failover"),  # vCenter's own list writes HA
        ("esx.problem.storage.apd.start", "datastore-lost"),
        ("UserLoginSessionEvent", ""),
    ],
)
def test_a_type_of_vcenters_is_of_one_kind_or_none(type_: str, kind: str) -> None:
    assert kind_of(type_) == kind


def test_no_type_is_of_two_kinds_and_notes_are_not_told_unless_asked_for() -> None:
    types = [type_.casefold() for kind in KINDS.values() for type_ in kind.types]
    assert len(types) == len(set(types))
    assert "note" not in USUAL


@pytest.mark.parametrize(
    ("entity", "name", "covered"),
    [
        ("esx-*", "", True),
        ("lab:esx-1", "host-*", True),
        ("host-1", "", True),
        ("esx-1", "vm-*", False),
        ("web-*", "", False),
    ],
)
def test_a_mute_covers_events_by_entity_and_kind(entity: str, name: str, covered: bool) -> None:
    mute = Mute(instance="main", entity=entity, alarm=name, owner="T/U", name="ops-1", since=0, until=1)
    assert mute.covers(FIRST) is covered
