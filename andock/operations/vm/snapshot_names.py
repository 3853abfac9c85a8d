"""The names of Andock's snapshots: why, by whom, and until when they are wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from andock.ports.vsphere import Snapshot

LONGEST = 80  # characters of a name that vCenter keeps
_MOMENT = "%Y-%m-%d %H:%MZ"
_NAME = re.compile(r"(?P<reason>.*) \[(?P<by>[^\[\]]+) until (?P<until>\d{4}-\d\d-\d\d \d\d:\d\dZ)\]")
_BY = 24  # characters of a requester's name


@dataclass(frozen=True, slots=True)
class SnapshotName:
    """What the name of a snapshot of Andock's says."""

    reason: str
    by: str
    until: datetime  # aware, UTC, a whole minute

    def __str__(self) -> str:
        tail = f" [{_plain(self.by)[:_BY]} until {self.until.strftime(_MOMENT)}]"
        return _plain(self.reason)[: LONGEST - len(tail)].rstrip() + tail


def read_name(name: str) -> SnapshotName | None:
    """What the name says, or None where the snapshot is none of Andock's."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        until = datetime.strptime(match["until"].replace("Z", "+0000"), "%Y-%m-%d %H:%M%z")
    except ValueError:
        return None
    return SnapshotName(match["reason"], match["by"], until)


def is_expired(snapshot: Snapshot, now: datetime) -> bool:
    """Whether its name says that it is no longer wanted."""
    name = read_name(snapshot.name)
    return name is not None and name.until < now


def _plain(text: str) -> str:
    return " ".join(text.replace("[", "(").replace("]", ")").split())
