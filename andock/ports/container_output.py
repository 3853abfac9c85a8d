"""What a container writes, and what named commands in it say. Part of `Containers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from andock.ports.allowances import NamedCommand
from andock.ports.watch import Watch


@dataclass(frozen=True, slots=True)
class NewLines:
    """What was written since a moment."""

    lines: tuple[str, ...]
    last: str  # where to go on: the newest line's own time, as the engine writes it
    left_out: bool = False  # there were more than asked for, and the oldest are left out


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a named command."""

    exit_code: int | None  # None while it runs, or when it was never started
    running: bool
    output: str = ""
    cut: bool = False  # it said more than it may


class ContainerOutput(Protocol):
    """By the container's full id; errors are those of `Containers`.

    Lines are plain text: no control characters but tabs.
    """

    def logs(self, site: str, container: str, *, tail: int, since: datetime | None = None) -> Iterator[str]:
        """The last `tail` lines, both streams together, oldest first, as they arrive; nothing is kept.

        `since` is aware and of the engine's clock.
        """
        ...

    def new_logs(self, site: str, container: str, *, after: str, most: int) -> NewLines:
        """At most `most` lines written after a moment, in the engine's words `NewLines.last`.

        Of lines that are long together, only the newest few megabytes.
        """
        ...

    def prepare_command(self, site: str, container: str, command: NamedCommand) -> str:
        """Tell the engine what is to be run; its id there. Nothing is run yet."""
        ...

    def run_command(
        self, site: str, container: str, prepared: str, command: NamedCommand, watch: Watch
    ) -> Ran:
        """Start what was prepared and wait, at most as long as the command may take.

        One that takes longer is not ended, for no engine can do that: `running` says so.
        """
        ...

    def command_state(self, site: str, container: str, prepared: str) -> Ran | None:
        """What became of it, without its output; None when the engine no longer knows."""
        ...
