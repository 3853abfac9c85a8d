"""Signed values in Redis that stand until their end, each under its name: locks, and freezes by command."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias, cast

from andock.ledger import Ledger

Tell: TypeAlias = Callable[[str, bytes], None]  # why what lay there was not believed, and what it was


class Shelf:
    """All values of one kind. Who reads them checks their signatures; this only keeps them."""

    def __init__(self, ledger: Ledger, kind: str) -> None:
        self._ledger = ledger
        self._kind = kind
        self._index = ledger.key(f"{kind}s")

    def get(self, name: str) -> bytes:
        """What stands under this name; empty if nothing does."""
        return self._read((name,))[0]

    def all(self) -> tuple[tuple[str, bytes], ...]:
        """Every value whose end has not come, with its name; the next to end first."""
        found = self._ledger.redis.zrangebyscore(self._index, time.time() * 1000, "+inf")
        names = [name.decode(errors="replace") for name in cast("list[bytes]", found)]
        return tuple((name, sealed) for name, sealed in zip(names, self._read(names), strict=True) if sealed)

    def swap(self, name: str, *, seen: bytes, put: bytes = b"", until: float = 0.0) -> bool:
        """Put a value in the place of the one that was seen, or nothing; False if another is there by now.

        `until` is its end in seconds since the epoch. Requests that wait for the value seen look again.
        """
        keys = [
            self._ledger.key(self._kind, name),
            self._index,
            self._ledger.key("waiters", self._kind, name),
            self._ledger.key("open"),
        ]
        return bool(self._ledger.scripts.run("swap", keys, name, seen, put, int(until * 1000)))

    def _read(self, names: tuple[str, ...] | list[str]) -> list[bytes]:
        if not names:
            return []
        # unlike GET, MGET passes over what is no string
        found = self._ledger.redis.mget([self._ledger.key(self._kind, name) for name in names])
        return [sealed or b"" for sealed in cast("list[bytes | None]", found)]
