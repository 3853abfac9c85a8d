"""A vCenter for the sandbox: the one that is named, our simulator, or any vcsim."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sandbox.processes import LOOPBACK, Child, accepts_connections, free_port, start
from sandbox.vcenter.binary import BuildError, build_simulator
from sandbox.vcenter.control import NEVER, Control, ControlError, Rule, VmState
from sandbox.vcenter.tags import Tags

__all__ = ["NEVER", "ControlError", "Inventory", "Rule", "Tags", "Vcenter", "VmState", "start_vcenter"]

VARIABLE = "ANDOCK_SANDBOX_VCENTER_URL"
USER = "andock@vsphere.local"
READY = re.compile(r"^ready (\{.*\})$", re.MULTILINE)
# Building the inventory of 10,000 machines takes 15 s, and over a minute where the disk makes folders slowly.
START_SECONDS = 180.0


@dataclass(frozen=True)
class Inventory:
    """How many of what a simulated vCenter has.

    Names follow a pattern: DC0, DC0_C0, DC0_C0_H0, DC0_C0_RP0_VM0 in clusters, DC0_H0 and DC0_H0_VM0 outside.
    `hosts` and `vms` are per cluster, `standalone` hosts per datacenter with `vms` machines each.
    """

    datacenters: int = 1
    clusters: int = 1
    hosts: int = 3
    standalone: int = 0
    vms: int = 4


@dataclass
class Vcenter:
    """A vCenter that can be logged in to; its certificate is self-signed when it is simulated."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    _child: Child | None = None
    _control: Control | None = None
    _start: Callable[[int, str], Child] | None = None

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        return f"https://{self.host}:{self.port}"

    @property
    def control(self) -> Control:
        """What only our own simulator offers: faults, counts, guests that ignore people.

        Raises:
            ControlError: this is a real vCenter or another simulator.
        """
        if self._control is None:
            raise ControlError(f"{self.url} is not the sandbox's own simulator, so it cannot be steered")
        return self._control

    @property
    def tags(self) -> Tags:
        """Its tags, as an administrator makes and reads them."""
        return Tags(self.host, self.port, self.user, self.password)

    def stop(self) -> None:
        """Stop it if the sandbox started it."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """End it as a crash would, if the sandbox started it."""
        if self._child is not None:
            self._child.kill()

    def hang(self) -> None:
        """Let it take connections and say nothing, until `wake`; only if the sandbox started it."""
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, self._child.pid, os.WSTOPPED)  # until then some of its threads go on

    def wake(self) -> None:
        """Let it answer again."""
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start it again where it was, after `kill` or `stop`; its inventory is as new.

        Raises:
            ControlError: this is a real vCenter or another simulator.
            ProcessError: it does not come up.
        """
        if self._start is None:
            raise ControlError(f"{self.url} is not the sandbox's own simulator, so it cannot be restarted")
        self.stop()
        self._child = self._start(self.port, self.password)


def start_vcenter(
    state: Path, *, name: str = "vcenter", inventory: Inventory | None = None, idle: float = 0.0
) -> Vcenter:
    """A vCenter that is ready; several with different names can run side by side.

    ANDOCK_SANDBOX_VCENTER_URL (https://user:password@host:port) names an existing one, which is taken as it
    is. Otherwise our simulator is built and started, or, where it cannot be built, a `vcsim` on the PATH.

    Args:
        state: the folder for logs and the machines' files.
        name: tells simulators apart below `state`, and gives their machines UUIDs of their own.
        inventory: what a simulator has.
        idle: seconds after which an unused session ends; 0 is never.

    Raises:
        BuildError: there is no vCenter to take and none can be built.
        ProcessError: the simulator does not come up.
    """
    existing = os.environ.get(VARIABLE)
    if existing:
        return _existing(existing)
    folder = state / name
    inventory = inventory or Inventory()
    try:
        program = build_simulator()
    except BuildError:
        vcsim = shutil.which("vcsim")
        if vcsim is None:
            raise
        return _start_vcsim(vcsim, folder, inventory)
    return _start_ours(program, folder, inventory, idle)


def _existing(url: str) -> Vcenter:
    parts = urlsplit(url)
    if not parts.hostname or not parts.username or parts.password is None:
        raise ValueError(f"{VARIABLE} must look like https://user:password@host:port")
    return Vcenter(parts.hostname, parts.port or 443, unquote(parts.username), unquote(parts.password))


def _start_ours(program: Path, folder: Path, inventory: Inventory, idle: float) -> Vcenter:
    def run(port: int, password: str) -> Child:
        return _run_ours(program, folder, inventory, idle, port, password)

    password = secrets.token_urlsafe(16)
    child = run(0, password)
    ready = READY.search(child.output())
    if ready is None:  # it was waited for; this is for the type checker
        raise ControlError("the simulator said where it listens, but it cannot be read")
    port = int(json.loads(ready.group(1))["port"])
    return Vcenter(LOOPBACK, port, USER, password, child, Control(LOOPBACK, port, USER, password), run)


def _run_ours(
    program: Path, folder: Path, inventory: Inventory, idle: float, port: int, password: str
) -> Child:
    # The simulator keeps datastores in temporary folders; here a killed one's are cleared away.
    temporary = folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    child = start(
        [
            program,
            f"-listen={LOOPBACK}:{port}",
            *(f"-{name}={number}" for name, number in vars(inventory).items()),
            f"-idle={idle}s",
            f"-identity={folder.name}",
        ],
        log=folder / "log",
        env={
            **os.environ,
            "TMPDIR": str(temporary),
            "ANDOCK_SIMULATOR_USER": USER,
            "ANDOCK_SIMULATOR_PASSWORD": password,
        },
        on_parent_death=signal.SIGTERM,
    )
    child.wait_ready(READY, START_SECONDS)
    return child


def _start_vcsim(program: str, folder: Path, inventory: Inventory) -> Vcenter:
    port = free_port()
    flags = {
        "dc": inventory.datacenters,
        "cluster": inventory.clusters,
        "host": inventory.hosts,
        "standalone-host": inventory.standalone,
        "vm": inventory.vms,
        "l": f"{LOOPBACK}:{port}",
    }
    child = start([program, *(f"-{flag}={value}" for flag, value in flags.items())], log=folder / "log")
    child.wait_ready(lambda: accepts_connections(port), START_SECONDS)
    return Vcenter(LOOPBACK, port, "user", "pass", child)
