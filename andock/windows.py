"""Windows of time: one, or recurring by an RFC 5545 rule, by a zone's clocks and their summer time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TypeAlias
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

Window: TypeAlias = tuple[datetime, datetime]  # begin and end, in UTC: clocks of one zone compare wrongly

LONGEST = timedelta(days=366)
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_SHIFT = timedelta(days=1)  # more than any clock is ever moved
_LEAP = 12  # years in which even 29 February comes again
_JOINED = 400  # windows that follow each other without a gap and are told as one
_EXAMPLE = "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18"
# Two beginnings of which nothing is alike: a rule that gives the same after both needs none of its own.
_BEGINNINGS = (datetime(2024, 1, 1), datetime(2025, 5, 15, 13))  # noqa: DTZ001  wall clocks have no zone
_AFTER = datetime(2025, 6, 1)  # noqa: DTZ001
_COMPARED = 20


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with something that a person wrote, where, and the way out."""

    key: str
    problem: str
    fix: str


def begin(clock: datetime, zone: str) -> datetime:
    """The moment at which the zone's clocks show this, in UTC; the first of two, as RFC 5545 has it."""
    return _at(clock, zone, fold=0)


def finish(clock: datetime, zone: str) -> datetime:
    """The same for an end: the later of two, so that nothing ends an hour early."""
    return max(_at(clock, zone, fold=0), _at(clock, zone, fold=1))


def recurring(
    rule: str, first: datetime | None, lasts: timedelta, zone: str, after: datetime
) -> Iterator[Window]:
    """The windows of a checked rule that end after this moment, in order, without end.

    `lasts` is counted on the zone's clocks: what begins on Friday at 18:00 and lasts 62 h ends on Monday at
    8:00 in every week.
    """
    earliest = _clock(after, zone) - lasts - _SHIFT
    beginning = _clock(first, zone) if first else datetime(earliest.year, 1, 1)  # noqa: DTZ001  as above
    for clock in _recurrence(rule, beginning).xafter(earliest, inc=True):
        window = begin(clock, zone), finish(clock + lasts, zone)
        if window[1] > after:
            yield window


def at(windows: Iterator[Window], now: datetime) -> Window | None:
    """The window in which this moment lies, together with those that follow it without a gap."""
    found: Window | None = None
    for start, end in islice(windows, _JOINED):
        if start > (found[1] if found else now):
            break
        found = (found[0], max(found[1], end)) if found else (start, end)
    return found


def flaw_of_rule(rule: str, first: datetime | None) -> Flaw | None:
    """What keeps a recurrence rule from being used; None when it can be."""
    write = f"write it as RFC 5545 does, like `{_EXAMPLE}`."
    parts = dict(part.partition("=")[::2] for part in _plain(rule).split(";"))
    if parts.get("FREQ") not in _FREQUENCIES:
        return Flaw("rrule", f"`{rule}` has no FREQ of {', '.join(_FREQUENCIES)}.", write)
    counts = [parts[key] for key in ("INTERVAL", "COUNT") if key in parts]
    if not all(count.isascii() and count.isdigit() and int(count) for count in counts):
        return Flaw("rrule", f"`{rule}`: INTERVAL and COUNT are whole numbers from 1.", write)
    if "UNTIL" in parts and ("COUNT" in parts or parts["UNTIL"].endswith("Z")):
        return Flaw(
            "rrule", f"`{rule}`: UNTIL is a time of the freeze's own zone and goes without COUNT.",
            "leave out COUNT, and the Z of UNTIL.",
        )  # fmt: skip
    beginning = first.replace(tzinfo=None) if first else _BEGINNINGS[0]
    counted = counts not in ([], ["1"]) or "COUNT" in parts
    parts = {"UNTIL": f"{beginning.year + _LEAP}0101"} | {k: v for k, v in parts.items() if k != "COUNT"}
    try:
        if next(iter(_recurrence(_joined(parts), beginning)), None) is None:
            return Flaw("rrule", f"`{rule}` never comes.", "look at its BY... and UNTIL.")
    except (ValueError, TypeError, IndexError, OverflowError) as error:  # what dateutil says to nonsense
        return Flaw("rrule", f"`{rule}` is no recurrence rule: {error}.", write)
    if first is None and (counted or _hangs_on_beginning(rule)):
        return Flaw(
            "rrule", f"`{rule}` leaves open when it begins.",
            "say the first window's begin with `from`, or day and hour in the rule: BYDAY, BYHOUR.",
        )  # fmt: skip
    return None


def _hangs_on_beginning(rule: str) -> bool:
    coming = [
        list(islice(_recurrence(rule, beginning).xafter(_AFTER, inc=True), _COMPARED))
        for beginning in _BEGINNINGS
    ]
    return coming[0] != coming[1]


@lru_cache(maxsize=256)
def _recurrence(rule: str, beginning: datetime) -> rrule:
    """The rule, which remembers what it worked out: a decision waits for it."""
    made = rrulestr(_plain(rule), dtstart=beginning, cache=True)
    if not isinstance(made, rrule):
        raise ValueError("one rule is meant")  # noqa: TRY004  as dateutil says what it does not understand
    return made


def _joined(parts: dict[str, str]) -> str:
    return ";".join(f"{key}={value}" for key, value in parts.items())


def _plain(rule: str) -> str:
    return rule.strip().upper().removeprefix("RRULE:")


def _clock(moment: datetime, zone: str) -> datetime:
    """What the zone's clocks show."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if moment.tzinfo else moment


def _at(clock: datetime, zone: str, *, fold: int) -> datetime:
    aware = clock if clock.tzinfo else clock.replace(tzinfo=ZoneInfo(zone), fold=fold)
    return aware.astimezone(UTC)
