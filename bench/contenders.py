"""Who answers `vm info NAME`: Andock, the naive bot, and the floor that no bot on RQ can be below."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from redis import Redis
from rq import Queue
from slack_sdk import WebClient

from bench import naive, noop
from bench.soap import Replay, record
from sandbox.installation import Installation
from sandbox.installation.procfile import list_horses
from sandbox.processes import Child, start
from sandbox.slack.client import Workspace

ASKER = "U0OPS1"
CHANNEL = "C0OPS"
PATIENCE = 30.0  # seconds
TICK = 0.002


@dataclass(frozen=True)
class Said:
    """What a bot said about a machine; `seconds` from typing the command to the message being there."""

    seconds: float
    name: str
    power: str
    host: str


def ask(slack: Workspace, name: str, *, method: str, ephemeral: bool) -> Said:
    """Type `vm info NAME` and read the answer; when it was there is the workspace's own word.

    Raises:
        WaitTimeout: no answer came.
        ValueError: it does not say what it should.
    """
    slack.calls(reset=True)
    typed = time.time()
    slack.type(ASKER, CHANNEL, f"/vm info {name}")
    message = slack.wait(
        CHANNEL, ASKER, regex=rf"{re.escape(name)}\W(?s:.*)Host", ephemeral=ephemeral, timeout=PATIENCE
    )
    posted = [call.at for call in slack.calls(method) if call.status == 200 and not call.error]
    if len(posted) != 1:
        raise ValueError(f"{len(posted)} calls of {method} for one question")
    return Said(posted[0] - typed, name, _find("Power", message.text), _find("Host", message.text))


def _find(label: str, text: str) -> str:
    """The value behind a label."""
    found = re.search(rf"^{label}: (.+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {label} in: {text}")
    return {"poweredOn": "on", "poweredOff": "off"}.get(found.group(1), found.group(1))


def wait_idle(worker: int) -> None:
    """Wait until an RQ worker has no horse.

    Raises:
        TimeoutError: it had one all the time.
    """
    deadline = time.monotonic() + PATIENCE
    while list_horses(worker):
        if time.monotonic() > deadline:
            raise TimeoutError(f"worker {worker} is still busy")
        time.sleep(TICK)


@dataclass
class Andock:
    """The product, in Socket Mode."""

    installation: Installation

    def ask(self, name: str) -> Said:
        """One question; afterwards the worker is free again."""
        said = ask(self.installation.slack, name, method="chat.postEphemeral", ephemeral=True)
        for worker in self.installation.part_pids("worker-vsphere", "rq", "read"):
            wait_idle(worker)
        return said


@dataclass
class Naive:
    """The naive bot, in a workspace of its own."""

    slack: Workspace
    worker: Child

    def ask(self, name: str) -> Said:
        """One question; afterwards the worker is free again."""
        said = ask(self.slack, name, method="chat.postMessage", ephemeral=False)
        wait_idle(self.worker.pid)
        return said


@dataclass
class Floor:
    """A no-op job on a forking RQ worker, then the SOAP calls of ours sent raw, then one post."""

    queue: Queue
    worker: Child
    replay: Replay
    slack: WebClient
    text: str
    spent: list[tuple[float, float, float]] = field(default_factory=list)

    def measure(self) -> float:
        """Seconds for the three, one after the other.

        Raises:
            TimeoutError: the job did not end.
        """
        started = time.perf_counter()
        job = self.queue.enqueue(noop.do_nothing, job_timeout=60, result_ttl=60)
        if job.latest_result(timeout=int(PATIENCE)) is None:
            raise TimeoutError("the no-op job did not end")
        worked = time.perf_counter()
        self.replay.send()
        called = time.perf_counter()
        self.slack.chat_postMessage(channel=CHANNEL, text=self.text)
        posted = time.perf_counter()
        self.spent.append((worked - started, called - worked, posted - called))
        wait_idle(self.worker.pid)
        return posted - started


@contextmanager
def start_naive(installation: Installation) -> Iterator[Naive]:
    """The naive bot and its worker against the same Redis and the same vCenter."""
    state, vcenter = installation.state, installation.vcenter
    with ExitStack() as undo:
        slack = Workspace.start(state / "naive-slack", "--command=/vm")
        undo.callback(slack.stop)
        slack.set_limits(enabled=False)
        env = {
            **installation.env,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "ANDOCK_SLACK_API_URL": slack.api_url,
            "BENCH_VCENTER_HOST": vcenter.host,
            "BENCH_VCENTER_PORT": str(vcenter.port),
            "BENCH_VCENTER_USER": vcenter.user,
            "BENCH_VCENTER_PASSWORD": vcenter.password,
        }
        bot = start([sys.executable, "-m", "bench.naive"], log=state / "logs" / "naive.log", env=env)
        undo.callback(bot.stop)
        stock = [sys.executable, "-m", "rq.cli", "worker", naive.QUEUE, "--url", installation.redis.url]
        worker = start(stock, log=state / "logs" / "naive-worker.log", env=env)
        undo.callback(worker.stop)
        slack.wait_sockets()
        yield Naive(slack, worker)


@contextmanager
def start_floor(installation: Installation, name: str, text: str) -> Iterator[Floor]:
    """The floor's worker and its recorded calls for a machine."""
    redis = Redis.from_url(installation.redis.url)
    log = installation.state / "logs" / "noop.log"
    worker = start([sys.executable, "-m", "bench.noop"], log=log, env=installation.env)
    try:
        slack = WebClient(token=installation.slack.bot_token, base_url=installation.slack.api_url)
        yield Floor(noop.make_queue(redis), worker, record(installation, name), slack, text)
    finally:
        worker.stop()
        redis.close()
