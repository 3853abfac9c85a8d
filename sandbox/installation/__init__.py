"""One whole installation on this machine: every counterpart, and Andock's own processes by the Procfile.

The demonstration, the end-to-end tests and the benchmarks all run on it. Andock is started as anybody would
start it, by its commands and an environment; nothing of it is imported.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.engine import Engine, Transport
from sandbox.engine.services import NAME
from sandbox.installation.configuration import (
    REGISTRY_SECRET,
    SECRET,
    SITE,
    Environments,
    count_workers,
    default_policy,
    describe_sites,
    write_configuration,
    write_service,
)
from sandbox.installation.fleet import Fleet, Wish, start_fleet
from sandbox.installation.inventory import MACHINES, SMALL, Machine, make_machines
from sandbox.installation.parts import Andock
from sandbox.installation.procfile import ROOT
from sandbox.processes import Child, ProcessError
from sandbox.redis_server import RedisServer, start_redis
from sandbox.registry import Registry
from sandbox.slack.client import Workspace
from sandbox.vcenter import Inventory, Vcenter, start_vcenter

__all__ = ["MACHINES", "SITE", "Installation", "Machine", "default_policy"]

COMMANDS = (
    "/andock",
    "/vm",
    "/snapshot",
    "/tag",
    "/host",
    "/cluster",
    "/datastore",
    "/alarm",
    "/event",
    "/task",
    "/container",
    "/image",
    "/network",
    "/volume",
    "/engine",
    "/service",
    "/deploy",
)
RUN_SECONDS = 120.0


def _say_nothing(_line: str) -> None:
    """What nobody reads."""


@dataclass
class Installation:
    """A running installation; `stop`, or leaving its `with` block, takes all of it away again.

    Attributes:
        state: the folder with its configuration, keys, data and logs.
        sites: sites.yaml, as a document.
        fleet: its engines and registry, and the gates before them.
        env: the environment for commands on the host, such as `python -m andock run`.
        andock: Andock's own processes.
    """

    state: Path
    sites: dict[str, object]
    redis: RedisServer
    vcenter: Vcenter
    fleet: Fleet
    slack: Workspace
    env: Mapping[str, str]
    andock: Andock
    _undo: ExitStack = field(repr=False)

    @classmethod
    def start(
        cls,
        state: Path,
        *,
        http_mode: bool = False,
        bots: int = 1,
        inventory: Inventory = SMALL,
        machines: Sequence[Machine] = MACHINES,
        policy: str | None = None,
        sites_extra: Mapping[str, object] | None = None,
        engines: int = 1,
        own_engine: bool = False,
        transports: Sequence[Transport] = (),
        registry: bool = False,
        services: Mapping[str, Sequence[str]] | None = None,
        gated: bool = False,
        workers: Sequence[str] = ("vsphere", "docker"),
        keeper: bool = True,
        env_extra: Mapping[str, str] | None = None,
        tell: Callable[[str], None] = _say_nothing,
    ) -> Self:
        """Start everything and wait until it is ready; only the main thread may.

        Args:
            state: the folder for all of it. Keys and the engine's images stay from one start to the next,
                what was in Redis does not: the workspace and the machines are new too.
            http_mode: Slack reaches the bot over signed HTTP (the first one) instead of Socket Mode.
            bots: how many bot processes.
            inventory: what the simulated vCenter has besides `machines`.
            machines: virtual machines to make.
            policy: policy.yaml's text; `default_policy()` if left out.
            sites_extra: merged into sites.yaml key by key, e.g. {"pools": {"vsphere": {"change": 2}}}.
            engines: how many Docker engines, `edge-1` and so on; none is possible.
            own_engine: start the first engine too, even where the machine has one; the others always are.
            transports: how Andock reaches each engine; by its socket where nothing is said.
            registry: start one that holds the sample images, and let sites.yaml allow all of it.
            services: on which engines the service `api` runs, by environment; its versions are in a registry.
                Other containers are then on the first engine only.
            gated: put a gate before each engine that is reached by its socket, and before the registry.
            workers: which backends have workers: "vsphere", "docker".
            keeper: whether courier, janitor and recorders run.
            env_extra: more variables for Andock's processes.
            tell: hears what is being started.

        Raises:
            ProcessError: a part did not come up; the sentence has the end of its log.
            RuntimeError: a server is missing, and the sentence says what to install; or another installation
                runs in this folder.
        """
        with ExitStack() as undo:
            undo.enter_context(_occupied(state))
            tell("Redis")
            _forget(state / "redis")
            redis = start_redis(state)
            undo.callback(redis.stop)
            keys = _make_keys(state)
            undo.callback(_end, keys)
            tell("vCenter")
            vcenter = start_vcenter(state, inventory=inventory)
            undo.callback(vcenter.stop)
            make_machines(vcenter, machines)
            tell("Slack workspace")
            slack = Workspace.start(
                state / "slack", "--should-escape", *(f"--command={command}" for command in COMMANDS)
            )
            undo.callback(slack.stop)
            wish = Wish(engines, own_engine, transports, registry, services or {}, gated)
            fleet = start_fleet(state, wish, undo, tell)
            images = fleet.registry
            sites = describe_sites(
                _name_instance(), vcenter, fleet.sites, fleet.registries, sites_extra or {}
            )
            write_configuration(state / "config", sites, policy or default_policy(), fleet.services)
            environments = Environments(
                state.resolve(),
                redis_url=redis.url,
                slack=slack,
                site_secrets={SECRET: vcenter.password}
                | ({REGISTRY_SECRET: images.password} if images else {}),
                http_mode=http_mode,
                extra=env_extra or {},
            )
            if keys.wait():
                raise ProcessError("`andock keys init` failed; what it said is above")
            queues = {backend: dict(count_workers(sites, backend)) for backend in workers}
            andock = Andock(state / "logs", environments, redis.url, queues)
            undo.callback(andock.stop)
            tell("Andock: " + ", ".join(andock.start(bots=bots, keeper=keeper)))
            andock.wait_ready()
            if http_mode:
                slack.use_http(f"{andock.bot_urls[0]}/slack/events")
            env = environments.everything()
            return cls(state, sites, redis, vcenter, fleet, slack, env, andock, undo.pop_all())

    @property
    def engines(self) -> Mapping[str, Engine]:
        """By site name; the first is `edge-1`."""
        return self.fleet.engines

    @property
    def containers(self) -> tuple[str, ...]:
        """Names of the containers on `edge-1`, a web server's stand-in first."""
        return self.fleet.containers

    @property
    def registry(self) -> Registry | None:
        """With the sample images, if it was asked for."""
        return self.fleet.registry

    @property
    def engine(self) -> Engine:
        """The first Docker engine, `edge-1`."""
        return next(iter(self.engines.values()))

    @property
    def processes(self) -> Mapping[str, Child]:
        """Andock's processes by name: `bot` (`bot-2`, ...), `worker-vsphere`, `worker-docker`, `keeper`."""
        return self.andock.processes

    def kill(self, name: str) -> None:
        """SIGKILL to a process by its name in `processes`; its parts die with it."""
        self.andock.kill(name)

    def restart(self, name: str) -> None:
        """Stop a process if it runs, start it again and wait until it is ready."""
        self.andock.restart(name)

    def part_pids(self, name: str, *words: str) -> tuple[int, ...]:
        """The parts of a process, e.g. its RQ workers, whose command line has all these words.

        `part_pids("worker-vsphere", "rq", "change")` are the RQ workers on queues for changes.
        """
        return self.andock.part_pids(name, *words)

    def horse_pids(self, name: str, *words: str) -> tuple[int, ...]:
        """The processes that jobs run in now, below the parts that `part_pids` finds."""
        return self.andock.horse_pids(name, *words)

    def run(self, command: str, *arguments: str, timeout: float = RUN_SECONDS) -> tuple[int, str, str]:
        """`andock run` on the host: exit code, standard output and standard error."""
        return self.command("run", command, *arguments, timeout=timeout)

    def command(self, *words: str, timeout: float = RUN_SECONDS) -> tuple[int, str, str]:
        """Any `andock` command on the host: exit code, standard output and standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "andock", *words],
            cwd=ROOT,
            env=dict(self.env),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        return done.returncode, done.stdout, done.stderr

    def write_service(self, text: str) -> None:
        """Write the file of the service `api` anew; `describe_service` makes one."""
        write_service(self.state / "config", NAME, text)

    def stop(self) -> None:
        """Stop everything that was started; again is harmless."""
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def _occupied(state: Path) -> Iterator[None]:
    """Hold the folder: a second start in it would take away what the first one works with."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"another installation runs in {state}") from error
        yield


def _make_keys(state: Path) -> subprocess.Popen[bytes]:
    """Begin to make the signing keys that are missing, while servers start."""
    return subprocess.Popen(
        [sys.executable, "-m", "andock", "keys", "init", "--dir", str(state.resolve() / "keys")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _name_instance() -> str:
    """A name of its own for each start, since REDIS_URL may name a Redis with others' requests in it."""
    return f"sandbox-{secrets.token_hex(3)}"


def _forget(folder: Path) -> None:
    if "REDIS_URL" not in os.environ:
        shutil.rmtree(folder, ignore_errors=True)
