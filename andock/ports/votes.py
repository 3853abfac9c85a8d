"""What a person may say to a request that waits for people."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Cancelled(Enum):
    """What became of a wish to cancel a request."""

    HAD_ENDED = "had ended"  # too late, it is at its end
    UNDONE = "undone"  # it waited, and ended without having done anything
    ASKED = "asked"  # whoever works on it is asked to stop


class Votes(Protocol):
    """One person's voice. Every method raises UserError when it is not theirs to say, or no longer asked."""

    def approve(self, request: str, reason: str) -> str:
        """Agree to the plan as it is shown now; a sentence about what that came to."""
        ...

    def deny(self, request: str, reason: str) -> str:
        """End it: it is not to be done."""
        ...

    def withdraw(self, request: str) -> str:
        """The asker takes it back before anything was done."""
        ...

    def go_on(self, request: str, reason: str) -> str:
        """A request that was stopped halfway goes on with what is left."""
        ...

    def roll_back(self, request: str, reason: str) -> str:
        """A request that was stopped halfway puts back what it changed."""
        ...

    def cancel(self, request: str) -> Cancelled:
        """Stop a request that this person may stop, also while it runs."""
        ...

    def review(self, request: str, note: str) -> str:
        """Somebody else has looked at what went ahead without approval."""
        ...
