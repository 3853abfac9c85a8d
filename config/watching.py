"""What sites.yaml says of alarms, events and digests: where they are told, which, and when."""

from __future__ import annotations

import difflib
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator

from andock.errors import ConfigError
from andock.operation import Value
from andock.site_events import KINDS, USUAL
from config.documents import Document, Place


class Alarms(Value):
    """Where the alarms of vCenters are told."""

    channel: str = Field(default="", description="channel id; empty: nowhere")
    least: Literal["red", "yellow"] = Field(
        default="yellow", description="`red`: an alarm is told when it is red, and not while it is yellow"
    )


class Events(Value):
    """Where events of vCenters are told, and which."""

    channel: str = Field(default="", description="channel id; empty: nowhere")
    kinds: tuple[str, ...] = Field(
        default=USUAL, description=f"of {', '.join(KINDS)}; left out: {', '.join(USUAL)}"
    )


class Digest(Value):
    """A read that is asked for once a day, by the clock, and answered in a channel."""

    command: str = Field(default="snapshot report", description="what is asked, as people type it")
    channel: str = Field(description="channel id; Andock must be a member of it")
    at: time = Field(description='time of day, "08:00"')
    zone: str = Field(default="UTC", description="whose clocks are meant, such as Europe/Berlin")

    @field_validator("at", mode="before")
    @classmethod
    def _time_of_day(cls, given: object) -> object:
        # YAML reads 10:30 without quotes as a number to the base of 60
        return f"{given // 60:02}:{given % 60:02}" if isinstance(given, int) else given

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"there is no time zone `{zone}`; write it like Europe/Berlin")
        return zone

    def due(self, now: float) -> float:
        """When it was due last before `now`; seconds since the epoch."""
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(now, zone).date()
        moments = (datetime.combine(day, self.at, zone) for day in (today, today - timedelta(days=1)))
        return next(moment.timestamp() for moment in moments if moment.timestamp() <= now)

    def day(self, moment: float) -> date:
        """The day that a moment is in, there."""
        return datetime.fromtimestamp(moment, ZoneInfo(self.zone)).date()


def check_kinds(document: Document, events: Events, place: Place) -> None:
    """Let every kind be one that there is.

    Raises:
        ConfigError: the first that is none, with the nearest and all that there are.
    """
    for index, kind in enumerate(events.kinds):
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, n=1)
            raise ConfigError(
                f"there is no kind of event `{kind}`.",
                where=document.where((*place, "kinds", index)),
                fix=f"{f'did you mean `{near[0]}`? ' if near else ''}there are {', '.join(KINDS)}.",
            )
