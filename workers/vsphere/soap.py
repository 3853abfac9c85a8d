"""One SOAP call in a session, its answer given piece by piece as it arrives."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from typing import Any

from pyVmomi.SoapAdapter import SoapResponseDeserializer, SoapStubAdapter

from workers.vsphere.connection import ANSWER_WITHIN

_PIECE = 1 << 16  # bytes
_LONGEST_FAULT = 1 << 20  # bytes


def serialize(stub: SoapStubAdapter, subject: Any, method: str, *arguments: Any) -> bytes:
    """A call of this method on a managed object, as it goes over the wire.

    `arguments` are all of them, in the order of the API; None for what is left out.
    """
    info = subject._GetMethodInfo(method)  # noqa: SLF001  pyVmomi's only way to its own serializer
    body: bytes = stub.SerializeRequest(subject, info, arguments)  # type: ignore[no-untyped-call]  # pyVmomi
    return body


def call(stub: SoapStubAdapter, body: bytes, *, within: float) -> Iterator[bytes]:
    """Make a call and give the answer's bytes; faults are raised as pyVmomi raises them.

    Args:
        stub: whose connection and session are used. The connection goes back to it when all is read.
        body: what `serialize` gave.
        within: seconds for the whole answer. Between two of its bytes never more than ANSWER_WITHIN pass.

    Raises:
        one of `workers.vsphere.faults.VENDOR_ERRORS`.
    """
    deadline = time.monotonic() + within
    connection = stub.GetConnection()  # type: ignore[no-untyped-call]  # pyVmomi
    is_read = False
    try:
        connection.request("POST", stub.path, body, _headers(stub))
        _limit(connection, min(ANSWER_WITHIN, within))
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            fault = _fault_of(response, stub)
            is_read = True
            raise fault
        while piece := _next_piece(connection, response, deadline):
            yield piece
        is_read = True
    finally:
        if is_read:
            _limit(connection, ANSWER_WITHIN)
            stub.ReturnConnection(connection)  # type: ignore[no-untyped-call]  # pyVmomi
        else:
            connection.close()


def _headers(stub: SoapStubAdapter) -> dict[str, str]:
    return {"Cookie": stub.cookie, "SOAPAction": stub.versionId, "Content-Type": "text/xml; charset=UTF-8"}


def _limit(connection: http.client.HTTPConnection, seconds: float) -> None:
    """Wait no longer for the next bytes; one that closes after this answer has no socket any more."""
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _next_piece(connection: Any, response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The next bytes, none at the end.

    Raises:
        TimeoutError: the time for the whole answer is over, or nothing came for too long.
        http.client.IncompleteRead: the connection ended before the answer did.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer took too long")
    _limit(connection, min(ANSWER_WITHIN, left))
    piece = response.read(_PIECE)
    if not piece and response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return piece


def _fault_of(response: http.client.HTTPResponse, stub: SoapStubAdapter) -> BaseException:
    """The fault in an answer that is none."""
    status = f"{response.status} {response.reason}"
    if response.status != http.HTTPStatus.INTERNAL_SERVER_ERROR:
        response.close()
        raise http.client.HTTPException(status)
    text = response.read(_LONGEST_FAULT)
    fault = SoapResponseDeserializer(stub).Deserialize(text, None)  # type: ignore[no-untyped-call]  # pyVmomi
    return fault if isinstance(fault, BaseException) else http.client.HTTPException(status)
