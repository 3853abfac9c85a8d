"""One request to a registry's HTTP API (version 2): by its own CA, with login or token, within limits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.auth

from andock.ports.registry import HUB

CONNECT_SECONDS = 2.5
READ_SECONDS = 10.0  # between two pieces of an answer
_HUB_HOST = "registry-1.docker.io"
_MOST_BYTES = 4 * 1024 * 1024  # of an answer; what registries take for a manifest
_CHUNK = 64 * 1024
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a registry."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """How one registry is reached."""

    address: str  # host and port, or docker.io
    login: Login | None = None
    ca: str | None = None  # path; None for those that the system knows
    insecure: bool = False  # HTTP without TLS


@dataclass(frozen=True, slots=True)
class Answer:
    """A success."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON.

        Raises:
            ValueError: it is no JSON object.
        """
        document = json.loads(self.body)
        if not isinstance(document, dict):
            raise ValueError("no JSON object")  # noqa: TRY004  what came in is wrong, not what we wrote
        return document


def fetch(access: Access, path: str, *, accept: str) -> Answer:
    """GET; a challenge is answered once, with the login or with a token that the login buys.

    Raises:
        requests.RequestException, OSError: no answer, or one that is no success.
        ValueError: an answer that no registry would give.
    """
    scheme = "http" if access.insecure else "https"
    host = _HUB_HOST if access.address == HUB else access.address
    url = f"{scheme}://{host}{path}"
    headers = {"Accept": accept}
    with requests.Session() as session:
        answer = _send(session, access, url, headers)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            proof = _answer(session, access, answer.headers.get("WWW-Authenticate", ""))
            if proof is not None:
                answer = _send(session, access, url, headers, proof)
        answer.raise_for_status()
        return Answer(_read(answer), answer.headers)


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Nobody(requests.auth.AuthBase):
    """No login; without it, requests would look for one in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _answer(session: requests.Session, access: Access, challenge: str) -> requests.auth.AuthBase | None:
    """What to send along the second time; None where we have nothing to say."""
    login = access.login
    basic = requests.auth.HTTPBasicAuth(login.user, login.password) if login else None
    if not challenge.lower().startswith("bearer"):
        return basic
    said = dict(_CHALLENGE.findall(challenge))
    realm = said.pop("realm", "")
    if urlsplit(realm).scheme != "https" and not access.insecure:
        return None  # a password never goes out in the clear, whoever asks for it
    query = {key: said[key] for key in ("service", "scope") if key in said}
    answer = _send(session, access, realm, {}, basic, query)
    answer.raise_for_status()
    document = Answer(_read(answer), answer.headers).document
    return _Bearer(str(document.get("token") or document.get("access_token") or ""))


def _send(
    session: requests.Session,
    access: Access,
    url: str,
    headers: Mapping[str, str],
    proof: requests.auth.AuthBase | None = None,
    query: Mapping[str, str] | None = None,
) -> requests.Response:
    return session.get(
        url,
        params=query,
        headers=headers,
        auth=proof or _Nobody(),
        verify=access.ca,  # with each request: REQUESTS_CA_BUNDLE overrules what a session has
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        stream=True,
    )


def _read(answer: requests.Response) -> bytes:
    body = b""
    for piece in answer.iter_content(_CHUNK):
        body += piece
        if len(body) > _MOST_BYTES:
            raise ValueError("too long an answer")
    return body
