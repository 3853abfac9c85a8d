"""The part of the port that speaks HTTP to a container itself."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests

from andock.redaction import Redactor
from workers.containers.calls import Calls
from workers.containers.faults import explain
from workers.containers.inventory import addresses_of, published_by

_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_LOOPBACK = "127.0.0.1"
_UNIX = "unix"


class ProbeCalls(Calls):
    """Implements `ContainerProbe`."""

    def is_near(self, site: str) -> bool:
        """See `ContainerProbe`."""
        return urlsplit(self._engines.engine(site).url).scheme == _UNIX

    def probe(self, site: str, container: str, port: int, path: str) -> str:
        """See `ContainerProbe`."""
        with self._asking(site, container) as client:
            found: Mapping[str, Any] = client.inspect_container(container)
        where = self._where(site, found, port)
        return _get(f"http://{where}{path}", self._redactor) if where else f"port {port} is not published"

    def _where(self, site: str, found: Mapping[str, Any], port: int) -> str:
        """Host and port at which the container's port is reached from here; empty if it is not."""
        host = "" if self.is_near(site) else urlsplit(self._engines.engine(site).url).hostname or ""
        for published in published_by(found):
            if published.inner == f"{port}/tcp":
                return f"{_host(published.address, host)}:{published.port}"
        if (found.get("HostConfig") or {}).get("NetworkMode") == "host":
            return f"{_bracket(host or _LOOPBACK)}:{port}"
        if host:
            return ""
        return next((f"{_bracket(address)}:{port}" for address in addresses_of(found).values()), "")


def _host(listens: str, engine: str) -> str:
    """`listens` is what its host listens on, `engine` is where that is from here, empty for this machine."""
    if not listens or ip_address(listens).is_unspecified:
        return _bracket(engine or _LOOPBACK)
    return _bracket(listens)


def _bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _get(url: str, redactor: Redactor) -> str:
    """Empty for an answer of 2xx or 3xx, else why not."""
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between a worker and its engines
        try:
            with session.get(
                url, timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS), allow_redirects=False, stream=True
            ) as answer:
                status = answer.status_code
        except requests.RequestException as error:
            return explain(error, redactor=redactor)
    fine = HTTPStatus.OK <= status < HTTPStatus.BAD_REQUEST
    return "" if fine else f"it answers {status}"
