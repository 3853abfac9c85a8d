"""Says once, where alarms or events are told, that they cannot be seen, and that they can again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import cast

from andock.ledger import Ledger
from andock.messages import Notice
from andock.outbox import Outbox
from andock.rendering.notices import sight_back, sight_lost
from andock.signing import Signer


class Sight:
    """What one watcher sees of one vCenter. Raises redis' own errors when Redis is away."""

    def __init__(self, ledger: Ledger, signer: Signer, *, site: str, what: str, channel: str) -> None:
        """`what` is seen or not: `alarms`, `events`."""
        self._ledger = ledger
        self._signer = signer
        self._outbox = Outbox(ledger)
        self._key = ledger.key("blind", what, site)
        self._site = site
        self._what = what
        self._channel = channel

    def lost(self, missing: Sequence[str]) -> None:
        """The account lacks these privileges; told once until `back`."""
        self._ledger.redis.set(self._key, str(time.time()), nx=True)
        since = cast("bytes | None", self._ledger.redis.get(self._key)) or b""
        self._outbox.tell(self._notice(since, sight_lost(self._site, self._what, missing)), self._signer)

    def back(self) -> None:
        """It has what it needs; said only where it was said that it had not."""
        since = cast("bytes | None", self._ledger.redis.getdel(self._key))
        if since is not None:
            self._outbox.edit(self._notice(since, sight_back(self._site, self._what)), self._signer)

    def _notice(self, since: bytes, text: str) -> Notice:
        told = f"{self._ledger.instance} {self._what} {self._site} {since!r}"
        return Notice(
            id=f"blind{hashlib.sha256(told.encode()).hexdigest()[:32]}",
            instance=self._ledger.instance,
            channel=self._channel,
            text=text,
            at=time.time(),
        )
