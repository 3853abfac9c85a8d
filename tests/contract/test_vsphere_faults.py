"""Every fault of the simulator against every change on vCenters: a sentence, `changed`, no repeat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from andock.catalogue import load_catalogue
from andock.errors import Changed, OpsError
from andock.operation import Backend, Done, Mark, Ports, Step, Writer
from andock.operations.vm.guest import VM_RESTART
from andock.operations.vm.power import VM_RESET
from andock.operations.vm.snapshots import SNAPSHOT_CREATE
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.fault_table import (
    CHANGES,
    FAULTS,
    HOST,
    READS,
    ChangeCase,
    Stage,
    check_sentence,
    set_stage,
)
from tests.contract.worlds import LIVE, sessions_of
from tests.fakes.vsphere import TinyWatch
from workers.vsphere import PyVmomiVSphere, Sessions

LIMIT = 10.0  # seconds that each operation has here


@dataclass
class Trial:
    """One change of one thing of its own."""

    case: ChangeCase
    stage: Stage
    step: Step
    marks: list[Mark] = field(default_factory=list)

    def apply(self, **fault: Any) -> Done | OpsError:
        """Take the step while the fault holds for its changing call; at most LIMIT seconds."""
        control = self.stage.simulator.control
        control.calls()
        if fault:
            control.set_rules([Rule(self.case.method, count=1, **fault)])
        started = time.monotonic()
        writer = Writer(
            watch=TinyWatch(seconds=LIMIT),
            site=LIVE,
            actor="ops-1",
            ports=Ports(vsphere=self.stage.port),
            checkpoint=self.marks.append,
            mark=Mark(begun_at=time.time()),
        )
        try:
            return self.case.operation.apply(self.step, writer)
        except OpsError as error:
            check_sentence(error.sentence)
            return error
        finally:
            assert time.monotonic() - started < LIMIT + 5
            control.set_rules([])

    @property
    def asked(self) -> int:
        """How often the changing call was sent."""
        return self.stage.simulator.control.calls().get(self.case.method, 0)

    @property
    def has_changed(self) -> bool:
        """Whether planning it anew finds other facts, or nothing left to do."""
        stage = self.stage
        if self.case.operation in (VM_RESET, VM_RESTART):  # it looks the same before and after
            effects = stage.simulator.control.vm(stage.vm).effects
            return effects.get("reset", 0) + effects.get("guestReboot", 0) > 0
        if self.case.operation is SNAPSHOT_CREATE:
            return bool(stage.port.read_snapshots(LIVE, stage.vm).snapshots)
        try:
            plan = self.case.operation.plan(self.case.params(stage), stage.reader)
        except OpsError:
            return True
        return plan.steps[0].facts != self.step.facts


@pytest.fixture(scope="module")
def sessions(simulator: Simulator) -> Iterator[Sessions]:
    sessions = sessions_of(simulator)
    sessions.ensure(LIVE)
    yield sessions
    sessions.close()


@pytest.fixture
def port(sessions: Sessions) -> Iterator[PyVmomiVSphere]:
    port = PyVmomiVSphere(sessions)
    yield port
    port.close()


@pytest.fixture(params=CHANGES, ids=lambda case: case.name)
def trial(request: pytest.FixtureRequest, simulator: Simulator, port: PyVmomiVSphere) -> Iterator[Trial]:
    case: ChangeCase = request.param
    stage = set_stage(simulator, port, case)
    yield Trial(case, stage, case.operation.plan(case.params(stage), stage.reader).steps[0])
    simulator.control.set_maintenance(HOST, on=False)


def test_no_operation_on_vcenters_is_missing_in_the_table() -> None:
    known = {operation.name for operation in load_catalogue() if operation.backend is Backend.VSPHERE}
    assert {case.operation.name for case in (*CHANGES, *READS)} == known


def test_without_a_fault_it_is_done_by_one_call(trial: Trial) -> None:
    assert isinstance(trial.apply(), Done)
    assert trial.asked == 1
    assert trial.has_changed


def test_a_slow_call_is_waited_for(trial: Trial) -> None:
    assert isinstance(trial.apply(delay=0.6), Done)
    assert trial.asked == 1
    assert trial.has_changed


@pytest.mark.parametrize("fault", [{"http": 503}, {"drop": True}], ids=["503", "dropped"])
def test_a_call_without_an_answer_is_unknown_and_never_repeated(trial: Trial, fault: dict[str, Any]) -> None:
    error = trial.apply(**fault)
    assert isinstance(error, OpsError)
    assert error.changed is Changed.UNKNOWN
    assert trial.asked == 1
    assert not trial.has_changed


def test_an_answer_lost_after_the_effect_is_found_again_where_it_can_be_told(trial: Trial) -> None:
    end = trial.apply(lose_answer=True)
    if trial.case.told:
        assert isinstance(end, Done)
    else:
        assert isinstance(end, OpsError)
        assert end.changed is Changed.UNKNOWN
    assert trial.asked == 1
    assert trial.has_changed


@pytest.mark.parametrize("fault", FAULTS)
def test_a_refused_call_changes_nothing(trial: Trial, fault: str) -> None:
    if trial.case.method.startswith("rest:"):
        return  # the REST service knows no such faults
    error = trial.apply(fault=fault)
    assert isinstance(error, OpsError)
    assert error.changed is Changed.NOTHING
    assert trial.asked == 1
    assert not trial.has_changed


@pytest.mark.parametrize("fault", FAULTS)
def test_a_task_that_fails_changes_nothing(trial: Trial, fault: str) -> None:
    if not trial.case.is_task:
        return
    error = trial.apply(task_fault=fault)
    assert isinstance(error, OpsError)
    assert error.changed is Changed.NOTHING
    assert trial.asked == 1
    assert not trial.has_changed


def test_sessions_that_have_ended_are_made_anew_and_the_change_is_made_once(trial: Trial) -> None:
    trial.stage.simulator.control.expire_sessions()
    assert isinstance(trial.apply(), Done)
    assert trial.has_changed


def test_a_session_that_ends_at_the_call_is_made_anew_because_nothing_was_done(trial: Trial) -> None:
    if trial.case.method.startswith("rest:"):
        assert isinstance(trial.apply(http=401), Done)
    else:
        assert isinstance(trial.apply(fault="NotAuthenticated"), Done)
    assert trial.asked == 2
    assert trial.has_changed
