"""A dockerd of the sandbox's own, beside whatever engine the machine has, and its leftovers."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from sandbox.engine.api import Api, EngineError
from sandbox.engine.network import make_bridge, remove_bridge
from sandbox.processes import Child, ProcessError, start

# dockerd and its helpers live where an ordinary PATH does not look.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
START_SECONDS = 60.0
STOP_SECONDS = 20.0
RUN = Path("/run")
OWNER = "owner"
GONE_SECONDS = 5.0


class Daemon:
    """One dockerd: images and containers stay below the state folder from one start to the next.

    The socket and what only lives while it runs are in a short folder below /run, since a unix socket's path
    may have 107 bytes and a checkout may lie deep. The folder's and the bridge's names come from the state
    folder's path. A lock in the folder tells a running sandbox from the leftovers of a killed one, which
    every start clears away, whoever left them.
    """

    def __init__(self, state: Path, more: Sequence[str | Path] = ()) -> None:
        """`more` are further arguments for dockerd, such as a second address."""
        self._more = tuple(more)
        self._state = state.resolve()
        digest = hashlib.sha256(str(self._state).encode())
        self.key = digest.hexdigest()[:8]
        # Engines of one machine would take each other's ports: each publishes on an address of its own.
        self.address = "127.{}.{}.{}".format(*(1 + byte % 254 for byte in digest.digest()[:3]))
        self._run = RUN / f"andock-{self.key}"
        self._lock: TextIO | None = None
        self._bridge = f"andock{self.key}"
        self._child: Child | None = None
        self.socket = self._run / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.api = Api(self.url)

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            EngineError: it does not run.
        """
        if self._child is None or not self._child.alive:
            raise EngineError("this engine does not run")
        return self._child.pid

    def start(self) -> None:
        """Clear away leftovers and start it.

        Raises:
            EngineError: there is no dockerd, this is not root, or another sandbox has this state folder.
            BridgeError: its bridge cannot be made.
            ProcessError: it does not come up.
        """
        dockerd = shutil.which("dockerd", path=SEARCH_PATH)
        if dockerd is None:
            raise EngineError(
                "no dockerd: run `make setup` (Debian: docker.io), or name an engine in DOCKER_HOST"
            )
        if os.geteuid() != 0:
            raise EngineError("an engine of the sandbox's own needs root; or name one in DOCKER_HOST")
        self._clear_leftovers()
        _clear_orphans()
        self._occupy()
        atexit.unregister(self.clear)
        atexit.register(self.clear)  # for whoever forgets, or is interrupted
        # Without it the machine's own /etc/docker/daemon.json would be read.
        settings = self._run / "daemon.json"
        settings.write_text("{}\n")
        make_bridge(self._bridge)
        try:
            self._child = start(
                [dockerd, "--config-file", settings, *self._arguments()],
                log=self._state / "log",
                env={**os.environ, "PATH": SEARCH_PATH},
                on_parent_death=signal.SIGTERM,
            )
            self._child.wait_ready(self.api.answers, START_SECONDS)
        except ProcessError:
            self.clear()
            raise

    def _arguments(self) -> list[str | Path]:
        return [
            "--data-root",
            self._state / "data",
            "--exec-root",
            self._run / "exec",
            "--pidfile",
            self._run / "docker.pid",
            "--host",
            self.url,
            "--group=root",
            f"--bridge={self._bridge}",
            f"--ip={self.address}",
            # The machine's firewall and routing stay as they are; published ports go through docker-proxy.
            "--iptables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            "--shutdown-timeout=2",
            # a pull whose registry goes away fails at once, and not after four more attempts in 50 s
            "--max-download-attempts=1",
            "--log-level=warn",
            *self._more,
        ]

    def terminate(self) -> None:
        """Let it end properly; its containers end with it."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)
            self._child = None

    def kill(self) -> None:
        """End it as a crash would; its containers run on, as they do then."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._await_helpers()

    def clear(self) -> None:
        """End it and take away what it leaves: containers, mounts, the bridge, the folder below /run."""
        self.terminate()
        self._clear_leftovers()
        atexit.unregister(self.clear)

    def _occupy(self) -> None:
        try:
            self._run.mkdir(mode=0o700)
        except FileExistsError as error:
            raise EngineError(f"another sandbox runs an engine in {self._state}") from error
        self._lock = (self._run / OWNER).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._lock.write(str(self._state))
        self._lock.flush()

    def _abandoned(self) -> bool:
        """Whether no living sandbox holds the folder; this one does not count."""
        if self._lock is not None:
            return True
        try:
            with (self._run / OWNER).open() as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True

    def _clear_leftovers(self) -> None:
        if not self._abandoned():
            return
        for container in (self._run / "exec" / "runtime-runc" / "moby").glob("*"):
            runtime = ["runc", "--root", str(container.parent), "delete", "--force", container.name]
            subprocess.run(runtime, check=False, capture_output=True, env={"PATH": SEARCH_PATH})
        for pid in self._helpers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._await_helpers()
        for mount in self._mounts():
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        remove_bridge(self._bridge)
        shutil.rmtree(self._run, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _helpers(self) -> list[int]:
        """Processes that name our folder below /run: dockerd, containerd and its shims, and nothing else."""
        own = str(self._run).encode() + b"/"
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    program, *arguments = (entry / "cmdline").read_bytes().split(b"\0")
                    known = (b"dockerd", b"containerd", b"containerd-shim-runc-v2", b"docker-proxy")
                    if Path(os.fsdecode(program)).name.encode() in known and own in b"\0".join(arguments):
                        found.append(int(entry.name))
        return found

    def _await_helpers(self) -> None:
        """Wait until dockerd and containerd are gone; shims of running containers stay after a kill."""
        deadline = time.monotonic() + GONE_SECONDS
        while time.monotonic() < deadline:
            names = set()
            for pid in self._helpers():
                with contextlib.suppress(OSError):
                    names.add(Path(f"/proc/{pid}/comm").read_text().strip())
            if not names & {"dockerd", "containerd"}:
                return
            time.sleep(0.02)

    def _mounts(self) -> list[str]:
        """What is mounted below our folders, innermost first."""
        own = (f"{self._run}/", f"{self._state}/")
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4].replace("\\040", " ") for line in lines]
        return sorted((point for point in points if point.startswith(own)), key=len, reverse=True)


def _clear_orphans() -> None:
    """Clear away what killed sandboxes with other state folders have left."""
    for owner in RUN.glob(f"andock-*/{OWNER}"):
        with contextlib.suppress(FileNotFoundError):
            state = owner.read_text()
            if state:  # else it is being written now
                Daemon(Path(state)).clear()
