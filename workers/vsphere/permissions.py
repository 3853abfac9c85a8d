"""What Andock's own account may do on a vCenter."""

from __future__ import annotations

from pyVmomi import vim, vmodl

from andock.errors import BackendRejectedError
from andock.privileges import WATCHING, WATCHING_FIX, say_blind
from andock.sight import Sight
from workers.vsphere.references import refer
from workers.vsphere.session import Session

# vCenter cannot look its own account up, or does not know the question
UNASKABLE = (vim.fault.UserNotFound, vmodl.fault.NotSupported, vmodl.fault.MethodNotFound)


def own_privileges(session: Session) -> frozenset[str]:
    """The privileges of the account that is logged in, on the root folder or on what lies right below it.

    Raises:
        BackendUnavailableError, BackendRejectedError: vCenter does not say.
    """
    return session.read(_fetch)


def lacks_at_root(session: Session) -> tuple[str, ...]:
    """What the account lacks on the root folder to see alarms and events; raises vCenter's own errors."""
    root = refer(vim.Folder, session.login.root, session.stub)
    manager = refer(vim.AuthorizationManager, session.login.permissions, session.stub)
    try:
        found = manager.FetchUserPrivilegeOnEntities([root], own_name(session))
    except vim.fault.NoPermission:
        return WATCHING
    held = {name for one in found for name in one.privileges}
    return tuple(name for name in WATCHING if name not in held)


def require_sight(session: Session, sight: Sight, what: str) -> None:
    """Go on only if the account sees what is below the root folder.

    Raises:
        BackendRejectedError: it does not, which is told once.
    """
    try:
        missing = lacks_at_root(session)
    except UNASKABLE:
        return  # then nobody knows before it is looked at
    if missing:
        sight.lost(missing)
        raise BackendRejectedError(session.site, f"{say_blind(what, missing)}. Fix: {WATCHING_FIX}")
    sight.back()


def own_name(session: Session) -> str:
    """The account as vCenter calls it, which is not always what it was logged in with."""
    current = refer(vim.SessionManager, session.login.sessions, session.stub).currentSession
    if current is None:
        raise vim.fault.NotAuthenticated
    return str(current.userName)


def _fetch(session: Session) -> frozenset[str]:
    root = refer(vim.Folder, session.login.root, session.stub)
    manager = refer(vim.AuthorizationManager, session.login.permissions, session.stub)
    found = manager.FetchUserPrivilegeOnEntities([root, *root.childEntity], own_name(session))
    return frozenset(name for one in found for name in one.privileges)
