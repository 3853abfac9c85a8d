"""A good roll-out over three engines beside a shell loop that does the same; a plan for twenty engines."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.asking import ask
from bench.lab import PLACES, TWENTY, DisagreementError, Lab
from bench.rows import Row, compare, limit, middle
from sandbox.engine import Engine
from sandbox.engine.services import NAME, PORT
from sandbox.installation import Installation
from sandbox.installation.services import PORTS, PROD, describe_service
from sandbox.registry import Registry

MOST_IN_A_ROW = 1.1
MOST_SIDE_BY_SIDE = 0.5
MOST_PLANNING = 2000.0  # ms
PATIENCE = 180.0
A_LOOK = 0.1  # seconds between two
_OBEDIENT = "mkfifo /f; trap exit TERM; read x < /f"
# Each side has versions of its own, or one would find in the engines what the other has pulled.
OURS = ("v1.0.0", "v1.1.0", "v1.2.0")
THEIRS = ("v7.0.0", "v7.1.0")
SLOT = f"{NAME}-1"
PEER, PEER_PORT = "peer", 18090
# $1 is the image, $2 what docker knows the registry's login from, then engines' URLs.
LOOP = f"""\
set -e
image=$1; export DOCKER_CONFIG=$2; shift 2
for engine in "$@"; do
  docker -H "$engine" pull -q "$image"
  docker -H "$engine" stop {PEER}
  docker -H "$engine" rm {PEER}
  docker -H "$engine" run -d --name {PEER} --restart unless-stopped -p {PEER_PORT}:{PORT} "$image"
  until [ "$(docker -H "$engine" inspect -f '{{{{.State.Health.Status}}}}' {PEER})" = healthy ]; do
    sleep 0.1
  done
done
"""


@dataclass
class Times:
    """What roll-outs and plans took, in milliseconds."""

    in_a_row: list[float] = field(default_factory=list)
    side_by_side: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    planning: list[float] = field(default_factory=list)


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    contest = Contest(lab.services())
    contest.begin()
    times = Times()
    for number in range(lab.effort.rounds):
        # three versions and two roll-outs a round: each brings one that the engines do not have any more
        first, second = (OURS[(2 * number + step) % len(OURS)] for step in (1, 2))
        times.in_a_row.append(contest.type_it(first, parallelism=1))
        times.side_by_side.append(contest.type_it(second, parallelism=3))
        times.peer.append(contest.run_loop(THEIRS[(number + 1) % len(THEIRS)]))
        lab.tell(
            f"roll-out over three engines: ours {times.in_a_row[-1]:.0f} ms, side by side "
            f"{times.side_by_side[-1]:.0f} ms, the shell loop {times.peer[-1]:.0f} ms"
        )
    times.planning += [contest.plan(THEIRS[0]) for _ in range(lab.effort.questions)]
    return _rows(times)


@dataclass
class Contest:
    """Both ways over the same engines, each with one container on one port of its own."""

    installation: Installation

    def begin(self) -> None:
        """What both will exchange is there."""
        self.registry.fill_service(self.installation.engine, THEIRS)
        config = {"auths": {self.registry.address: {"auth": _basic(self.registry)}}}
        self._docker.mkdir(exist_ok=True)
        (self._docker / "config.json").write_text(json.dumps(config))
        for engine in self.installation.engines.values():
            engine.import_busybox()
            engine.run_container(PEER, ["sh", "-c", _OBEDIENT])
        self._run_loop(THEIRS[0])
        self.type_it(OURS[0], parallelism=1)

    def type_it(self, version: str, *, parallelism: int) -> float:
        """Ours, as somebody types it; in milliseconds."""
        self._describe(PLACES[PROD], parallelism)
        self._forget(version)
        with self._resting(PEER):
            took = ask(self.installation, f"service deploy {NAME} {version} to {PROD} --yes", PATIENCE)
        self._check(SLOT, PORTS[0], version)
        return took * 1000

    def run_loop(self, version: str) -> float:
        """The peer; in milliseconds."""
        self._forget(version)
        with self._resting(SLOT):
            took = self._run_loop(version)
        self._await_health(SLOT)
        return took * 1000

    def _run_loop(self, version: str) -> float:
        image = f"{self.registry.address}/team/{NAME}:{version}"
        urls = [engine.api.url for engine in self.installation.engines.values()]
        began = time.perf_counter()
        subprocess.run(
            ["sh", "-c", LOOP, "sh", image, self._docker, *urls],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )
        took = time.perf_counter() - began
        self._check(PEER, PEER_PORT, version)
        return took

    @contextmanager
    def _resting(self, container: str) -> Iterator[None]:
        """The other side's containers are paused: engines that look after their health take a processor."""
        for engine in self.installation.engines.values():
            engine.api.call("POST", f"/containers/{container}/pause")
        yield
        for engine in self.installation.engines.values():
            engine.api.call("POST", f"/containers/{container}/unpause")

    def _await_health(self, container: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while any(
            self._health(engine, container) != "healthy" for engine in self.installation.engines.values()
        ):
            if time.monotonic() > deadline:
                raise DisagreementError(f"{container} is not healthy again")
            time.sleep(A_LOOK)

    def _health(self, engine: Engine, container: str) -> str:
        return str(engine.api.call("GET", f"/containers/{container}/json")["State"]["Health"]["Status"])

    def plan(self, version: str) -> float:
        """Ours, typed to posted, for twenty engines; in milliseconds."""
        self._describe(TWENTY, parallelism=1)
        return ask(self.installation, f"service plan {NAME} {version} to {PROD}") * 1000

    def _describe(self, engines: Sequence[str], parallelism: int) -> None:
        text = describe_service(
            self.registry.address,
            {PROD: engines},
            replicas=1,
            ports=str(PORTS[0]),
            update={"order": "stop-first", "parallelism": parallelism, "monitor": "0s"},
        )
        self.installation.write_service(text)

    @property
    def registry(self) -> Registry:
        """Where both pull from."""
        if self.installation.registry is None:
            raise RuntimeError("these rows need a registry")
        return self.installation.registry

    @property
    def _docker(self) -> Path:
        return self.installation.state / "docker-cli"

    def _forget(self, version: str) -> None:
        """No engine has it, so that all have to pull it."""
        digest = self.registry.digest(f"team/{NAME}", version)
        for engine in self.installation.engines.values():
            for image in engine.api.call("GET", "/images/json", query={"digests": "1"}):
                if any(name.endswith(digest) for name in image["RepoDigests"] or ()):
                    engine.api.call("DELETE", f"/images/{image['Id']}", query={"force": "1"})

    def _check(self, container: str, port: int, version: str) -> None:
        """Raise DisagreementError unless it is healthy on every engine and answers with this version."""
        for name, engine in self.installation.engines.items():
            health = self._health(engine, container)
            with urllib.request.urlopen(f"http://{engine.address}:{port}/version", timeout=10) as answer:
                said = answer.read().decode().strip()
            if (health, said) != ("healthy", version):
                raise DisagreementError(f"{container} on {name}: {health}, {said}")


def _basic(registry: Registry) -> str:
    return base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()


def _rows(times: Times) -> list[Row]:
    what, peer = "roll-out over 3 engines", middle(times.peer)
    return [
        compare(
            f"{what}, parallelism 1, against a shell loop",
            ours=middle(times.in_a_row),
            peer=peer,
            most=MOST_IN_A_ROW,
            unit="ms",
        ),
        compare(
            f"{what}, parallelism 3, against a shell loop",
            ours=middle(times.side_by_side),
            peer=peer,
            most=MOST_SIDE_BY_SIDE,
            unit="ms",
        ),
        limit(
            "plan of a deployment to 20 engines, typed to posted",
            ours=middle(times.planning),
            most=MOST_PLANNING,
            unit="ms",
        ),
    ]
