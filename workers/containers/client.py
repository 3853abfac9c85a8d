"""The `Containers` port over Docker engines."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from andock.ports.allowances import Allowances
from andock.ports.containers import Container, ContainerRow
from andock.ports.sites import Listing
from andock.redaction import SHAPES_ONLY, Redactor
from config.containers import AllowedByFile
from workers.containers import inventory, lifecycle
from workers.containers.changes import ChangeCalls
from workers.containers.engines import Engines
from workers.containers.images import ImageCalls
from workers.containers.insight import InsightCalls
from workers.containers.networks import NetworkCalls
from workers.containers.output import OutputCalls
from workers.containers.probe import ProbeCalls
from workers.containers.registry import HttpRegistry
from workers.containers.reports import ReportCalls
from workers.containers.volumes import VolumeCalls


class DockerContainers(
    InsightCalls,
    ChangeCalls,
    OutputCalls,
    ProbeCalls,
    ImageCalls,
    NetworkCalls,
    VolumeCalls,
    ReportCalls,
):
    """Implements `Containers`. Opens connections as they are needed; `close` closes them."""

    def __init__(
        self,
        engines: Engines,
        allowances: Allowances | None = None,
        *,
        registry: HttpRegistry | None = None,
        redactor: Redactor = SHAPES_ONLY,
    ) -> None:
        """Without `allowances` nothing that asks for them is allowed; `registry` knows the logins."""
        super().__init__(engines, redactor)
        self._allowances = allowances or AllowedByFile()
        self._registry = registry

    @property
    def allowances(self) -> Allowances:
        """See `Containers`."""
        return self._allowances

    def sites(self) -> tuple[str, ...]:
        """See `Containers`."""
        return self._engines.names()

    def list_containers(
        self, site: str | None = None, names: Collection[str] = (), *, among: Collection[str] = ()
    ) -> Listing[ContainerRow]:
        """See `Containers`."""
        sites = tuple(among) or self.sites() if site is None else (site,)
        self._engines.wake(sites)
        return inventory.list_all(sites, lambda name: self._list_one(name, names))

    def read_container(self, site: str, container: str) -> Container:
        """See `Containers`."""
        with self._asking(site, container) as client:
            found = inventory.read_one(client, site, self._engines.engine(site), container)
        return replace(found, last_check=self._redactor.redact(found.last_check.strip()))

    def start(self, site: str, container: str) -> None:
        """See `Containers`."""
        with self._telling(site, container) as client:
            lifecycle.start(client, container)

    def stop(self, site: str, container: str, grace: int) -> None:
        """See `Containers`."""
        with self._telling(site, container) as client:
            lifecycle.stop(client, container, grace)

    def restart(self, site: str, container: str, grace: int) -> None:
        """See `Containers`."""
        with self._telling(site, container) as client:
            lifecycle.restart(client, container, grace)

    def server_time(self, site: str) -> datetime:
        """See `Containers`."""
        with self._asking(site) as client:
            return inventory.read_clock(client)

    def close(self) -> None:
        """Close this process' connections."""
        self._engines.close()

    def _list_one(self, site: str, names: Collection[str]) -> tuple[ContainerRow, ...]:
        with self._asking(site) as client:
            return inventory.list_one(client, site, self._engines.engine(site), names)
