"""The conversation in a channel as one person reads it in Slack, printed as it grows."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.slack.client import Workspace, render
from sandbox.slack.reports import Message

PEOPLE = {
    "ops-1": "U0OPS1",
    "ops-2": "U0OPS2",
    "lead-1": "U0LEAD1",
    "lead-2": "U0LEAD2",
    "guest-1": "U0GUEST1",
}
CHANNELS = {"#ops": "C0OPS", "#prod": "C0PROD", "#lab": "C0LAB", "#andock-admin": "C0ADMIN"}
DIRECT = "@andock"
WORKSPACE_VOICE = "USLACKBOT"
# What is still going to change: taken in, queued, running, waiting for its turn.
_UNDER_WAY = re.compile("^(Working on|⏳|▶️|⏸️)")


@dataclass(frozen=True)
class Seat:
    """A person looking at a channel, `@andock` being their direct messages with the app."""

    person: str
    channel: str

    @property
    def user(self) -> str:
        """The person's id."""
        return PEOPLE[self.person]

    @property
    def place(self) -> str:
        """The channel's id."""
        return f"D{self.user[1:]}" if self.channel == DIRECT else CHANNELS[self.channel]

    def __str__(self) -> str:
        return f"{self.person} {self.channel}"


@dataclass
class Conversation:
    """Prints each message once, and again when it was edited since."""

    slack: Workspace
    write: Callable[[str], None]
    answers: int = 0
    """How many messages have been shown that answer somebody and will not change by themselves."""
    _shown: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _header: str = ""

    def write_header(self, seat: Seat) -> None:
        """Say whose eyes see what follows, when that changes."""
        header = f"{seat.channel}, as {seat.person} sees it"
        if header != self._header:
            self._header = header
            self.write(f"\n{header}")

    def unseen(self, seat: Seat) -> list[Message]:
        """Messages that are new, or edited, since they were shown from this seat."""
        messages = self.slack.messages(seat.place, seat.user)
        return [message for message in messages if self._shown.get(_key(message)) != message.edits]

    def show(self, seat: Seat) -> list[Message]:
        """Print what is unseen; the messages."""
        with self._lock:
            found = self.unseen(seat)
            if found:
                self.write_header(seat)
            for message in found:
                self._shown[_key(message)] = message.edits
                self.answers += is_answer(message)
                self.write(render(message))
            return found

    def skip(self, seat: Seat) -> None:
        """Take what is there as seen: what others have said meanwhile."""
        with self._lock:
            for message in self.unseen(seat):
                self._shown[_key(message)] = message.edits


def is_answer(message: Message) -> bool:
    """Whether the app, or the workspace for it, says something that is not about to change."""
    said_by_app = bool(message.bot_id) or message.user == WORKSPACE_VOICE
    return said_by_app and _UNDER_WAY.match(message.spoken) is None


def _key(message: Message) -> tuple[str, str, str]:
    return (message.channel, message.ts, message.only_for)
