"""Engines in memory, with a clock that only the test moves."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
    UnknownSiteError,
)
from andock.ports.containers import Container, ContainerRow
from andock.ports.sites import Listing, NotReached
from tests.fakes.container_calls import FakeContainerCalls
from tests.fakes.fleet import FakeFleet

UP = {"running", "paused", "restarting"}


@dataclass
class FakeContainers(FakeContainerCalls, FakeFleet):
    """Implements `Containers`. What goes wrong is set from outside: `away`, `lost`, `refusing`, `dying`."""

    engines: Mapping[str, str]  # name -> environment
    environments: Mapping[str, str] = field(default_factory=dict)  # key=value -> environment
    away: dict[str, str] = field(default_factory=dict)  # engine -> why
    lost: set[str] = field(default_factory=set)  # engines whose answer to the next change gets lost
    refusing: str = ""  # the engine's words to the next change
    dying: int | None = None  # exit code with which whatever is started ends at once
    removing: bool = False  # made with --rm: what stops is gone
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def run(
        self, site: str, name: str, lines: Sequence[str] = (), labels: Mapping[str, str] | None = None
    ) -> str:
        """A running container; its id."""
        made = hashlib.sha256(f"{site}/{name}".encode()).hexdigest()
        environment = self._environment(site, labels or {})
        self.tick()
        self.held[site, made] = Container(
            site=site, id=made, name=name, image="busybox:test", image_id="sha256:11", state="running", pid=1,
            status="Up 1 second", environment=environment, labels=dict(labels or {}), started_at=self.now,
            restart_policy="no",
        )  # fmt: skip
        self.written[made] = [(self.now, line) for line in lines]
        self.tick()
        return made

    def change(self, site: str, container: str, **fields: object) -> None:
        """Let it be otherwise, as if somebody else had done it."""
        self.held[site, container] = replace(self.held[site, container], **fields)  # type: ignore[arg-type]

    def tick(self, seconds: float = 0.01) -> None:
        """Let the engines' clock go on."""
        self.now += timedelta(seconds=seconds)

    def sites(self) -> tuple[str, ...]:
        return tuple(self.engines)

    def list_containers(
        self, site: str | None = None, names: Collection[str] = (), *, among: Collection[str] = ()
    ) -> Listing[ContainerRow]:
        asked = tuple(among) or self.sites() if site is None else (site,)
        for name in asked:
            if name not in self.engines:
                raise UnknownSiteError(name)
        self.calls.append(("list", *asked))
        rows = [row for (where, _), row in self.held.items() if where in asked and where not in self.away]
        rows = [row for row in rows if not names or row.name in names]
        return Listing(
            rows=tuple(sorted(rows, key=lambda row: (row.name, row.site))),
            searched=tuple(name for name in asked if name not in self.away),
            not_reached=tuple(NotReached(name, why) for name, why in self.away.items() if name in asked),
        )

    def read_container(self, site: str, container: str) -> Container:
        self._reach(site)
        if (site, container) not in self.held:
            raise TargetNotFoundError("container", container[:12], searched=(site,))
        return replace(self.held[site, container], removed_at_end=container in self.temporary)

    def start(self, site: str, container: str) -> None:
        self._change("start", site, container)
        if self.refusing_start:
            raise BackendRejectedError(f"Engine `{site}`", self.refusing_start)
        if self.held[site, container].state not in UP:
            self._up(site, container)

    def stop(self, site: str, container: str, grace: int) -> None:
        self._change("stop", site, container, str(grace))
        self._down(site, container)

    def restart(self, site: str, container: str, grace: int) -> None:
        self._change("restart", site, container, str(grace))
        self._down(site, container)
        self._up(site, container)

    def server_time(self, site: str) -> datetime:
        self._reach(site)
        return self.now

    def _environment(self, site: str, labels: Mapping[str, str]) -> str:
        pairs = [f"{key}={value}" for key, value in labels.items()]
        return next(
            (self.environments[pair] for pair in pairs if pair in self.environments), self.engines[site]
        )

    def _reach(self, site: str) -> None:
        if site in self.away:
            raise BackendUnavailableError(f"Engine `{site}`", self.away[site])

    def _change(self, action: str, site: str, container: str, *args: str) -> None:
        self.read_container(site, container)
        self.calls.append((action, site, container, *args))
        self.tick()
        if site in self.lost:
            raise OutcomeUnknownError(f"Engine `{site}` was told and did not answer.")
        if self.refusing:
            raise BackendRejectedError(f"Engine `{site}`", self.refusing, changed=Changed.NOTHING)

    def _down(self, site: str, container: str) -> None:
        self.change(site, container, state="exited", finished_at=self.now, exit_code=0, pid=0)
        if self.removing:
            del self.held[site, container]

    def _up(self, site: str, container: str) -> None:
        self.tick()
        self.change(site, container, state="running", started_at=self.now, pid=2)
        if self.dying is not None:
            held = self.held[site, container]
            again = held.restart_policy not in {"", "no"}  # its engine goes on trying
            self.change(
                site, container, state="restarting" if again else "exited", restarts=held.restarts + again,
                finished_at=self.now, exit_code=self.dying, pid=0,
            )  # fmt: skip
