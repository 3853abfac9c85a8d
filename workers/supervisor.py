"""A Procfile line's supervisor: every part an own process in its own group, restarted when it dies."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog

log = structlog.get_logger()
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(
    None, use_errno=True
)  # loaded here: after a fork nothing may be imported or allocated much
FIRST_BACKOFF = 0.5  # seconds until a part that died is started again; doubles
LONGEST_BACKOFF = 30.0
STEADY = 60.0  # seconds after which a part counts as steady and its back-off starts over
TICK = 0.2


@dataclass(frozen=True)
class Part:
    """One operating-system process of a Procfile line."""

    name: str
    argv: tuple[str, ...]
    pool: str = ""  # an RQ worker's pool


@dataclass
class _Child:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    backoff: float = FIRST_BACKOFF


def module(*words: str) -> tuple[str, ...]:
    """The argv that starts one of our modules with this interpreter."""
    return (sys.executable, "-m", *words)


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
        beat_due = 0.0
        while not self._stop:
            now = time.monotonic()
            for child in children:
                self._tend(child, now)
            self._pass_on_reload(children)
            if self.beat is not None and now >= beat_due:
                beat_due = now + 5
                self.beat(
                    {c.part.pool for c in children if c.part.pool and c.process and c.process.poll() is None}
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
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGHUP)

    def _tend(self, child: _Child, now: float) -> None:
        if child.process is not None and child.process.poll() is not None:
            if now - child.started > STEADY:
                child.backoff = FIRST_BACKOFF
            log.warning(
                "part_died", part=child.part.name, code=child.process.returncode, again_in=child.backoff
            )
            child.process, child.due = None, now + child.backoff
            child.backoff = min(child.backoff * 2, LONGEST_BACKOFF)
        if child.process is None and now >= child.due:
            child.process, child.started = _start(child.part), now
            log.info("part_started", part=child.part.name, pid=child.process.pid)

    def _end(self, children: Sequence[_Child]) -> int:
        running = [child.process for child in children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()  # the part alone: an RQ worker lets its horse finish
        deadline = time.monotonic() + self.grace
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return 0


def _start(part: Part) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_us() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # kept over exec, until a part has its own handler
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    # preexec_fn is safe: the supervisor has no thread, and the hook calls libc and the kernel only
    return subprocess.Popen(part.argv, process_group=0, preexec_fn=die_with_us)  # noqa: PLW1509
