"""What a port that waits is given, so that waiting ends when it must."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """The runner's eye on a wait: deadline, cancel flag and lease.

    A port that waits calls `look` at least twice a second and never sleeps longer than `remaining()`.
    """

    def remaining(self) -> float:
        """Seconds until the operation's deadline; zero or less when it has passed."""
        ...

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        """Note progress and go on, or stop the wait.

        Raises:
            CancelledError: a person stopped the request.
            DeadlineError: the operation's time limit passed.
            LeaseLostError: another attempt owns the request now.
        """
        ...
