"""Freezes: windows of time in which changes are refused, or need more agreement than their rule asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, ConfigDict, Field

from andock.decisions import Allowed, Approvals, Decision, Denied, NeedsApproval
from andock.durations import Duration
from andock.operation import Risk, Value
from andock.windows import LONGEST, Flaw, Window, at, begin, finish, flaw_of_rule, recurring

CLOCK = "%a %Y-%m-%d %H:%M"
_YEARS = range(2000, 2200)  # near the ends of the calendar zones cannot be reckoned with
_MOMENT = "`2026-12-24T18:00`"


def read_moment(written: object) -> datetime:
    """A date with a time of day, as people and YAML write it; without an offset it is on the zone's clock.

    Raises:
        ValueError: it is none, or a day without a time, which could mean its begin or its end.
    """
    if isinstance(written, str) and ":" in written:
        with suppress(ValueError):
            written = datetime.fromisoformat(written)
    if not isinstance(written, datetime):
        raise ValueError(f"is no day with its time; write it like {_MOMENT}")  # noqa: TRY004  pydantic tells ValueErrors
    if written.year not in _YEARS:
        raise ValueError(f"is in the year {written.year}")
    return written


Moment = Annotated[datetime, BeforeValidator(read_moment)]


class Exceptions(Value):
    """What a freeze does not stop."""

    operations: tuple[str, ...] = Field(default=(), description="globs over operation names")
    groups: tuple[str, ...] = Field(default=(), description="whose people it does not stop")


class Freeze(Value):
    """One freeze: one window (`from`, `to`), or recurring ones (`rrule`, `lasts`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(min_length=1, max_length=60)
    from_: Moment | None = Field(
        default=None, alias="from", description="begin, of recurring ones the first; such as 2026-12-24T18:00"
    )
    to: Moment | None = Field(default=None, description="end of a single window")
    rrule: str = Field(default="", description="recurrence after RFC 5545: FREQ=WEEKLY;BYDAY=FR;BYHOUR=18")
    lasts: Duration | None = Field(default=None, description="of each recurring window, on the zone's clocks")
    zone: str = Field(default="UTC", description="whose clocks are meant, such as Europe/Berlin")
    environments: frozenset[str] = Field(default=frozenset(), description="left out: all")
    except_: Exceptions = Field(default=Exceptions(), alias="except", description="what goes on")
    override: Approvals | None = Field(
        default=None, description="who must agree to a change meanwhile; left out: nobody can"
    )
    reason: str = Field(default="", max_length=300)
    line: int = Field(default=0, description="set by the loader")
    source: str = Field(default="policy.yaml", description="set by the loader")

    @property
    def place(self) -> str:
        """How it is named to people: `freeze year-end (policy.yaml:12)`."""
        return f"freeze {self.name} ({self.source}{f':{self.line}' if self.line else ''})"


@dataclass(frozen=True, slots=True)
class InForce:
    """A freeze in one of its windows."""

    freeze: Freeze
    start: datetime  # UTC
    end: datetime

    @property
    def span(self) -> str:
        """`from Fri 2026-12-18 18:00 until Mon 2027-01-04 08:00 (Europe/Berlin): year end`."""
        because = f": {self.freeze.reason}" if self.freeze.reason else ""
        zone = self.freeze.zone
        return f"from {on_clock(self.start, zone)} until {on_clock(self.end, zone)} ({zone}){because}"


def on_clock(moment: datetime, zone: str) -> str:
    """What the zone's clocks show then."""
    return moment.astimezone(ZoneInfo(zone)).strftime(CLOCK)


def flaw_of(freeze: Freeze) -> Flaw | None:
    """What keeps a freeze from being one; None for those that the rest of this module may be asked about."""
    if freeze.zone not in available_timezones():
        return Flaw("zone", f"there is no time zone `{freeze.zone}`.", "write it like `Europe/Berlin`.")
    if not freeze.rrule:
        if freeze.from_ is None or freeze.to is None:
            return Flaw("name", f"`{freeze.name}` has no window.", "give it `from` and `to`, or `rrule`.")
        if freeze.lasts is not None:
            return Flaw("lasts", "`lasts` is of recurring windows.", "leave it out: `to` is the end.")
        if finish(freeze.to, freeze.zone) <= begin(freeze.from_, freeze.zone):
            return Flaw("to", f"`{freeze.name}` ends before it begins.", "put `to` after `from`.")
        return None
    if freeze.to is not None:
        return Flaw(
            "to", "`to` is of a single window.", "say `lasts`, and the last time by UNTIL in `rrule`."
        )
    if freeze.lasts is None or not 0 < freeze.lasts.total_seconds() <= LONGEST.total_seconds():
        return Flaw(
            "lasts",
            f"`{freeze.name}` does not say how long it lasts.",
            "say it in `lasts`, like `62h`; at most 366d.",
        )
    return flaw_of_rule(freeze.rrule, freeze.from_)


def windows(freeze: Freeze, after: datetime) -> Iterator[Window]:
    """Its windows that end after this moment, in order."""
    if freeze.rrule and freeze.lasts is not None:
        yield from recurring(freeze.rrule, freeze.from_, freeze.lasts, freeze.zone, after)
    elif freeze.from_ is not None and freeze.to is not None:
        window = begin(freeze.from_, freeze.zone), finish(freeze.to, freeze.zone)
        if window[1] > after:
            yield window


def window_at(freeze: Freeze, now: datetime) -> Window | None:
    """Begin and end, in UTC, of the window that it is in at this moment; None while it is in none."""
    return at(windows(freeze, now), now)


def in_force(freezes: Sequence[Freeze], environment: str, now: float) -> tuple[InForce, ...]:
    """Those that are on in an environment, the strictest first: without override, then the latest end."""
    moment = datetime.fromtimestamp(now, UTC)
    concerned = [one for one in freezes if not one.environments or environment in one.environments]
    found = [
        InForce(freeze, *window)
        for freeze in concerned
        if (window := window_at(freeze, moment)) is not None
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.freeze.override is not None, -one.end.timestamp())))


def frozen(
    freezes: Sequence[Freeze],
    *,
    environment: str,
    operation: str,
    risk: Risk,
    belongs: Callable[[str], bool],
    now: float,
) -> tuple[InForce, ...]:
    """Those that stop this operation of this person there and now, the strictest first. Reads go on.

    `belongs` says whether the person certainly is in a group; `now` is in seconds since the epoch.
    """
    if risk is Risk.READ or not freezes:
        return ()

    def stops(freeze: Freeze) -> bool:
        excepted = freeze.except_
        return not any(fnmatchcase(operation, glob) for glob in excepted.operations) and not any(
            belongs(group) for group in excepted.groups
        )

    return tuple(one for one in in_force(freezes, environment, now) if stops(one.freeze))


def freeze_decision(
    decision: Decision,
    freezes: Sequence[Freeze],
    *,
    environment: str,
    operation: str,
    risk: Risk,
    belongs: Callable[[str], bool],
    now: float,
) -> Decision:
    """What is left of a rule's decision on one target while freezes are in force; see `frozen`.

    A denial stays. Without an override the freeze denies; with overrides all of them are needed besides
    what the rule asks for. Going ahead in an emergency is a way round approvals, and not round a freeze.
    """
    if isinstance(decision, Denied):
        return decision
    standing = frozen(
        freezes, environment=environment, operation=operation, risk=risk, belongs=belongs, now=now
    )
    if not standing:
        return decision
    first = standing[0]
    said = f"`{operation}` is frozen{f' in {environment}' if environment else ''} {first.span}"
    if first.freeze.override is None:
        return Denied(first.freeze.place, said)
    if isinstance(decision, Allowed) and decision.emergency is not None:
        return Denied(first.freeze.place, f"{said}; break-glass does not lift it, its override does")
    own = decision.needs if isinstance(decision, NeedsApproval) else ()
    overrides = (one.freeze.override for one in standing if one.freeze.override is not None)
    places = " and ".join(one.freeze.place for one in standing)
    return NeedsApproval(
        f"{places} on top of {decision.rule}",
        tuple(dict.fromkeys((*own, *overrides))),
        as_of=decision.as_of,
    )
