"""A VSphere port in memory."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.vsphere.core import TinyWatch
from tests.fakes.vsphere.estate import FakeEstate
from tests.fakes.vsphere.figures import FakeFigures
from tests.fakes.vsphere.lifecycle import FakeLifecycle
from tests.fakes.vsphere.snapshots import FakeSnapshots
from tests.fakes.vsphere.tags import FakeTags

__all__ = ["FakeVSphere", "TinyWatch"]


@dataclass
class FakeVSphere(FakeLifecycle, FakeSnapshots, FakeTags, FakeEstate, FakeFigures):
    """Implements `VSphere`. What goes wrong with the next change is set from outside."""
