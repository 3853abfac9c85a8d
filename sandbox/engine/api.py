"""The Docker Engine API over a socket, with nothing but the standard library."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

JSON_HEADERS = {"Content-Type": "application/json"}
TAR_HEADERS = {"Content-Type": "application/x-tar"}


class EngineError(RuntimeError):
    """The engine refused a request or cannot be reached. `status` is its HTTP status, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Api:
    """Requests to one engine; `url` is unix:///path or tcp://host:port, `timeout` in seconds."""

    url: str
    timeout: float = 30.0

    def answers(self) -> bool:
        """Whether an engine is there and ready."""
        try:
            Api(self.url, timeout=2.0).call("GET", "/_ping")
        except EngineError:
            return False
        return True

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        login: Mapping[str, str] | None = None,
    ) -> Any:
        """One request. Values of `query` that are no strings go as JSON, a `bytes` body as a tar archive.

        `login` is for the registry that the engine speaks to: `username` and `password`, or nothing.

        Returns the decoded JSON answer, or None if there is none.

        Raises:
            EngineError: refused, or no answer in time.
        """
        values = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in (query or {}).items()
        }
        headers = dict(TAR_HEADERS if isinstance(body, bytes) else JSON_HEADERS)
        if login is not None:
            headers["X-Registry-Auth"] = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
        payload = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection = self._connection()
        try:
            connection.request(method, f"{path}?{urlencode(values)}", payload, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{self.url}: {str(error) or type(error).__name__}") from error
        finally:
            connection.close()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise EngineError(f"{method} {path}: {_message(answer)}", response.status)
        is_json = response.getheader("Content-Type", "").startswith("application/json")
        # A stream of progress lines is JSON only line by line; nobody here needs it.
        return json.loads(answer) if is_json and answer.count(b"\r\n") <= 1 and answer else None

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            return _UnixConnection(parts.path, self.timeout)
        if parts.scheme in {"tcp", "http"} and parts.hostname:
            return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=self.timeout)
        raise EngineError(f"the sandbox reaches engines by unix:// and tcp:// only, not by {self.url}")


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.decode(errors="replace")
