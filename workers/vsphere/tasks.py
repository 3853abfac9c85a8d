"""vCenter's tasks: waiting for one, finding those of a VM, cancelling."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pyVmomi import vim, vmodl

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.ports.vsphere import TaskRef
from andock.ports.watch import Watch
from workers.vsphere.faults import VENDOR_ERRORS, say_fault
from workers.vsphere.properties import Collector, collect, of_kind, walk
from workers.vsphere.references import id_of, refer
from workers.vsphere.session import Session

_PAUSE = 0.5  # seconds between two tries to reach a vCenter that is away
_TASK = "task"  # what people, and errors, call one
_ENDS = ("info.state", "info.error")
_FOLLOWED = (*_ENDS, "info.progress")
# Seconds until a task's progress is followed too: each step of it ends a call, and many tasks at a time would
# mostly say how far they are. One that ends sooner needs no percentage.
_PROGRESS_AFTER = 2.0


def await_task(session: Session, task: TaskRef, watch: Watch) -> None:
    """Wait for the task's success; see the port.

    A lost session or connection, or a vCenter that is away, only makes it last longer: the task is asked
    for anew until `watch` ends the wait. A refusal of the waiting says nothing of the task.

    Raises:
        BackendRejectedError: the task ended in an error; says which.
        TargetNotFoundError: vCenter no longer knows the task.
        UnfollowedTaskError: vCenter does not let it be followed.
    """
    follower = _Follower(task)
    told: int | None = None
    try:
        while not follower.ended:
            watch.look(percent=follower.percent if follower.percent != told else None)
            told = follower.percent
            try:
                session.read(lambda session: follower.step(session, watch.remaining()), target=task.id)
            except BackendUnavailableError as error:
                watch.look(text=f"{task.site} is away ({error.why}); its task goes on")
                time.sleep(max(0.0, min(_PAUSE, watch.remaining())))
            except DeadlineError as error:
                raise DeadlineError(error.sentence, changed=Changed.UNKNOWN) from error
            except TargetNotFoundError as error:
                if error.kind == _TASK:
                    raise
                raise UnfollowedTaskError(task, f"its {error.kind} is gone") from error
            except (BackendRejectedError, TargetStateError) as error:
                raise UnfollowedTaskError(task, getattr(error, "why", error.sentence.rstrip("."))) from error
    finally:
        follower.close()
    if follower.gone:
        raise TargetNotFoundError(_TASK, task.id, searched=(task.site,))
    if follower.state == "error":
        raise BackendRejectedError(task.site, say_fault(follower.error))


class UnfollowedTaskError(OutcomeUnknownError):
    """A task that goes on, but whose end vCenter does not let us see; `why` is one clause."""

    def __init__(self, task: TaskRef, why: str) -> None:
        super().__init__(
            f"{task.site}'s task {task.id} goes on, but cannot be followed ({why}): look at it before you "
            "ask again."
        )
        self.why = why


class _Follower:
    """What is known of one task, by a filter that lives in the session's own collector."""

    def __init__(self, task: TaskRef) -> None:
        self._task = task
        self._collector: Any = None
        self._filter: Any = None
        self._version = ""
        self._paths: Sequence[str] = ()
        self._began = time.monotonic()
        self.state = ""
        self.percent: int | None = None
        self.error: Any = None
        self.gone = False

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.gone or self.state in {"success", "error"}

    def close(self) -> None:
        """Take the filter away, so that it does not wake the waits for other tasks."""
        if self._filter is not None:
            with contextlib.suppress(*VENDOR_ERRORS):
                self._filter.DestroyPropertyFilter()

    def step(self, session: Session, remaining: float) -> None:
        """Wait up to a second for news of the task; after a new login the filter is made anew."""
        collector = session.collector
        paths = _ENDS if time.monotonic() - self._began < _PROGRESS_AFTER else _FOLLOWED
        if collector is not self._collector or paths != self._paths:
            self._create_filter(session, collector, paths)
        # a whole second is the shortest wait that vCenter knows
        options = Collector.WaitOptions(maxWaitSeconds=1 if remaining > 1 else 0)
        try:
            news = collector.WaitForUpdatesEx(self._version, options)
        except vmodl.query.InvalidCollectorVersion:
            # the answer to our last call was lost, and with it the version that follows
            self._version = ""
            return
        if news is None:
            return
        self._version = news.version
        for change in (one for filtered in news.filterSet for one in filtered.objectSet):
            if id_of(change.obj) != self._task.id:
                continue
            self.gone = self.gone or change.kind == "leave"
            for prop in change.changeSet:
                self._note(prop.name, prop.val)

    def _create_filter(self, session: Session, collector: Any, paths: Sequence[str]) -> None:
        if collector is self._collector:
            self.close()
        subject = Collector.ObjectSpec(obj=refer(vim.Task, self._task.id, session.stub), skip=False)
        wanted = Collector.PropertySpec(type=vim.Task, all=False, pathSet=list(paths))
        specification = Collector.FilterSpec(objectSet=[subject], propSet=[wanted])
        self._filter = collector.CreateFilter(specification, partialUpdates=True)
        self._collector, self._version, self._paths = collector, "", paths

    def _note(self, name: str, value: Any) -> None:
        if name == "info.state":
            self.state = str(value)
        elif name == "info.progress":
            self.percent = value
        elif name == "info.error":
            self.error = value


def tasks_since(session: Session, vm: str, since: datetime) -> tuple[TaskRef, ...]:
    """Tasks on the VM queued at or after `since` (vCenter's clock), oldest first.

    vCenter keeps the last 200 tasks, of about ten minutes. Asked of the task manager: a VM's own list of
    recent tasks lacks those that an account did not start itself on some versions.
    """
    recent = walk(vim.TaskManager, "recentTask", name="recent")
    wanted: dict[type, Sequence[str]] = {vim.Task: ("info.entity", "info.queueTime", "info.descriptionId")}
    found = session.read(
        lambda session: collect(
            session, [refer(vim.TaskManager, session.login.tasks, session.stub)], [recent], wanted
        )
    )
    mine = [
        (task.get("info.queueTime"), task)
        for task in of_kind(found, vim.Task).values()
        if id_of(task.get("info.entity")) == vm and task.get("info.queueTime") is not None
    ]
    return tuple(
        TaskRef(session.site, task.id, str(task.get("info.descriptionId", "")).rpartition(".")[2])
        for queued, task in sorted(mine, key=lambda pair: pair[0])
        if queued >= since
    )


def cancel_task(session: Session, task: TaskRef) -> None:
    """Ask vCenter once to cancel the task; one at its end is left alone.

    Raises:
        BackendRejectedError: the task cannot be cancelled.
        OutcomeUnknownError: no answer came.
        TargetNotFoundError: vCenter no longer knows it.
    """

    def call(session: Session) -> None:
        try:
            refer(vim.Task, task.id, session.stub).CancelTask()
        except vim.fault.InvalidState as error:
            if type(error) is not vim.fault.InvalidState:  # itself it says that the task has ended already
                raise

    session.change(call, target=task.id, what="cancel")


def server_time(session: Session) -> datetime:
    """The vCenter's clock, aware, UTC."""
    asked = session.read(
        lambda session: refer(vim.ServiceInstance, "ServiceInstance", session.stub).CurrentTime()
    )
    return asked.astimezone(UTC)
