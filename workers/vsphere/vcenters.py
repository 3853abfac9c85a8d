"""The vCenters of a worker's pool, for one job: sessions as they are needed, several asked side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from pyVmomi import vim

from andock.errors import BackendError, DeadlineError
from andock.ports.sites import Listing, NotReached
from andock.ports.vsphere import TaskRef
from andock.ports.watch import Watch
from workers.vsphere.references import id_of, refer
from workers.vsphere.session import Session, Sessions

T = TypeVar("T")


class Vcenters:
    """What every part of the port speaks through. Made in the horse, after the fork.

    Several threads may use it: each has a session's stub of its own with each vCenter, because pyVmomi's
    are not for two at a time.
    """

    def __init__(self, sessions: Sessions, watch: Watch | None = None) -> None:
        """Reads end when `watch` says so; without one, when a vCenter is given up."""
        self._sessions = sessions
        self._watch = watch
        self._open: dict[tuple[int, str], Session] = {}
        self._lock = threading.Lock()
        self._changed: dict[str, float] = {}  # site -> when a change was last sent there, monotonic
        # site -> its clock, and when it was told, monotonic
        self._clocks: dict[str, tuple[datetime, float]] = {}

    def close(self) -> None:
        """End what this job opened; the parent's sessions stay."""
        with self._lock:
            opened, self._open = list(self._open.values()), {}
        for session in opened:
            session.close()

    def sites(self) -> tuple[str, ...]:
        """See the port."""
        return self._sessions.sites()

    def _session(self, site: str) -> Session:
        """This thread's own session with the vCenter."""
        key = (threading.get_ident(), site)
        with self._lock:
            if key not in self._open:
                self._open[key] = self._sessions.open(site, self._watch)
            return self._open[key]

    def _change(self, site: str, vm: str, what: str, call: Callable[[vim.VirtualMachine], T]) -> T:
        return self._send(
            site, lambda session: call(refer(vim.VirtualMachine, vm, session.stub)), target=vm, what=what
        )

    def _send(self, site: str, call: Callable[[Session], T], *, target: str, what: str) -> T:
        """Make a call that changes something, see `Session.change`; what was remembered is old then."""
        try:
            return self._session(site).change(call, target=target, what=what)
        finally:
            self._changed[site] = time.monotonic()

    def _start(
        self, site: str, vm: str, what: str, kind: str, call: Callable[[vim.VirtualMachine], vim.Task]
    ) -> TaskRef:
        return TaskRef(site, id_of(self._change(site, vm, what, call)), kind)

    def _ask_all(self, site: str | None, ask: Callable[[Session], tuple[T, ...]]) -> Listing[T]:
        """Ask one vCenter or all; each is spoken to by one thread, with a stub of its own."""
        sites = self.sites() if site is None else (site,)
        sessions = [self._session(name) for name in sites]

        def answer(session: Session) -> tuple[T, ...] | NotReached:
            try:
                return ask(session)
            except DeadlineError:
                return NotReached(session.site, "it did not answer before the time limit passed")
            except BackendError as error:
                return NotReached(session.site, getattr(error, "why", error.sentence))

        if len(sessions) > 1:
            with ThreadPoolExecutor(max_workers=min(8, len(sessions))) as threads:
                answers = list(threads.map(answer, sessions))
        else:
            answers = [answer(session) for session in sessions]
        away = tuple(one for one in answers if isinstance(one, NotReached))
        return Listing(
            rows=tuple(row for one in answers if not isinstance(one, NotReached) for row in one),
            searched=tuple(name for name in sites if name not in {one.site for one in away}),
            not_reached=away,
        )
