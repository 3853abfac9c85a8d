"""Logging in to a vCenter, looking whether a login still holds, and logging out."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass, field

from pydantic import SecretStr
from pyVmomi import vim
from pyVmomi.SoapAdapter import SoapStubAdapter

from andock.errors import BackendUnavailableError
from config.sites import Vcenter
from workers.vsphere.connection import negotiate_version, open_stub
from workers.vsphere.faults import VENDOR_ERRORS, translate
from workers.vsphere.patience import Patience
from workers.vsphere.references import id_of, refer


@dataclass(frozen=True)
class Account:
    """A vCenter and how Andock logs in to it."""

    site: str
    vcenter: Vcenter
    password: SecretStr
    context: ssl.SSLContext


@dataclass(frozen=True)
class Login:
    """A session on a vCenter, as plain values: another process can speak in it on a stub of its own.

    Attributes:
        cookie: names the session; whoever has it is logged in.
        version: the API version that was negotiated, as pyVmomi names it.
        root, collector, sessions, tasks, views, events, extensions, permissions: ids of the root folder
            and of vCenter's managers.
        instance: the vCenter's own UUID.
    """

    cookie: str = field(repr=False)
    version: str
    root: str
    collector: str
    sessions: str
    tasks: str
    views: str
    instance: str = ""
    events: str = ""
    extensions: str = ""
    permissions: str = ""


def log_in(account: Account, patience: Patience | None = None) -> Login:
    """A new session. It is not pyVim's SmartConnect, which waits without a limit and keeps a global.

    Raises:
        BackendUnavailableError: the vCenter was not reached.
        BackendRejectedError: it refuses the account.
        DeadlineError: there is no time left for its answers.
    """
    try:
        version = negotiate_version(account.vcenter, account.context, patience)
        stub = open_stub(account.vcenter, account.context, version=version, patience=patience)
        content = refer(vim.ServiceInstance, "ServiceInstance", stub).RetrieveContent()
        manager = content.sessionManager
        if manager is None:
            raise BackendUnavailableError(account.site, "it offers no login; is it a vCenter?")
        manager.Login(account.vcenter.user, account.password.get_secret_value(), None)
    except VENDOR_ERRORS as error:
        raise translate(error, site=account.site) from error
    stub.DropConnections()  # type: ignore[no-untyped-call]  # pyVmomi
    return Login(
        cookie=stub.cookie,
        version=version,
        root=id_of(content.rootFolder),
        collector=id_of(content.propertyCollector),
        sessions=id_of(manager),
        tasks=id_of(content.taskManager),
        views=id_of(content.viewManager),
        instance=content.about.instanceUuid or "",
        events=id_of(content.eventManager),
        extensions=id_of(content.extensionManager),
        permissions=id_of(content.authorizationManager),
    )


def speak(account: Account, login: Login, patience: Patience | None = None) -> SoapStubAdapter:
    """A fresh stub in this session; nothing is sent yet."""
    return open_stub(
        account.vcenter, account.context, version=login.version, cookie=login.cookie, patience=patience
    )


def is_alive(account: Account, login: Login) -> bool:
    """Whether the session still holds; asking keeps it from going idle.

    Raises:
        BackendUnavailableError: the vCenter was not reached, so it is not known.
    """
    stub = speak(account, login)
    try:
        return refer(vim.SessionManager, login.sessions, stub).currentSession is not None
    except vim.fault.NotAuthenticated:
        return False
    except VENDOR_ERRORS as error:
        raise translate(error, site=account.site) from error
    finally:
        stub.DropConnections()  # type: ignore[no-untyped-call]  # pyVmomi


def log_out(account: Account, login: Login) -> None:
    """End the session; one that cannot be ended ends itself when it has been idle."""
    stub = speak(account, login)
    with contextlib.suppress(*VENDOR_ERRORS):
        refer(vim.SessionManager, login.sessions, stub).Logout()
    stub.DropConnections()  # type: ignore[no-untyped-call]  # pyVmomi
