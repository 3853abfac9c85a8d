"""Engines by SSH: the system's ssh client brings the engine's socket here, once for many jobs."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from andock.errors import BackendUnavailableError

CONNECT_SECONDS = 2.5  # for a connection, and for the first answer on it
USUAL_SOCKET = "/var/run/docker.sock"
_PREFIX = "andock-ssh-"
_POLL_SECONDS = 0.005
_AGAIN_SECONDS = 5.0  # what failed is not tried again for so long
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: after a fork nothing may be imported
# what ssh says, in lower case, and what a person can do about it; the first that fits
_USUAL = (
    (r"no \S+ host key is known", "its host key is not in ssh.known_hosts of this engine"),
    (
        r"host key verification failed",
        "its host key is not the one in ssh.known_hosts; find out why before you change that file",
    ),
    (r"permission denied \(", "it did not accept our SSH key; see ssh.key of this engine"),
    (r"connection refused", "connection refused"),
    (r"timed out", "no answer in time"),
    (r"could not resolve hostname", "its host name is not known"),
)


@dataclass(frozen=True, slots=True)
class Address:
    """Who and what `ssh://user@host:port/path` names."""

    user: str
    host: str
    port: int
    socket: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The parts of a URL that sites.yaml has checked."""
        parts = urlsplit(url)
        socket = parts.path if parts.path not in ("", "/") else USUAL_SOCKET
        return cls(parts.username or "", parts.hostname or "", parts.port or 22, socket)


class Tunnel:
    """One engine's socket, brought here by one ssh process that is started when it is needed.

    An RQ worker's parent wakes it before each fork, so that a job finds it open: a handshake costs 200 ms and
    more, a connection through it one. ssh ends with the thread that started it, so that a killed worker
    leaves none behind; whoever asks engines from a pool of threads wakes it before.
    """

    def __init__(self, name: str, address: Address, *, key: str, known_hosts: str) -> None:
        """Opens nothing. `key` and `known_hosts` are paths that ssh can read."""
        self._name = name
        self._address = address
        self._key = key
        self._known_hosts = known_hosts
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = -1  # a handle on the process that its parent's children may use too
        self._owner = 0
        self._folder = Path(os.devnull)  # nothing is in it
        self._began = 0.0

    @property
    def edition(self) -> object:
        """Another one for each ssh that was started."""
        return self._folder

    def wake(self) -> None:
        """Start ssh unless it runs, or has failed just now; does not wait for it."""
        failed = self._began and not self._socket.exists()
        if self._alive() or (failed and time.monotonic() - self._began < _AGAIN_SECONDS):
            return
        self._start()

    def open(self) -> str:
        """The URL of the socket here; waits until ssh has brought it.

        Raises:
            BackendUnavailableError: it cannot; known after CONNECT_SECONDS at the latest.
        """
        self.wake()
        while not (self._socket.exists() and self._listens()):
            if not self._alive():
                raise BackendUnavailableError(f"Engine `{self._name}`", self._why())
            if time.monotonic() > self._began + CONNECT_SECONDS:
                raise BackendUnavailableError(f"Engine `{self._name}`", "no answer in time")
            time.sleep(_POLL_SECONDS)
        return f"unix://{self._socket}"

    def explain(self, otherwise: str) -> str:
        """Why the engine behind an open tunnel does not answer."""
        if "open failed" not in self._said():
            return otherwise
        socket, user = self._address.socket, self._address.user
        return f"{socket} there cannot be opened; does dockerd run, and is `{user}` in the group `docker`?"

    def close(self) -> None:
        """End ssh, if this process has started it."""
        if self._process is None or self._owner != os.getpid():
            return
        self._process.terminate()
        self._process.wait()
        self._forget()
        self._began = 0.0

    @property
    def _socket(self) -> Path:
        return self._folder / "s"

    def _listens(self) -> bool:
        """Whether ssh takes connections by now: its socket is there a moment before it does."""
        if time.monotonic() - self._began > CONNECT_SECONDS:
            return True  # it has for long, and trying costs a connection to the engine
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
            except OSError:  # not yet, or no more: then `open` says why
                return False
        return True

    def _alive(self) -> bool:
        if self._watch < 0:
            return False
        poll = select.poll()
        poll.register(self._watch, select.POLLIN)
        return not poll.poll(0)

    def _start(self) -> None:
        self._forget()
        _sweep()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._began = time.monotonic()
        self._owner = os.getpid()
        with (self._folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={"PATH": os.environ.get("PATH", os.defpath)},  # no agent, nobody's locale
                start_new_session=True,
                preexec_fn=_ending_with(os.getpid()),  # noqa: PLW1509  one system call, no locks
            )
        self._watch = os.pidfd_open(self._process.pid)
        atexit.register(self.close)

    def _command(self) -> list[str]:
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self._known_hosts,
            "GlobalKnownHostsFile": "none",
            "PreferredAuthentications": "publickey",
            "ExitOnForwardFailure": "yes",
            "ConnectTimeout": str(int(CONNECT_SECONDS)),
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "2",
        }
        address = self._address
        command = ["ssh", "-F", "none", "-N", "-T", "-p", str(address.port), "-i", self._key]
        command += ["-l", address.user] if address.user else []
        for option, value in options.items():
            command += ["-o", f"{option}={value}"]
        return [*command, "-L", f"{self._socket}:{address.socket}", "--", address.host]

    def _forget(self) -> None:
        """Put away what this process has of an ssh that has ended; a parent's is the parent's to put away."""
        if self._watch >= 0:
            os.close(self._watch)
            self._watch = -1
        if self._owner == os.getpid():
            if self._process is not None:
                self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)
            atexit.unregister(self.close)
        self._process = None

    def _said(self) -> str:
        with contextlib.suppress(OSError):
            return (self._folder / "said").read_text(encoding="utf-8", errors="replace")
        return ""

    def _why(self) -> str:
        said = self._said()
        for pattern, why in _USUAL:
            if re.search(pattern, said.lower()):
                return why
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lines[-1].rstrip(".") if lines else "ssh ended without a word"


def _ending_with(parent: int) -> Callable[[], None]:
    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return arrange


def _sweep() -> None:
    """Remove what killed workers of this user have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(folder, ignore_errors=True)
