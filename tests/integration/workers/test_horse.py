"""The RQ worker and its horse as processes: who kills whom, and what a job's end leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis
from rq.command import send_stop_job_command
from rq.job import Job
from rq.serializers import JSONSerializer

from andock.messages import Failed, State, Succeeded
from sandbox.processes import Child
from sandbox.redis_server import start_redis
from tests.integration.workers.conftest import ROOT, Playground, job_fields, playing, runs, until
from tests.integration.workers.toys import POOL
from workers.horse import make_worker
from workers.jobs import MOST_ATTEMPTS


def test_a_stop_while_no_horse_runs_does_not_kill_the_worker(redis: Redis, toys: Playground) -> None:
    script = f"""
from config.installation import connect
from workers.horse import make_worker
worker = make_worker(connect({toys.url!r}), {toys.queue()!r}, lambda: None, print)
worker.kill_horse()
print("alive")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, start_new_session=True, capture_output=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, b"alive\n")


def test_stopping_a_job_twice_stops_it_and_leaves_the_worker(toys: Playground) -> None:
    worker = toys.start_worker()
    stopped = toys.ask(how="hang before the call")
    assert until(toys.world.hanging)
    horse = toys.world.hanging()
    for _ in range(2):
        send_stop_job_command(toys.redis, f"{stopped.id}-1", serializer=JSONSerializer)
    assert until(lambda: not runs(horse))
    after = toys.ask(toy="b")

    assert toys.end_of(after).state is State.SUCCEEDED
    assert worker.alive


def test_a_horse_dies_with_its_killed_worker(toys: Playground) -> None:
    worker = toys.start_worker()
    toys.ask(how="hang before the call")
    assert until(toys.world.hanging)
    horse = toys.world.hanging()

    os.kill(worker.pid, signal.SIGKILL)  # the worker alone; the horse leads a group of its own

    assert os.getpgid(horse) != worker.pid
    assert until(lambda: not runs(horse), 2)
    toys.world.open_gate()
    assert toys.world.effects() == []


def test_a_worker_asked_to_end_lets_its_job_finish(toys: Playground) -> None:
    worker = toys.start_worker()
    request = toys.ask(how="hang before the call")
    assert until(toys.world.hanging)

    os.kill(worker.pid, signal.SIGTERM)
    toys.world.open_gate()

    assert toys.end_of(request).state is State.SUCCEEDED
    assert until(lambda: not worker.alive)


def test_a_stop_of_the_whole_control_group_lets_the_job_finish(toys: Playground) -> None:
    worker = toys.start_worker()
    request = toys.ask(how="hang before the call")
    assert until(toys.world.hanging)
    horse = toys.world.hanging()

    for pid in (worker.pid, horse):  # as systemd does unless a unit says KillMode=mixed
        os.kill(pid, signal.SIGTERM)
    assert not until(lambda: not runs(horse), 1)
    toys.world.open_gate()

    assert toys.end_of(request).state is State.SUCCEEDED
    assert toys.world.effects() == ["poke:a"]
    assert until(lambda: not worker.alive)


def test_a_horse_that_is_killed_leaves_its_worker_which_settles_what_it_began(toys: Playground) -> None:
    worker = toys.start_worker()
    request = toys.ask(how="hang after the call")
    assert until(toys.world.hanging)
    horse = toys.world.hanging()

    os.kill(horse, signal.SIGKILL)  # the horse alone, as the kernel does when memory is short
    assert until(lambda: not runs(horse))
    assert toys.entry(request).state is State.RUNNING
    toys.lapse(request)
    toys.janitor.sweep()

    result = toys.end_of(request).result
    assert isinstance(result, Succeeded)
    assert result.outcome.summary == "a was poked, as it turned out"
    assert toys.world.effects() == ["poke:a"]
    assert worker.alive
    assert toys.end_of(toys.ask(toy="b")).state is State.SUCCEEDED


def test_a_worker_takes_from_one_queue_by_moving_so_that_nothing_popped_is_lost(
    redis: Redis, toys: Playground
) -> None:
    worker = make_worker(redis, toys.queue(), lambda: None, lambda _why, _content: None)
    redis.config_resetstat()
    toys.start_worker()

    toys.end_of(toys.ask())

    assert [queue.name for queue in worker.queues] == [toys.queue()]
    used = redis.info("commandstats")
    assert "cmdstat_blmove" in used
    assert "cmdstat_blpop" not in used


def test_a_doorbell_that_was_popped_and_never_performed_is_rung_again(toys: Playground) -> None:
    request = toys.ask()
    toys.redis.delete(f"rq:queue:{toys.queue()}")  # popped by a worker that died before its horse began
    toys.make_due(request)

    toys.janitor.sweep()
    toys.start_worker()

    assert toys.end_of(request).state is State.SUCCEEDED
    assert toys.world.effects() == ["poke:a"]


def test_a_doorbell_carries_no_callback_no_retry_and_no_personal_word(toys: Playground) -> None:
    request = toys.ask(toy="secret-toy")

    job = toys.redis.hgetall(f"rq:job:{request.id}-1")
    rung = Job.fetch(f"{request.id}-1", connection=toys.redis, serializer=JSONSerializer)

    assert (rung.func_name, rung.args, rung.kwargs) == ("workers.jobs.perform", [request.id, 1], {})
    extras = (b"callback_name", b"retr", b"repeat", b"webhook", b"depend")
    assert [name for name, value in job.items() if value and any(extra in name for extra in extras)] == []
    assert "secret-toy" not in str(job)


def test_rq_stores_no_result(toys: Playground) -> None:
    toys.start_worker("read")
    request = toys.ask("toy look")
    toys.end_of(request)

    assert until(lambda: not toys.redis.exists(f"rq:job:{request.id}-1"))
    assert list(toys.redis.scan_iter(f"rq:results:{request.id}*")) == []


def test_a_bugs_own_words_are_in_no_result_of_rqs_and_without_secrets_in_the_log(toys: Playground) -> None:
    toys.start_worker("read")
    request = toys.accept("toy look", how="crash")
    toys.doorbell.ring(POOL, toys.janitor.catalogue.get("toy look"), request.id, 1)

    failure = toys.end_of(request).result
    assert until(lambda: bool(Job(f"{request.id}-1", toys.redis, JSONSerializer).results()))
    [result] = Job(f"{request.id}-1", toys.redis, JSONSerializer).results()

    assert isinstance(failure, Failed)
    assert "hunter2" not in failure.sentence
    assert result.exc_string == "see the worker's log"
    assert "a bug that says password=[redacted]" in toys.logs()
    assert "hunter2" not in toys.logs()


def test_a_change_that_ends_in_a_bug_is_recorded_with_whose_it_was_and_what_it_touched(
    toys: Playground,
) -> None:
    toys.start_worker()
    request = toys.accept(how="crash")
    toys.set(request, attempt=MOST_ATTEMPTS)  # the last; an earlier one is followed by one that settles
    poke = toys.janitor.catalogue.get("toy poke")
    toys.doorbell.ring(POOL, poke, request.id, MOST_ATTEMPTS)

    assert toys.end_of(request).state is State.FAILED
    end = toys.records()[-1]

    assert (end.event.value, end.result, end.changed) == ("concluded", "failed", "unknown")
    assert (end.actor, end.operation, end.attempt) == (request.actor.key, "toy poke", MOST_ATTEMPTS)
    assert (end.plan, end.environments) == (toys.entry(request).digest, ("dev",))
    assert "Internal error" in end.text


def test_rqs_time_limit_ends_a_read_that_looks_at_no_clock(toys: Playground) -> None:
    toys.start_worker("read")
    request = toys.accept("toy look", how="hang")

    data = ["workers.jobs.perform", None, [request.id, 1], {}]
    toys.put_job(job_fields(data, timeout=b"1"), kind="read")
    result = toys.end_of(request).result

    assert isinstance(result, Failed)
    assert (result.code, result.changed.value) == ("internal_error", "nothing")
    assert "JobTimeoutException" in toys.logs()


def test_rqs_time_limit_in_a_change_leaves_the_end_to_the_next_attempt(toys: Playground) -> None:
    toys.start_worker()
    request = toys.accept(how="hang after the call")
    data = ["workers.jobs.perform", None, [request.id, 1], {}]
    toys.put_job(job_fields(data, timeout=b"1"))
    assert until(lambda: "JobTimeoutException" in toys.logs())
    assert toys.entry(request).state is State.RUNNING

    toys.lapse(request)
    toys.janitor.sweep()

    result = toys.end_of(request).result
    assert isinstance(result, Succeeded)
    assert result.outcome.summary == "a was poked, as it turned out"
    assert toys.world.effects() == ["poke:a"]


def test_a_worker_killed_before_the_call_leaves_a_request_that_is_done_once(toys: Playground) -> None:
    worker = toys.start_worker()
    request = toys.ask(how="hang before the call")
    assert until(toys.world.hanging)
    worker.kill()
    toys.world.open_gate()
    toys.start_worker()

    toys.lapse(request)
    toys.janitor.sweep()

    assert toys.end_of(request).state is State.SUCCEEDED
    assert toys.world.effects() == ["poke:a"]


def test_a_worker_killed_after_the_call_leaves_a_request_that_is_settled_not_repeated(
    toys: Playground,
) -> None:
    worker = toys.start_worker()
    request = toys.ask(how="hang after the call")
    assert until(toys.world.hanging)
    worker.kill()
    toys.start_worker()

    toys.lapse(request)
    toys.janitor.sweep()

    result = toys.end_of(request).result
    assert isinstance(result, Succeeded)
    assert result.outcome.summary == "a was poked, as it turned out"
    assert toys.world.effects() == ["poke:a"]


def test_a_job_whose_redis_is_away_at_its_end_is_settled_by_the_next_attempt(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)  # one that may be killed
    server = start_redis(tmp_path / "own")
    with playing(server, keys, tmp_path) as toys:
        toys.start_worker()
        request = toys.ask(how="hang after the call")
        assert until(toys.world.hanging)
        horse = toys.world.hanging()
        server.kill()
        toys.world.open_gate()
        assert until(lambda: not runs(horse), 30)
        server.restart()
        assert not toys.entry(request).state.ended

        toys.lapse(request)
        toys.janitor.sweep()
        _ensure_worker(toys)

        result = toys.end_of(request).result
        assert isinstance(result, Succeeded)
        assert toys.world.effects() == ["poke:a"]
    server.stop()


def _ensure_worker(toys: Playground) -> None:
    """As the supervisor would: RQ's worker ends when Redis is away while it looks after a horse."""
    worker: Child = toys.workers[-1]
    deadline = time.monotonic() + 3
    while worker.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    if not worker.alive:
        toys.start_worker()
