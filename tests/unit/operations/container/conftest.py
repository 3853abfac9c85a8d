from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from andock.operations.container import logs, running, settling, stats, steps, waiting
from tests.unit.operations.container.chat import Chat


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Chat:
    """Sleeping moves the engines' clock and takes no time."""
    chat = Chat()
    began = chat.containers.now

    def monotonic() -> float:
        return (chat.containers.now - began).total_seconds()

    def sleep(seconds: float) -> None:
        chat.containers.tick(max(seconds, 0.001))  # this clock knows no less than a microsecond

    clock = SimpleNamespace(sleep=sleep, monotonic=monotonic, time=time.time)
    for module in (logs, running, settling, stats, steps, waiting):
        monkeypatch.setattr(module, "time", clock)
    return chat
