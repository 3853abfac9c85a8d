"""Every fault of the simulator against every change on vCenters: a sentence, `changed`, no repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from andock.catalogue import load_catalogue
from andock.errors import Changed, OpsError
from andock.operation import Backend, Done
from andock.operations.vm import steps
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.fault_table import CHANGES, FAULTS, HOST, READS, ChangeCase
from tests.contract.trials import Trial, try_out
from workers.vsphere import PyVmomiVSphere, TagService, connection
from workers.vsphere.session import Session

TASKS = [case for case in CHANGES if case.is_task]
REFUSALS = {"NoPermission": 403}  # HTTP statuses of the REST service; another fault is 400


def name_of(case: ChangeCase) -> str:
    return case.name


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "CANCEL_WITHIN", 2.0)


@pytest.fixture(params=CHANGES, ids=name_of)
def trial(request: pytest.FixtureRequest, simulator: Simulator, port: PyVmomiVSphere) -> Iterator[Trial]:
    yield try_out(simulator, port, request.param)
    simulator.control.set_maintenance(HOST, on=False)


def go_away_after_a_loss(monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    """Let the vCenter answer nothing any more as soon as the answer to a changing call is lost."""
    for owner, name in ((Session, "change"), (TagService, "attach")):
        monkeypatch.setattr(owner, name, _and_go_away(getattr(owner, name), simulator))


def _and_go_away(call: Callable[..., Any], simulator: Simulator) -> Callable[..., Any]:
    def call_and_go(*args: Any, **named: Any) -> Any:
        try:
            return call(*args, **named)
        except Exception:
            simulator.control.set_rules([Rule("*", http=503)])
            raise

    return call_and_go


def test_no_operation_on_vcenters_is_missing_in_the_table() -> None:
    known = {operation.name for operation in load_catalogue() if operation.backend is Backend.VSPHERE}
    assert {case.operation.name for case in (*CHANGES, *READS)} == known


def test_without_a_fault_it_is_done_by_one_call(trial: Trial) -> None:
    assert isinstance(trial.apply(), Done)
    assert trial.asked == 1
    assert trial.has_changed


@pytest.mark.long
def test_a_slow_call_is_waited_for(trial: Trial) -> None:
    assert isinstance(trial.apply(delay=0.6), Done)
    assert trial.asked == 1
    assert trial.has_changed


def test_a_vcenter_that_is_gone_after_the_answer_was_lost_leaves_it_unknown(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_away_after_a_loss(monkeypatch, trial.stage.simulator)
    error = trial.apply(lose_answer=True)
    assert isinstance(error, OpsError)
    assert (error.changed, error.retryable) == (Changed.UNKNOWN, False)
    assert trial.asked == 1
    monkeypatch.undo()
    assert trial.has_changed


def test_an_answer_that_does_not_come_in_time_is_lost(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_WITHIN", 0.5)
    # a slow task is answered at once, so that its answer has to be held; its effect is there by then
    end = trial.apply(**({"hold_answer": 8.0} if trial.case.is_task else {"delay": 8.0}))
    if trial.case.is_task:
        assert isinstance(end, Done)
    else:
        assert isinstance(end, OpsError)
        assert end.changed is Changed.UNKNOWN
    assert trial.asked == 1
    assert trial.has_changed is trial.case.is_task


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
    rest = trial.case.method.startswith("rest:")  # it refuses by a status
    error = trial.apply(**({"http": REFUSALS.get(fault, 400)} if rest else {"fault": fault}))
    assert isinstance(error, OpsError)
    assert error.changed is trial.case.refused
    assert trial.asked == 1
    assert not trial.has_changed


@pytest.mark.parametrize("trial", TASKS, ids=name_of, indirect=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_task_that_fails_changes_nothing(trial: Trial, fault: str) -> None:
    error = trial.apply(task_fault=fault)
    assert isinstance(error, OpsError)
    assert error.changed is trial.case.refused
    assert trial.asked == 1
    assert not trial.has_changed


@pytest.mark.long
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


# --- the wait for a clone to come up, which makes no changing call --------------------------------------


@pytest.fixture
def arrival(simulator: Simulator, port: PyVmomiVSphere) -> Trial:
    (clone,) = (case for case in CHANGES if case.name == "vm clone --on")
    return try_out(simulator, port, replace(clone, number=2, method="*"))


@pytest.mark.parametrize(
    "fault",
    [{"delay": 0.6}, {"drop": True}, {"fault": "NotAuthenticated"}],
    ids=["slow", "dropped", "session"],
)
def test_what_passes_while_a_clone_comes_up_is_got_over(arrival: Trial, fault: dict[str, Any]) -> None:
    end = arrival.apply(**fault)
    assert isinstance(end, Done)
    assert "has the address 10." in end.text


@pytest.mark.parametrize("fault", [{"http": 503}, *({"fault": one} for one in FAULTS)], ids=str)
def test_a_clone_that_cannot_be_watched_is_told_and_the_wait_changed_nothing(
    arrival: Trial, fault: dict[str, Any]
) -> None:
    error = arrival.apply(Rule("*", **fault))
    assert isinstance(error, OpsError)
    assert error.changed is Changed.NOTHING
