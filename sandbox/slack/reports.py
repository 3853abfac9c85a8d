"""What the client hands back: frozen values instead of the control API's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.slack.wire import Json

Part = Mapping[str, object]


@dataclass(frozen=True)
class Button:
    """A button (or another element that one can click) and what pressing it would send."""

    label: str
    action_id: str
    value: str
    style: str
    confirm: str


@dataclass(frozen=True)
class Message:
    """A message as one person sees it. `spoken` is what they read, `text` what the app sent."""

    channel: str
    ts: str
    user: str
    user_name: str
    text: str
    spoken: str
    blocks: tuple[Part, ...]
    thread_ts: str
    edited: bool
    edits: int
    earlier: tuple[str, ...]
    only_for: str
    only_for_name: str
    bot_id: str
    metadata: Part
    files: tuple["File", ...]
    reactions: tuple[str, ...]
    attachments: tuple[Part, ...]
    permalink: str

    @property
    def ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return bool(self.only_for)

    @property
    def is_reply(self) -> bool:
        """Whether it stands in somebody's thread."""
        return bool(self.thread_ts) and self.thread_ts != self.ts

    @property
    def buttons(self) -> tuple[Button, ...]:
        """The buttons, in reading order."""
        return tuple(read_buttons(self.blocks))

    @property
    def payload(self) -> Part:
        """The metadata's `event_payload`; empty without metadata."""
        payload = self.metadata.get("event_payload")
        return payload if isinstance(payload, dict) else {}

    def button(self, label: str) -> Button:
        """The button with this label or action_id.

        Raises:
            LookupError: there is none; says which there are.
        """
        for button in self.buttons:
            if label in (button.label, button.action_id):
                return button
        raise LookupError(f"no button {label!r}; there are {[button.label for button in self.buttons]}")


@dataclass(frozen=True)
class File:
    """A file shared with a message."""

    id: str
    name: str
    title: str
    size: int
    url: str


@dataclass(frozen=True)
class Attempt:
    """One try to hand a payload to the app."""

    number: int
    via: str
    seconds: float
    acked: bool
    problem: str
    status: int
    body: str


@dataclass(frozen=True)
class Delivery:
    """What became of one payload. `ts` is the message's, when what was delivered was a message."""

    id: str
    kind: str
    delivered: bool
    acked: bool
    seconds: float
    status: int
    body: str
    answer: Part
    problem: str
    complaint: str
    payload: Part
    attempts: tuple[Attempt, ...]
    ts: str = ""
    dismissed: bool = False
    errors: Part | None = None
    closed: bool = False


@dataclass(frozen=True)
class RawAnswer:
    """How the app answered a hand-made HTTP request; status 0 means not at all."""

    status: int
    body: str
    problem: str
    seconds: float


@dataclass(frozen=True)
class Form:
    """The form on somebody's screen."""

    id: str
    title: str
    callback_id: str
    private_metadata: str
    blocks: tuple[Part, ...]
    errors: Part
    depth: int


@dataclass(frozen=True)
class Socket:
    """One live Socket Mode connection of the app."""

    id: str
    sent: int
    acked: int
    muted: bool
    leaving: bool


@dataclass(frozen=True)
class Call:
    """One Web API call that the app has made; status 0 means that its answer was dropped."""

    method: str
    at: float
    status: int
    error: str
    args: Part


def read_message(body: Json) -> Message:
    """A message from the control API's JSON."""
    return Message(
        channel=body["channel"],
        ts=body["ts"],
        user=body["user"],
        user_name=body["user_name"],
        text=body["text"],
        spoken=body["spoken"],
        blocks=tuple(body.get("blocks", ())),
        thread_ts=body.get("thread_ts", ""),
        edited="edited" in body,
        edits=body["edits"],
        earlier=tuple(body["earlier"]),
        only_for=body["only_for"],
        only_for_name=body["only_for_name"],
        bot_id=body.get("bot_id", ""),
        metadata=body.get("metadata") or {},
        files=tuple(
            File(file["id"], file["name"], file["title"], file["size"], file["url_private"])
            for file in body.get("files", ())
        ),
        reactions=tuple(reaction["name"] for reaction in body.get("reactions", ())),
        attachments=tuple(body.get("attachments", ())),
        permalink=body["permalink"],
    )


def read_delivery(body: Json) -> Delivery:
    """A delivery from the control API's JSON."""
    return Delivery(
        id=body["delivery_id"],
        kind=body.get("kind", ""),
        delivered=body.get("delivered", False),
        acked=body["acked"],
        seconds=body.get("seconds", 0.0),
        status=body.get("status", 0),
        body=body.get("body", ""),
        answer=body.get("ack_payload") or {},
        problem=body.get("problem", ""),
        complaint=body.get("complaint", ""),
        payload=body.get("payload") or {},
        attempts=tuple(
            Attempt(a["number"], a["via"], a["seconds"], a["acked"], a["problem"], a["status"], a["body"])
            for a in body.get("attempts", ())
        ),
        ts=body.get("ts", ""),
        dismissed=body.get("dismissed", False),
        errors=body.get("errors"),
        closed=body.get("closed", False),
    )


def read_form(body: Json) -> Form | None:
    """The open form from the control API's JSON."""
    view = body["view"]
    if view is None:
        return None
    title = (view.get("title") or {}).get("text", "")
    return Form(
        view["id"],
        title,
        view["callback_id"],
        view["private_metadata"],
        tuple(view["blocks"]),
        body.get("errors") or {},
        body.get("depth", 0),
    )


def read_buttons(blocks: tuple[Part, ...]) -> list[Button]:
    """Every button of some blocks."""
    found = []
    for block in blocks:
        elements = block.get("elements") if block.get("type") == "actions" else [block.get("accessory")]
        for element in elements if isinstance(elements, list) else []:
            if isinstance(element, dict) and element.get("type") == "button":
                confirm = element.get("confirm")
                asks = f"{confirm['title']['text']}: {confirm['text']['text']}" if confirm else ""
                found.append(
                    Button(
                        element["text"]["text"],
                        element["action_id"],
                        element.get("value", ""),
                        element.get("style", ""),
                        asks,
                    )
                )
    return found
