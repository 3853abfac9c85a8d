"""vCenter's tasks: the form in which they are kept, and how they are waited for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from andock.ports.sites import Listing
from andock.ports.vsphere.subjects import Subject
from andock.ports.watch import Watch


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task that a vCenter runs; enough to find it again after a crash."""

    site: str
    id: str
    kind: str = ""  # what it does in vCenter's word, such as `powerOff`; empty when it was not asked


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as vCenter shows it."""

    ref: TaskRef
    subject: Subject
    state: str  # `queued`, `running`, `success` or `error`
    queued: datetime  # aware, UTC
    percent: int | None = None
    user: str = ""
    cancelable: bool = False
    error: str = ""  # why it failed, a clause without a full stop

    @property
    def is_open(self) -> bool:
        """Whether it is not at its end."""
        return self.state in {"queued", "running"}


class Tasks(Protocol):
    """Tasks of all vCenters; see `VSphere` for what every method raises."""

    def await_task(self, task: TaskRef, watch: Watch) -> None:
        """Wait for the task's success, telling its progress to `watch`.

        Survives a lost session and a vCenter that is away for a while, until the deadline.

        Raises:
            BackendRejectedError: the task ended in an error; says which.
            TargetNotFoundError: vCenter no longer knows the task.
            OutcomeUnknownError: vCenter does not let it be followed; it may go on.
        """
        ...

    def cancel_task(self, task: TaskRef) -> None:
        """Ask vCenter to cancel the task; returns before it has ended. A task at its end is left alone."""
        ...

    def tasks_since(self, site: str, vm: str, since: datetime) -> tuple[TaskRef, ...]:
        """Tasks on the VM that were queued at or after `since` (vCenter's clock), oldest first."""
        ...

    def list_tasks(self, site: str | None = None) -> Listing[TaskRow]:
        """The tasks that vCenter still shows, of about ten minutes, whoever started them.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def server_time(self, site: str) -> datetime:
        """The vCenter's clock, aware, UTC."""
        ...
