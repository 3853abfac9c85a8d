"""A Procfile line's supervisor: every part an own process in its own group, restarted when it dies.

A part is forked off, so that what all of a line's parts need is imported once, and lies in memory once.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from types import FrameType

import structlog
from setproctitle import setproctitle

log = structlog.get_logger()
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_FORK = multiprocessing.get_context("fork")  # safe: the supervisor has no thread
_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FIRST_BACKOFF = 0.5  # seconds until a part that died is started again; doubles
LONGEST_BACKOFF = 30.0
STEADY = 60.0  # seconds after which a part counts as steady and its back-off starts over
TICK = 0.2
END_TICK = 0.02


@dataclass(frozen=True)
class Part:
    """One operating-system process of a Procfile line.

    Attributes:
        name: in the log.
        title: its command line in listings of processes; it is as if it had been started by that.
        run: what it does; its end is the process' end.
        pool: an RQ worker's pool.
    """

    name: str
    title: str
    run: Callable[[], object]
    pool: str = ""


@dataclass
class _Child:
    part: Part
    process: ForkProcess | None = None
    started: float = 0.0
    due: float = 0.0
    backoff: float = FIRST_BACKOFF


@dataclass
class Supervisor:
    """Starts parts, restarts those that die with a growing pause, and takes them along when it ends."""

    parts: Sequence[Part]
    grace: float = 90.0  # seconds that parts get to finish their jobs on SIGTERM
    beat: Callable[[set[str]], None] | None = None  # told every 5 s which pools have a live RQ worker
    _stop: bool = field(default=False, init=False)
    _reload: bool = field(default=False, init=False)

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; returns the exit code."""
        children = [_Child(part) for part in self.parts]
        signal.signal(signal.SIGTERM, self._ask_stop)
        signal.signal(signal.SIGINT, self._ask_stop)
        signal.signal(signal.SIGHUP, self._ask_reload)
        gc.collect()
        gc.freeze()  # what the parts share stays; looking through it would copy it into each of them
        beat_due = 0.0
        while not self._stop:
            now = time.monotonic()
            for child in children:
                self._tend(child, now)
            self._pass_on_reload(children)
            if self.beat is not None and now >= beat_due:
                beat_due = now + 5
                self.beat(
                    {c.part.pool for c in children if c.part.pool and c.process and c.process.is_alive()}
                )
            time.sleep(TICK)
        return self._end(children)

    def _ask_stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._stop = True

    def _ask_reload(self, _signum: int, _frame: FrameType | None) -> None:
        self._reload = True

    def _pass_on_reload(self, children: Sequence[_Child]) -> None:
        """Let every part look at its configuration again; those that have none ignore it."""
        if not self._reload:
            return
        self._reload = False
        for child in children:
            if child.process is not None and child.process.is_alive():
                _send(child.process, signal.SIGHUP)

    def _tend(self, child: _Child, now: float) -> None:
        if child.process is not None and not child.process.is_alive():
            if now - child.started > STEADY:
                child.backoff = FIRST_BACKOFF
            log.warning(
                "part_died", part=child.part.name, code=child.process.exitcode, again_in=child.backoff
            )
            child.process, child.due = None, now + child.backoff
            child.backoff = min(child.backoff * 2, LONGEST_BACKOFF)
        if child.process is None and now >= child.due:
            child.process, child.started = _start(child.part), now
            log.info("part_started", part=child.part.name, pid=child.process.pid)

    def _end(self, children: Sequence[_Child]) -> int:
        running = [child.process for child in children if child.process is not None]
        for process in running:
            if process.is_alive():
                process.terminate()  # the part alone: an RQ worker lets its horse finish
        deadline = time.monotonic() + self.grace
        for process in running:
            # is_alive asks for the process itself; join waits for all that hold a pipe, its children too
            while process.is_alive():
                if time.monotonic() > deadline:
                    with suppress(ProcessLookupError):
                        os.killpg(_pid(process), signal.SIGKILL)
                time.sleep(END_TICK)
        return 0


def _start(part: Part) -> ForkProcess:
    """Fork a part off; signals wait until it has forgotten how its supervisor takes them."""
    process = _FORK.Process(target=_become, args=(part, os.getpid()), name=part.name)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with suppress(OSError):  # it does so too: whoever is first
        os.setpgid(_pid(process), _pid(process))
    return process


def _become(part: Part, parent: int) -> None:
    """In the forked process: be the part, and nothing of the supervisor any more."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the part has its own handler
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    setproctitle(part.title)
    structlog.contextvars.clear_contextvars()
    part.run()


def _pid(process: ForkProcess) -> int:
    """Its id; never 0, which would mean the supervisor's own group."""
    if process.pid is None:
        raise ValueError(f"{process.name} was not started")
    return process.pid


def _send(process: ForkProcess, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(_pid(process), number)
