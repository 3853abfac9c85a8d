"""Mutes: alarms and events of an entity that are not told for a while."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, Protocol

import structlog

from andock.errors import SignatureError, UserError
from andock.ledger import Ledger
from andock.operation import Value
from andock.patterns import Globs
from andock.shelf import Shelf
from andock.signing import Signer, Verifier

log = structlog.get_logger()
CLOCK = "%Y-%m-%d %H:%M UTC"


class Mutable(Protocol):
    """What an alarm and an event have in common."""

    @property
    def site(self) -> str: ...  # noqa: D102  a field

    @property
    def entity(self) -> str: ...  # noqa: D102

    @property
    def entity_id(self) -> str: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102


class Mute(Value):
    """One person's mute. Signed by the bot that took it for them."""

    version: Literal[1] = 1
    instance: str
    entity: str  # a pattern over names, also as `site:name`
    alarm: str = ""  # a pattern over alarms' names and kinds of events; empty: all
    owner: str  # the actor's key
    name: str
    since: float  # seconds since the epoch
    until: float

    @property
    def key(self) -> str:
        """Its name in Redis; names are compared without case."""
        return f"{self.entity} {self.alarm}".casefold().strip()

    @property
    def end(self) -> str:
        """When it ends, for people."""
        return datetime.fromtimestamp(self.until, UTC).strftime(CLOCK)

    def covers(self, told: Mutable) -> bool:
        """Whether this alarm or event is not to be told."""
        entities = (told.entity, f"{told.site}:{told.entity}", told.entity_id)
        if not Globs((self.entity,)).fit_any(name.casefold() for name in entities):
            return False
        return not self.alarm or Globs((self.alarm,)).fits(told.name.casefold())


def is_muted(told: Mutable, mutes: Iterable[Mute]) -> bool:
    """Whether one of the mutes covers the alarm or event."""
    return any(mute.covers(told) for mute in mutes)


class Mutes:
    """All mutes of one installation. Raises redis' own errors when Redis is away."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._shelf = Shelf(ledger, "mute")
        self._verifier = verifier
        self._instance = ledger.instance

    def standing(self) -> tuple[Mute, ...]:
        """Every mute that has not ended, the next to end first; forged ones are passed over."""
        found = (self._genuine(name, sealed) for name, sealed in self._shelf.all())
        return tuple(mute for mute in found if mute is not None)

    def put(self, mute: Mute, signer: Signer) -> None:
        """Keep it until its end; one on the same is replaced."""
        sealed = signer.sign(mute)
        while not self._shelf.swap(mute.key, seen=self._shelf.get(mute.key), put=sealed, until=mute.until):
            pass

    def end(self, entity: str, alarm: str) -> Mute:
        """End a mute; returns what was ended.

        Raises:
            UserError: there is none.
        """
        key = f"{entity} {alarm}".casefold().strip()
        while True:
            seen = self._shelf.get(key)
            mute = self._genuine(key, seen)
            if mute is None:
                named = f"`{entity}` with `--name {alarm}`" if alarm else f"`{entity}`"
                raise UserError(f"No alarms are muted on {named}; `alarm muted` lists what is.")
            if self._shelf.swap(key, seen=seen):
                return mute

    def _genuine(self, name: str, sealed: bytes) -> Mute | None:
        """The mute, if a bot wrote it for this place and it has not ended."""
        if not sealed:
            return None
        try:
            mute = self._verifier.open(sealed, Mute, by="bot")
        except SignatureError as error:
            log.warning("forged_mute", mute=name, error=error.sentence)
            return None
        if (mute.key, mute.instance) != (name, self._instance):
            log.warning("forged_mute", mute=name, error="moved from another place")
            return None
        return mute if mute.until > time.time() else None
