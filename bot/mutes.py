"""Mutes of alarms as the desk's operations may ask for them, for one person."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from andock.audit import AuditRecord, Event, Journal
from andock.messages import Actor
from andock.mutes import Mute, Mutes
from andock.ports.mutes import MuteRow


@dataclass(frozen=True)
class ActorMutes:
    """Implements the port `Mutes` for one person; what they change is recorded."""

    journal: Journal
    actor: Actor

    def standing(self) -> tuple[MuteRow, ...]:
        """All mutes, the next to end first."""
        return tuple(map(_row, self._mutes.standing()))

    def mute(self, entity: str, alarm: str, until: datetime) -> MuteRow:
        """Mute for everybody."""
        mute = Mute(
            instance=self.journal.ledger.instance,
            entity=entity,
            alarm=alarm,
            owner=self.actor.key,
            name=self.actor.name,
            since=time.time(),
            until=until.timestamp(),
        )
        self._mutes.put(mute, self.journal.signer)
        self._record("muted", mute)
        return _row(mute)

    def unmute(self, entity: str, alarm: str) -> MuteRow:
        """End a mute."""
        mute = self._mutes.end(entity, alarm)
        self._record("unmuted", mute)
        return _row(mute)

    @property
    def _mutes(self) -> Mutes:
        return Mutes(self.journal.ledger, self.journal.verifier)

    def _record(self, result: str, mute: Mute) -> None:
        record = AuditRecord(
            event=Event.MUTE,
            actor=self.actor.key,
            name=self.actor.name,
            targets=(mute.entity,),
            result=result,
            text=mute.alarm,
        )
        self.journal.write(record)


def _row(mute: Mute) -> MuteRow:
    return MuteRow(mute.entity, mute.alarm, mute.name, datetime.fromtimestamp(mute.until, UTC))
