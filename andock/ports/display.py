"""Where a read shows what it has so far, and where it keeps what is too large for a message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """An output that was stored."""

    id: str
    size: int  # bytes, of what is left
    dropped: int = 0  # bytes at its beginning that are left out


class Output(Protocol):
    """One output while it is written."""

    def write(self, piece: bytes) -> None:
        """Add what is no text, such as a picture; where it grows too large its oldest part is left out."""
        ...

    def write_lines(self, lines: Iterable[str]) -> None:
        """Add lines of text, without their ends; secrets in them are hidden before they are stored."""
        ...

    def close(self) -> Kept:
        """Store the rest; it is kept for a day."""
        ...


class Display(Protocol):
    """What one request's read may show and keep."""

    @property
    def live(self) -> bool:
        """Whether there is a message that can be edited while the request runs."""
        ...

    def show(self, summary: str, text: str) -> None:
        """Let the message say this until something newer; Slack's budget decides when it does."""
        ...

    def keep(self) -> Output:
        """Begin an output."""
        ...
