"""What calls about images, networks and volumes share: many engines asked at once, and who uses what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from andock.errors import BackendRejectedError, BackendUnavailableError, OutcomeUnknownError
from andock.ports.sites import Listing, NotReached
from andock.ports.uses import Use
from workers.containers.calls import Calls
from workers.containers.engines import EngineClient
from workers.containers.faults import changing, reading

LIST_SECONDS = 10.0  # an engine that answers a ping and then no listing is left out after this
T = TypeVar("T")
Users: TypeAlias = Mapping[str, tuple[Use, ...]]  # by what they use


class FleetCalls(Calls):
    """Calls to all engines at once, and about things that are no containers."""

    def _each(
        self,
        site: str | None,
        ask: Callable[[EngineClient, str], tuple[T, ...]],
        seconds: float = LIST_SECONDS,
    ) -> Listing[T]:
        """The rows of one engine or of all; one that is away, or takes longer, marks itself."""
        return self._each_of(self._engines.names() if site is None else (site,), ask, seconds)

    def _each_of(
        self,
        sites: Collection[str],
        ask: Callable[[EngineClient, str], tuple[T, ...]],
        seconds: float = LIST_SECONDS,
    ) -> Listing[T]:
        """As `_each`, of these engines. Raises UnknownSiteError for a name that no engine has."""
        self._engines.wake(sites)

        def ask_one(name: str) -> tuple[T, ...]:
            with self._asking(name) as client:
                return ask(client, name)

        return ask_all(sites, ask_one, seconds)

    def _environment(self, site: str, labels: Mapping[str, str]) -> str:
        said = [f"{key}={value}" for key, value in labels.items()]
        return self._engines.engine(site).environment_of(path="", labels=said)

    @contextmanager
    def _asking_about(self, site: str, kind: str, thing: str) -> Iterator[EngineClient]:
        client = self._engines.client(site)
        try:
            with reading(site, thing, kind, redactor=self._redactor):
                yield client
        except BackendUnavailableError:
            self._engines.forget(site)
            raise

    @contextmanager
    def _telling_about(self, site: str, kind: str, thing: str) -> Iterator[EngineClient]:
        client = self._engines.client(site)
        try:
            with changing(site, thing, kind, redactor=self._redactor):
                yield client
        except (BackendUnavailableError, OutcomeUnknownError):
            self._engines.forget(site)
            raise


def ask_all(sites: Iterable[str], ask_one: Callable[[str], tuple[T, ...]], seconds: float) -> Listing[T]:
    """The rows of all sites, in their order; `ask_one` raises our own errors for one that is away."""
    names = tuple(sites)
    pool = ThreadPoolExecutor(max_workers=max(1, len(names)), thread_name_prefix="engine")
    try:
        futures = {name: pool.submit(ask_one, name) for name in names}
        wait(futures.values(), timeout=seconds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    rows: list[T] = []
    not_reached = []
    for name, future in futures.items():
        result = _result(name, future, seconds)
        if isinstance(result, NotReached):
            not_reached.append(result)
        else:
            rows += result
    away = {site.site for site in not_reached}
    searched = tuple(name for name in names if name not in away)
    return Listing(rows=tuple(rows), searched=searched, not_reached=tuple(not_reached))


def _result(name: str, future: Future[tuple[T, ...]], seconds: float) -> tuple[T, ...] | NotReached:
    if not future.done():
        return NotReached(name, f"no listing within {seconds:.0f} s")
    try:
        return future.result()
    except (BackendUnavailableError, BackendRejectedError) as error:
        return NotReached(name, error.why)


def users_of(
    listed: Iterable[Mapping[str, Any]], used: Callable[[Mapping[str, Any]], Iterable[str]]
) -> dict[str, tuple[Use, ...]]:
    """By what is used: the containers that use it, out of a listing of all containers."""
    found: dict[str, tuple[Use, ...]] = {}
    for container in listed:
        own = next((name for name in container.get("Names") or () if name.count("/") == 1), "")
        use = Use(
            id=container["Id"],
            name=own.lstrip("/") or container["Id"][:12],
            running=container.get("State") in {"running", "paused", "restarting"},
            labels=dict(container.get("Labels") or {}),
        )
        for thing in dict.fromkeys(used(container)):
            found[thing] = (*found.get(thing, ()), use)
    return found
