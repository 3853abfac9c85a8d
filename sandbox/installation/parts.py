"""Andock's own processes, by the Procfile's lines: waiting for them, killing them, looking into them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

from sandbox.installation.configuration import Environments
from sandbox.installation.procfile import ROOT, list_children, list_horses, read_command, read_procfile
from sandbox.installation.readiness import bot_is_ready, list_workers, workers_are_ready
from sandbox.processes import LOOPBACK, Child, Ready, free_port, start

READY_SECONDS = 90.0
STOP_SECONDS = 15.0
KEEPER_READY = re.compile(r'"event": "recording"')  # a recorder takes longest, and no change begins without


class Andock:
    """The processes of one installation, by name."""

    def __init__(
        self,
        logs: Path,
        environments: Environments,
        redis_url: str,
        queues: Mapping[str, Mapping[str, int]],
    ) -> None:
        """`queues` has, by backend, each RQ queue and how many workers it is to have."""
        self.processes: dict[str, Child] = {}
        self._logs = logs
        self._environments = environments
        self._redis_url = redis_url
        self._queues = queues
        self._commands = read_procfile()
        self._ports: dict[str, int] = {}
        self._before: dict[str, dict[str, frozenset[str]]] = {}

    @property
    def bot_urls(self) -> tuple[str, ...]:
        """Where the bots' HTTP sides are."""
        return tuple(f"http://{LOOPBACK}:{port}" for port in self._ports.values())

    def start(self, *, bots: int, keeper: bool) -> tuple[str, ...]:
        """Start them all, without waiting; their names."""
        # Workers take longest to come up.
        names = [f"worker-{backend}" for backend in self._queues]
        names += ["bot" if number == 1 else f"bot-{number}" for number in range(1, bots + 1)]
        names += ["keeper"] if keeper else []
        for name in names:
            self._start(name)
        return tuple(names)

    def wait_ready(self) -> None:
        """Wait until all of them are ready.

        Raises:
            ProcessError: one is not, with the end of its log.
        """
        for name, child in self.processes.items():
            child.wait_ready(self._ready(name), READY_SECONDS)

    def kill(self, name: str) -> None:
        """As a crash would end it; its parts die with it."""
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        """Stop it if it runs, start it and wait."""
        self.processes[name].stop(STOP_SECONDS)
        self._start(name)
        self.processes[name].wait_ready(self._ready(name), READY_SECONDS)

    def stop(self) -> None:
        """Ask all of them to end, then wait for each."""
        for child in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                if child.alive:
                    os.kill(child.pid, signal.SIGTERM)
        for child in self.processes.values():
            child.stop(STOP_SECONDS)

    def part_pids(self, name: str, *words: str) -> tuple[int, ...]:
        """Children of a process whose command line has all these words."""
        children = list_children(self.processes[name].pid)
        return tuple(pid for pid in children if set(words) <= set(read_command(pid)))

    def horse_pids(self, name: str, *words: str) -> tuple[int, ...]:
        """Children of those parts."""
        return tuple(child for pid in self.part_pids(name, *words) for child in list_horses(pid))

    def _start(self, name: str) -> None:
        line = "bot" if name.startswith("bot") else name
        if line == "bot":
            environment = self._environments.bot(self._ports.setdefault(name, free_port()))
        elif name == "keeper":
            environment = self._environments.keeper()
        else:
            environment = self._environments.worker()
            # What an earlier start has left in RQ's register is not this start's.
            self._before[name] = list_workers(self._redis_url, self._wanted(name))
        self.processes[name] = start(
            self._commands[line], log=self._logs / f"{name}.log", env=environment, cwd=ROOT
        )

    def _wanted(self, name: str) -> Mapping[str, int]:
        return self._queues[name.removeprefix("worker-")]

    def _ready(self, name: str) -> Ready:
        if name == "keeper":
            return KEEPER_READY
        if name in self._ports:
            return lambda: bot_is_ready(self._ports[name])
        return lambda: workers_are_ready(self._redis_url, self._wanted(name), self._before[name])
