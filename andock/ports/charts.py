"""Pictures of figures over time. Implemented in `workers.charts`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Line:
    """One thing's figures."""

    name: str
    points: tuple[tuple[float, float], ...]  # seconds since the beginning, value; NaN interrupts the line


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram."""

    title: str
    unit: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Diagrams below each other over the same time."""

    title: str
    panels: tuple[Panel, ...]
    began: datetime | None = None  # with it, the time of day is shown (UTC), else the seconds


class Charts(Protocol):
    """Draws."""

    def draw(self, chart: Chart) -> bytes:
        """The chart as a PNG."""
        ...
