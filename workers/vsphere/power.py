"""A VM's power, its guest, and the tasks of all vCenters."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from andock.ports.sites import Listing
from andock.ports.vsphere import TaskRef, TaskRow
from andock.ports.watch import Watch
from workers.vsphere import tasks
from workers.vsphere.session import Session
from workers.vsphere.tags import TagsClient
from workers.vsphere.task_list import list_tasks
from workers.vsphere.vcenters import Vcenters

_CLOCK_KEPT = 2.0  # seconds; short, for a clock may be set


class PowerClient(Vcenters):
    """Implements `andock.ports.vsphere.power.Power`."""

    def power_on(self, site: str, vm: str) -> TaskRef:
        """See the port."""
        return self._start(site, vm, "power on", "powerOn", lambda found: found.PowerOnVM_Task(None))

    def power_off(self, site: str, vm: str) -> TaskRef:
        """See the port."""
        return self._start(site, vm, "power off", "powerOff", lambda found: found.PowerOffVM_Task())

    def reset(self, site: str, vm: str) -> TaskRef:
        """See the port."""
        return self._start(site, vm, "reset", "reset", lambda found: found.ResetVM_Task())

    def suspend(self, site: str, vm: str) -> TaskRef:
        """See the port."""
        return self._start(site, vm, "suspend", "suspend", lambda found: found.SuspendVM_Task())

    def shutdown_guest(self, site: str, vm: str) -> None:
        """See the port."""
        self._change(site, vm, "shut down the guest of", lambda found: found.ShutdownGuest())

    def reboot_guest(self, site: str, vm: str) -> None:
        """See the port."""
        self._change(site, vm, "reboot the guest of", lambda found: found.RebootGuest())


class TasksClient(TagsClient):
    """Implements `andock.ports.vsphere.tasks.Tasks`."""

    def await_task(self, task: TaskRef, watch: Watch) -> None:
        """See the port."""
        tasks.await_task(self._session(task.site), task, watch)

    def cancel_task(self, task: TaskRef) -> None:
        """See the port."""
        tasks.cancel_task(self._session(task.site), task)

    def tasks_since(self, site: str, vm: str, since: datetime) -> tuple[TaskRef, ...]:
        """See the port."""
        return tasks.tasks_since(self._session(site), vm, since)

    def list_tasks(self, site: str | None = None) -> Listing[TaskRow]:
        """See the port."""

        def ask(session: Session) -> tuple[TaskRow, ...]:
            vcenter = self._sessions.vcenter(session.site)
            return session.read(lambda session: list_tasks(session, vcenter, self._labels_of))

        return self._ask_all(site, ask)

    def server_time(self, site: str) -> datetime:
        """See the port. Steps that begin at about the same time share one answer.

        Reckoned on from its arrival it is never ahead: what a step starts is not older than its mark.
        """
        told, at = self._clocks.get(site, (None, 0.0))
        if told is None or time.monotonic() - at > _CLOCK_KEPT:
            told = tasks.server_time(self._session(site))
            at = time.monotonic()
            self._clocks[site] = told, at
        return told + timedelta(seconds=time.monotonic() - at)
