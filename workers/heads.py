"""When the record's head is given to a channel: daily, and after each change that the team watches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from andock.audit import AuditRecord, Event
from config.sites import Audit

APART = 10.0  # seconds between two posts at least


@dataclass
class HeadTimes:
    """Sees each record go by, and knows when a head is due."""

    audit: Audit
    posted: float = 0.0  # when the last one was, seconds since the epoch
    changed: bool = False  # since then, in an environment that is watched

    def see(self, record: AuditRecord) -> None:
        """A record is on disk."""
        if record.event is Event.HEAD:
            self.posted, self.changed = record.at, False
        elif self._is_watched(record):
            self.changed = True

    def due(self, now: float) -> bool:
        """Whether it is time to post."""
        if not self.audit.channel or now < self.posted + APART:
            return False
        return self.changed or _day(now) != _day(self.posted)

    def _is_watched(self, record: AuditRecord) -> bool:
        """Whether it is the end of a change, which has a plan, where the team wants to know."""
        if record.event is not Event.CONCLUDED or not record.plan:
            return False
        return not set(record.environments).isdisjoint(self.audit.environments)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
