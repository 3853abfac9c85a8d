"""A vCenter that falls silent: who asks hears it within three seconds; it is used again when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandbox.installation import Installation
from tests.e2e.conftest import Chat

PROMISE = 3.0  # seconds from typed to read


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for reads: the job that meets a dead session and the next one are the same worker's."""
    pools = {"vsphere": {"read": 1, "change": 1, "long": 1}}
    state = tmp_path_factory.mktemp("away")
    with Installation.start(state, engines=0, workers=("vsphere",), sites_extra={"pools": pools}) as running:
        running.slack.set_limits(enabled=False)
        yield running
        running.vcenter.wake()


def test_a_vcenter_that_falls_silent_is_said_to_be_away_within_three_seconds_and_is_used_when_it_is_back(
    lab: Installation,
) -> None:
    chat = Chat(lab.slack)
    chat.ask("/vm info web-01")
    lab.vcenter.control.expire_sessions()
    chat.ask("/vm info web-01")  # finds that out; the worker is to look before its next job
    lab.vcenter.hang()

    began = time.monotonic()
    away = chat.ask("/vm info web-01")
    took = time.monotonic() - began
    change = chat.ask("/vm off web-01")
    lab.vcenter.wake()

    assert "lab was not reached (no answer within 2 s); nothing was changed" in away.spoken
    assert took < PROMISE
    assert "lab was not reached (no answer within 2 s); nothing was changed" in change.spoken
    assert lab.vcenter.control.vm("web-01").power == "poweredOn"
    deadline = time.monotonic() + 40  # the worker leaves a silent one alone for a while
    while "`web-01` is on" not in chat.ask("/vm info web-01").spoken:
        assert time.monotonic() < deadline
