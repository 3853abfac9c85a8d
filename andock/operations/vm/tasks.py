"""Steps that are one vCenter task each, or one call: made once, awaited, and settled after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from andock.errors import BackendRejectedError, OutcomeUnknownError, TargetNotFoundError
from andock.operation import Done, Mark, NotDone, Offer, Reader, Settled, Step, Unknown, Writer
from andock.operations.vm.steps import begin, find_task, is_seen, run_task
from andock.ports.vsphere import TaskRef


@dataclass(frozen=True, slots=True)
class Seen:
    """What vCenter shows of a step's effect."""

    done: bool | None  # None: it looks the same before and after, so it cannot be told
    said: str  # a clause about it, without a full stop: `it is on`


def _own_id(step: Step) -> str:
    return step.target.id


@dataclass(frozen=True)
class TaskStep:
    """How one kind of step is started, and how its effect is recognised."""

    kind: str  # vCenter's word for its task
    start: Callable[[Step, Writer, Mark], TaskRef]
    look: Callable[[Step, Reader, Mark], Seen]  # raises TargetNotFoundError where the target is gone
    done: Callable[[Step], str]  # the sentence about what is then true
    offers: Callable[[Step], tuple[Offer, ...]] = lambda _: ()
    subject: Callable[[Step], str] = _own_id  # the id of what the task runs on

    def apply(self, step: Step, ctx: Writer) -> Done:
        """Start the task and wait for it.

        Where the task's end cannot be seen, the effect is looked for at once, or nothing is claimed.

        Raises:
            BackendRejectedError: vCenter refused or the task failed.
            OutcomeUnknownError: the answer was lost, or the task, and there is no sign of an effect.
            CancelledError, DeadlineError: the wait ended first.
        """
        mark = begin(ctx, step)
        try:
            run_task(ctx, step, mark, lambda: self.start(step, ctx, mark), self.kind, on=self.subject(step))
        except OutcomeUnknownError:
            if not is_seen(lambda: self.look(step, ctx, mark).done):
                raise
        return self._done(step)

    def settle(self, step: Step, ctx: Reader, mark: Mark) -> Settled:
        """What became of it: the task's end, or else what vCenter shows."""
        name = step.target.name
        task = find_task(ctx, step.target, mark, self.kind, on=self.subject(step))
        unseen = ""  # why its task does not say what became of it
        if task is not None:
            try:
                ctx.vsphere.await_task(task, ctx.watch)
                return self._done(step)
            except TargetNotFoundError:  # vCenter forgets tasks after some minutes
                unseen = "vCenter no longer knows what became of its task"
            except BackendRejectedError as error:
                unseen = f"its task ended without success ({error.why})"
            except OutcomeUnknownError as error:
                unseen = error.sentence.rstrip(".")
        try:
            seen = self.look(step, ctx, mark)
        except TargetNotFoundError:
            return Unknown(f"`{name}` no longer exists.")
        if seen.done:
            return self._done(step)
        if unseen:
            return Unknown(f"`{name}`: {unseen}; {seen.said}.")
        if seen.done is None:
            return Unknown(f"`{name}`: it cannot be told whether it was done; {seen.said}.")
        return NotDone()

    def _done(self, step: Step) -> Done:
        return Done(text=self.done(step), offers=self.offers(step))


@dataclass(frozen=True)
class CallStep:
    """How one kind of step that vCenter does at once is called, and how its effect is recognised."""

    call: Callable[[Step, Writer], None]
    look: Callable[[Step, Reader], Seen]  # raises TargetNotFoundError where the target is gone
    done: Callable[[Step], str]

    def apply(self, step: Step, ctx: Writer) -> Done:
        """Make the call; one whose answer was lost is looked after at once.

        Raises:
            BackendRejectedError: vCenter refused.
            OutcomeUnknownError: the answer was lost and there is no sign of an effect.
        """
        begin(ctx, step)
        try:
            self.call(step, ctx)
        except OutcomeUnknownError:
            if not is_seen(lambda: self.look(step, ctx).done):
                raise
        return Done(text=self.done(step))

    def settle(self, step: Step, ctx: Reader, _mark: Mark) -> Settled:
        """What became of it, by what vCenter shows."""
        try:
            seen = self.look(step, ctx)
        except TargetNotFoundError:
            return Unknown(f"`{step.target.name}` no longer exists.")
        if seen.done:
            return Done(text=self.done(step))
        if seen.done is None:
            return Unknown(f"`{step.target.name}`: it cannot be told whether it was done; {seen.said}.")
        return NotDone()
