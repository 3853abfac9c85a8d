"""Debian's haproxy before the ports of a service on one engine or several."""

from __future__ import annotations

import csv
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from sandbox.processes import LOOPBACK, Child, accepts_connections, free_port, start

# An ordinary user's PATH has no sbin, where haproxy lives.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
START_SECONDS = 15.0

# What an exchange without a failed request needs of a balancer: it asks each server whether it is ready,
# often enough to notice one that leaves before it is gone; and what one did not answer it asks another.
SETTINGS = """\
global
  maxconn 1000
  stats socket ipv4@{stats} level user
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  timeout queue 10s
  timeout check 5s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend way
  bind {address}
  default_backend service
backend service
  balance roundrobin
  http-request disable-l7-retry unless METH_GET
  option httpchk
  http-check send meth GET uri {check}
  http-check expect status 200
  default-server check inter {every}ms fastinter {every}ms downinter {every}ms rise 1 fall 1
{servers}
"""


class BalancerError(RuntimeError):
    """There is no haproxy to start."""


class Balancer:
    """One haproxy. A port that nobody listens on is a server that is down, so a whole range may be named."""

    def __init__(
        self, state: Path, servers: Sequence[tuple[str, int]], *, check: str = "/ready", every: int = 100
    ) -> None:
        """`servers` are addresses and ports; each is asked for `check` after `every` milliseconds."""
        self._folder = state.resolve() / "balancer"
        self._servers = tuple(servers)
        self._check = check
        self._every = every
        self._child: Child | None = None
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._stats = free_port()

    @property
    def up(self) -> tuple[tuple[str, int], ...]:
        """The servers that it sends requests to. Each counts as one until it was asked for the first time."""
        with socket.create_connection((LOOPBACK, self._stats), timeout=5) as stats:
            stats.sendall(b"show stat\n")
            with stats.makefile() as lines:
                rows = csv.DictReader(lines)
                names = [row["svname"] for row in rows if (row["status"] or "").startswith("UP")]
        numbered = {f"s{number}": server for number, server in enumerate(self._servers, start=1)}
        return tuple(numbered[name] for name in names if name in numbered)

    def start(self) -> None:
        """Start it; whether a server is up it finds out afterwards.

        Raises:
            BalancerError: there is no haproxy.
            ProcessError: it does not come up.
        """
        program = shutil.which("haproxy", path=SEARCH_PATH)
        if program is None:
            raise BalancerError("no haproxy: run `make setup` (Debian: haproxy)")
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._folder / "haproxy.cfg"
        settings.write_text(
            SETTINGS.format(
                address=f"{LOOPBACK}:{self.port}",
                stats=f"{LOOPBACK}:{self._stats}",
                check=self._check,
                every=self._every,
                servers="\n".join(
                    f"  server s{number} {host}:{port}"
                    for number, (host, port) in enumerate(self._servers, start=1)
                ),
            )
        )
        self._child = start([program, "-db", "-f", settings], log=self._folder / "log")
        self._child.wait_ready(lambda: accepts_connections(self.port), START_SECONDS)

    def stop(self) -> None:
        """End it; again is harmless."""
        if self._child is not None:
            self._child.stop()
            self._child = None
