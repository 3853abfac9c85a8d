"""What sites.yaml allows on engines beyond what policy decides: powers and named commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NamedCommand:
    """A command that may be run in containers by its name."""

    name: str
    argv: tuple[str, ...]
    containers: tuple[str, ...]  # globs over names
    seconds: float  # that it may take
    most_bytes: int  # of its output that are kept


class Allowances(Protocol):
    """Asked before anything is made or run."""

    def power(self, image: str, power: str) -> str:
        """The name of the rule that gives a container of this image a power over its host, or empty.

        A power is written `privileged`, `net=host`, `bind=/proc:/host/proc:ro`, `device=/dev/kvm`, or
        `cap=NET_ADMIN`.
        """
        ...

    def command(self, name: str) -> NamedCommand | None:
        """The command of this name."""
        ...

    @property
    def commands(self) -> tuple[str, ...]:
        """Names of all commands."""
        ...
