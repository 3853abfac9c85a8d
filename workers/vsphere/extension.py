"""Andock as an extension of a vCenter: registered, found again and taken away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pyVmomi import vim

from andock.operation import Backend, Change, Operation
from workers.vsphere.references import refer
from workers.vsphere.session import Session

Extension: Any = vim.Extension  # its parts have untyped constructors
KeyValue: Any = vim.KeyValue
Description: Any = vim.Description


def key_of(instance: str) -> str:
    """The name under which a vCenter knows this installation."""
    return f"andock.{instance}"


def task_type(instance: str, operation: str) -> str:
    """What a vCenter calls the tasks that show this operation."""
    return f"{key_of(instance)}.{'.'.join(operation.split())}"


def register(session: Session, instance: str, version: str, operations: Sequence[Operation]) -> bool:
    """Make Andock known with a task type for each change; False when it was, and is brought up to date.

    Raises:
        BackendUnavailableError, BackendRejectedError, OutcomeUnknownError: as any change.
    """
    extension = _describe(instance, version, operations)
    is_new = not is_registered(session, instance)

    def call(session: Session) -> None:
        manager = _manager(session)
        (manager.RegisterExtension if is_new else manager.UpdateExtension)(extension)

    session.change(call, target=key_of(instance), what="register")
    return is_new


def unregister(session: Session, instance: str) -> bool:
    """Take Andock's registration away; False when there was none. Raises as `register`."""
    if not is_registered(session, instance):
        return False
    key = key_of(instance)
    session.change(lambda session: _manager(session).UnregisterExtension(key), target=key, what="unregister")
    return True


def is_registered(session: Session, instance: str) -> bool:
    """Whether this vCenter knows this installation."""
    found = session.read(lambda session: _manager(session).FindExtension(key_of(instance)))
    return found is not None


def _manager(session: Session) -> Any:
    return refer(vim.ExtensionManager, session.login.extensions, session.stub)


def _describe(instance: str, version: str, operations: Sequence[Operation]) -> Any:
    changes = [one for one in operations if isinstance(one, Change) and one.backend is Backend.VSPHERE]
    types = {task_type(instance, one.name): one for one in changes}
    labels = [
        KeyValue(key=f"{name}.{part}", value=text)
        for name, one in types.items()
        for part, text in (("label", f"Andock: {one.name}"), ("summary", one.summary))
    ]
    return Extension(
        key=key_of(instance),
        version=version,
        company="Andock",
        description=Description(label="Andock", summary="Requests that people make in chat."),
        taskList=[Extension.TaskTypeInfo(taskID=name) for name in types],
        resourceList=[Extension.ResourceInfo(locale="en", module="task", data=labels)],
        lastHeartbeatTime=datetime.now(UTC),
    )
