from __future__ import annotations

from collections.abc import Mapping

import pytest

from andock.board import board_of
from andock.entries import StepMark
from andock.operation import Phase, Plan
from andock.operations.service.deploying import plan_deploy
from andock.operations.service.params import VersionParams
from andock.plan import undo_of
from tests.unit.operations.service.stage import Stage

PULL, ROLL, CLEAN = 0, 3, 6  # edge-2's steps; those of edge-3 and edge-4 follow each
PENDING = ("pending", "pending")


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Pulls 0 to 2, rolls 3 to 5, cleaning 6 to 8; on edge-2, edge-3 and edge-4 each."""
    params = VersionParams(name="api", version="v1", environment="prod")
    return plan_deploy(params, Stage().reader())


def show(plan: Plan, phases: Mapping[int, Phase], said: Mapping[int, str] | None = None) -> tuple[str, ...]:
    """The states of edge-2, edge-3 and edge-4."""
    board = board_of(plan, {number: StepMark(phase=phase) for number, phase in phases.items()}, said or {})
    assert [name for name, _ in board] == ["api on edge-2", "api on edge-3", "api on edge-4"]
    return tuple(state for _, state in board)


@pytest.mark.parametrize(
    ("phases", "state"),
    [
        ({}, "pending"),
        ({PULL: Phase.BEGUN}, "pulling"),
        ({PULL: Phase.DONE}, "pulled"),
        ({PULL: Phase.FAILED}, "failed"),
        ({PULL: Phase.DONE, ROLL: Phase.BEGUN}, "starting"),
        ({PULL: Phase.DONE, ROLL: Phase.DONE}, "healthy"),
        ({PULL: Phase.DONE, ROLL: Phase.FAILED}, "failed"),
        ({ROLL: Phase.UNKNOWN}, "unknown"),
        ({ROLL: Phase.FAILED, undo_of(ROLL): Phase.BEGUN}, "rolling back"),
        ({ROLL: Phase.FAILED, undo_of(ROLL): Phase.DONE}, "rolled back"),
        ({ROLL: Phase.DONE, undo_of(ROLL): Phase.DONE}, "rolled back"),
        ({ROLL: Phase.FAILED, undo_of(ROLL): Phase.FAILED}, "failed"),
        ({ROLL: Phase.DONE, CLEAN: Phase.BEGUN}, "cleaning up"),
        ({ROLL: Phase.DONE, CLEAN: Phase.DONE}, "healthy"),
    ],
)
def test_an_engine_is_where_the_last_thing_that_was_begun_on_it_is(
    plan: Plan, phases: dict[int, Phase], state: str
) -> None:
    assert show(plan, phases) == (state, *PENDING)


def test_each_engine_has_a_state_of_its_own(plan: Plan) -> None:
    pulled = dict.fromkeys(range(ROLL), Phase.DONE)
    phases = {ROLL: Phase.DONE, ROLL + 1: Phase.FAILED, undo_of(ROLL + 1): Phase.DONE, ROLL + 2: Phase.BEGUN}
    assert show(plan, pulled | phases) == ("healthy", "rolled back", "starting")


def test_what_a_step_says_of_itself_follows_the_word_as_long_as_it_is_under_way(plan: Plan) -> None:
    said = {ROLL: "watching api-1, 2 of 5 s"}
    assert show(plan, {ROLL: Phase.BEGUN}, said) == ("starting: watching api-1, 2 of 5 s", *PENDING)
    assert show(plan, {ROLL: Phase.DONE}, said) == ("healthy", *PENDING)


def test_a_plan_whose_steps_name_no_states_has_no_board(plan: Plan) -> None:
    silent = tuple(step.model_copy(update={"doing": ""}) for step in plan.steps)
    assert board_of(Plan(batches=(silent,)), {0: StepMark(phase=Phase.BEGUN)}, {}) == ()
