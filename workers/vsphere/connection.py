"""HTTPS to one vCenter: short to connect, bounded to answer, and clear about what was sent."""

from __future__ import annotations

import http.client
import re
import ssl
import time
from functools import partial
from pathlib import Path
from typing import Any

from pyVmomi.SoapAdapter import SoapStubAdapter
from pyVmomi.VmomiSupport import GetServiceVersions, versionIdMap

from andock.errors import ConfigError, DeadlineError
from config.sites import Vcenter
from workers.vsphere.patience import FOREVER, Patience

# Seconds for TCP, and for each answer of the TLS handshake. A lost SYN is sent again after 1 s and after 3 s:
# half a second more would find nobody else, and a person is to hear within 3 s that a vCenter is away.
CONNECT_WITHIN = 2.0
ANSWER_WITHIN = 15.0  # seconds between the bytes of an answer; our longest call waits 1 s inside vCenter
TRUSTED_FOR = 1.0  # seconds after a sign of life in which a connection is believed to be alive
_PATH = "/sdk"
_VERSIONS = f"{_PATH}/vimServiceVersions.xml"
_MOST_VERSIONS = 1_000_000  # bytes
_VERSION = re.compile(r"<version>([^<]{1,40})</version>")
_OLDEST = "vim.version.version9"  # 5.5; every vCenter that pyVmomi can speak to knows it


class NotConnectedError(ConnectionError):
    """No connection came about, so nothing was sent; the cause says why."""


class VcenterConnection(http.client.HTTPSConnection):
    """A connection that tells `not connected` from `sent, and no answer`."""

    def __init__(self, *where: Any, patience: Patience | None = None, **how: Any) -> None:
        """As HTTPSConnection; `patience` says how long the next answer is waited for at most."""
        super().__init__(*where, **how)
        self._patience = patience
        self._ahead_since = 0.0  # when it was opened, monotonic, if nothing was sent on it yet

    def request(self, *what: Any, **how: Any) -> None:
        """Send, unless there is no time left for the answer.

        Raises:
            DeadlineError: nothing was sent.
            NotConnectedError: it was opened ahead, and vCenter is silent now.
        """
        self._hear()
        try:
            left = FOREVER if self._patience is None else self._patience.left()
        except DeadlineError:
            self.close()
            raise
        super().request(*what, **how)
        self.sock.settimeout(min(ANSWER_WITHIN, left))

    def opened_ahead(self) -> None:
        """There is nothing to send yet; vCenter may have fallen silent when there is."""
        self._ahead_since = time.monotonic()

    def _hear(self) -> None:
        """See whether vCenter still answers on a connection that was opened ahead, as connecting would."""
        since, self._ahead_since = self._ahead_since, 0.0
        if not since or time.monotonic() - since < TRUSTED_FOR:
            return
        try:
            self.sock.settimeout(CONNECT_WITHIN)
            super().request("GET", _VERSIONS)
            self.getresponse().read(_MOST_VERSIONS)
        except TimeoutError as error:
            self.close()
            raise NotConnectedError(str(error)) from error
        except (OSError, http.client.HTTPException):
            self.close()  # closed over there; what is sent next connects anew

    def connect(self) -> None:
        """Connect within CONNECT_WITHIN, then wait ANSWER_WITHIN for answers.

        Raises:
            NotConnectedError: for whatever reason.
        """
        self.timeout = CONNECT_WITHIN
        try:
            super().connect()
        except OSError as error:
            self.close()
            raise NotConnectedError(str(error)) from error
        self.sock.settimeout(ANSWER_WITHIN)


def make_context(vcenter: Vcenter, *, name: str, base: Path) -> ssl.SSLContext:
    """How this vCenter's certificate is checked; a relative CA file lies beside sites.yaml (`base`).

    Raises:
        ConfigError: the CA file cannot be read.
    """
    context = ssl.create_default_context()
    if not vcenter.tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if vcenter.tls.ca is not None:
        path = base / vcenter.tls.ca
        try:
            context.load_verify_locations(cafile=path)
        except OSError as error:  # also ssl.SSLError: no certificate in it
            raise ConfigError(
                f"the CA file {path} cannot be used ({error.strerror or error}).",
                where=f"vcenters.{name}.tls.ca",
                fix="name a file with PEM certificates.",
            ) from error
    return context


def negotiate_version(vcenter: Vcenter, context: ssl.SSLContext, patience: Patience | None = None) -> str:
    """The newest API version that this vCenter and pyVmomi share, as pyVmomi names it.

    pyVmomi's own negotiation has no time-out.

    Raises:
        NotConnectedError, OSError, HTTPException: as any call.
    """
    connection = VcenterConnection(vcenter.host, vcenter.port, context=context, patience=patience)
    try:
        connection.request("GET", _VERSIONS)
        response = connection.getresponse()
        body = response.read(_MOST_VERSIONS)
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise http.client.HTTPException(f"{response.status} {response.reason}")
    offered = set(_VERSION.findall(body.decode("utf-8", errors="replace")))
    versions: list[str] = GetServiceVersions("vim25")  # type: ignore[no-untyped-call]  # newest first
    return next((version for version in versions if versionIdMap[version] in offered), _OLDEST)


def open_stub(
    vcenter: Vcenter,
    context: ssl.SSLContext,
    *,
    version: str,
    cookie: str = "",
    patience: Patience | None = None,
) -> SoapStubAdapter:
    """A stub of its own, without a connection yet; with a session's cookie it speaks in that session."""
    stub = SoapStubAdapter(  # type: ignore[no-untyped-call]  # pyVmomi
        host=vcenter.host,
        port=vcenter.port,
        path=_PATH,
        version=version,
        sslContext=context,
        httpConnectionTimeout=ANSWER_WITHIN,
        poolSize=1,
    )
    stub.scheme = partial(VcenterConnection, patience=patience)  # type: ignore[assignment]  # guessed from its first use
    stub.cookie = cookie
    return stub
