"""Freezes that somebody added by command; those of policy.yaml are in the policy itself."""

from __future__ import annotations

import time
from typing import Literal

import structlog

from andock.errors import SignatureError, UserError
from andock.freezes import Freeze
from andock.ledger import Ledger
from andock.operation import Value
from andock.shelf import Shelf, Tell
from andock.signing import Signer, Verifier

log = structlog.get_logger()


class AddedFreeze(Value):
    """A freeze and who added it. Signed by the bot that took the command."""

    version: Literal[1] = 1
    instance: str
    freeze: Freeze
    owner: str  # the actor's key
    name: str  # the actor's name
    at: float  # seconds since the epoch
    until: float  # the freeze's end; it is kept until then

    @property
    def key(self) -> str:
        """Its name in Redis; two freezes whose names differ by case alone would confuse people."""
        return self.freeze.name.casefold()


class AddedFreezes:
    """All of one installation. Raises redis' own errors when Redis is away."""

    def __init__(self, ledger: Ledger, verifier: Verifier, tell: Tell) -> None:
        self._tell = tell
        self._shelf = Shelf(ledger, "freeze")
        self._verifier = verifier
        self._instance = ledger.instance

    def standing(self) -> tuple[AddedFreeze, ...]:
        """Every one that has not ended, also those that have not begun; forged ones are passed over."""
        found = (self._genuine(name, sealed) for name, sealed in self._shelf.all())
        return tuple(added for added in found if added is not None)

    def add(self, added: AddedFreeze, signer: Signer) -> None:
        """Keep it until its end, once.

        Raises:
            UserError: there is one of this name.
        """
        sealed = signer.sign(added)
        while True:
            seen = self._shelf.get(added.key)
            before = self._genuine(added.key, seen)
            if before is not None:
                raise UserError(
                    f"There is a freeze `{before.freeze.name}` already, added by {before.name}. "
                    f"Give this one another name, or `freeze end {before.freeze.name}` first."
                )
            if self._shelf.swap(added.key, seen=seen, put=sealed, until=added.until):
                return

    def end(self, name: str) -> AddedFreeze | None:
        """End it now; returns what was ended, or None if there is none of this name."""
        key = name.casefold()
        while True:
            seen = self._shelf.get(key)
            added = self._genuine(key, seen)
            if added is None or self._shelf.swap(key, seen=seen):
                return added

    def _genuine(self, name: str, sealed: bytes) -> AddedFreeze | None:
        """The freeze, if a bot wrote it for this place and it has not ended."""
        if not sealed:
            return None
        try:
            added = self._verifier.open(sealed, AddedFreeze, by="bot")
        except SignatureError as error:
            log.warning("forged_freeze", freeze=name, error=error.sentence)
            self._tell(error.sentence, sealed)
            return None
        if (added.key, added.instance) != (name, self._instance):
            log.warning("forged_freeze", freeze=name, error="moved from another place")
            self._tell("it was moved from another place", sealed)
            return None
        return added if added.until > time.time() else None
