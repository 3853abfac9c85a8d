"""Child processes that end when they are stopped, when their parent is interrupted and when it is killed."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02
LOG_TAIL_LINES = 20
LOOPBACK = "127.0.0.1"

Ready = Callable[[], bool] | re.Pattern[str]


class ProcessError(RuntimeError):
    """A child could not be started; the sentence holds the end of its log."""


class Child:
    """A running process that leads a session of its own, with its output in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_start: int, name: str) -> None:
        self._process = process
        self._log_start = log_start
        self.log = log
        self.name = name

    @property
    def pid(self) -> int:
        """The process id, which is the id of its process group too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs. It is not reaped here, so its id stays its own until `stop`."""
        if self._process.returncode is not None:
            return False
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is None

    def output(self) -> str:
        """What it has written since this start; an earlier run's lines in the same file are left out."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def wait_ready(self, ready: Ready, timeout: float) -> str:
        """Wait until `ready` holds: a callable that returns true, or a pattern found in the output.

        Returns the text that matched, or "" for a callable. `timeout` is in seconds.

        Raises:
            ProcessError: it ended or did not get ready in time. It has been stopped then.
        """
        try:
            return self._poll(ready, timeout)
        except BaseException:
            self.kill()
            raise

    def _poll(self, ready: Ready, timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while True:
            alive = self.alive  # looked at first: a last line may come before the end
            if isinstance(ready, re.Pattern):
                match = ready.search(self.output())
                if match is not None:
                    return match.group()
            elif alive and ready():
                return ""
            if not alive:
                raise ProcessError(self._describe("ended before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessError(self._describe(f"was not ready within {timeout:g} s"))
            time.sleep(POLL_SECONDS)

    def stop(self, grace: float = 5.0) -> None:
        """SIGTERM to the whole group, after `grace` seconds SIGKILL to what is left; again is harmless."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + grace
            while self.alive and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group, as a crash would have it; again is harmless."""
        if self._process.returncode is None:
            # The leader is reaped last: until then nobody else can get its id.
            self._signal(signal.SIGKILL)
            self._process.wait()
        _running.discard(self)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _describe(self, what: str) -> str:
        tail = "\n".join(f"  {line}" for line in self.output().splitlines()[-LOG_TAIL_LINES:])
        return f"{self.name} {what}. The end of {self.log}:\n{tail or '  (nothing)'}"


_running: set[Child] = set()


def start(
    argv: Sequence[str | Path],
    *,
    log: Path,
    ready: Ready | None = None,
    timeout: float = 30.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_parent_death: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start a program and, if `ready` is given, wait until it is.

    The child gets a session of its own, so a Ctrl-C at the terminal reaches only the parent, which stops its
    children when it exits. When the parent is killed, the kernel sends `on_parent_death` to the child. The
    kernel's "parent" is the thread that started it: a child of a thread pool would die with that thread, and
    so only the main thread may start one.

    Args:
        argv: the program and its arguments.
        log: the file that its output is appended to; the folder is made.
        ready: see `Child.wait_ready`.
        timeout: seconds that it may take to become ready.
        env: the whole environment; this process's own if left out.
        cwd: the folder to run in.
        on_parent_death: SIGTERM for a program that has something to put away.

    Raises:
        ProcessError: the program is not there, ended, or did not become ready.
        RuntimeError: called from another than the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "children are started from the main thread: they end with the thread that started them"
        )
    name = Path(argv[0]).name
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        log_start = output.tell()
        try:
            process = subprocess.Popen(
                [str(argument) for argument in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_ending_with_parent(on_parent_death),  # noqa: PLW1509  one system call, no locks
            )
        except OSError as error:
            raise ProcessError(f"{name} cannot be started: {error}") from error
    child = Child(process, log, log_start, name)
    if not _running:
        atexit.register(_stop_all)
    _running.add(child)
    if ready is not None:
        child.wait_ready(ready, timeout)
    return child


def _ending_with_parent(number: signal.Signals) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    parent = os.getpid()

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return arrange


def _stop_all() -> None:
    for child in list(_running):
        child.stop()


def free_port(host: str = LOOPBACK) -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port = listener.getsockname()[1]
    return int(port)


def accepts_connections(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody listens on the port."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False
