"""Shows Andock's steps in vCenter, where it is registered: as tasks, and as events of what is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog
from pyVmomi import vim, vmodl

from andock.errors import BackendUnavailableError, OpsError
from andock.ports.trace import Traced
from workers.vsphere import extension
from workers.vsphere.references import refer
from workers.vsphere.session import Session, Sessions
from workers.vsphere.vcenters import Vcenters

log = structlog.get_logger()
T = TypeVar("T")
_KINDS: Mapping[str, type] = {
    "vm": vim.VirtualMachine,
    "host": vim.HostSystem,
    "datastore": vim.Datastore,
    "cluster": vim.ClusterComputeResource,
}
_Problem: Any = vmodl.fault.SystemError  # its constructor is untyped
_ALL = ""


class VcenterTrace(Vcenters):
    """Implements `andock.ports.trace.Trace` for one job. Speaks on connections of its own.

    What a vCenter refuses it is not asked for again in this job, and one that does not answer is left alone.
    """

    def __init__(self, sessions: Sessions, instance: str) -> None:
        super().__init__(sessions)
        self._instance = instance
        self._registered: dict[str, bool] = {}
        self._refused: set[tuple[str, str]] = set()

    def begin(self, step: Traced) -> str:
        """See the port."""
        if step.site not in self._registered:
            known = self._try(step.site, "FindExtension", self._find)
            self._registered[step.site] = bool(known)
        if not self._registered[step.site]:
            return ""
        said = f"{step.actor} asked Andock in chat: {step.text} (request {step.request})"

        def log_event(session: Session) -> None:
            events = refer(vim.event.EventManager, session.login.events, session.stub)
            events.LogUserEvent(_entity(session, step), said)

        def create(session: Session) -> str:
            tasks = refer(vim.TaskManager, session.login.tasks, session.stub)
            kind = extension.task_type(self._instance, step.operation)
            by = f"{step.actor} ({step.request})"
            made = tasks.CreateTask(_entity(session, step), kind, by, False, None, step.request)
            return str(made.key)

        self._try(step.site, "LogUserEvent", lambda session: _send(session, log_event, step))
        task = self._try(step.site, "CreateTask", lambda session: _send(session, create, step))
        if task:
            self._set(step.site, task, "running")
        return task or ""

    def tell(self, site: str, trace: str, percent: int) -> None:
        """See the port."""
        self._try(site, "UpdateProgress", _reading(lambda s: _task(s, trace).UpdateProgress(percent)))

    def end(self, site: str, trace: str, problem: str = "") -> None:
        """See the port."""
        fault = _Problem(reason=problem, msg=problem) if problem else None
        self._set(site, trace, "error" if problem else "success", fault)

    def _set(self, site: str, trace: str, state: str, fault: object = None) -> None:
        self._try(site, "SetTaskState", _reading(lambda s: _task(s, trace).SetTaskState(state, None, fault)))

    def _find(self, session: Session) -> bool:
        return extension.is_registered(session, self._instance)

    def _try(self, site: str, what: str, call: Callable[[Session], T]) -> T | None:
        """Make a call; None if it failed now or before, which no change is to suffer from."""
        if not self._refused.isdisjoint({(site, what), (site, _ALL)}):
            return None
        try:
            return call(self._session(site))
        except OpsError as error:
            away = isinstance(error, BackendUnavailableError)
            self._refused.add((site, _ALL if away else what))
            log.warning("not_shown_in_vcenter", site=site, call=what, error=error.sentence)
            return None


def _send(session: Session, call: Callable[[Session], T], step: Traced) -> T:
    """At most once: a second time would show the step twice."""
    return session.change(call, target=step.target, what="show a step on")


def _reading(call: Callable[[Session], T]) -> Callable[[Session], T]:
    """What says the same when it is said twice may be repeated as a read is."""
    return lambda session: session.read(call)


def _task(session: Session, trace: str) -> vim.Task:
    return refer(vim.Task, trace, session.stub)


def _entity(session: Session, step: Traced) -> vim.ManagedEntity:
    """What the step changes; the root folder for what is not there yet."""
    kind = _KINDS.get(step.kind)
    if kind is None or not step.target or "/" in step.target:  # a path is what has no id yet
        return refer(vim.Folder, session.login.root, session.stub)
    return refer(kind, step.target, session.stub)
