"""A list over three engines, a restart, a log of 50,000 lines; beside the docker command and docker-py."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import docker

from bench.asking import Answer, ask, hear
from bench.contenders import TICK
from bench.lab import DisagreementError, Lab
from bench.memory import Watch
from bench.rows import Row, compare, limit, middle
from config.sites import Engine as Site
from sandbox.engine import IMAGE, LABEL, Engine
from sandbox.installation import Installation
from workers.containers import DockerContainers, Engines

MOST_OF_THREE = 0.5
MOST_OF_SLOWEST = 1.2
MOST_OVER_ENGINE = 400.0  # ms
MOST_OF_LOG = 30.0  # MiB that its job holds besides what it shares with its idle parent
WRITTEN_WITHIN = 60.0  # seconds
FIRST_LINES_WITHIN = 1000.0  # ms
LINES = 50_000
A_MESSAGE = 1.0  # seconds: Slack takes one message a second in a channel, and who asks faster waits for that
_OBEDIENT = "mkfifo /f; trap exit TERM; read x < /f"  # ends on TERM at once, and nothing polls


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    installation = lab.engines()
    _fill(lab, installation)
    return [
        *_measure_list(lab, installation),
        _measure_restart(lab, installation),
        *_measure_log(lab, installation),
    ]


def _fill(lab: Lab, installation: Installation) -> None:
    """So many containers on each engine, some of them running."""
    lab.tell(f"making {lab.effort.containers} containers on each of {len(installation.engines)} engines")
    with ThreadPoolExecutor(len(installation.engines)) as threads:
        list(threads.map(lambda engine: _fill_one(lab, engine), installation.engines.values()))


def _fill_one(lab: Lab, engine: Engine) -> None:
    for number in range(lab.effort.containers):
        body = {
            "Image": IMAGE,
            "Cmd": ["sh", "-c", _OBEDIENT],
            "Labels": {LABEL: engine.owner, "number": str(number)},
            "StopTimeout": 1,
        }
        made = engine.api.call("POST", "/containers/create", query={"name": f"bench-{number}"}, body=body)
        if number < lab.effort.running:
            engine.api.call("POST", f"/containers/{made['Id']}/start")


# --- the list -------------------------------------------------------------------------------------------


@dataclass
class Times:
    """What a list took, in milliseconds."""

    ours: list[float] = field(default_factory=list)
    three: list[float] = field(default_factory=list)  # CLI calls in a row
    slowest: list[float] = field(default_factory=list)  # of them
    sdk: list[float] = field(default_factory=list)


def _measure_list(lab: Lab, installation: Installation) -> list[Row]:
    """Ours as a job does it, on connections that its horse opened before it came, and closes."""
    running = installation.engines.items()
    sites = {name: Site(url=engine.api.url, environment="dev") for name, engine in running}
    urls = [engine.api.url for _, engine in running]
    engines = Engines(sites, Path("/"))
    times = Times()
    _list_once(Times(), engines, urls)
    for _ in range(lab.effort.rounds * lab.effort.questions):
        _list_once(times, engines, urls)
    count = len(_list_ours(engines))
    typed = [ask(installation, "container list") * 1000 for _ in range(lab.effort.questions)]
    ours, three, slowest, sdk = (
        middle(figures) for figures in (times.ours, times.three, times.slowest, times.sdk)
    )
    lab.tell(
        f"list of {count}: ours {ours:.0f} ms, three CLI calls {three:.0f} ms, the slowest {slowest:.0f} ms, "
        f"docker-py {sdk:.0f} ms; typed to posted {middle(typed):.0f} ms"
    )
    what = f"container list, {len(urls)} engines with {lab.effort.containers} containers each"
    goals = (
        ("CLI calls in a row", three, MOST_OF_THREE),
        ("the slowest CLI call", slowest, MOST_OF_SLOWEST),
        ("docker-py from_env() per job", sdk, 1.0),
    )
    return [
        compare(f"{what}, against {peer}", ours=ours, peer=theirs, most=most, unit="ms")
        for peer, theirs, most in goals
    ]


def _list_once(times: Times, engines: Engines, urls: Sequence[str]) -> None:
    """Ours and the peers in turn; the figures count only if all have found the same containers."""
    engines.warm_up(lambda: False)
    seconds, listed = _timed(lambda: _list_ours(engines))
    spent: list[float] = []
    by_cli: list[str] = []
    for url in urls:
        each, found = _timed(partial(_list_cli, url))
        spent.append(each)
        by_cli += found
    sdk, by_sdk = _timed(lambda: [found for url in urls for found in _list_sdk(url)])
    if not sorted(listed) == sorted(by_cli) == sorted(by_sdk):
        raise DisagreementError(f"{len(listed)}, {len(by_cli)} and {len(by_sdk)} containers")
    times.ours.append(seconds * 1000)
    times.three.append(sum(spent) * 1000)
    times.slowest.append(max(spent) * 1000)
    times.sdk.append(sdk * 1000)


def _list_ours(engines: Engines) -> list[str]:
    containers = DockerContainers(engines)
    try:
        return [row.id for row in containers.list_containers().rows]
    finally:
        containers.close()


def _list_cli(url: str) -> list[str]:
    program = shutil.which("docker")
    if program is None:
        raise RuntimeError("no docker command: the peer of these rows")
    said = subprocess.run(
        [
            program,
            "-H",
            url,
            "ps",
            "--all",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Names}} {{.State}} {{.Image}}",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [line.split()[0] for line in said.splitlines()]


def _list_sdk(url: str) -> list[str]:
    client = docker.from_env(environment={"DOCKER_HOST": url})
    try:
        return [found["Id"] for found in client.api.containers(all=True)]
    finally:
        client.close()


# --- the restart ----------------------------------------------------------------------------------------


def _measure_restart(lab: Lab, installation: Installation) -> Row:
    """Typed to posted, and a restart by the engine's own API in turn.

    Each restarts a container that has run for a while: one that was started a moment ago takes the engine
    longer, whoever asks.
    """
    engine = installation.engine
    over: list[float] = []
    for number in range(lab.effort.rounds * lab.effort.questions + 1):
        other, name = (f"bench-{(2 * number + one) % lab.effort.running}" for one in range(2))
        alone, _ = _timed(partial(_restart, engine, other))
        before = engine.inspect(name).started_at
        asked = ask(installation, f"container restart edge-1/{name}")
        time.sleep(A_MESSAGE)
        if engine.inspect(name).started_at == before:
            raise DisagreementError(f"{name} was not restarted")
        if number:
            over.append((asked - alone) * 1000)
            lab.tell(
                f"restart: {asked * 1000:.0f} ms typed to posted, the engine alone {alone * 1000:.0f} ms"
            )
    return limit(
        "container restart typed to posted, above the engine's own time",
        ours=middle(over),
        most=MOST_OVER_ENGINE,
        unit="ms",
    )


def _restart(engine: Engine, name: str) -> tuple[str, ...]:
    """By the engine's own API."""
    engine.api.call("POST", f"/containers/{name}/restart", query={"t": "5"})
    return (name,)


# --- the log --------------------------------------------------------------------------------------------


def _measure_log(lab: Lab, installation: Installation) -> list[Row]:
    engine = installation.engine
    chatty, quiet = "bench-chatty", "bench-quiet"
    engine.run_container(
        chatty, ["sh", "-c", f"seq {LINES} | sed 's/^/a line of a log, number /'; {_OBEDIENT}"]
    )
    engine.run_container(quiet, ["sh", "-c", f"seq 10; {_OBEDIENT}"])
    _await_written(engine, chatty)
    workers = installation.part_pids("worker-docker", "rq", "read")
    figures: dict[str, float] = {}
    for name in (quiet, chatty):
        with Watch(workers).running() as watch:
            for _ in range(lab.effort.questions):
                _hear_log(installation, name)
        figures[name] = watch.most
    # once more without the watch, which takes a processor from what is timed
    answers = [_hear_log(installation, chatty) for _ in range(lab.effort.questions)]
    for answer in answers:
        if f"{LINES} lines" not in answer.text:
            raise DisagreementError(f"not all {LINES} lines were read: {answer.text[:300]}")
    lab.tell(f"log of {LINES} lines: job {figures[chatty]:.1f} MiB, of 10 lines {figures[quiet]:.1f} MiB")
    return [
        limit(
            f"log of {LINES:,} lines, memory of its job above its idle parent",
            ours=figures[chatty],
            most=MOST_OF_LOG,
            unit="MiB",
        ),
        limit(
            f"log of {LINES:,} lines, typed to first lines shown",
            ours=middle([answer.seconds * 1000 for answer in answers]),
            most=FIRST_LINES_WITHIN,
            unit="ms",
        ),
    ]


def _hear_log(installation: Installation, name: str) -> Answer:
    return hear(installation, f"container logs {name} --tail {LINES}")


def _await_written(engine: Engine, name: str) -> None:
    """Wait until it has written all of its lines: it makes its fifo after them."""
    deadline = time.monotonic() + WRITTEN_WITHIN
    while {"Path": "/f", "Kind": 1} not in (engine.api.call("GET", f"/containers/{name}/changes") or ()):
        if time.monotonic() > deadline:
            raise DisagreementError(f"{name} has not written its lines")
        time.sleep(TICK)


def _timed(call: Callable[[], Sequence[str]]) -> tuple[float, Sequence[str]]:
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found
