"""One whole installation for the end-to-end tests, and a person to type in its workspace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from andock.ports.registry import ImageName
from sandbox.engine import IMAGE
from sandbox.installation import Installation
from sandbox.slack.client import Workspace
from sandbox.slack.reports import Message

END = (
    r"\*(Done|Failed|Failed halfway|Outcome unknown|Denied|Cancelled|Expired|"
    r"Waits for your Go ahead|Held by a halt)\*"
)


TOLD_IN = "C0ADMIN"  # the channel that hears of vCenter's events, and what the clock asks for
# what containers may be made of, and what may be run in them
ON_ENGINES = {
    "registries": {"docker.io": {"allow": [f"{ImageName.parse(IMAGE).path}:*"]}},
    "powers": [{"name": "tests see the host name", "images": [IMAGE], "may": ["uts=host"]}],
    "exec": {
        "planted": {"argv": ["cat", "/planted"]},
        "slow": {"argv": ["sh", "-c", "echo begun; sleep 20"], "within": "1s", "containers": ["job-*"]},
    },
}


@dataclass(frozen=True)
class Chat:
    """Types as people do and waits for what they would wait for."""

    slack: Workspace

    def ask(
        self,
        text: str,
        *,
        user: str = "U0OPS1",
        channel: str = "C0OPS",
        until: str = END,
        timeout: float = 30.0,
    ) -> Message:
        """Type, and wait for the answer that the person sees, at its end or asking something back."""
        before = f"{time.time():.6f}"
        self.slack.type(user, channel, text)
        return self.slack.wait(
            channel, user, author="app", after_ts=before, regex=until, timeout=timeout, predicate=None
        )

    def destroy(self, text: str, *, until: str = r"\*Done\*") -> Message:
        """Ask for what destroys something, type the name again as the form wants it, and wait for the end."""
        return self.type_name(self.ask(text, until=r"Waits for your Go ahead"), until=until)

    def type_name(self, asked: Message, *, until: str = r"\*Done\*") -> Message:
        """Type again what is asked for, and wait for the end."""
        button = asked.button("Type the name …")
        self.slack.click("U0OPS1", asked, button.action_id)
        self.slack.wait_form("U0OPS1", title="Are you sure?")
        self.slack.submit("U0OPS1", {"text": json.loads(button.value)["phrase"]})
        return self.slack.wait(asked.channel, "U0OPS1", ts=asked.ts, regex=until, timeout=30)

    def say(self, text: str, *, user: str = "U0OPS1", channel: str = "C0OPS") -> str:
        """Type, and return what the acknowledgement says to the person alone."""
        delivery = self.slack.type(user, channel, text)
        answer = delivery.answer or {}
        return str(answer.get("text", ""))


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared by tests that leave it as they found it; who kills or starves a part starts an own one."""
    state = tmp_path_factory.mktemp("installation")
    # two changes at a time, so that one can wait for the other
    told = {
        "alarms": {"channel": "C0PROD"},
        "events": {"channel": TOLD_IN},
        "digests": {"snapshots": {"channel": TOLD_IN, "at": "00:00"}},
    }
    extra = {"pools": {"vsphere": {"change": 2}}, **told, **ON_ENGINES}
    with Installation.start(state, own_engine=True, sites_extra=extra) as running:
        running.slack.set_limits(enabled=False)
        yield running


@pytest.fixture
def chat(installation: Installation) -> Chat:
    return Chat(installation.slack)
