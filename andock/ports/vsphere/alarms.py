"""What vCenter has noticed: alarms that are triggered, and events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from andock.ports.sites import Listing
from andock.ports.vsphere.subjects import Subject


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm that is triggered on one thing."""

    id: str  # of the alarm's definition, such as `alarm-42`
    name: str
    status: str  # `red` or `yellow`
    since: datetime  # aware, UTC
    subject: Subject
    acknowledged: bool = False
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    at: datetime  # aware, UTC
    kind: str  # vCenter's word, such as `VmPoweredOnEvent`
    text: str
    user: str = ""


class Alarms(Protocol):
    """Alarms and events of all vCenters; see `VSphere` for what every method raises."""

    def list_alarms(self, site: str | None = None) -> Listing[Alarm]:
        """Every alarm that is triggered.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def acknowledge(self, subject: Subject, alarm: str) -> None:
        """Note that somebody looks after it: its actions are not repeated, its status stays."""
        ...

    def read_events(self, subject: Subject, since: datetime, most: int) -> tuple[Event, ...]:
        """The newest events of a thing and what lies in it since then, newest first, at most `most`."""
        ...
