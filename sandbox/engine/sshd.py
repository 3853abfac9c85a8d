"""A way to an engine by SSH: an sshd on a loopback port, and a key made for it."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.engine.api import EngineError
from sandbox.processes import LOOPBACK, Child, accepts_connections, free_port, start

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
SEPARATION = Path(
    "/run/sshd"
)  # an empty folder that Debian's sshd asks for; its service makes it at each boot
START_SECONDS = 15.0
SETTINGS = """\
Port {port}
ListenAddress {host}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
"""


class Sshd:
    """One sshd. `key` and `known_hosts` are what a client needs; both stay from one start to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._child: Child | None = None
        self.user = getpass.getuser()
        self.port = 0
        self.key = self._folder / "client"
        self.known_hosts = self._folder / "known_hosts"

    def url(self, socket: Path) -> str:
        """How an engine with this socket is named to a client."""
        return f"ssh://{self.user}@{LOOPBACK}:{self.port}{socket}"

    @property
    def site(self) -> Mapping[str, object]:
        """What sites.yaml says of it besides the URL."""
        return {"ssh": {"key": {"file": str(self.key)}, "known_hosts": str(self.known_hosts)}}

    def start(self) -> None:
        """Make what keys are missing, and start it on a free port.

        Raises:
            EngineError: there is no sshd, or this is not root.
            ProcessError: it does not come up.
        """
        sshd = shutil.which("sshd", path=SEARCH_PATH)
        if sshd is None or os.geteuid() != 0:
            raise EngineError(
                "an engine by SSH needs root and sshd: run `make setup` (Debian: openssh-server)"
            )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        SEPARATION.mkdir(mode=0o755, exist_ok=True)
        for name in ("host", "client"):
            _make_key(self._folder / name)
        self.port = free_port()
        client = (self._folder / "client.pub").read_text()
        (self._folder / "authorized").write_text(f"restrict,port-forwarding {client}")
        host = (self._folder / "host.pub").read_text()
        self.known_hosts.write_text(f"[{LOOPBACK}]:{self.port} {host}")
        settings = self._folder / "sshd_config"
        settings.write_text(SETTINGS.format(port=self.port, host=LOOPBACK, folder=self._folder))
        self._child = start([sshd, "-D", "-e", "-f", settings], log=self._folder / "log")
        self._child.wait_ready(lambda: accepts_connections(self.port), START_SECONDS)

    def stop(self) -> None:
        """End it; connections that it has end with it."""
        if self._child is not None:
            self._child.stop()
            self._child = None


def _make_key(path: Path) -> None:
    if not path.exists():
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "andock-sandbox", "-f", str(path)]
        subprocess.run(made, check=True)
