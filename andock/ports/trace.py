"""What a backend's own records say of a step while Andock takes it, beside Andock's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Traced:
    """A step, and who asked for it."""

    site: str
    kind: str  # of the target: `vm`, `host`
    target: str  # its id; empty for what is not there yet
    operation: str
    actor: str  # the name of who asked
    request: str
    text: str  # what is done, as people read it


class Trace(Protocol):
    """Nothing here fails a change: where a backend shows nothing, or refuses to, nothing is shown."""

    def begin(self, step: Traced) -> str:
        """Show that the step begins; the name of what shows it on its site, empty if nothing does."""
        ...

    def tell(self, site: str, trace: str, percent: int) -> None:
        """Show how far it is."""
        ...

    def end(self, site: str, trace: str, problem: str = "") -> None:
        """Show that it is at its end: well, or with this problem; also after a crash, by another worker."""
        ...
