"""Who uses an image, a network or a volume: what decides whether it may be removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Use:
    """A container that uses something, running or not."""

    id: str
    name: str
    running: bool
    labels: Mapping[str, str] = field(default_factory=dict)
