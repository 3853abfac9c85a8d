"""Figures of VMs and hosts over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Series:
    """One figure over time."""

    name: str  # `CPU`, `ready`, `memory`, `disk`, `network`
    unit: str  # `%`, `MiB`, `KiB/s`
    points: tuple[tuple[datetime, float], ...]  # aware, UTC; the oldest first


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one thing; a figure that it has no samples of is missing."""

    interval: int  # seconds between two samples
    series: tuple[Series, ...]


class Stats(Protocol):
    """Figures of all vCenters; see `VSphere` for what every method raises."""

    def read_figures(self, kind: str, site: str, thing: str, span: timedelta) -> Figures:
        """CPU, ready, memory, disk and network over the last `span` of a `vm` or a `host`.

        Raises:
            TargetNotFoundError: it is gone.
        """
        ...
