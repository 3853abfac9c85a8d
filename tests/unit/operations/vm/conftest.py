from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from andock.operation import Mark, Ports, Reader, Writer
from andock.operations.vm import steps
from tests.fakes.display import Paper, Pen
from tests.fakes.vsphere import FakeVSphere, TinyWatch

SITE = "lab"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits end as soon as they may."""
    monkeypatch.setattr(steps, "POLL", 0.001)
    monkeypatch.setattr(steps, "CANCEL_WITHIN", 0.05)


@dataclass
class Bench:
    """A fake vCenter, contexts to call operations with, and the marks that they stored."""

    vsphere: FakeVSphere = field(default_factory=lambda: FakeVSphere({SITE: "dev", "prod-1": "prod"}))
    watch: TinyWatch = field(default_factory=lambda: TinyWatch(seconds=2.2))
    marks: list[Mark] = field(default_factory=list)
    site: str | None = None
    paper: Paper = field(default_factory=Paper)
    pen: Pen = field(default_factory=Pen)
    on_mark: Callable[[Mark], None] = lambda _: None

    @property
    def reader(self) -> Reader:
        ports = Ports(vsphere=self.vsphere, charts=self.pen)
        return Reader(watch=self.watch, site=self.site, actor="ops-1", ports=ports, display=self.paper)

    @property
    def writer(self) -> Writer:
        def checkpoint(mark: Mark) -> None:
            self.marks.append(mark)
            self.on_mark(mark)

        return Writer(
            watch=self.watch,
            site=self.site,
            actor="ops-1",
            ports=Ports(vsphere=self.vsphere),
            checkpoint=checkpoint,
            mark=Mark(begun_at=1.0),
        )

    @property
    def done(self) -> list[str]:
        """What really happened to VMs."""
        return [effect for _, effect in self.vsphere.effects]


@pytest.fixture
def bench() -> Bench:
    return Bench()
