"""Waiting for vCenter's tasks gets over what passes, and takes no fault of its own for the task's end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from andock.errors import BackendRejectedError, Changed, OpsError, OutcomeUnknownError
from andock.operation import Done, Mark
from andock.operations.vm.migration import VM_MIGRATE
from andock.operations.vm.power import VM_OFF
from andock.ports.vsphere import TaskRef
from sandbox.vcenter import Inventory, Rule, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.fault_table import CHANGES, HOST, ChangeCase
from tests.contract.trials import Trial, try_out
from tests.contract.worlds import LIVE, sessions_of
from tests.fakes.vsphere import TinyWatch
from workers.vsphere import PyVmomiVSphere, Sessions

WAIT = "WaitForUpdatesEx"
TASKS = [case for case in CHANGES if case.is_task]
(OFF,) = (case for case in CHANGES if case.operation is VM_OFF)
(MIGRATE,) = (case for case in CHANGES if case.operation is VM_MIGRATE)


@pytest.fixture(params=TASKS, ids=lambda case: case.name)
def trial(request: pytest.FixtureRequest, simulator: Simulator, port: PyVmomiVSphere) -> Iterator[Trial]:
    case: ChangeCase = request.param
    yield try_out(simulator, port, case)
    simulator.control.set_maintenance(HOST, on=False)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        (WAIT, "RestrictedVersion"),
        ("CreateFilter", "NoPermission"),
        ("CreatePropertyCollector", "NoPermission"),
    ],
)
def test_a_refusal_of_the_waiting_is_not_the_tasks_failure(
    trial: Trial, sessions: Sessions, port: PyVmomiVSphere, method: str, fault: str
) -> None:
    trial.stage.port = PyVmomiVSphere(sessions)  # which has no collector yet
    error = trial.apply(Rule(method, fault=fault), delay=8.0)
    trial.stage.port.close()
    assert isinstance(error, OpsError)
    if not trial.asked:  # refused while it looked, before it changed anything
        assert method == "CreatePropertyCollector"
        assert error.changed in (Changed.NOTHING, trial.case.refused)
        return
    assert error.changed is Changed.UNKNOWN
    assert "goes on, but cannot be followed" in error.sentence
    task = TaskRef(LIVE, trial.marks[-1].task)
    port.cancel_task(task)
    with pytest.raises(BackendRejectedError, match="was cancelled"):  # and so it did go on
        port.await_task(task, TinyWatch())


def test_cancelling_a_task_that_cannot_be_followed_does_not_claim_its_end(
    simulator: Simulator, port: PyVmomiVSphere
) -> None:
    trial = try_out(simulator, port, OFF)
    watch = TinyWatch()

    def refuse(mark: Mark) -> None:
        if mark.task:
            simulator.control.set_rules([Rule(WAIT, fault="NoPermission")])
            watch.cancel_after = watch.looks

    trial.watch, trial.on_mark = watch, refuse
    error = trial.apply(delay=2.0, uncancelable=True)
    assert isinstance(error, OpsError)
    assert error.changed is Changed.UNKNOWN
    assert "goes on" in error.sentence


def test_a_login_that_is_refused_while_a_task_is_awaited_is_not_its_failure(simulator: Simulator) -> None:
    sessions = sessions_of(simulator)
    sessions.ensure(LIVE)
    port = PyVmomiVSphere(sessions)
    trial = try_out(simulator, port, OFF)

    def refuse(mark: Mark) -> None:
        if mark.task:
            simulator.control.set_rules([Rule("Login", fault="InvalidLogin")])
            simulator.control.expire_sessions()

    trial.on_mark = refuse
    error = trial.apply(delay=2.0)
    port.close()
    sessions.close()
    assert isinstance(error, OutcomeUnknownError)
    assert "cannot be followed (it does not accept the user name" in error.sentence


def test_a_check_of_a_move_that_cannot_be_followed_changes_nothing(
    simulator: Simulator, port: PyVmomiVSphere
) -> None:
    trial = try_out(simulator, port, MIGRATE)
    simulator.control.set_rules([Rule(WAIT, fault="NoPermission")])
    with pytest.raises(BackendRejectedError, match="lacks a privilege") as refused:
        VM_MIGRATE.plan(MIGRATE.params(trial.stage), trial.stage.reader)
    simulator.control.set_rules([])
    assert refused.value.changed is Changed.NOTHING


@pytest.mark.parametrize(
    "trouble",
    [
        lambda control: control.expire_sessions(),
        lambda control: control.set_rules([Rule(WAIT, count=2, drop=True)]),
        lambda control: control.set_rules([Rule(WAIT, count=2, http=503)]),
        lambda control: control.set_rules([Rule(WAIT, count=1, fault="InvalidCollectorVersion")]),
        lambda control: control.set_rules([Rule(WAIT, count=1, lose_answer=True)]),
    ],
    ids=["sessions expired", "dropped", "503", "version unknown", "answer lost"],
)
def test_what_passes_while_a_task_is_awaited_is_got_over(
    simulator: Simulator, port: PyVmomiVSphere, trouble: Callable[..., object]
) -> None:
    trial = try_out(simulator, port, OFF)
    trial.on_mark = lambda mark: trouble(simulator.control) if mark.task else None
    assert trial.apply(delay=3.0) == Done(text=f"`{trial.stage.name}` is off.")
    calls = simulator.control.calls()
    assert (calls[OFF.method], calls[WAIT] > 2) == (1, True)
    assert simulator.control.vm(trial.stage.vm).effects["powerOff"] == 1


@dataclass
class Patient(TinyWatch):
    """A watch whose wait goes on when the vCenter that is away is up again."""

    up: threading.Event = field(default_factory=threading.Event)

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        super().look(percent=percent, text=text)
        if "is away" in text:
            assert self.up.wait(30.0)


@pytest.mark.parametrize("is_off", [True, False])
def test_a_vcenter_that_restarts_and_forgets_the_task_is_asked_for_the_vm(
    tmp_path: Path, is_off: bool
) -> None:
    simulator = start_vcenter(tmp_path, inventory=Inventory(vms=1))
    sessions = sessions_of(simulator)
    sessions.ensure(LIVE)
    port = PyVmomiVSphere(sessions)
    trial = try_out(simulator, port, OFF)
    vm = simulator.control.vm(trial.stage.vm)
    killed = threading.Event()
    trial.watch = watch = Patient(seconds=60.0)

    def kill(mark: Mark) -> None:
        if mark.task:
            simulator.kill()
            killed.set()

    trial.on_mark = kill
    try:
        with ThreadPoolExecutor(1) as threads:
            end = threads.submit(trial.apply, delay=3.0)
            assert killed.wait(30.0)
            simulator.restart()  # its inventory is as new, so that the same machine can be made anew
            again = simulator.control.create_vm(vm.name, power_on=not is_off)
            watch.up.set()
            settled = end.result()
    finally:
        port.close()
        sessions.close()
        simulator.stop()
    assert again.id == vm.id
    if is_off:
        assert settled == Done(text=f"`{vm.name}` is off.")
    else:
        assert isinstance(settled, OutcomeUnknownError)
        assert "no longer knows it" in settled.sentence
