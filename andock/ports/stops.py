"""What the desk's own operations `freeze` and `lock` ask of the ledger and the bot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LockRow:
    """One person's lock on a target or an environment. Times are aware, in UTC."""

    scope: str  # as it was typed
    owner: str  # the actor's key, `team/user`
    name: str  # the owner's name
    reason: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class FreezeDraft:
    """A freeze as somebody typed it; empty is what was left out."""

    name: str
    begins: str  # empty: now
    ends: str
    zone: str
    environments: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FreezeRow:
    """One freeze, of policy.yaml or added by command."""

    name: str
    place: str  # how refusals name it: `freeze year-end (policy.yaml:12)`
    environments: tuple[str, ...]  # empty: all
    zone: str
    begins: str  # of the window that is on or comes next, on the zone's clocks; empty when there is none
    ends: str
    on: bool  # whether it is in force now
    recurs: bool
    reason: str
    added_by: str = ""  # the name of who added it by command; empty for policy.yaml's


class Stops(Protocol):
    """Locks and freezes, as the person who asks may see and change them."""

    def locks(self) -> tuple[LockRow, ...]:
        """All locks that stand, the next to end first."""
        ...

    def take_lock(self, scope: str, until: datetime, reason: str) -> LockRow:
        """Lock for the person who asks; their own lock on the same is replaced.

        Raises:
            LockedError: somebody else has it.
        """
        ...

    def release_lock(self, scope: str, *, force: bool) -> LockRow:
        """End a lock and let go on what waits for it; returns what was ended.

        Raises:
            UserError: there is none.
            NotAllowedError: it is somebody else's, and `force` was not asked for.
        """
        ...

    def freezes(self) -> tuple[FreezeRow, ...]:
        """Those of policy.yaml and those added by command, what is in force first."""
        ...

    def add_freeze(self, draft: FreezeDraft) -> FreezeRow:
        """Freeze from now or later until its end.

        Raises:
            UserError: the times make no window, or there is one of this name.
        """
        ...

    def end_freeze(self, name: str) -> FreezeRow:
        """End a freeze that was added by command; returns what was ended.

        Raises:
            UserError: there is none, or it is of policy.yaml.
        """
        ...

    def environments(self) -> tuple[str, ...]:
        """Every environment that sites.yaml names."""
        ...
