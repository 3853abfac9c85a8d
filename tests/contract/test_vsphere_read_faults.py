"""Every fault of the simulator against every read of vCenters: an answer or one sentence, and no hang."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from andock.errors import BackendUnavailableError, Changed, DeadlineError, OpsError
from andock.operation import Outcome
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.fault_table import FAULTS, HOST, READS, ReadCase, Stage, check_sentence, set_stage
from tests.contract.worlds import LIVE, sessions_of
from tests.fakes.vsphere import TinyWatch
from workers.vsphere import PyVmomiVSphere, Sessions, connection

LIMIT = 10.0  # seconds that each read has here


@dataclass
class Trial:
    """One read about one thing of its own."""

    case: ReadCase
    stage: Stage
    sessions: Sessions

    def ask(self, count: int, **fault: Any) -> Outcome | OpsError:
        """Read while the fault holds for so many calls, 0 is all of them."""
        control, operation = self.stage.simulator.control, self.case.operation
        control.set_rules([Rule("*", count=count, **fault)] if fault else [])
        params, started = self.case.params(self.stage), time.monotonic()
        try:
            outcome: Outcome = operation.run(
                params, self.stage.reader, operation.find(params, self.stage.reader)
            )
        except OpsError as error:
            check_sentence(error.sentence)
            return error
        finally:
            assert time.monotonic() - started < LIMIT
            control.set_rules([])
        return outcome

    def is_answered(self, outcome: Outcome | OpsError) -> bool:
        """Whether it shows what was planted."""
        return isinstance(outcome, Outcome) and self.case.shows(self.stage) in outcome.model_dump_json()


@pytest.fixture(params=READS, ids=lambda case: case.name)
def trial(request: pytest.FixtureRequest, simulator: Simulator) -> Iterator[Trial]:
    sessions = sessions_of(simulator)
    sessions.ensure(LIVE)
    port = PyVmomiVSphere(sessions)
    yield Trial(request.param, set_stage(simulator, port, request.param), sessions)
    simulator.control.set_maintenance(HOST, on=False)
    port.close()
    sessions.close()


def test_without_a_fault_it_shows_what_was_planted(trial: Trial) -> None:
    outcome = trial.ask(0)
    assert trial.is_answered(outcome), outcome


@pytest.mark.parametrize(
    "fault",
    [{"delay": 0.6}, {"drop": True}, {"fault": "NotAuthenticated"}],
    ids=["slow", "dropped", "session"],
)
def test_what_passes_is_got_over(trial: Trial, fault: dict[str, Any]) -> None:
    outcome = trial.ask(1, **fault)
    assert trial.is_answered(outcome), outcome


def test_sessions_that_have_ended_are_made_anew(trial: Trial) -> None:
    trial.stage.simulator.control.expire_sessions()
    outcome = trial.ask(0)
    assert trial.is_answered(outcome), outcome


@pytest.mark.parametrize("fault", [{"http": 503}, {"drop": True}], ids=["503", "dropped"])
def test_a_vcenter_that_gives_no_answer_is_away(trial: Trial, fault: dict[str, Any]) -> None:
    error = trial.ask(0, **fault)
    assert isinstance(error, BackendUnavailableError)
    assert error.changed is Changed.NOTHING


def test_an_answer_that_does_not_come_is_given_up(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_WITHIN", 0.5)
    error = trial.ask(0, delay=5.0)
    assert isinstance(error, BackendUnavailableError)
    assert error.changed is Changed.NOTHING


@pytest.mark.parametrize("delay", [pytest.param(0.4, marks=pytest.mark.long), 5.0])
def test_a_slow_vcenter_is_not_asked_past_the_deadline(trial: Trial, delay: float) -> None:
    watch = TinyWatch(seconds=1.0)
    trial.stage.port = port = PyVmomiVSphere(trial.sessions, watch=watch)
    control = trial.stage.simulator.control
    control.calls()
    outcome = trial.ask(0, delay=delay)
    answered_by = watch.remaining()
    calls = control.calls()
    port.close()
    assert sum(calls.values()) <= 1 + watch.seconds / delay  # those that begin within the time
    assert answered_by > watch.seconds - delay or delay < 1  # the answer was not waited for
    if delay < 1 and isinstance(outcome, Outcome):  # it needs two calls
        assert trial.is_answered(outcome)
        return
    assert isinstance(outcome, DeadlineError | BackendUnavailableError), outcome
    assert "time limit passed" in outcome.sentence
    assert outcome.changed is Changed.NOTHING


@pytest.mark.parametrize("fault", FAULTS)
def test_a_refused_call_is_told_in_one_sentence(trial: Trial, fault: str) -> None:
    error = trial.ask(0, fault=fault)
    assert isinstance(error, OpsError), error
    assert error.changed is Changed.NOTHING
