"""An alarm of a vCenter as Andock tells it."""

from __future__ import annotations

import hashlib
from typing import Literal

from andock.operation import Value


class Alarm(Value):
    """One alarm that is raised, from its first sight to the day it is green. Signed by the watcher."""

    kept = frozenset({"instance", "site", "entity_id", "alarm_id"})
    version: Literal[1] = 1
    instance: str
    site: str
    kind: str  # of what it is about, for people: `VM`, `host`
    entity_id: str
    entity: str  # its name
    alarm_id: str
    name: str  # the alarm's own
    status: Literal["red", "yellow"]
    since: float  # when it was raised by the vCenter's clock, seconds since the epoch
    acknowledged: str = ""  # by whom

    @property
    def key(self) -> str:
        """Tells it from the others that are raised on this vCenter."""
        return f"{self.entity_id}/{self.alarm_id}"

    @property
    def notice(self) -> str:
        """The id of its one message; raised again later it gets another."""
        told = f"{self.instance} {self.site} {self.key} {self.since}"
        return f"alarm{hashlib.sha256(told.encode()).hexdigest()[:32]}"
