"""The tasks that a vCenter shows, whoever started them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from pyVmomi import vim

from andock.ports.vsphere import Subject, TaskRef, TaskRow
from config.sites import Vcenter
from workers.vsphere.faults import say_fault
from workers.vsphere.properties import Entity, collect, of_kind, walk
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import plain
from workers.vsphere.session import Session
from workers.vsphere.subjects import Tagged, read_subjects

_INFO = (
    "info.entity",
    "info.entityName",
    "info.queueTime",
    "info.descriptionId",
    "info.state",
    "info.progress",
    "info.cancelable",
    "info.reason",
    "info.error",
)


def list_tasks(session: Session, vcenter: Vcenter, tagged: Tagged) -> tuple[TaskRow, ...]:
    """The recent tasks, newest first: two calls, and one for tags where they decide."""
    recent = walk(vim.TaskManager, "recentTask", name="recent")
    wanted: dict[type, Sequence[str]] = {vim.Task: _INFO}
    manager = refer(vim.TaskManager, session.login.tasks, session.stub)
    tasks = of_kind(collect(session, [manager], [recent], wanted), vim.Task).values()
    subjects = read_subjects(session, vcenter, (task.get("info.entity") for task in tasks), tagged)
    rows = (
        _row(session.site, vcenter, task, subjects.get(id_of(task.get("info.entity"))))
        for task in tasks
        if task.get("info.queueTime") is not None
    )
    return tuple(sorted(rows, key=lambda row: row.queued, reverse=True))


def _row(site: str, vcenter: Vcenter, task: Entity, subject: Subject | None) -> TaskRow:
    if subject is None:  # it is gone, or out of sight
        name = plain(task.get("info.entityName", "")) or "?"
        subject = Subject("thing", site, id_of(task.get("info.entity")), name, "", vcenter.environment_of(""))
    reason: Any = task.get("info.reason")
    error: Any = task.get("info.error")
    return TaskRow(
        ref=TaskRef(site, task.id, str(task.get("info.descriptionId", "")).rpartition(".")[2]),
        subject=subject,
        state=str(task.get("info.state", "")),
        queued=task.get("info.queueTime").astimezone(UTC),
        percent=task.get("info.progress"),
        user=str(getattr(reason, "userName", "") or ""),
        cancelable=bool(task.get("info.cancelable", otherwise=False)),
        error="" if error is None else say_fault(error),
    )
