"""What the desk's own operations `alarm mute` and `alarm unmute` ask of the ledger and the bot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MuteRow:
    """Alarms that are not told for a while. Times are aware, in UTC."""

    entity: str  # a pattern over names
    alarm: str  # a pattern over the alarms' names; empty: all
    name: str  # of who muted them
    until: datetime


class Mutes(Protocol):
    """Mutes, as the person who asks may see and change them."""

    def standing(self) -> tuple[MuteRow, ...]:
        """All mutes, the next to end first."""
        ...

    def mute(self, entity: str, alarm: str, until: datetime) -> MuteRow:
        """Mute for everybody; a mute on the same is replaced."""
        ...

    def unmute(self, entity: str, alarm: str) -> MuteRow:
        """End a mute; returns what was ended.

        Raises:
            UserError: there is none.
        """
        ...
