"""The one place where vCenter's faults and transport errors become ours."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    OpsError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from workers.vsphere.connection import ANSWER_WITHIN, CONNECT_WITHIN, NotConnectedError

# KeyError and TypeError come out of pyVmomi's reader when an answer holds an empty or a wrong object
# reference, AttributeError when it holds a reason without a fault or a word that pyVmomi does not know.
_UNREADABLE = (ExpatError, KeyError, TypeError, AttributeError)
# What a SOAP call can raise. Only the call itself may be guarded by this.
VENDOR_ERRORS = (vmodl.MethodFault, OSError, http.client.HTTPException, *_UNREADABLE)
_STATUS = re.compile(r"^[1-5]\d\d ")  # pyVmomi raises a bare HTTPException("503 Service Unavailable")
_POWER = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended"}
_KINDS = {
    "VirtualMachine": "VM",
    "vm.Snapshot": "snapshot",
    "HostSystem": "host",
    "Task": "task",
    "Datastore": "datastore",
}


def is_lost(error: BaseException) -> bool:
    """Whether an open connection broke: a new one may do. Not a time-out, which would only double."""
    if isinstance(error, NotConnectedError | TimeoutError):
        return False
    if isinstance(error, http.client.HTTPException):
        return _STATUS.match(str(error)) is None
    return isinstance(error, ConnectionError | ssl.SSLError)


def translate(error: BaseException, *, site: str, target: str = "") -> OpsError:
    """Our error for one of VENDOR_ERRORS that a read met, or a change that vCenter answered.

    Args:
        error: what was raised.
        site: the vCenter's name.
        target: what the call was about, by the name that a person knows.
    """
    if isinstance(error, vmodl.MethodFault):
        return _translate_fault(error, site, target)
    if isinstance(error, _UNREADABLE):
        return BackendRejectedError(site, f"its answer cannot be read ({_name(error)}: {error})")
    return BackendUnavailableError(site, say_transport(error))


def translate_change(error: BaseException, *, site: str, target: str, what: str) -> OpsError:
    """Our error for one of VENDOR_ERRORS that a change met.

    Without an answer nobody knows whether vCenter did it: not after a broken connection, and not after a
    503 either, which vCenter's proxy also says when it lost a request that it had passed on.
    """
    if isinstance(error, vmodl.MethodFault | NotConnectedError):
        return translate(error, site=site, target=target)
    why = f"{_name(error)}: {error}" if isinstance(error, _UNREADABLE) else say_transport(error)
    return OutcomeUnknownError(
        f"{site} was asked to {what} `{target}` and gave no answer ({why}); look at it before you ask again."
    )


def say_transport(error: BaseException) -> str:
    """One clause about why a vCenter was not reached."""
    cause = error.__cause__ if isinstance(error, NotConnectedError) and error.__cause__ else error
    match cause:
        case TimeoutError() if isinstance(error, NotConnectedError):
            return f"no answer within {CONNECT_WITHIN:g} s"
        case TimeoutError():
            return f"connected, but no answer within {ANSWER_WITHIN:g} s"
        case socket.gaierror():
            return "its host name is not known"
        case ConnectionRefusedError():
            return "connection refused"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {cause.verify_message}"
        case http.client.RemoteDisconnected() | ConnectionError():
            return "it closed the connection"
        case http.client.HTTPException() if _STATUS.match(str(cause)):
            return f"HTTP {cause}"
        case OSError():
            return cause.strerror or _name(cause)
        case _:
            return f"{_name(cause)}: {cause}"


def say_fault(fault: Any) -> str:
    """One clause, without a full stop, about why vCenter refused or a task failed."""
    for kinds, say in _SENTENCES:
        if isinstance(fault, kinds):
            return say(fault)
    name = _name(fault).rpartition(".")[2]
    text = str(getattr(fault, "msg", None) or getattr(fault, "reason", None) or "").strip().rstrip(".")
    return f"{text} ({name})" if text else name


def _translate_fault(fault: Any, site: str, target: str) -> OpsError:
    match fault:
        case vmodl.fault.ManagedObjectNotFound():
            kind, _, identifier = str(fault.obj).strip("'").removeprefix("vim.").partition(":")
            named = target or identifier or "?"
            return TargetNotFoundError(_KINDS.get(kind, kind or "object"), named, searched=(site,))
        case vim.fault.InvalidPowerState() if target:
            actual, wanted = _power(fault.existingState), _power(fault.requestedState)
            if actual and wanted and actual != wanted:
                return TargetStateError(target, actual=actual, wanted=wanted)
        case vim.fault.ToolsUnavailable() if target:
            return TargetStateError(target, actual="without VMware Tools", wanted="running them")
        case vim.fault.NotAuthenticated():
            return BackendUnavailableError(site, "it ended our session")
        case _:
            pass
    return BackendRejectedError(site, say_fault(fault))


def _power(state: Any) -> str:
    return _POWER.get(str(state), "") if state else ""


def _say_power(fault: Any) -> str:
    actual, wanted = _power(fault.existingState), _power(fault.requestedState)
    if not actual:
        return "its power state does not allow this"
    return f"it is {actual} already" if actual == wanted else f"it is {actual}"


def _say_permission(fault: Any) -> str:
    privilege = f"the privilege `{fault.privilegeId}`" if fault.privilegeId else "a privilege"
    return f"Andock's account lacks {privilege} on it"


def _say_argument(fault: Any) -> str:
    return (
        f"it does not accept `{fault.invalidProperty}`"
        if fault.invalidProperty
        else "it does not accept that"
    )


def _say_resources(fault: Any) -> str:
    text = str(fault.msg or "").strip().rstrip(".")
    return f"there are not enough resources on the hosts{f': {text}' if text else ''}"


_SENTENCES: tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...] = (
    ((vim.fault.InvalidLogin,), lambda _: "it does not accept the user name and password that Andock has"),
    ((vim.fault.NoPermission,), _say_permission),
    ((vim.fault.InvalidPowerState,), _say_power),
    ((vim.fault.ToolsUnavailable,), lambda _: "VMware Tools do not run in the guest"),
    ((vim.fault.TaskInProgress,), lambda _: "another task is running on it"),
    ((vim.fault.RestrictedVersion,), lambda _: "the licence of its host does not allow this"),
    ((vim.fault.InsufficientResourcesFault,), _say_resources),
    ((vmodl.fault.RequestCanceled,), lambda _: "the task was cancelled in vCenter"),
    ((vmodl.fault.HostNotConnected, vmodl.fault.HostNotReachable), lambda _: "its host is not connected"),
    ((vmodl.fault.HostCommunication,), lambda _: "vCenter cannot speak to its host"),
    ((vim.fault.Timedout,), lambda _: "it ran into a time limit of vCenter"),
    ((vmodl.fault.NotSupported,), lambda _: "vCenter does not support this for it"),
    ((vim.fault.InvalidHostState,), lambda _: "the host is in maintenance mode or not connected"),
    ((vim.fault.NoDiskSpace,), lambda fault: f"there is no room left on the datastore `{fault.datastore}`"),
    ((vim.fault.DuplicateName,), lambda fault: f"the name `{fault.name}` is taken there"),
    ((vim.fault.InvalidName,), lambda fault: f"`{fault.name}` is no name that vCenter takes"),
    ((vmodl.fault.InvalidArgument,), _say_argument),
    ((vim.fault.InvalidState,), lambda _: "it is in a state that does not allow this"),
)


def _name(error: object) -> str:
    return type(error).__name__
