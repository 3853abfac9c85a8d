"""A small synchronous client, for tests and demonstrations: acts as the people of a workspace."""

import base64
import time
from collections.abc import Callable, Mapping

from sandbox.slack.remote import Refused, WaitTimeout
from sandbox.slack.reports import Delivery, Form, Message, read_delivery, read_form, read_message
from sandbox.slack.steering import Steering
from sandbox.slack.wire import Json

__all__ = ["Refused", "WaitTimeout", "Workspace", "render"]


class Workspace(Steering):
    """One running workspace and everybody in it."""

    # What people do

    def type(
        self, user: str, channel: str, text: str, *, thread_ts: str = "", force: bool = False
    ) -> Delivery:
        """Type and press enter: a slash command or a message. Returns after the ack, or after 3 s."""
        body = {"user": user, "channel": channel, "text": text, "thread_ts": thread_ts, "force": force}
        return read_delivery(self.control("type", body))

    def click(
        self,
        user: str,
        message: Message | None,
        button: str,
        *,
        value: str | None = None,
        confirm: bool | None = None,
        stale: bool = False,
        force: bool = False,
    ) -> Delivery:
        """Press a button (label or action_id) of a message, or of the person's open form (message None).

        `confirm` answers its dialog; `stale` presses a button of an earlier version of the message.
        """
        body: Json = {"user": user, "action": button, "value": value, "confirm": confirm}
        return read_delivery(self.control("click", body | _place(message) | {"stale": stale, "force": force}))

    def select(
        self, user: str, message: Message | None, element: str, choose: object, *, confirm: bool | None = None
    ) -> Delivery:
        """Choose in a select, picker or overflow menu, by value or text (a list for multi-selects)."""
        body: Json = {"user": user, "action": element, "choose": choose, "confirm": confirm}
        return read_delivery(self.control("select", body | _place(message)))

    def submit(self, user: str, values: Mapping[str, object]) -> Delivery:
        """Fill in the open form (by block_id, action_id or label) and submit; see `errors` and `closed`."""
        return read_delivery(self.control("submit", {"user": user, "values": dict(values)}))

    def suggest(self, user: str, field: str, text: str) -> list[str]:
        """Type into an external select of the open form: the values that the app offers."""
        answer = self.control("suggest", {"user": user, "field": field, "text": text})
        return [str(option["value"]) for option in answer["options"]]

    def close(self, user: str) -> Delivery:
        """Cancel the open form."""
        return read_delivery(self.control("close", {"user": user}))

    def shortcut(self, user: str, callback_id: str, message: Message | None = None) -> Delivery:
        """Use a shortcut; with a message, from that message's menu."""
        return read_delivery(
            self.control("shortcut", {"user": user, "callback_id": callback_id} | _place(message))
        )

    def edit(self, user: str, message: Message, text: str) -> Message:
        """Edit one's own message."""
        return read_message(self.control("edit", {"user": user, "text": text} | _place(message)))

    def delete(self, user: str, message: Message) -> None:
        """Delete one's own message."""
        self.control("delete", {"user": user} | _place(message))

    def react(self, user: str, message: Message, name: str) -> None:
        """Add an emoji."""
        self.control("react", {"user": user, "name": name} | _place(message))

    # What people see

    def form(self, user: str) -> Form | None:
        """The form that this person has open."""
        return read_form(self.control("view", {"user": user}))

    def wait_form(self, user: str, *, title: str = "", timeout: float = 10.0) -> Form:
        """Wait until this person has a form open (with this title)."""
        deadline = time.monotonic() + timeout
        while True:
            version = self.version()
            form = self.form(user)
            if form is not None and title in ("", form.title):
                return form
            if not self.sleep_until_changed(version, deadline):
                raise WaitTimeout(
                    "timeout", f"{user} has {form.title if form else 'no form'} open, not {title!r}"
                )

    def home(self, user: str) -> Form | None:
        """Open the app's Home tab."""
        return read_form(self.control("home", {"user": user}))

    def messages(self, channel: str, as_user: str = "", *, thread_ts: str = "") -> list[Message]:
        """Oldest first, as `as_user` sees them: public ones and their own ephemerals; "*" sees all."""
        answer = self.control("channel", {"channel": channel, "user": as_user, "thread_ts": thread_ts})
        return [read_message(body) for body in answer["messages"]]

    def wait(
        self,
        channel: str,
        as_user: str = "",
        *,
        timeout: float = 10.0,
        predicate: Callable[[Message], bool] | None = None,
        **criteria: object,
    ) -> Message:
        """Wait for a message and return the newest that matches.

        Criteria: contains, regex, metadata (fields of its payload), event_type, button (label), thread_ts,
        ts, after_ts, author ("app" or a user id), edited, ephemeral, file (name), count.

        Raises:
            WaitTimeout: with what the channel shows instead.
        """
        body: Json = {"channel": channel, "user": as_user, **criteria}
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.05, deadline - time.monotonic())
            answer = self.control("wait", body | {"timeout": left}, timeout=left + 10)
            found = [read_message(message) for message in answer["messages"]]
            chosen = [message for message in found if predicate is None or predicate(message)]
            if chosen:
                return chosen[0]
            if not self.sleep_until_changed(int(answer["version"]), deadline):
                seen = "\n".join(render(message) for message in found)
                raise WaitTimeout("timeout", f"no match among\n{seen}")

    def wait_gone(
        self, channel: str, as_user: str = "", *, timeout: float = 10.0, **criteria: object
    ) -> None:
        """Wait until no message matches (deleted, or edited away)."""
        body: Json = {"channel": channel, "user": as_user, "gone": True, "timeout": timeout, **criteria}
        self.control("wait", body, timeout=timeout + 10)

    def read_file(self, file_id: str) -> bytes:
        """The bytes of an uploaded file."""
        return base64.b64decode(self.control("file", {"id": file_id})["content"])


def render(message: Message) -> str:
    """A message as one would read it in Slack, for a terminal."""
    marks = "" if not message.edited else " (edited)"
    if message.only_for:
        marks += f" (only visible to {message.only_for_name})"
    lines = message.spoken.split("\n") if message.spoken else []
    lines += [f"[file: {file.title} ({file.size} bytes)]" for file in message.files]
    if message.reactions:
        lines.append(" ".join(f":{name}:" for name in message.reactions))
    indent = "    " if message.is_reply else ""
    return "\n".join(
        indent + line for line in [f"{message.user_name}{marks}", *(f"  {line}" for line in lines)]
    )


def _place(message: Message | None) -> Json:
    return {} if message is None else {"channel": message.channel, "ts": message.ts}
