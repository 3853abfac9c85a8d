"""Types a command in the sandbox's Slack and waits for its end."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.contenders import ASKER, CHANNEL, PATIENCE, wait_idle
from sandbox.installation import Installation
from sandbox.slack.reports import Call

# Seconds after which an answer is looked for though nothing changed in Slack. Slack says when it was posted,
# so this is no part of a figure; but a look at every moment would take a third of a processor.
_LOOK = 0.5


@dataclass(frozen=True)
class Answer:
    """What was said to a command, and how many seconds after it was typed."""

    seconds: float
    text: str


def ask(installation: Installation, command: str, patience: float = PATIENCE) -> float:
    """Seconds from typing a command for engines to its answer; otherwise as `hear`."""
    return hear(installation, command, patience).seconds


def hear(
    installation: Installation, command: str, patience: float = PATIENCE, *, process: str = "worker-docker"
) -> Answer:
    """The answer to a command for this line of the Procfile; afterwards its worker is free again.

    Raises:
        RuntimeError: it did not succeed.
        TimeoutError: it took longer than `patience` seconds.
    """
    slack = installation.slack
    slack.calls(reset=True)
    typed = time.time()
    slack.type(ASKER, CHANNEL, f"/{command}")
    deadline = time.monotonic() + patience
    version = slack.version()
    while not (said := _ends(installation)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer came to {command}")
        slack.sleep_until_changed(version, time.monotonic() + _LOOK)
        version = slack.version()
    for worker in installation.part_pids(process, "rq"):
        wait_idle(worker)
    text = str(said[0].args["text"])
    if "Done" not in text.splitlines()[0]:
        raise RuntimeError(f"{command}: {text[:300]}")
    return Answer(said[0].at - typed, text)


def _ends(installation: Installation) -> list[Call]:
    """The calls that say how it ended; in other channels Andock speaks of other things."""
    calls = [call for call in installation.slack.calls() if call.args.get("channel") == CHANNEL]
    return [call for call in calls if "text" in call.args and _is_end(str(call.args["text"]))]


def _is_end(text: str) -> bool:
    return text.splitlines()[0].split(" ")[1].rstrip(":") not in {"Queued", "Running"}
