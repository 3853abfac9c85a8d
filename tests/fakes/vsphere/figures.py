"""Figures in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from andock.errors import TargetNotFoundError
from andock.ports.vsphere import Figures, Series
from tests.fakes.vsphere.core import FakeVcenters


@dataclass
class FakeFigures(FakeVcenters):
    """Implements `Stats`: each figure is as it was set, at every sample."""

    figures: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)  # thing -> (name, unit)

    def read_figures(self, kind: str, site: str, thing: str, span: timedelta) -> Figures:
        self._reach(site)
        if kind == "vm" and (site, thing) not in self.vms:
            raise TargetNotFoundError("VM", thing, searched=(site,))
        interval = 20 if span <= timedelta(hours=1) else 300
        count = int(span.total_seconds()) // interval
        times = [self.now - timedelta(seconds=interval * back) for back in range(count)][::-1]
        return Figures(
            interval,
            tuple(
                Series(name, unit, tuple((at, value) for at in times))
                for (name, unit), value in self.figures.get(thing, {}).items()
            ),
        )
