"""Locks: one person keeps others' changes off a target or an environment for a while."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import structlog

from andock.errors import SignatureError, UserError
from andock.ledger import Ledger
from andock.messages import Actor
from andock.operation import Target, Value
from andock.refusals import LockedError, NotAllowedError
from andock.shelf import Shelf, Tell
from andock.signing import Signer, Verifier

log = structlog.get_logger()
KIND = "lock"
_SHORT_ID = 12  # digits by which a container is named, of its 64
CLOCK = "%Y-%m-%d %H:%M UTC"


class Lock(Value):
    """One person's lock. Signed by the bot that took it for them."""

    version: Literal[1] = 1
    instance: str
    scope: str  # a target's name, path, id or `site:name`, or an environment
    owner: str  # the actor's key
    name: str
    reason: str = ""
    since: float  # seconds since the epoch
    until: float

    @property
    def key(self) -> str:
        """Its name in Redis; vCenter compares names without case, and so do locks."""
        return self.scope.casefold()

    @property
    def waiters(self) -> str:
        """What requests that wait for its end say they wait for."""
        return f"{KIND}:{self.key}"

    @property
    def end(self) -> str:
        """When it ends, for people."""
        return datetime.fromtimestamp(self.until, UTC).strftime(CLOCK)

    @property
    def said(self) -> str:
        """`the lock of lead-1 on `prod` until 2026-12-01 15:04 UTC: new disks`."""
        because = f": {self.reason}" if self.reason else ""
        return f"the lock of {self.name} on `{self.scope}` until {self.end}{because}"

    def covers(self, target: Target) -> bool:
        """Whether it is on this target, by any of its names, or on its environment."""
        names = [*target.names, target.environment]
        names += [f"{target.site}{mark}{name}" for mark in ":/" for name in target.names]
        if len(self.key) >= _SHORT_ID and target.id.startswith(self.key):
            return True
        return any(self.key == name.casefold() for name in names)


def lock_of_others(locks: Iterable[Lock], targets: Sequence[Target], actor: Actor) -> Lock | None:
    """The first lock of somebody else that covers one of the targets."""
    for lock in locks:
        if lock.owner != actor.key and any(map(lock.covers, targets)):
            return lock
    return None


class Locks:
    """All locks of one installation. Raises redis' own errors when Redis is away."""

    def __init__(self, ledger: Ledger, verifier: Verifier, tell: Tell) -> None:
        self._tell = tell
        self._shelf = Shelf(ledger, KIND)
        self._verifier = verifier
        self._instance = ledger.instance

    def standing(self) -> tuple[Lock, ...]:
        """Every lock that has not ended, the next to end first; forged ones are passed over."""
        found = (self._genuine(name, sealed) for name, sealed in self._shelf.all())
        return tuple(lock for lock in found if lock is not None)

    def stands(self, lock: Lock) -> bool:
        """Whether it is still there."""
        return self._genuine(lock.key, self._shelf.get(lock.key)) == lock

    def take(self, lock: Lock, signer: Signer) -> None:
        """Put it in place, once; the same person's lock on the same is replaced.

        Raises:
            LockedError: somebody else has it.
        """
        sealed = signer.sign(lock)
        while True:
            seen = self._shelf.get(lock.key)
            before = self._genuine(lock.key, seen)
            if before is not None and before.owner != lock.owner:
                raise locked(before, f"Ask {before.name} to `lock release {before.scope}`.")
            if self._shelf.swap(lock.key, seen=seen, put=sealed, until=lock.until):
                return

    def release(self, scope: str, actor: Actor, *, force: bool) -> Lock:
        """End the lock on this scope; what waits for it looks again at once. Returns what was ended.

        Raises:
            UserError: there is none.
            NotAllowedError: it is somebody else's, and `force` was not asked for.
        """
        key = scope.casefold()
        while True:
            seen = self._shelf.get(key)
            lock = self._genuine(key, seen)
            if lock is None:
                raise UserError(f"There is no lock on `{scope}`; `lock show` lists what is locked.")
            if lock.owner != actor.key and not force:
                raise NotAllowedError(
                    f"only {lock.name}, who took it, releases it without `--force`; it ends {lock.end}",
                    rule="built in: own locks",
                )
            if self._shelf.swap(key, seen=seen):
                return lock

    def _genuine(self, name: str, sealed: bytes) -> Lock | None:
        """The lock, if a bot wrote it for this place and it has not ended."""
        if not sealed:
            return None
        try:
            lock = self._verifier.open(sealed, Lock, by="bot")
        except SignatureError as error:
            log.warning("forged_lock", scope=name, error=error.sentence)
            self._tell(error.sentence, sealed)
            return None
        if (lock.key, lock.instance) != (name, self._instance):
            log.warning("forged_lock", scope=name, error="moved from another place")
            self._tell("it was moved from another place", sealed)
            return None
        return lock if lock.until > time.time() else None


def locked(lock: Lock, advice: str) -> LockedError:
    """The refusal that a lock is."""
    return LockedError(lock.scope, owner=lock.name, until=lock.end, reason=lock.reason, advice=advice)
