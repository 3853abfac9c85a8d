"""What every call of the port has around it: a connection, the engine's errors as ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from andock.errors import BackendUnavailableError, OutcomeUnknownError
from andock.redaction import Redactor
from workers.containers.engines import EngineClient, Engines
from workers.containers.faults import changing, reading


class Calls:
    """A process' connections, one call at a time each."""

    def __init__(self, engines: Engines, redactor: Redactor) -> None:
        self._engines = engines
        self._redactor = redactor

    @contextmanager
    def _asking(self, site: str, container: str = "") -> Iterator[EngineClient]:
        """Around reads; a container that the engine does not know is a TargetNotFoundError if named here."""
        client = self._engines.client(site)
        try:
            with reading(site, container, redactor=self._redactor):
                yield client
        except BackendUnavailableError:
            self._engines.forget(site)
            raise

    @contextmanager
    def _telling(self, site: str, container: str = "") -> Iterator[EngineClient]:
        """Around one change."""
        client = self._engines.client(site)
        try:
            with changing(site, container, redactor=self._redactor):
                yield client
        except (BackendUnavailableError, OutcomeUnknownError):
            self._engines.forget(site)
            raise


def ask(client: EngineClient, path: str, query: Mapping[str, str] | None = None) -> Any:
    """The engine's JSON, where the SDK has no call or leaves a parameter out. Raises requests' errors."""
    response = client.get(f"{client.base_url}/v{client.api_version}{path}", params=query)
    response.raise_for_status()
    return response.json()


def tell(
    client: EngineClient, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None
) -> requests.Response:
    """One POST; raises requests' errors."""
    url = f"{client.base_url}/v{client.api_version}{path}"
    response = client.post(url, params=query, json=dict(body))
    response.raise_for_status()
    return response
