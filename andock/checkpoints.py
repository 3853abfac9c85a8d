"""The marks of one request's steps: stored before the next thing is done, by several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from andock.attempt import Attempt
from andock.entries import StepMark
from andock.messages import Progress
from andock.operation import Phase, Plan
from andock.outbox import message

SOON = 500  # ms within which the message follows a mark
ENDED = frozenset({Phase.DONE, Phase.FAILED, Phase.UNKNOWN})
FAILED = frozenset({Phase.FAILED, Phase.UNKNOWN})


class Checkpoints:
    """What an attempt knows of its steps, and has stored."""

    def __init__(
        self,
        attempt: Attempt,
        marks: Mapping[int, StepMark],
        seal: Callable[[int, StepMark], bytes],
        on_task: Callable[[int, str], None],
    ) -> None:
        """`seal` signs the mark of a step; `on_task` hears of each task that a step has started."""
        self._attempt = attempt
        self._marks = dict(marks)
        self._seal = seal
        self._on_task = on_task
        self._lock = threading.Lock()

    @property
    def marks(self) -> Mapping[int, StepMark]:
        """All marks, by the step's number."""
        with self._lock:
            return dict(self._marks)

    def store(self, number: int, mark: StepMark, progress: Progress | None = None) -> None:
        """Store a step's mark, and how far all of them are.

        Raises:
            LeaseLostError: another attempt owns the request.
        """
        with self._lock:
            known = self._marks.get(number)
            self._marks[number] = mark
        fields: dict[str, bytes | Progress] = {f"mark:{number}": self._seal(number, mark)}
        if progress is not None:
            fields["progress"] = progress
        self._attempt.note(fields, message=message(self._attempt.request) if progress else "", due=SOON)
        if mark.mark and mark.mark.task and not (known and known.mark and known.mark.task):
            self._on_task(number, mark.mark.task)

    def tell(self, progress: Progress) -> None:
        """Store how far the steps under way are; raises as `store`."""
        self._attempt.note({"progress": progress}, message=message(self._attempt.request))

    def open_steps(self, plan: Plan) -> list[int]:
        """Steps that are not at their end, in order."""
        marks = self.marks
        return [n for n in range(len(plan.steps)) if n not in marks or marks[n].phase not in ENDED]

    def failures(self, plan: Plan, besides: Collection[int] = ()) -> int:
        """On how many targets a step failed, or nobody knows how it ended; steps `besides` do not count.

        A target counts once: what a step of its own was to bring, the next one lacks.
        """
        failed = (number for number in self.failed() if number >= 0 and number not in besides)
        return len({plan.step(number).target.key for number in failed})

    def failed(self) -> tuple[int, ...]:
        """Numbers of the steps, and of the undone ones, that failed, or nobody knows how they ended."""
        return tuple(sorted(number for number, mark in self.marks.items() if mark.phase in FAILED))

    def ended(self) -> int:
        """How many steps are at their end."""
        return sum(number >= 0 and mark.phase in ENDED for number, mark in self.marks.items())
