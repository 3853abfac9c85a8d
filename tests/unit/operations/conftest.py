from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from andock import removal
from andock.operations.image import pull
from tests.unit.operations.fleet import Fleet


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Sleeping moves the engines' clock and takes no time."""
    fleet = Fleet()
    began = fleet.containers.now

    def monotonic() -> float:
        return (fleet.containers.now - began).total_seconds()

    clock = SimpleNamespace(sleep=fleet.containers.tick, monotonic=monotonic, time=time.time)
    for module in (removal, pull):
        monkeypatch.setattr(module, "time", clock)
    return fleet
