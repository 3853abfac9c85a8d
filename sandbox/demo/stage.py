"""What a scene does: somebody types or clicks, the answer is awaited and printed, the effect is looked up."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from subprocess import SubprocessError

from sandbox.demo.conversation import Conversation, Seat, is_answer
from sandbox.installation import Installation
from sandbox.slack.client import Refused
from sandbox.slack.reports import Message

ANSWER_SECONDS = 30.0  # a busy machine takes its time to draw a chart
PNG = b"\x89PNG\r\n\x1a\n"
TYPE_NAME, SURE = "Type the name …", "Are you sure?"  # the button, and the form that it opens


class NotShownError(Exception):
    """A step of the tour did not happen as it must."""


# Besides what is not as it must be: the workspace refuses, or a counterpart is away.
FAULTS = (NotShownError, Refused, RuntimeError, OSError, SubprocessError)


@dataclass
class Stage:
    """Plays scenes on one installation and keeps what did not happen."""

    installation: Installation
    conversation: Conversation
    failures: list[str] = field(default_factory=list)

    def play(self, number: int, title: str, scene: Callable[[Stage], None]) -> None:
        """One scene; what goes wrong in it is kept, so that the others are still shown."""
        self.conversation.write(f"\n=== {number}. {title}")
        try:
            scene(self)
        except FAULTS as error:
            self.conversation.write(f"  NOT SHOWN: {error}")
            self.failures.append(f"{number}. {title}: {error}")

    def ask(self, seat: Seat, text: str, *, expect: str) -> Message:
        """Type it and wait for the answer, which must hold what is expected.

        Raises:
            NotShownError: no answer in time, or another one.
        """
        old = self._in_sight(seat)
        if text.startswith("/"):  # a mention or a direct message is in the channel for all to read
            self.conversation.write_header(seat)
            self.conversation.write(f"{seat.person} types: {text}")
        self.installation.slack.type(seat.user, seat.place, text)
        return self._await(
            seat, f"`{text}`", expect, lambda answer: answer.ts not in old and is_answer(answer)
        )

    def click(self, seat: Seat, message: Message, label: str, *, expect: str, stays: bool = False) -> Message:
        """Press a button, say yes to its dialog, and wait as `ask` does; with `stays` for whom to press next.

        Raises:
            NotShownError: there is no such button, or as `ask`.
        """
        old = self._in_sight(seat) - {message.ts}
        self._press(seat, message, label)
        return self._await(
            seat,
            f"[{label}]",
            expect,
            lambda answer: (
                answer.ts not in old
                and is_answer(answer)
                and (expect in answer.spoken if stays else label not in _labels(answer))
            ),
        )

    def type_name(self, seat: Seat, message: Message, name: str, *, expect: str) -> Message:
        """Press the button of what cannot be undone, type the name in its form, and wait as `ask` does.

        Raises:
            NotShownError: there is no such button, it is another name, or as `ask`.
        """
        old = self._in_sight(seat) - {message.ts}
        self._press(seat, message, TYPE_NAME)
        slack = self.installation.slack
        slack.wait_form(seat.user, title=SURE)
        self.conversation.write(f'{seat.person} types into "{SURE}": {name}')
        if errors := slack.submit(seat.user, {"text": name}).errors:
            raise NotShownError(f"the form says {', '.join(map(str, errors.values()))}")
        return self._await(
            seat,
            f"`{name}` in the form",
            expect,
            lambda answer: answer.ts not in old and is_answer(answer) and TYPE_NAME not in _labels(answer),
        )

    def await_file(self, seat: Seat, message: Message, name: str) -> bytes:
        """Wait for a file of this name under a message; its content.

        Raises:
            Refused: it did not come in time.
        """
        slack = self.installation.slack
        reply = slack.wait(seat.place, seat.user, thread_ts=message.ts, file=name, timeout=ANSWER_SECONDS)
        self.conversation.show(seat)
        return slack.read_file(next(file.id for file in reply.files if file.name == name))

    def hear(self, seat: Seat, regex: str, *, ts: str = "") -> Message:
        """Wait for what nobody asked for; with `ts` for that message to become like this.

        Raises:
            Refused: it did not come in time.
        """
        said = self.installation.slack.wait(
            seat.place,
            seat.user,
            author="app",
            regex=regex,
            timeout=ANSWER_SECONDS,
            predicate=lambda message: not ts or message.ts == ts,
        )
        self.conversation.show(seat)
        return said

    def prove_picture(self, content: bytes) -> None:
        """State that this is a picture that one can see something on; raises as `prove`."""
        is_picture = content.startswith(PNG)
        width, height = struct.unpack(">II", content[16:24]) if is_picture else (0, 0)
        self.prove(f"the file is a PNG of {width} x {height}", holds=is_picture and min(width, height) > 100)

    def prove(self, what: str, *, holds: bool) -> None:
        """State what the backend itself says.

        Raises:
            NotShownError: it says something else.
        """
        if not holds:
            raise NotShownError(f"this is not so: {what}")
        self.conversation.write(f"  -> {what}")

    def _press(self, seat: Seat, message: Message, label: str) -> None:
        try:
            button = message.button(label)
        except LookupError as error:
            raise NotShownError(str(error)) from error
        self.conversation.write_header(seat)
        dialog = f' and says yes to "{button.confirm}"' if button.confirm else ""
        self.conversation.write(f"{seat.person} clicks: [{label}]{dialog}")
        self.installation.slack.click(
            seat.user, message, button.action_id, confirm=True if button.confirm else None
        )

    def _in_sight(self, seat: Seat) -> set[str]:
        """What is there before somebody acts: late edits of it are no answer."""
        self.conversation.skip(seat)
        return {message.ts for message in self.installation.slack.messages(seat.place, seat.user)}

    def _await(self, seat: Seat, asked: str, expect: str, fits: Callable[[Message], bool]) -> Message:
        slack = self.installation.slack
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            version = slack.version()
            answers = [message for message in self.conversation.unseen(seat) if fits(message)]
            if answers:
                self.conversation.show(seat)
                if expect not in answers[-1].spoken:
                    raise NotShownError(f"the answer to {asked} does not say {expect!r}")
                return answers[-1]
            if not slack.sleep_until_changed(version, deadline):
                self.conversation.show(seat)
                raise NotShownError(f"no answer to {asked} within {ANSWER_SECONDS:g} s")


def _labels(message: Message) -> set[str]:
    return {button.label for button in message.buttons}
