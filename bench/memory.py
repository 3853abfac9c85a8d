"""What the bot and a worker's job hold in memory."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.contenders import ASKER, CHANNEL, PATIENCE, TICK, wait_idle
from bench.lab import Lab
from bench.meters import private_mib, proportional_mib, resident_mib
from bench.rows import Row, limit
from sandbox.installation import Installation
from sandbox.installation.procfile import list_horses

MOST_OF_BOT = 90.0  # MiB
MOST_OF_JOB = 40.0  # MiB above its parent
COMMANDS = 200
JOBS = 5  # of each kind


@dataclass
class Watch:
    """Looks at the horses of some workers all the time and remembers the most that one held."""

    workers: tuple[int, ...]
    most: float = 0.0
    looks: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Look until stopped."""
        while not self._stop.wait(TICK):
            for worker in self.workers:
                for horse in list_horses(worker):
                    with contextlib.suppress(OSError):  # it has ended meanwhile
                        self.most = max(self.most, private_mib(horse))
                        self.looks += 1

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Look in the background while the block runs."""
        thread = threading.Thread(target=self.look)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    installation = lab.whole()
    container = installation.containers[0]
    rows = [
        _weigh_job(lab, installation, "vm list", "worker-vsphere"),
        _weigh_job(lab, installation, f"container logs {container}", "worker-docker"),
    ]
    return [_weigh_bot(lab, installation), *rows]


def _weigh_bot(lab: Lab, installation: Installation) -> Row:
    workers = installation.part_pids("worker-docker", "rq", "read")
    for _ in range(COMMANDS):
        _ask(installation, "container list", workers)
    bot = installation.processes["bot"].pid
    resident = resident_mib(bot)
    lab.tell(f"bot: {resident:.1f} MiB resident, {proportional_mib(bot):.1f} MiB its share")
    return limit("bot after 200 commands, resident", ours=resident, most=MOST_OF_BOT, unit="MiB")


def _weigh_job(lab: Lab, installation: Installation, command: str, process: str) -> Row:
    """The most that a job of this command held for itself, of several."""
    workers = installation.part_pids(process, "rq", "read")
    with Watch(workers).running() as watch:
        for _ in range(JOBS):
            _ask(installation, command, workers)
    parents = ", ".join(f"{resident_mib(worker):.1f}" for worker in workers)
    lab.tell(f"{command}: {watch.most:.1f} MiB in {watch.looks} looks, its parents {parents} MiB resident")
    if not watch.looks:
        raise RuntimeError(f"no horse was seen for {command}")
    noun = " ".join(command.split()[:2])
    return limit(f"job of {noun} above its parent", ours=watch.most, most=MOST_OF_JOB, unit="MiB")


def _ask(installation: Installation, command: str, workers: tuple[int, ...]) -> None:
    """Send one command and wait until it was answered and its worker is free again.

    Raises:
        RuntimeError: it did not succeed.
    """
    slack = installation.slack
    slack.calls(reset=True)
    slack.type(ASKER, CHANNEL, f"/{command}")
    _wait_until(lambda: bool(slack.calls("chat.postEphemeral")))
    text = str(slack.calls("chat.postEphemeral")[0].args["text"])
    if "Done" not in text.splitlines()[0]:
        raise RuntimeError(f"{command}: {text[:300]}")
    for worker in workers:
        wait_idle(worker)


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("no answer came")
        time.sleep(TICK)
