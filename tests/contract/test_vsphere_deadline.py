"""The job's deadline and a slow vCenter: reads end by it, changes are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from andock.errors import Changed, DeadlineError
from andock.ports.vsphere import PowerState
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.worlds import LIVE
from tests.fakes.vsphere import TinyWatch
from workers.vsphere import PyVmomiVSphere, Sessions
from workers.vsphere.tasks import server_time

LIMIT = 1.0  # seconds that each job has here


@pytest.fixture
def watch() -> TinyWatch:
    return TinyWatch(seconds=60.0)


@pytest.fixture
def port(simulator: Simulator, sessions: Sessions, watch: TinyWatch) -> Iterator[PyVmomiVSphere]:
    port = PyVmomiVSphere(sessions, watch=watch)
    yield port
    simulator.control.set_rules([])
    port.close()


@pytest.fixture(autouse=True)
def _asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """vCenter's clock is asked for, however short a time ago it was told."""
    monkeypatch.setattr("workers.vsphere.power._CLOCK_KEPT", 0.0)


def begin(watch: TinyWatch, seconds: float = LIMIT) -> None:
    watch.began, watch.seconds = time.monotonic(), seconds


def test_a_read_of_many_calls_stops_between_two(
    simulator: Simulator, port: PyVmomiVSphere, sessions: Sessions, watch: TinyWatch
) -> None:
    session = sessions.open(LIVE, watch)
    simulator.control.set_rules([Rule("CurrentTime", delay=0.3)])
    simulator.control.calls()
    begin(watch)
    with pytest.raises(DeadlineError, match="passed before lab had answered") as late:
        session.read(lambda session: [server_time(session) for _ in range(20)])
    assert late.value.changed is Changed.NOTHING
    assert 1 < simulator.control.calls()["CurrentTime"] <= 4
    assert watch.remaining() > -0.5
    session.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda port, vm: port.read_vm(LIVE, vm),
        lambda port, vm: port.tags_of(LIVE, [vm]),
        lambda port, _: port.server_time(LIVE),
        lambda port, vm: port.tasks_since(LIVE, vm, port.server_time(LIVE)),
    ],
    ids=["streamed", "tags", "one call", "collected"],
)
def test_one_answer_is_not_waited_for_past_the_deadline(
    simulator: Simulator, port: PyVmomiVSphere, watch: TinyWatch, ask: Callable[[PyVmomiVSphere, str], Any]
) -> None:
    vm = simulator.control.create_vm("asked-late").id
    ask(port, vm)
    simulator.control.set_rules([Rule("*", delay=3.0)])
    begin(watch)
    with pytest.raises(DeadlineError) as late:
        ask(port, vm)
    assert late.value.changed is Changed.NOTHING
    assert watch.remaining() > -0.5


def test_a_login_is_not_waited_for_past_the_deadline_and_is_tried_again_at_once(
    simulator: Simulator, port: PyVmomiVSphere, watch: TinyWatch
) -> None:
    simulator.control.expire_sessions()
    simulator.control.set_rules([Rule("Login", delay=3.0)])
    begin(watch)
    with pytest.raises(DeadlineError):
        port.server_time(LIVE)
    assert watch.remaining() > -0.5
    simulator.control.set_rules([])
    begin(watch, 10.0)
    assert port.server_time(LIVE).tzinfo is not None


def test_nothing_is_asked_when_there_is_no_time_left(
    simulator: Simulator, port: PyVmomiVSphere, watch: TinyWatch
) -> None:
    begin(watch, 0.0)
    simulator.control.calls()
    for ask in (lambda: port.server_time(LIVE), lambda: port.read_vm(LIVE, "vm-1")):
        with pytest.raises(DeadlineError):
            ask()
    assert simulator.control.calls() == {}


def test_a_change_is_waited_for_past_the_deadline(
    simulator: Simulator, port: PyVmomiVSphere, watch: TinyWatch
) -> None:
    vm = simulator.control.create_vm("changed-late", power_on=True).id
    simulator.control.set_rules([Rule("PowerOffVM_Task", hold_answer=1.0)])
    begin(watch, 0.3)
    task = port.power_off(LIVE, vm)
    begin(watch, 10.0)
    port.await_task(task, watch)
    assert port.read_vm(LIVE, vm).power is PowerState.OFF


def test_the_deadline_in_the_wait_for_a_task_leaves_it_unknown(
    simulator: Simulator, port: PyVmomiVSphere, watch: TinyWatch
) -> None:
    vm = simulator.control.create_vm("awaited-late", power_on=True).id
    simulator.control.set_rules([Rule("PowerOffVM_Task", delay=3.0), Rule("WaitForUpdatesEx", delay=3.0)])
    task = port.power_off(LIVE, vm)
    begin(watch)
    with pytest.raises(DeadlineError) as late:
        port.await_task(task, TinyWatch(seconds=60.0))
    assert late.value.changed is Changed.UNKNOWN
    assert watch.remaining() > -0.5
