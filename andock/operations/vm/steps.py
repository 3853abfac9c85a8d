"""What steps on VMs share: marks before calls, tasks awaited or cancelled, a look at the VM afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    LeaseLostError,
    OpsError,
    OutcomeUnknownError,
    TargetNotFoundError,
)
from andock.operation import Mark, Reader, Step, Target, Writer
from andock.ports.vsphere import TaskRef, Vm
from andock.ports.watch import Watch

POLL = 0.5  # seconds between two looks at a VM
CANCEL_WITHIN = 10.0  # seconds in which a cancelled task is expected to end
_MARGIN = 2.0  # seconds of the deadline kept for saying how it ended


def begin(ctx: Writer, step: Step) -> Mark:
    """Store when the step began by vCenter's clock: after a crash, tasks and boots since then are ours."""
    now = ctx.vsphere.server_time(step.target.site)
    mark = ctx.mark.model_copy(update={"site_time": now.timestamp()})
    ctx.checkpoint(mark)
    return mark


def run_task(
    ctx: Writer, step: Step, mark: Mark, start: Callable[[], TaskRef], kind: str, *, on: str = ""
) -> None:
    """Start a task, store its id before anything else, and wait for its success.

    One whose answer was lost is looked for, by `kind` and `on` as in `find_task`, and then waited for and
    cancelled just the same.

    Raises:
        CancelledError: a person stopped it; says what became of the task.
        BackendRejectedError: vCenter refused, or the task failed.
        OutcomeUnknownError: the answer was lost and so was the task, or its end cannot be seen.
        BackendUnavailableError, TargetNotFoundError, TargetStateError: nothing was started.
    """
    lost: OutcomeUnknownError | None = None
    try:
        task = start()
    except OutcomeUnknownError as error:
        lost, task = error, _find_lost(ctx, step.target, mark, kind, on, error)
    ctx.checkpoint(mark.model_copy(update={"task": task.id}))
    named = f"{task.site}'s task {task.id} on `{step.target.name}`"
    try:
        ctx.vsphere.await_task(task, ctx.watch)
    except CancelledError as error:
        raise _cancel(ctx, step.target, task) from error
    except TargetNotFoundError as error:
        raise OutcomeUnknownError(
            f"{named} was started, but vCenter no longer knows it: look at it."
        ) from error
    except BackendRejectedError as error:
        if lost is None:
            raise
        # it may be somebody else's, so its failure proves nothing of ours
        raise OutcomeUnknownError(f"{lost.sentence.rstrip('.')}. {named} failed: {error.why}.") from error


def _find_lost(
    ctx: Reader, target: Target, mark: Mark, kind: str, on: str, lost: OutcomeUnknownError
) -> TaskRef:
    """The task of a call whose answer was lost; raises `lost` if none is seen, whatever the reason."""
    try:
        task = find_task(ctx, target, mark, kind, on=on)
    except LeaseLostError:
        raise
    except OpsError as error:
        raise lost from error
    if task is None:
        raise lost
    return task


def is_seen(look: Callable[[], bool | None]) -> bool:
    """Whether the look after a call of unknown outcome shows its effect; a look that fails shows nothing.

    What it raised would take the place of the honest answer and claim that nothing was changed.
    """
    try:
        return bool(look())
    except LeaseLostError:
        raise
    except OpsError:
        return False


def find_task(ctx: Reader, target: Target, mark: Mark, kind: str, *, on: str = "") -> TaskRef | None:
    """The task that this step started: the one it noted, or else the newest of this kind since it began.

    It runs on the target, or on the VM with the id `on`.
    """
    if mark.task:
        return TaskRef(target.site, mark.task, kind)
    since = datetime.fromtimestamp(mark.site_time or mark.begun_at, UTC)
    started = [
        task for task in ctx.vsphere.tasks_since(target.site, on or target.id, since) if task.kind == kind
    ]
    return started[-1] if started else None


def watch_vm(
    ctx: Reader, target: Target, seconds: float, reached: Callable[[Vm], bool], *, text: str
) -> bool:
    """Look at the VM until `reached`, or until the time is up.

    Raises:
        OutcomeUnknownError: the time is up and its vCenter is away.
        TargetNotFoundError: the VM is gone.
    """
    end = time.monotonic() + min(seconds, ctx.watch.remaining() - _MARGIN)
    while True:
        away: BackendUnavailableError | None = None
        try:
            if reached(ctx.vsphere.read_vm(target.site, target.id)):
                return True
        except BackendUnavailableError as error:
            away = error
        if time.monotonic() >= end:
            if away is not None:
                raise OutcomeUnknownError(
                    f"{text}, and now {target.site} is away ({away.why}): look at `{target.name}`."
                ) from away
            return False
        ctx.watch.look(text=text)
        time.sleep(max(0.0, min(POLL, end - time.monotonic())))


def _cancel(ctx: Reader, target: Target, task: TaskRef) -> CancelledError:
    """Cancel the task and see how it ends."""
    unknown = CancelledError(
        f"Cancelled, but vCenter's task {task.id} on `{target.name}` goes on: look at it.",
        changed=Changed.UNKNOWN,
    )
    try:
        ctx.vsphere.cancel_task(task)
    except (BackendRejectedError, BackendUnavailableError, OutcomeUnknownError):
        pass  # it cannot be cancelled, or it is not known whether it was: its end says it
    except TargetNotFoundError:
        return unknown
    try:
        ctx.vsphere.await_task(task, _Patience(ctx.watch, time.monotonic() + CANCEL_WITHIN))
    except BackendRejectedError as error:
        return CancelledError(f"Cancelled; `{target.name}` was left as it was ({error.why}).")
    except (DeadlineError, TargetNotFoundError, OutcomeUnknownError):
        return unknown
    return CancelledError(
        f"Cancelled too late: the task on `{target.name}` had its effect.", changed=Changed.PARTLY
    )


@dataclass(frozen=True)
class _Patience:
    """A watch that has heard of the cancellation already, and ends soon."""

    watch: Watch
    end: float

    def remaining(self) -> float:
        return min(self.watch.remaining(), self.end - time.monotonic())

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        with contextlib.suppress(CancelledError):
            self.watch.look(percent=percent, text=text)
        if self.remaining() <= 0:
            raise DeadlineError("The task did not end.", changed=Changed.UNKNOWN)
