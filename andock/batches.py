"""Takes a plan's batches in order, and puts back what they did when one fails.

Everything is decided anew from the stored marks and answers, so an attempt that takes over goes the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from andock.attempt import Attempt, Undisturbed
from andock.checkpoints import ENDED, Checkpoints
from andock.crew import Crew
from andock.errors import CancelledError
from andock.messages import Word
from andock.operation import Change, OnFailure, Params, Plan, Reader
from andock.plan import undo_of


@dataclass(frozen=True, slots=True)
class Ended:
    """No more steps are to be taken; `why` is the reason if it is not in the steps' own marks."""

    why: str = ""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A halt has parked the request between two steps."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A batch failed and was put back; a person has to answer this question."""

    question: str


Stop: TypeAlias = Ended | Held | Asking


@dataclass(frozen=True)
class Batches:
    """One attempt's way through a plan.

    Attributes:
        operation: whose steps these are.
        answers: what people said to earlier questions.
        halted: whether a halt covers one of the plan's sites.
        hold: parks the request if a halt covers it; whether it did.
        objection: why the rest may not be taken any more; then what was done is put back.
    """

    operation: Change[Params]
    reader: Reader
    attempt: Attempt
    checkpoints: Checkpoints
    plan: Plan
    answers: Mapping[str, Word]
    halted: Callable[[], bool]
    hold: Callable[[], bool]
    objection: str = ""

    def take(self) -> Stop:
        """Take what is left, as far as it goes now."""
        if self.objection or Word.ROLL_BACK in self.answers.values():
            self._put_back()
            return Ended(self.objection)
        forgiven: set[int] = set()
        for index, batch in enumerate(self.plan.numbers):
            stop = self._take_steps(batch, forgiven) or self._look_at(index, batch, forgiven)
            if stop is not None:
                return stop
        return self._take_steps(self.plan.closing_numbers, forgiven) or Ended()

    def _take_steps(self, batch: tuple[int, ...], forgiven: set[int]) -> Ended | Held | None:
        """Take a batch's open steps; None when they are at their end, or too many failed."""
        crew = Crew(self.operation, self.reader, self.attempt, self.checkpoints, self.plan, forgiven)
        while not self._broken(forgiven):
            left = [number for number in batch if number in self.checkpoints.open_steps(self.plan)]
            if not left:
                return None
            crew.take(left, self.halted)
            if crew.stopped is not None:
                self._undo(range(len(self.plan.steps)))
                cancelled = isinstance(crew.stopped, CancelledError)
                return Ended("" if cancelled else crew.stopped.sentence, cancelled=cancelled)
            left = [number for number in batch if number in self.checkpoints.open_steps(self.plan)]
            if left and not self._broken(forgiven) and self.hold():
                return Held()
        return None

    def _look_at(self, index: int, batch: tuple[int, ...], forgiven: set[int]) -> Stop | None:
        """What a batch's failures come to; None to go on with the next."""
        failed = [number for number in batch if number in self.checkpoints.failed()]
        if not failed:
            return None
        if not self._broken(forgiven):
            self._undo(failed)
            return None
        self._undo(batch)
        if self.plan.on_failure is not OnFailure.GO_ON and not self._begun(range(len(self.plan.steps))):
            return Ended()  # nothing was changed, so there is nothing to ask about
        question = f"batch-{index + 1}"
        goes_on = self.plan.on_failure is OnFailure.GO_ON or self.answers.get(question) is Word.GO_ON
        if goes_on:
            forgiven.update(failed)
            return None
        match self.plan.on_failure:
            case OnFailure.UNDO:
                return self._put_back()
            case OnFailure.ASK:
                return Asking(question)
            case _:
                return Ended()

    def _broken(self, forgiven: set[int]) -> bool:
        return self.checkpoints.failures(self.plan, forgiven) >= self.plan.max_fail

    def _put_back(self) -> Ended:
        self._undo(range(len(self.plan.steps)))
        return Ended()

    def _undo(self, numbers: Iterable[int]) -> None:
        """Put back what these steps began, the last batch first; a cancellation does not stop that."""
        marks, every = self.checkpoints.marks, frozenset(range(len(self.plan.steps)))
        begun = self._begun(numbers)
        if not begun:
            return
        self.attempt.limit(self.operation.undo_limit)
        watch = Undisturbed(self.attempt)
        for batch in reversed(self.plan.numbers):
            left = [undo_of(number) for number in batch if number in begun]
            left = [number for number in left if number not in marks or marks[number].phase not in ENDED]
            if left:
                crew = Crew(self.operation, self.reader, watch, self.checkpoints, self.plan, every)
                crew.take(left, lambda: False)

    def _begun(self, numbers: Iterable[int]) -> frozenset[int]:
        """Those of these steps that were begun and can be put back."""
        marks, steps = self.checkpoints.marks, self.plan.steps
        return frozenset(number for number in numbers if number in marks and steps[number].undo is not None)
