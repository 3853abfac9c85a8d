"""Locks and freezes as the desk's operations may ask for them, for one person."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from andock.added_freezes import AddedFreeze, AddedFreezes
from andock.audit import AuditRecord, Event, Journal
from andock.errors import UserError
from andock.freezes import Freeze, flaw_of, on_clock, window_at, windows
from andock.ledger import Ledger
from andock.locks import Lock, Locks
from andock.messages import Actor
from andock.policy import Policy
from andock.ports.stops import FreezeDraft, FreezeRow, LockRow
from andock.rejections import Kind, Rejections
from andock.signing import Verifier
from andock.windows import LONGEST


@dataclass(frozen=True)
class ActorStops:
    """Implements `Stops` for one person; what they change is recorded."""

    ledger: Ledger
    verifier: Verifier
    journal: Journal
    policy: Policy
    known_environments: tuple[str, ...]
    actor: Actor

    def locks(self) -> tuple[LockRow, ...]:
        """All locks that stand, the next to end first."""
        return tuple(map(_lock_row, self._locks.standing()))

    def take_lock(self, scope: str, until: datetime, reason: str) -> LockRow:
        """Lock for this person."""
        lock = Lock(
            instance=self.ledger.instance,
            scope=scope,
            owner=self.actor.key,
            name=self.actor.name,
            reason=reason,
            since=time.time(),
            until=until.timestamp(),
        )
        self._locks.take(lock, self.journal.signer)
        self._record(Event.LOCK, "taken", scope, reason)
        return _lock_row(lock)

    def release_lock(self, scope: str, *, force: bool) -> LockRow:
        """End a lock and let go on what waits for it."""
        lock = self._locks.release(scope, self.actor, force=force)
        theirs = "" if lock.owner == self.actor.key else f"it was {lock.name}'s"
        self._record(Event.LOCK, "released", lock.scope, theirs)
        return _lock_row(lock)

    def freezes(self) -> tuple[FreezeRow, ...]:
        """Those of policy.yaml and those added by command, what is in force first."""
        rows = [_freeze_row(freeze) for freeze in self.policy.freezes]
        rows += [_freeze_row(added.freeze, added.name) for added in self._added.standing()]
        return tuple(sorted(rows, key=lambda row: (not row.on, not row.ends)))

    def add_freeze(self, draft: FreezeDraft) -> FreezeRow:
        """Freeze from now or later until its end."""
        taken = self._of_policy(draft.name)
        if taken is not None:
            raise UserError(
                f"`{draft.name}` is the name of a freeze in {taken.source}; give this one another."
            )
        freeze = _checked(draft, f"added by {self.actor.name}")
        now = datetime.now(UTC)
        window = next(windows(freeze, now), None)
        if window is None:
            raise UserError(f"`{draft.ends}` ({freeze.zone}) is over.")
        start, end = window
        if end - min(start, now) > LONGEST:
            raise UserError(f"At most {LONGEST.days} days; a longer freeze belongs in {self.policy.source}.")
        added = AddedFreeze(
            instance=self.ledger.instance,
            freeze=freeze,
            owner=self.actor.key,
            name=self.actor.name,
            at=now.timestamp(),
            until=end.timestamp(),
        )
        self._added.add(added, self.journal.signer)
        self._record(Event.FREEZE, "added", freeze.name, freeze.reason, freeze.environments)
        return _freeze_row(freeze, added.name)

    def end_freeze(self, name: str) -> FreezeRow:
        """End a freeze that was added by command."""
        ours = self._of_policy(name)
        if ours is not None:
            raise UserError(
                f"`{ours.name}` stands in {ours.source}:{ours.line} and is not ended by command: "
                "change it there."
            )
        added = self._added.end(name)
        if added is None:
            raise UserError(f"There is no freeze `{name}`; `freeze list` shows all.")
        self._record(Event.FREEZE, "ended", added.freeze.name, "", added.freeze.environments)
        return _freeze_row(added.freeze, added.name)

    def environments(self) -> tuple[str, ...]:
        """Every environment that sites.yaml names."""
        return self.known_environments

    def _record(
        self, event: Event, result: str, name: str, text: str, environments: Iterable[str] = ()
    ) -> None:
        record = AuditRecord(
            event=event,
            actor=self.actor.key,
            name=self.actor.name,
            targets=(name,),
            environments=tuple(environments),
            result=result,
            text=text,
        )
        self.journal.write(record)

    @property
    def _locks(self) -> Locks:
        return Locks(self.ledger, self.verifier, Rejections(self.journal).teller(Kind.LOCK))

    @property
    def _added(self) -> AddedFreezes:
        return AddedFreezes(self.ledger, self.verifier, Rejections(self.journal).teller(Kind.FREEZE))

    def _of_policy(self, name: str) -> Freeze | None:
        named = (freeze for freeze in self.policy.freezes if freeze.name.casefold() == name.casefold())
        return next(named, None)


def _checked(draft: FreezeDraft, source: str) -> Freeze:
    """The freeze that the draft is.

    Raises:
        UserError: it is none; says why and the way out.
    """
    begins: object = draft.begins or datetime.now(UTC)
    fields = {"from": begins, "to": draft.ends, "environments": draft.environments}
    same = {"name": draft.name, "zone": draft.zone, "reason": draft.reason, "source": source}
    try:
        freeze = Freeze.model_validate(fields | same)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(f"`{first['input']}` {first['msg'].removeprefix('Value error, ')}.") from error
    flaw = flaw_of(freeze)
    if flaw is not None:
        raise UserError(f"{flaw.problem[:1].upper()}{flaw.problem[1:]} {flaw.fix[:1].upper()}{flaw.fix[1:]}")
    return freeze


def _lock_row(lock: Lock) -> LockRow:
    return LockRow(
        scope=lock.scope,
        owner=lock.owner,
        name=lock.name,
        reason=lock.reason,
        since=datetime.fromtimestamp(lock.since, UTC),
        until=datetime.fromtimestamp(lock.until, UTC),
    )


def _freeze_row(freeze: Freeze, added_by: str = "") -> FreezeRow:
    now = datetime.now(UTC)
    current = window_at(freeze, now)
    window = current or next(windows(freeze, now), None)
    begins, ends = (on_clock(moment, freeze.zone) for moment in window) if window else ("", "")
    return FreezeRow(
        name=freeze.name,
        place=freeze.place,
        environments=tuple(sorted(freeze.environments)),
        zone=freeze.zone,
        begins=begins,
        ends=ends,
        on=current is not None,
        recurs=bool(freeze.rrule),
        reason=freeze.reason,
        added_by=added_by,
    )
