"""Words that may be said once: a hook's nonce, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from andock.ledger import DEDUPE, Ledger


@dataclass(frozen=True)
class Nonces:
    """Nonces in Redis, kept as long as a request is known by its dedupe. Raises redis' own errors."""

    ledger: Ledger

    def use(self, hook: str, nonce: str, body: str) -> bool:
        """Whether the nonce was free, or was used for the same body before; `body` is its digest."""
        key = self.ledger.key("nonce", hook, nonce)
        if self.ledger.redis.set(key, body, nx=True, ex=DEDUPE):
            return True
        return self.ledger.redis.get(key) == body.encode()

    def request_of(self, dedupe: str) -> str:
        """The request that was accepted with this dedupe; empty if none was."""
        found = cast("bytes | None", self.ledger.redis.get(self.ledger.key("seen", dedupe)))
        return found.decode() if found else ""
