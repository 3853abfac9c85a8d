"""The horse that stands by: it does the next job, unless what it knows is old, and outlives nobody."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from rq.worker import Worker, WorkerStatus

from andock.messages import State
from sandbox.installation.procfile import list_children, list_horses
from sandbox.processes import Child
from sandbox.redis_server import start_redis
from tests.integration.workers.conftest import Playground, playing, runs, until


def standing_by(worker: Child) -> int:
    """The process that waits for the worker's next job."""
    assert until(lambda: bool(list_children(worker.pid)) and not list_horses(worker.pid))
    (pid,) = list_children(worker.pid)
    return pid


def hanging_horse(toys: Playground) -> int:
    """The process that does a job, which hangs there until the gate is opened."""
    toys.ask(how="hang before the call")
    assert until(toys.world.hanging)
    return toys.world.hanging()


def test_the_process_that_stood_by_does_the_job_and_then_another_stands_by(toys: Playground) -> None:
    worker = toys.start_worker()
    before = standing_by(worker)

    horse = hanging_horse(toys)

    assert horse == before
    assert list_horses(worker.pid) == (horse,)
    assert list_children(worker.pid) == (horse,)
    toys.world.open_gate()
    assert until(lambda: not runs(horse))
    assert standing_by(worker) != before


def test_one_that_knows_what_is_no_longer_so_is_let_go(toys: Playground) -> None:
    worker = toys.start_worker()
    before = standing_by(worker)
    (toys.world.folder / "edition").write_text("another policy")

    horse = hanging_horse(toys)

    assert horse != before
    assert not runs(before)
    assert list_children(worker.pid) == (horse,)
    toys.world.open_gate()


def test_a_job_is_done_although_the_one_that_stood_by_was_killed(toys: Playground) -> None:
    worker = toys.start_worker()
    os.kill(before := standing_by(worker), signal.SIGKILL)
    assert until(lambda: not runs(before))

    request = toys.ask()

    assert toys.end_of(request).state is State.SUCCEEDED
    assert toys.world.effects() == ["poke:a"]
    assert worker.alive


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_worker(toys: Playground, number: signal.Signals) -> None:
    worker = toys.start_worker()
    waiting = standing_by(worker)

    os.kill(worker.pid, number)

    assert until(lambda: not runs(waiting))
    assert until(lambda: not worker.alive)


def test_redis_may_have_been_away_while_it_stood_by(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)  # one that may be killed
    server = start_redis(tmp_path / "own")
    with playing(server, keys, tmp_path) as toys:
        worker = toys.start_worker()
        before = standing_by(worker)
        # one that has yet to say so would end, for its supervisor to start it again
        assert until(lambda: [one.get_state() for one in Worker.all(toys.redis)] == [WorkerStatus.IDLE])
        server.kill()
        server.restart()
        assert until(toys.redis.ping)

        horse = hanging_horse(toys)

        assert horse == before
        toys.world.open_gate()
        assert until(lambda: toys.world.effects() == ["poke:a"])
    server.stop()
