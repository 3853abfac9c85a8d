"""Errors of the Docker SDK and what lies below it become ours here, and nowhere else."""

from __future__ import annotations

import errno
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import NoReturn

import docker.errors
import requests
import urllib3.exceptions

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
)
from andock.redaction import SHAPES_ONLY, Redactor

# requests' own errors are OSErrors; RQ's time limit is none of these and passes
_FAULTS = (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError)
_NOT_SENT = (
    ConnectionRefusedError,
    FileNotFoundError,
    PermissionError,
    ssl.SSLCertVerificationError,
    requests.ConnectTimeout,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.NameResolutionError,
)
_USUAL: tuple[tuple[type[BaseException], str], ...] = (
    (PermissionError, "its socket may not be opened; add the worker's user to the group `docker`"),
    (FileNotFoundError, "its socket is not there; is dockerd running?"),
    (ConnectionRefusedError, "connection refused"),
    (urllib3.exceptions.NameResolutionError, "its host name is not known"),
    (requests.Timeout, "no answer in time"),
    (urllib3.exceptions.TimeoutError, "no answer in time"),
)
# by OpenSSL's number of what is wrong with a certificate
_CERTIFICATE = {
    9: "its certificate is not valid yet; are both clocks right?",
    10: "its certificate has expired; renew it there",
    62: "its certificate is for another name; use one in sites.yaml that it was made for",
    64: "its certificate is for another address; use one in sites.yaml that it was made for",
}
_LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
_LONGEST = 300  # characters of an engine's own message
_SHORT_ID = 12
_ID = re.compile(r"[0-9a-f]{64}")
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)


@contextmanager
def reading(
    site: str, thing: str = "", kind: str = "container", *, redactor: Redactor = SHAPES_ONLY
) -> Iterator[None]:
    """Around calls that change nothing; `redactor` hides secrets in what the engine says.

    Raises:
        BackendUnavailableError: no answer.
        BackendRejectedError: the engine answered no, in its own words.
        TargetNotFoundError: it does not know the thing of that kind.
    """
    try:
        yield
    except _FAULTS as error:
        _raise(error, site, thing, kind, redactor, changing=False)


@contextmanager
def changing(
    site: str, thing: str, kind: str = "container", *, redactor: Redactor = SHAPES_ONLY
) -> Iterator[None]:
    """Around one call that changes the thing; `redactor` as in `reading`.

    Raises:
        OutcomeUnknownError: sent, and no answer came. The others as `reading`.
    """
    try:
        yield
    except _FAULTS as error:
        _raise(error, site, thing, kind, redactor, changing=True)


def _raise(
    error: Exception, site: str, thing: str, kind: str, redactor: Redactor, *, changing: bool
) -> NoReturn:
    backend = f"Engine `{site}`"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        _raise_answer(error, error.response, site, thing, kind, redactor, changing=changing)
    causes = tuple(_causes(error))
    why = explain(error, redactor=redactor)
    if changing and not any(isinstance(cause, _NOT_SENT) for cause in causes):
        raise OutcomeUnknownError(f"{backend} was told and did not answer ({why}).") from error
    raise BackendUnavailableError(backend, why) from error


def _raise_answer(
    error: requests.HTTPError,
    response: requests.Response,
    site: str,
    thing: str,
    kind: str,
    redactor: Redactor,
    *,
    changing: bool,
) -> NoReturn:
    """The engine answered with an HTTP status that is no success."""
    if response.status_code == HTTPStatus.NOT_FOUND and thing:
        name = thing.removeprefix("sha256:")
        shown = name[:_SHORT_ID] if _ID.fullmatch(name) else thing
        raise TargetNotFoundError(kind, shown, searched=(site,)) from error
    # what failed inside the engine may have failed half-way
    half_way = changing and response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    said = said_by(response, redactor)
    changed = Changed.UNKNOWN if half_way else Changed.NOTHING
    raise BackendRejectedError(f"Engine `{site}`", said, changed=changed) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what the libraries wrapped in it: as arguments, as `reason` or as the cause."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None), error.__cause__):
        if isinstance(inner, BaseException):
            yield from _causes(inner)


def explain(
    error: Exception,
    *,
    settings: str = "tls",
    of: str = "of this engine",
    redactor: Redactor = SHAPES_ONLY,
) -> str:
    """One clause on why nobody answered, with the fix where there is a usual one.

    `settings` and `of` say where in sites.yaml the certificates are that it speaks of.
    """
    for cause in reversed(tuple(_causes(error))):
        # the innermost knows best: to urllib3, a refused connection is a time-out
        if isinstance(cause, ssl.SSLError):
            return _explain_tls(cause, settings, of)
        for kind, why in _USUAL:
            if isinstance(cause, kind):
                return why
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno in errno.errorcode:
            return os.strerror(cause.errno).lower()
        if isinstance(cause, docker.errors.DockerException):
            return _clause(str(cause), redactor)
    return "the connection was lost" if isinstance(error, _LOST) else _clause(str(error), redactor)


def _explain_tls(error: ssl.SSLError, settings: str, of: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _CERTIFICATE:
            return _CERTIFICATE[error.verify_code]
        return f"its certificate was not accepted: {error.verify_message}; see {settings}.ca {of}"
    reason = (error.reason or "unknown").lower().replace("_", " ")
    if "alert" in reason:
        said = reason.rpartition("alert ")[2]
        return f"it did not accept our certificate: {said}; see {settings}.cert {of}"
    return f"no TLS: {reason}"


def said_by(response: requests.Response, redactor: Redactor = SHAPES_ONLY) -> str:
    """The engine's own message, on one line."""
    try:
        said = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        said = response.text or response.reason or "no reason given"
    return explain_words(said, redactor)


def explain_words(said: str, redactor: Redactor = SHAPES_ONLY) -> str:
    """An engine's own words as a clause, with the way out where its disk is full."""
    full = _FULL.search(said)
    if full is not None:  # without the path of the engine's host that stands before it
        return f"{full.group().lower()}; its disk is full: see what takes it with `engine disk`"
    return _clause(said, redactor)


def _clause(said: str, redactor: Redactor) -> str:
    """An engine's message on one line, short, without a full stop."""
    # before it is cut: nobody knows the first part of a secret as one
    text = " ".join(redactor.redact(said).split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return text.rstrip(".")
