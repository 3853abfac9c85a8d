"""The prompt after the tour: what is typed is said in the workspace, and what appears there is printed."""

from __future__ import annotations

import contextlib
import readline
import sys
import threading
import time
from collections.abc import Callable

from sandbox.demo.conversation import CHANNELS, DIRECT, PEOPLE, Conversation, Seat
from sandbox.slack.client import Refused, Workspace

PATIENCE = 20.0  # seconds after which the prompt comes back although nothing final was answered
LOOK = 1.0
HELP = f"""\
/vm list, /container logs web   a slash command
vm restart web-01               anything else is a mention of @andock, or a direct message in `{DIRECT}`
:click Go ahead                 press the newest button with this label (and say yes to its dialog)
:as lead-1                      be somebody else: {", ".join(PEOPLE)}
:in #prod                       go elsewhere: {", ".join(CHANNELS)}, {DIRECT}
:help  :quit"""


class Prompt:
    """One person at a time, in one channel at a time."""

    def __init__(self, slack: Workspace) -> None:
        self.seat = Seat("ops-1", "#ops")
        self._slack = slack
        self._waiting = False  # whether the cursor stands behind a prompt
        self._over = threading.Event()
        self._conversation = Conversation(slack, self._write)

    def run(self) -> None:
        """Until `:quit` or the end of the input."""
        self._conversation.skip(self.seat)
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            while self._obey(self._read()):
                pass
        except EOFError:
            print()
        finally:
            self._over.set()
            watcher.join()

    def _read(self) -> str:
        self._waiting = True
        try:
            line = input(f"{self.seat}> ").strip()
        finally:
            self._waiting = False
        if not sys.stdin.isatty():  # no terminal has shown what was typed
            print(line, flush=True)
        return line

    def _obey(self, line: str) -> bool:
        """Do what a line says; False when it is the last one."""
        word, _, rest = line.partition(" ")
        try:
            match word:
                case ":quit" | ":q":
                    return False
                case "":
                    pass
                case ":as" | ":in":
                    self._move(word, rest.strip())
                case ":click":
                    self._await_answer(lambda: self._click(rest.strip()))
                case _ if word.startswith(":"):
                    print(HELP)
                case _:
                    self._await_answer(lambda: self._say(line))
        except (Refused, LookupError) as error:
            print(error)
        return True

    def _move(self, word: str, name: str) -> None:
        known = PEOPLE if word == ":as" else (*CHANNELS, DIRECT)
        name = name if word == ":as" or name.startswith(("#", "@")) else f"#{name}"
        if name not in known:
            raise LookupError(f"there are: {', '.join(known)}")
        seat = Seat(name, self.seat.channel) if word == ":as" else Seat(self.seat.person, name)
        self._conversation.skip(seat)  # also tells whether this person may be there
        self.seat = seat

    def _say(self, line: str) -> None:
        as_is = line.startswith(("/", "@")) or self.seat.channel == DIRECT
        self._slack.type(self.seat.user, self.seat.place, line if as_is else f"@andock {line}")

    def _click(self, label: str) -> None:
        for message in reversed(self._slack.messages(self.seat.place, self.seat.user)):
            for button in message.buttons:
                if button.label == label:
                    if button.confirm:
                        print(f'(yes to "{button.confirm}")')
                    self._slack.click(
                        self.seat.user, message, button.action_id, confirm=True if button.confirm else None
                    )
                    return
        raise LookupError(f"no button [{label}] is in sight")

    def _await_answer(self, act: Callable[[], None]) -> None:
        answers = self._conversation.answers
        deadline = time.monotonic() + PATIENCE
        act()
        while True:
            version = self._slack.version()
            self._conversation.show(self.seat)
            if self._conversation.answers > answers or not self._slack.sleep_until_changed(version, deadline):
                return

    def _watch(self) -> None:
        """Print what appears while nobody types."""
        while not self._over.is_set():
            with contextlib.suppress(OSError, Refused):
                version = self._slack.version()
                self._conversation.show(self.seat)
                self._slack.sleep_until_changed(version, time.monotonic() + LOOK)

    def _write(self, text: str) -> None:
        """Print above the prompt, and put what was typed so far behind it again."""
        if not (self._waiting and sys.stdin.isatty()):
            print(text, flush=True)
            return
        print(f"\r\x1b[K{text}\n{self.seat}> {readline.get_line_buffer()}", end="", flush=True)
