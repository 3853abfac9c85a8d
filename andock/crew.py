"""Takes the steps of a batch, as many at a time as the plan allows."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from andock.attempt import Attempt, Undisturbed
from andock.board import board_of
from andock.checkpoints import Checkpoints
from andock.entries import StepMark
from andock.errors import CancelledError, Changed, LeaseLostError, OpsError
from andock.messages import Progress
from andock.operation import Change, Mark, Params, Phase, Plan, Reader, Step, Writer
from andock.tracing import StepTrace

TELL = 0.5  # seconds between two tellings of how far the steps under way are
_NAMED = 3  # of several steps under way, so many are named
_CANCELLED = {Changed.NOTHING: Phase.NOT_DONE, Changed.PARTLY: Phase.DONE, Changed.UNKNOWN: Phase.UNKNOWN}


@dataclass
class _UnderWay:
    """A step under way, as the message shows it."""

    step: Step
    trace: StepTrace
    percent: int | None = None
    text: str = ""


class Crew:
    """The threads that take a plan's steps; one step alone is taken in the caller's thread.

    `stopped` is the reason why no more steps are begun: a cancellation, or the deadline. Failures of steps
    in `forgiven` do not count against the plan's `max_fail`.
    """

    def __init__(
        self,
        operation: Change[Params],
        reader: Reader,
        attempt: Attempt | Undisturbed,
        checkpoints: Checkpoints,
        plan: Plan,
        forgiven: Collection[int] = (),
    ) -> None:
        self.stopped: OpsError | None = None
        self._forgiven = forgiven
        self._operation = operation
        self._reader = reader
        self._attempt = attempt
        self._checkpoints = checkpoints
        self._plan = plan
        self._begun = False
        self._abandoned = threading.Event()
        self._lock = threading.Lock()
        self._under_way: dict[int, _UnderWay] = {}
        self._told = 0.0

    def take(self, numbers: Sequence[int], halted: Callable[[], bool]) -> None:
        """Take these steps of one batch, until all are at their end or no more may be begun.

        Steps under way go on to their end when one fails or changes are halted.

        Raises:
            LeaseLostError: another attempt owns the request; steps under way are left to it.
        """
        waiting = deque(numbers)
        width = min(self._plan.at_once, len(waiting))
        if width == 1:
            self._take_some(waiting, halted)
            return
        with ThreadPoolExecutor(width, thread_name_prefix="step") as threads:
            takers = [threads.submit(self._take_some, waiting, halted) for _ in range(width)]
            try:
                for ended in as_completed(takers):
                    ended.result()
            except BaseException:
                self._abandoned.set()  # the next look of every step ends it
                raise

    def _take_some(self, waiting: deque[int], halted: Callable[[], bool]) -> None:
        """Take steps as long as there are some, each after a look of its own; several threads may."""
        while waiting and not self._abandoned.is_set() and self._may_begin(halted):
            try:
                number = waiting.popleft()
            except IndexError:
                return  # another thread has taken the last one
            self._take(number)

    def _may_begin(self, halted: Callable[[], bool]) -> bool:
        failures = self._checkpoints.failures(self._plan, self._forgiven)
        if self.stopped is not None or failures >= self._plan.max_fail:
            return False
        try:
            self._attempt.look()
        except LeaseLostError:
            raise
        except OpsError as error:
            self.stopped = error
            return False
        if self._begun and halted():
            return False
        self._begun = True
        return True

    def _take(self, number: int) -> None:
        """Take one step and mark how it ended."""
        step = self._plan.step(number)
        trace = StepTrace(self._reader.ports.trace, step)
        with self._lock:
            self._under_way[number] = _UnderWay(step, trace)
        self._checkpoints.store(number, StepMark(phase=Phase.BEGUN), self._progress())
        try:
            self._begin_trace(number, trace)
            done = self._operation.apply(step, self._writer(number))
        except LeaseLostError:
            raise
        except OpsError as error:
            self._end_badly(number, error)
            trace.end(error.sentence)
        else:
            known = self._checkpoints.marks[number]
            update = {"phase": Phase.DONE, "text": done.text, "offers": done.offers}
            self._checkpoints.store(number, known.model_copy(update=update))
            trace.end()
        finally:
            with self._lock:
                del self._under_way[number]

    def _begin_trace(self, number: int, trace: StepTrace) -> None:
        """Show the step; what shows it is stored, so that whoever settles the step can end it."""
        trace.begin(operation=self._operation.name, actor=self._reader.actor, request=self._attempt.request)
        if trace.name:
            known = self._checkpoints.marks[number]
            self._checkpoints.store(number, known.model_copy(update={"trace": trace.name}))

    def _end_badly(self, number: int, error: OpsError) -> None:
        phase = Phase.UNKNOWN if error.changed is Changed.UNKNOWN else Phase.FAILED
        if isinstance(error, CancelledError):
            self.stopped, phase = error, _CANCELLED[error.changed]
        update = {"phase": phase, "text": error.sentence, "changed": error.changed}
        self._checkpoints.store(number, self._checkpoints.marks[number].model_copy(update=update))

    def _writer(self, number: int) -> Writer:
        def checkpoint(mark: Mark) -> None:
            known = self._checkpoints.marks[number]
            self._checkpoints.store(number, known.model_copy(update={"mark": mark}))

        return Writer(
            watch=_StepWatch(self, number),
            site=self._reader.site,
            actor=self._reader.actor,
            request=self._reader.request,
            ports=self._reader.ports,
            checkpoint=checkpoint,
            mark=Mark(begun_at=time.time()),
        )

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._attempt.remaining()

    def look(self, number: int, percent: int | None, text: str) -> None:
        """Let the step go on, or end it; pass its progress on now and then."""
        if self._abandoned.is_set():
            raise LeaseLostError("this attempt's job has ended")
        self._attempt.look()
        if percent is None and not text:
            return
        with self._lock:
            known = self._under_way[number]
            known.percent, known.text = percent, text or known.text
            due = time.monotonic() - self._told >= TELL
            if due:
                self._told = time.monotonic()
        if due:
            self._checkpoints.tell(self._progress())
        known.trace.tell(percent)

    def _progress(self) -> Progress:
        with self._lock:
            under_way = [self._under_way[number] for number in sorted(self._under_way)]
            texts = {number: one.text for number, one in self._under_way.items()}
        done, total = self._checkpoints.ended(), len(self._plan.steps)
        board = board_of(self._plan, self._checkpoints.marks, texts)
        if len(under_way) == 1:
            only = under_way[0]
            text = only.text or only.step.text
            return Progress(done=done, total=total, text=text, percent=only.percent, board=board)
        named = [
            f"`{one.step.target.name}`" + (f" {one.percent} %" if one.percent is not None else "")
            for one in under_way[:_NAMED]
        ]
        more = f" and {len(under_way) - _NAMED} more" if len(under_way) > _NAMED else ""
        text = f"{len(under_way)} at once: {', '.join(named)}{more}"
        return Progress(done=done, total=total, text=text, board=board)


@dataclass(frozen=True)
class _StepWatch:
    """One step's eye on the attempt. Implements `Watch`."""

    crew: Crew
    number: int

    def remaining(self) -> float:
        return self.crew.remaining()

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        self.crew.look(self.number, percent, text)
