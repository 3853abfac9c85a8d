"""The supervisor of a Procfile line: parts on their own, restarted with patience, gone when it is gone."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from andock.messages import State
from sandbox.processes import Child, start
from tests.integration.workers.conftest import ROOT, Playground, runs, until

Supervise = Callable[..., Child]
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts a supervisor of parts, each given as an argv."""
    started: list[Child] = []

    def supervise(*parts: list[str], grace: float = 10.0, env: dict[str, str] | None = None) -> Child:
        script = f"""
import os
from functools import partial
from config.logs import start_logging
from workers.supervisor import Part, Supervisor
start_logging("INFO", "line")
parts = [
    Part(f"part-{{n}}", f"part-{{n}}", partial(os.execv, argv[0], argv), f"pool-{{n}}")
    for n, argv in enumerate({parts!r})
]
def beat(pools):
    with open({str(tmp_path / "beats")!r}, "a") as file:
        file.write(",".join(sorted(pools)) + "\\n")
raise SystemExit(Supervisor(parts, grace={grace}, beat=beat).run())
"""
        log = tmp_path / f"line-{len(started)}.log"
        child = start([sys.executable, "-c", script], log=log, cwd=ROOT, env=env)
        started.append(child)
        return child

    yield supervise
    for child in started:
        child.kill()


def events(line: Child, name: str) -> list[dict[str, object]]:
    logged = [json.loads(text) for text in line.output().splitlines() if text.startswith("{")]
    return [entry for entry in logged if entry["event"] == name]


def parts_of(line: Child, count: int) -> list[int]:
    assert until(lambda: len(events(line, "part_started")) >= count)
    return [int(str(entry["pid"])) for entry in events(line, "part_started")]


def sleeper(source: str = SLEEPER) -> list[str]:
    return [sys.executable, "-c", source]


def test_every_part_leads_a_process_group_of_its_own(supervise: Supervise) -> None:
    line = supervise(sleeper(), sleeper())

    parts = parts_of(line, 2)

    assert [os.getpgid(part) for part in parts] == parts
    assert line.pid not in parts


def test_a_part_that_died_is_started_again_and_the_others_are_left_alone(supervise: Supervise) -> None:
    line = supervise(sleeper(), sleeper())
    first, second = parts_of(line, 2)

    os.kill(first, signal.SIGKILL)

    third = parts_of(line, 3)[2]
    assert runs(second)
    assert runs(third)


def test_a_part_that_keeps_dying_is_started_again_ever_more_slowly(supervise: Supervise) -> None:
    line = supervise([sys.executable, "-c", "raise SystemExit(3)"])

    assert until(lambda: len(events(line, "part_died")) >= 3)

    died = events(line, "part_died")[:3]
    assert [entry["again_in"] for entry in died] == [0.5, 1.0, 2.0]
    assert [entry["code"] for entry in died] == [3, 3, 3]


def test_parts_die_with_a_killed_supervisor(supervise: Supervise) -> None:
    line = supervise(sleeper(), sleeper(STUBBORN))
    parts = parts_of(line, 2)

    os.kill(line.pid, signal.SIGKILL)

    assert until(lambda: not any(runs(part) for part in parts), 2)


def test_a_supervisor_asked_to_end_ends_its_parts_and_itself(supervise: Supervise) -> None:
    line = supervise(sleeper(), sleeper())
    parts = parts_of(line, 2)

    os.kill(line.pid, signal.SIGTERM)

    assert until(lambda: not line.alive, 5)
    assert not any(runs(part) for part in parts)


def test_a_part_that_does_not_end_is_killed_after_the_grace(supervise: Supervise) -> None:
    line = supervise(sleeper(STUBBORN), grace=0.5)
    parts = parts_of(line, 1)
    assert until(lambda: "up" in line.output())

    os.kill(line.pid, signal.SIGTERM)

    assert until(lambda: not line.alive, 5)
    assert not runs(parts[0])


def test_only_pools_with_a_live_part_are_said_to_live(supervise: Supervise, tmp_path: Path) -> None:
    supervise(sleeper(), [sys.executable, "-c", "raise SystemExit(3)"])
    beats = tmp_path / "beats"

    assert until(lambda: beats.exists() and len(beats.read_text().splitlines()) >= 2)

    assert beats.read_text().splitlines()[1] == "pool-0"


def test_a_line_asked_to_end_lets_the_job_under_way_finish(supervise: Supervise, toys: Playground) -> None:
    line = supervise(toys.argv(), env=dict(toys.env()))
    request = toys.ask(how="hang before the call")
    assert until(toys.world.hanging)

    os.kill(line.pid, signal.SIGTERM)
    toys.world.open_gate()

    assert toys.end_of(request).state is State.SUCCEEDED
    assert until(lambda: not line.alive, 10)
    assert toys.world.effects() == ["poke:a"]


def test_a_killed_line_takes_the_job_under_way_along(supervise: Supervise, toys: Playground) -> None:
    line = supervise(toys.argv(), env=dict(toys.env()))
    toys.ask(how="hang before the call")
    assert until(toys.world.hanging)
    horse = toys.world.hanging()

    os.kill(line.pid, signal.SIGKILL)

    assert until(lambda: not runs(horse), 5)


LISTENER = """
import signal, time
def hear(*_):
    print('heard', flush=True)
signal.signal(signal.SIGHUP, hear)
print('up', flush=True)
while True:
    time.sleep(600)
"""


def test_a_line_told_to_look_again_tells_its_parts_and_nobody_dies_of_it(supervise: Supervise) -> None:
    line = supervise(sleeper(LISTENER), sleeper())
    parts = parts_of(line, 2)
    assert until(lambda: line.output().count("up") >= 2)

    os.kill(line.pid, signal.SIGHUP)
    assert until(lambda: line.output().count("heard") == 1)
    os.kill(line.pid, signal.SIGHUP)
    assert until(lambda: line.output().count("heard") == 2)

    assert all(runs(part) for part in parts)
    assert line.alive
