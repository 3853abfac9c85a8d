"""The same cases on the fake and on a real engine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from andock.errors import (
    BackendUnavailableError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
    UnknownSiteError,
)
from andock.ports.containers import Containers
from config.sites import Engine as Site
from config.sites import EnvironmentRule
from sandbox.engine import Engine, start_engine
from tests.fakes.containers import FakeContainers
from workers.containers import DockerContainers, Engines

LIVE, DEAD = "edge-1", "edge-2"


class World(Protocol):
    """A live engine and a dead one behind a port."""

    @property
    def port(self) -> Containers: ...

    def run(
        self, name: str, *, lines: Sequence[str] = (), labels: Mapping[str, str] | None = None
    ) -> str: ...
    def restart_losing_the_answer(self) -> None: ...


@dataclass
class FakeWorld:
    port: FakeContainers

    def run(self, name: str, *, lines: Sequence[str] = (), labels: Mapping[str, str] | None = None) -> str:
        return self.port.run(LIVE, name, lines, labels)

    def restart_losing_the_answer(self) -> None:
        made = self.run("stubborn")
        self.port.lost.add(LIVE)
        self.port.restart(LIVE, made, 10)


@dataclass
class RealWorld:
    port: DockerContainers
    engine: Engine

    def run(self, name: str, *, lines: Sequence[str] = (), labels: Mapping[str, str] | None = None) -> str:
        # it waits on a fifo, so that TERM is answered at once and nothing polls
        script = 'mkfifo /f; trap exit TERM; for l in "$@"; do echo "$l"; done; read x < /f'
        made = self.engine.run_container(name, ["sh", "-c", script, "sh", *lines], labels=labels)
        self.await_lines(made, len(lines))
        return made

    def await_lines(self, container: str, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(list(self.port.logs(LIVE, container, tail=10))) < count:
            if time.monotonic() > deadline:
                pytest.fail("the container has not written its lines")

    def restart_losing_the_answer(self) -> None:
        """The container notes TERM and lives on: that shows when the restart is under way."""
        script = "trap 'echo told' TERM; while :; do sleep 0.05; done"
        made = self.engine.run_container("stubborn", ["sh", "-c", script])
        watcher = RealWorld(DockerContainers(engines_of(self.engine)), self.engine)

        def kill_when_told() -> None:
            watcher.await_lines(made, 1)
            self.engine.kill()

        killer = threading.Thread(target=kill_when_told)
        killer.start()
        try:
            self.port.restart(LIVE, made, 10)
        finally:
            killer.join()
            watcher.port.close()


def engines_of(engine: Engine) -> Engines:
    rules = (EnvironmentRule(tag="env=prod", **{"is": "prod"}),)
    live = Site(url=engine.url, environment="dev", environments=rules)
    dead = Site(url="unix:///nowhere/docker.sock", environment="dev")
    return Engines({LIVE: live, DEAD: dead}, Path("/"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld(
            FakeContainers(
                {LIVE: "dev", DEAD: "dev"},
                environments={"env=prod": "prod"},
                away={DEAD: "its socket is not there; is dockerd running?"},
            )
        )
        return
    engine: Engine = request.getfixturevalue("engine")
    port = DockerContainers(engines_of(engine))
    yield RealWorld(port, engine)
    port.close()
    engine.remove_labelled()


def test_containers_of_some_names_are_those_alone(world: World) -> None:
    for name in ("web", "web-1", "a.b", "axb"):
        world.run(name)
    for names in ({"web"}, {"a.b", "web-1"}, {"no-such"}):
        listing = world.port.list_containers(LIVE, names)
        assert {row.name for row in listing.rows} == names - {"no-such"}
        assert listing.searched == (LIVE,)


def test_sites_are_in_the_order_of_the_file(world: World) -> None:
    assert world.port.sites() == (LIVE, DEAD)


def test_a_listing_has_running_and_stopped_ones_by_name(world: World) -> None:
    web, db = world.run("web"), world.run("db", labels={"env": "prod", "team": "a"})
    world.port.stop(LIVE, web, 1)
    listing = world.port.list_containers(LIVE)
    assert [(row.name, row.id, row.state, row.environment) for row in listing.rows] == [
        ("db", db, "running", "prod"),
        ("web", web, "exited", "dev"),
    ]
    assert listing.rows[0].labels["team"] == "a"
    assert listing.rows[0].image_id.startswith("sha256:")
    assert listing.rows[0].status.startswith("Up")
    # what an engine says in both places is the same in both
    for row in listing.rows:
        found = world.port.read_container(LIVE, row.id)
        assert (row.addresses, row.published) == (found.addresses, found.published)


def test_an_engine_that_is_away_marks_itself_and_hides_nobody(world: World) -> None:
    world.run("web")
    listing = world.port.list_containers()
    assert [row.name for row in listing.rows] == ["web"]
    assert listing.searched == (LIVE,)
    assert [(site.site, site.why) for site in listing.not_reached] == [
        (DEAD, "its socket is not there; is dockerd running?")
    ]


def test_engines_that_are_not_asked_hold_nobody_up(world: World) -> None:
    world.run("web")
    listing = world.port.list_containers(among=(LIVE,))
    assert ([row.name for row in listing.rows], listing.searched) == (["web"], (LIVE,))
    assert listing.not_reached == ()


def test_an_unknown_engine_is_named(world: World) -> None:
    with pytest.raises(UnknownSiteError, match="edge-9"):
        world.port.list_containers("edge-9")
    with pytest.raises(UnknownSiteError, match="edge-9"):
        world.port.list_containers(among=(LIVE, "edge-9"))


def test_a_container_can_be_read(world: World) -> None:
    before = world.port.server_time(LIVE)
    made = world.run("web", labels={"team": "a"})
    read = world.port.read_container(LIVE, made)
    assert (read.site, read.id, read.name, read.state, read.environment) == (
        LIVE,
        made,
        "web",
        "running",
        "dev",
    )
    assert (read.exit_code, read.restarts, read.restart_policy, read.finished_at) == (0, 0, "no", None)
    assert read.labels["team"] == "a"
    assert read.started_at is not None
    assert before < read.started_at < world.port.server_time(LIVE)
    assert read.pid > 0


def test_stop_and_start(world: World) -> None:
    made = world.run("web")
    first = world.port.read_container(LIVE, made)
    world.port.stop(LIVE, made, 5)
    stopped = world.port.read_container(LIVE, made)
    assert (stopped.state, stopped.started_at) == ("exited", first.started_at)
    assert stopped.finished_at is not None
    assert first.started_at is not None
    assert stopped.finished_at > first.started_at
    world.port.start(LIVE, made)
    again = world.port.read_container(LIVE, made)
    assert again.state == "running"
    assert again.started_at is not None
    assert again.started_at > stopped.finished_at


def test_starting_a_running_one_leaves_it_alone(world: World) -> None:
    made = world.run("web")
    before = world.port.read_container(LIVE, made)
    world.port.start(LIVE, made)
    assert world.port.read_container(LIVE, made).started_at == before.started_at


def test_a_restart_starts_it_after_the_engines_clock_then(world: World) -> None:
    made = world.run("web")
    clock = world.port.server_time(LIVE)
    world.port.restart(LIVE, made, 5)
    after = world.port.read_container(LIVE, made)
    assert after.state == "running"
    assert after.started_at is not None
    assert after.started_at > clock


def test_a_container_that_is_gone_is_not_found(world: World) -> None:
    gone = "0" * 64
    for call in (
        lambda: world.port.read_container(LIVE, gone),
        lambda: world.port.start(LIVE, gone),
        lambda: world.port.stop(LIVE, gone, 1),
        lambda: world.port.restart(LIVE, gone, 1),
        lambda: next(world.port.logs(LIVE, gone, tail=1)),
    ):
        with pytest.raises(TargetNotFoundError, match="No container `000000000000` on `edge-1`"):
            call()


def test_an_engine_that_is_away_changes_nothing(world: World) -> None:
    for call in (
        lambda: world.port.read_container(DEAD, "0" * 64),
        lambda: world.port.restart(DEAD, "0" * 64, 1),
        lambda: world.port.server_time(DEAD),
    ):
        with pytest.raises(BackendUnavailableError, match=r"edge-2.*nothing was changed") as caught:
            call()
        assert caught.value.retryable


def test_an_answer_that_gets_lost_is_no_failure_and_no_success(world: World) -> None:
    with contextlib.ExitStack() as after:
        if isinstance(world, RealWorld):
            after.callback(world.engine.restart)
        with pytest.raises(OutcomeUnknownError, match=r"edge-1.*was told") as caught:
            world.restart_losing_the_answer()
    assert caught.value.changed is Changed.UNKNOWN
    assert not caught.value.retryable
