"""Where each target of a plan is, in a word: what the message of a long change shows while it runs."""

from __future__ import annotations

from collections.abc import Mapping

from andock.entries import StepMark
from andock.operation import Phase, Plan, Step
from andock.plan import undo_of

PENDING = "pending"


def board_of(
    plan: Plan, marks: Mapping[int, StepMark], under_way: Mapping[int, str]
) -> tuple[tuple[str, str], ...]:
    """Each target's name and its state in a word; empty for a plan whose steps name no states.

    `under_way` is what steps that run say of themselves, by number, and stands behind the word; empty where
    one says nothing.
    """
    if not any(step.doing for step in plan.steps):
        return ()
    numbers: dict[str, list[int]] = {}
    for number, step in enumerate(plan.steps):
        numbers.setdefault(step.target.key, []).append(number)
    return tuple(
        (f"{target.name} on {target.site}", _word(plan, numbers[target.key], marks, under_way))
        for target in plan.targets
    )


def _word(plan: Plan, numbers: list[int], marks: Mapping[int, StepMark], under_way: Mapping[int, str]) -> str:
    """The state of the last thing that was begun on a target; putting it back counts as later."""
    undone = [undo_of(number) for number in numbers if undo_of(number) in marks]
    begun = [number for number in numbers if number in marks]
    if not undone and not begun:
        return PENDING
    last = undone[-1] if undone else begun[-1]
    return _state(plan.step(last), marks[last].phase, under_way.get(last, ""))


def _state(step: Step, phase: Phase, said: str) -> str:
    match phase:
        case Phase.BEGUN:
            return ": ".join(filter(None, (step.doing or step.action, said)))
        case Phase.DONE:
            return step.ended or phase.value
        case _:
            return phase.value
