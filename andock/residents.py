"""The containers that Andock's processes run in, as each process tells the others when it starts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from andock.ledger import Ledger

KEPT = 1000  # the newest; every start of a container leaves one
_ID = re.compile(r"[0-9a-f]{12}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Residents:
    """Ids in Redis, newest last. Raises redis' own errors when Redis is away.

    They can only add to what a worker protects by itself: whoever writes here can keep a change from being
    made, and makes none possible.
    """

    ledger: Ledger

    def tell(self, containers: Iterable[str]) -> None:
        """Say in which containers this process runs; by none nothing is said."""
        now = time.time()
        told = dict.fromkeys(containers, now)
        if told:
            self.ledger.redis.zadd(self._key, told)
            self.ledger.redis.zremrangebyrank(self._key, 0, -KEPT - 1)

    def read(self) -> frozenset[str]:
        """All that were told; what is no container's id is left out."""
        found = cast("list[bytes]", self.ledger.redis.zrange(self._key, -KEPT, -1))
        words = (word.decode("utf-8", errors="replace") for word in found)
        return frozenset(word for word in words if _ID.fullmatch(word))

    @property
    def _key(self) -> str:
        return self.ledger.key("residents")
