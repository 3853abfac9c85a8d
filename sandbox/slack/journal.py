"""Which Web API calls came in, so that a test can count them."""

import time
from dataclasses import dataclass, field

from sandbox.slack.wire import Json


@dataclass(frozen=True)
class Call:
    """One call and how it ended; `status` is 0 when the connection was dropped instead of answered."""

    method: str
    at: float
    status: int
    error: str
    args: Json


@dataclass
class Journal:
    """Calls since the last reset, oldest first."""

    calls: list[Call] = field(default_factory=list)

    def record(self, method: str, status: int, error: str, args: Json) -> None:
        """Remember a call that has ended."""
        self.calls.append(Call(method, time.time(), status, error, args))

    def count(self) -> dict[str, int]:
        """Calls by method."""
        counts: dict[str, int] = {}
        for call in self.calls:
            counts[call.method] = counts.get(call.method, 0) + 1
        return counts

    def reset(self) -> None:
        """Start counting anew."""
        self.calls.clear()
