"""Freezes: when they are in force, on every clock, and what they leave of a rule's decision."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andock.decisions import Allowed, Approvals, BreakGlass, Decision, Denied, NeedsApproval
from andock.freezes import Freeze, flaw_of, freeze_decision, in_force, window_at, windows
from andock.messages import Actor
from andock.operation import Risk, Target
from andock.policy import Group, Policy, Question, Rule, decide

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LEADS = Approvals.model_validate({"count": 1, "from": ["leads"]})
OWNERS = Approvals.model_validate({"count": 2, "from": ["owners"]})


def freeze(**fields: object) -> Freeze:
    made = Freeze.model_validate({"name": "quiet", "line": 12, **fields})
    assert flaw_of(made) is None
    return made


def weekend(zone: str = "Europe/Berlin", **fields: object) -> Freeze:
    return freeze(rrule="FREQ=WEEKLY;BYDAY=FR;BYHOUR=18", lasts="62h", zone=zone, **fields)


def clock(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def bounds(one: Freeze, now: datetime, zone: ZoneInfo = BERLIN) -> tuple[str, str] | None:
    """The window on the zone's clocks."""
    window = window_at(one, now)
    return window and (
        f"{window[0].astimezone(zone):%m-%d %H:%M}",
        f"{window[1].astimezone(zone):%m-%d %H:%M}",
    )


# --- one window ------------------------------------------------------------------------------------------


def test_a_single_window_begins_at_its_begin_and_is_over_at_its_end() -> None:
    one = freeze(**{"from": "2026-12-18T18:00", "to": "2027-01-04T08:00", "zone": "Europe/Berlin"})

    assert window_at(one, clock("2026-12-18T17:59:59")) is None
    assert bounds(one, clock("2026-12-18T18:00")) == ("12-18 18:00", "01-04 08:00")
    assert bounds(one, clock("2027-01-04T07:59:59")) == ("12-18 18:00", "01-04 08:00")
    assert window_at(one, clock("2027-01-04T08:00")) is None


def test_the_zone_says_whose_clocks_are_meant() -> None:
    one = freeze(**{"from": "2026-07-01T09:00", "to": "2026-07-01T17:00", "zone": "America/New_York"})

    assert window_at(one, datetime(2026, 7, 1, 12, 59, tzinfo=UTC)) is None
    assert window_at(one, datetime(2026, 7, 1, 13, 0, tzinfo=UTC)) is not None


def test_a_time_with_an_offset_is_that_moment_whatever_the_zone() -> None:
    one = freeze(**{"from": "2026-07-01T09:00+02:00", "to": "2026-07-01T12:00Z", "zone": "America/New_York"})

    assert window_at(one, datetime(2026, 7, 1, 7, 0, tzinfo=UTC)) == (
        datetime(2026, 7, 1, 7, 0, tzinfo=UTC),
        datetime(2026, 7, 1, 12, 0, tzinfo=UTC),
    )


def test_an_end_in_the_hour_that_comes_twice_is_the_later_one_and_a_begin_the_earlier() -> None:
    end = freeze(**{"from": "2026-10-24T20:00", "to": "2026-10-25T02:30", "zone": "Europe/Berlin"})
    start = freeze(**{"from": "2026-10-25T02:30", "to": "2026-10-25T06:00", "zone": "Europe/Berlin"})

    assert windows(end, clock("2026-10-24T00:00")).__next__()[1] == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert windows(start, clock("2026-10-24T00:00")).__next__()[0] == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


def test_a_time_that_no_clock_shows_is_taken_as_rfc_5545_has_it() -> None:
    one = freeze(**{"from": "2026-03-29T02:30", "to": "2026-03-29T06:00", "zone": "Europe/Berlin"})

    assert bounds(one, clock("2026-03-29T04:00")) == ("03-29 03:30", "03-29 06:00")


# --- recurring windows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "friday", "hours"),
    [
        pytest.param(BERLIN, "2026-03-27", 61, id="Berlin loses an hour"),
        pytest.param(BERLIN, "2026-10-23", 63, id="Berlin gains an hour"),
        pytest.param(BERLIN, "2026-11-06", 62, id="Berlin in an ordinary week"),
        pytest.param(NEW_YORK, "2026-03-06", 61, id="New York loses an hour"),
        pytest.param(NEW_YORK, "2026-10-30", 63, id="New York gains an hour"),
        pytest.param(NEW_YORK, "2026-10-23", 62, id="New York while Berlin changes"),
    ],
)
def test_a_weekend_ends_on_monday_at_eight_on_the_wall_also_when_clocks_change(
    zone: ZoneInfo, friday: str, hours: int
) -> None:
    start = clock(f"{friday}T18:00", zone)
    window = window_at(weekend(zone.key), start + timedelta(hours=30))

    assert window is not None
    assert window[0] == start
    assert window[1] - window[0] == timedelta(hours=hours)
    assert window[1].astimezone(zone).strftime("%a %H:%M") == "Mon 08:00"


def test_a_weekly_window_is_off_in_between() -> None:
    assert window_at(weekend(), clock("2026-11-05T12:00")) is None
    assert bounds(weekend(), clock("2026-11-07T12:00")) == ("11-06 18:00", "11-09 08:00")
    assert next(windows(weekend(), clock("2026-11-05T12:00")))[0] == clock("2026-11-06T18:00")


def test_a_yearly_window_comes_every_year_from_its_begin_on() -> None:
    one = freeze(
        **{"from": "2024-12-20T00:00", "rrule": "FREQ=YEARLY", "lasts": "14d", "zone": "Europe/Berlin"}
    )

    assert window_at(one, clock("2023-12-24T12:00")) is None
    assert bounds(one, clock("2024-12-24T12:00")) == ("12-20 00:00", "01-03 00:00")
    assert bounds(one, clock("2031-01-01T12:00")) == ("12-20 00:00", "01-03 00:00")


def test_every_second_week_is_counted_from_the_first() -> None:
    one = freeze(**{
        "from": "2026-11-06T18:00", "rrule": "FREQ=WEEKLY;INTERVAL=2", "lasts": "2h", "zone": "Europe/Berlin",
    })  # fmt: skip

    assert window_at(one, clock("2026-11-06T19:00")) is not None
    assert window_at(one, clock("2026-11-13T19:00")) is None
    assert window_at(one, clock("2026-11-20T19:00")) is not None


def test_count_and_until_end_it() -> None:
    counted = freeze(**{"from": "2026-11-06T18:00", "rrule": "FREQ=DAILY;COUNT=2", "lasts": "1h"})
    until = freeze(rrule="FREQ=DAILY;BYHOUR=18;UNTIL=20261107T180000", lasts="1h")

    for one in (counted, until):
        days = [window_at(one, datetime(2026, 11, day, 18, 30, tzinfo=UTC)) is not None for day in (6, 7, 8)]
        assert days == [True, True, False]


def test_windows_without_a_gap_are_one_with_the_last_end() -> None:
    one = freeze(rrule="FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=0", lasts="1d", zone="Europe/Berlin")

    assert bounds(one, clock("2026-11-07T12:00")) == ("11-07 00:00", "11-09 00:00")


def test_a_freeze_that_never_ends_is_in_force() -> None:
    assert window_at(freeze(rrule="FREQ=DAILY;BYHOUR=0", lasts="2d"), clock("2026-11-07T12:00")) is not None


@given(st.integers(1_735_689_600, 1_893_456_000))  # 2025 to 2029
def test_at_any_moment_the_window_holds_it_and_the_next_one_does_not(moment: int) -> None:
    now = datetime.fromtimestamp(moment, UTC)
    window = window_at(weekend(), now)
    following = next(one for one in windows(weekend(), now) if one != window)

    local = now.astimezone(BERLIN)
    hour = local.weekday() * 24 + local.hour
    assert (window is not None) == (hour >= 4 * 24 + 18 or hour < 8)
    assert window is None or window[0] <= now < window[1] < following[0]
    assert following[0] > now


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "key", "says"),
    [
        ({"from": "2026-12-18T18:00"}, "name", "no window"),
        ({"from": "2026-12-18T18:00", "to": "2026-12-18T17:00"}, "to", "ends before it begins"),
        ({"from": "2026-12-18T18:00", "to": "2026-12-18T18:00"}, "to", "ends before it begins"),
        ({"from": "2026-12-18T18:00", "to": "2026-12-19T17:00", "lasts": "2h"}, "lasts", "recurring"),
        ({"from": "2026-12-18T18:00", "to": "2026-12-19T17:00", "zone": "Berlin"}, "zone", "no time zone"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18"}, "lasts", "how long"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18", "lasts": "0s"}, "lasts", "how long"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18", "lasts": "400d"}, "lasts", "how long"),
        ({"rrule": "FREQ=DAILY;BYHOUR=18", "lasts": "2h", "to": "2026-12-18T18:00"}, "to", "single window"),
        ({"rrule": "every friday", "lasts": "2h"}, "rrule", "no FREQ"),
        ({"rrule": "FREQ=HOURLY", "lasts": "2h"}, "rrule", "no FREQ"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=XX", "lasts": "2h"}, "rrule", "no recurrence rule"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=9FR", "lasts": "2h"}, "rrule", "no recurrence rule"),
        ({"rrule": "FREQ=DAILY;BYHOUR=18;WHEN=1", "lasts": "2h"}, "rrule", "no recurrence rule"),
        ({"rrule": "FREQ=DAILY;BYHOUR=18;UNTIL=20270101T000000Z", "lasts": "2h"}, "rrule", "own zone"),
        ({"rrule": "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000", "lasts": "2h"}, "rrule", "without COUNT"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0;BYHOUR=18", "lasts": "2h"}, "rrule", "whole numbers"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1", "lasts": "2h"}, "rrule", "never comes"),
        ({"rrule": "FREQ=DAILY;COUNT=3;BYMONTH=2;BYMONTHDAY=30", "lasts": "2h"}, "rrule", "never comes"),
        ({"rrule": "FREQ=WEEKLY", "lasts": "2h"}, "rrule", "when it begins"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=FR", "lasts": "2h"}, "rrule", "when it begins"),
        ({"rrule": "FREQ=MONTHLY;BYHOUR=18", "lasts": "2h"}, "rrule", "when it begins"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18;INTERVAL=2", "lasts": "2h"}, "rrule", "when it begins"),
    ],
)  # fmt: skip
def test_what_makes_no_window_is_named_with_the_way_out(
    fields: dict[str, object], key: str, says: str
) -> None:
    flaw = flaw_of(Freeze.model_validate({"name": "quiet", **fields}))

    assert flaw is not None
    assert flaw.key == key
    assert says in flaw.problem
    assert flaw.fix.endswith(".")


@pytest.mark.parametrize(
    "written", ["2026-12-18", date(2026, 12, 18), "tomorrow", "18:00", "2026-12-18T25:00", 20261218]
)
def test_a_time_needs_its_day_and_a_day_its_time(written: object) -> None:
    with pytest.raises(ValueError, match=r"write it like `2026-12-24T18:00`"):
        Freeze.model_validate({"name": "quiet", "from": written, "to": "2026-12-24T18:00"})


# --- which one stops what --------------------------------------------------------------------------------

SATURDAY = clock("2026-11-07T12:00").timestamp()
TUESDAY = clock("2026-11-10T12:00").timestamp()


def judged(decision: Decision, *freezes: Freeze, now: float = SATURDAY, **case: object) -> Decision:
    asked = {"environment": "prod", "operation": "vm off", "risk": Risk.DISRUPTIVE, "groups": ()} | case
    groups = asked["groups"]
    assert isinstance(groups, tuple)
    return freeze_decision(
        decision,
        freezes,
        environment=str(asked["environment"]),
        operation=str(asked["operation"]),
        risk=Risk(str(asked["risk"])),
        belongs=groups.__contains__,
        now=now,
    )


YES = Allowed("ops (policy.yaml:4)")
NO = Denied("none", "no")


def test_a_change_in_a_freeze_is_refused_with_its_window_and_its_end() -> None:
    refused = judged(YES, weekend(reason="nobody is there"))

    assert refused == Denied(
        "freeze quiet (policy.yaml:12)",
        "`vm off` is frozen in prod from Fri 2026-11-06 18:00 until Mon 2026-11-09 08:00 (Europe/Berlin): "
        "nobody is there",
    )


def test_outside_its_window_nothing_is_stopped() -> None:
    assert judged(YES, weekend(), now=TUESDAY) == YES


def test_reads_are_never_frozen() -> None:
    assert judged(YES, weekend(), risk=Risk.READ) == YES


def test_only_the_environments_that_it_names_are_frozen() -> None:
    assert judged(YES, weekend(environments=["stage"])) == YES
    assert isinstance(judged(YES, weekend(environments=["stage", "prod"])), Denied)


def test_operations_and_people_that_are_excepted_go_on() -> None:
    one = weekend(except_={"operations": ["vm o*"], "groups": ["oncall"]})

    assert judged(YES, one) == YES
    assert isinstance(judged(YES, one, operation="vm reset"), Denied)
    assert judged(YES, one, operation="vm reset", groups=("oncall",)) == YES


def test_a_denial_stays_the_rules_own() -> None:
    assert judged(NO, weekend(override=LEADS)) == NO


def test_an_override_is_needed_besides_what_the_rule_asks_for() -> None:
    one = weekend(override=LEADS)
    needs = NeedsApproval("two owners (policy.yaml:2)", (OWNERS,), None)

    allowed, asked = judged(YES, one), judged(needs, one)

    assert allowed == NeedsApproval("freeze quiet (policy.yaml:12) on top of ops (policy.yaml:4)", (LEADS,))
    assert isinstance(asked, NeedsApproval)
    assert asked.needs == (OWNERS, LEADS)
    assert judged(NeedsApproval("leads", (LEADS,)), one) == NeedsApproval(
        "freeze quiet (policy.yaml:12) on top of leads", (LEADS,)
    )


def test_of_several_the_one_without_override_decides_and_else_the_last_end_is_told() -> None:
    soft, long = (
        weekend(override=LEADS),
        weekend(override=OWNERS).model_copy(update={"lasts": timedelta(days=4)}),
    )
    hard = weekend().model_copy(update={"name": "hard"})

    both = judged(YES, soft, long)
    assert isinstance(both, NeedsApproval)
    assert set(both.needs) == {LEADS, OWNERS}
    refused = judged(YES, long, hard, soft)
    assert isinstance(refused, Denied)
    assert refused.rule == "freeze hard (policy.yaml:12)"
    assert [one.freeze for one in in_force((soft, long), "prod", SATURDAY)] == [long, soft]


def test_break_glass_goes_round_approvals_and_not_round_a_freeze() -> None:
    emergency = Allowed("ops", emergency=BreakGlass(to=("oncall",), tell=("leads",)))

    refused = judged(emergency, weekend(override=LEADS))

    assert isinstance(refused, Denied)
    assert "break-glass does not lift it" in refused.reason
    assert judged(emergency, weekend(override=LEADS), now=TUESDAY) == emergency


def test_policy_asks_the_freezes_of_its_file_and_those_added_for_each_target() -> None:
    policy = Policy(
        groups={"ops": Group(users=frozenset({"U0OPS1"}))},
        rules=(Rule(name="ops", allow=("*",), to=("ops",), line=4),),
        freezes=(weekend(environments=["prod"], except_={"groups": ["ops"]}),),
    )
    actor = Actor(team="T1", user="U0OPS1", name="ops-1")
    question = Question(actor, "vm off", Risk.DISRUPTIVE, "C0OPS", now=SATURDAY)
    targets = [Target(kind="vm", site="lab", id=e, name=e, environment=e) for e in ("dev", "prod")]
    added = weekend(environments=["dev"]).model_copy(
        update={"name": "now", "line": 0, "source": "added by lead-1"}
    )

    assert decide(policy, question, targets) == Allowed("ops (policy.yaml:4)")
    refused = decide(policy, question, targets, (added,))
    assert isinstance(refused, Denied)
    assert refused.rule == "freeze now (added by lead-1)"
    assert decide(policy, question, targets[1:], (added,)) == Allowed("ops (policy.yaml:4)")
