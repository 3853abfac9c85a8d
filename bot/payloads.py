"""Slack's payloads turned into what the intake understands; the only code that knows their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

from andock.rendering.buttons import COMMAND_ACTION, TYPE_ACTION, Answer, PlanButton
from andock.rendering.deploy_form import (
    CALLBACK,
    ENVIRONMENT,
    REASON,
    REPLICAS,
    SERVICE,
    SERVICE_ACTION,
    VERSION,
    VERSION_ACTION,
    WHAT,
    DeployForm,
)
from andock.rendering.forms import INPUT, PlanForm

Payload: TypeAlias = Mapping[str, Any]
_MENTION = re.compile(r"^\s*<@[A-Z0-9]+(\|[^>]*)?>\s*[:,]?\s*")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a payload says it is from; to be looked up, not believed."""

    team: str
    user: str


@dataclass(frozen=True, slots=True)
class Typed:
    """Text that a person typed, or that a button types for them."""

    sender: Sender
    channel: str
    text: str
    dedupe: str
    noun: str = ""
    thread: str = ""
    slash: bool = False  # the answer may go into the acknowledgement
    trigger: str = ""  # lets a form be opened, for three seconds


@dataclass(frozen=True, slots=True)
class Clicked:
    """A person's answer to a plan, by a button or a form; `text` is what was typed into the form."""

    sender: Sender
    channel: str
    button: PlanButton
    answer: Answer
    thread: str = ""
    text: str = ""
    form: bool = False  # the acknowledgement may say what is wrong with the text


@dataclass(frozen=True, slots=True)
class FormWanted:
    """A click that opens a form before it is an answer."""

    sender: Sender
    form: PlanForm
    answer: Answer
    trigger: str

    @property
    def channel(self) -> str:
        """Where the button was."""
        return self.form.channel

    @property
    def thread(self) -> str:
        """The button's message."""
        return self.form.thread


@dataclass(frozen=True, slots=True)
class _OfDeployForm:
    """Something that a person does in the form for deployments."""

    sender: Sender
    form: DeployForm

    @property
    def channel(self) -> str:
        """Where the form was asked for."""
        return self.form.channel

    @property
    def thread(self) -> str:
        """The message under which it was asked for."""
        return self.form.thread


@dataclass(frozen=True, slots=True)
class ServiceChosen(_OfDeployForm):
    """A service was chosen, so that the form can show its environments."""

    service: str
    view: str
    hash: str  # of the view as it was when it was chosen


@dataclass(frozen=True, slots=True)
class VersionSought(_OfDeployForm):
    """The list of versions was opened, or something typed into it."""

    typed: str


@dataclass(frozen=True, slots=True)
class DeployFilled(_OfDeployForm):
    """The form was submitted; without an environment it has only asked for a service so far."""

    view: str
    service: str
    operation: str
    environment: str
    version: str
    replicas: str
    reason: str

    @property
    def place(self) -> str:
        """The block beside which a refusal is shown."""
        return self.form.block(ENVIRONMENT if self.form.service else SERVICE)


InForm: TypeAlias = ServiceChosen | VersionSought | DeployFilled
Incoming: TypeAlias = Typed | Clicked | FormWanted | InForm


def read_payload(body: Payload, prefix: str) -> Incoming | None:
    """What a payload asks for; None when it asks for nothing that we act on.

    Raises:
        TypeError, ValueError, KeyError, AttributeError, IndexError: it is not of Slack's shape, or a button
            or form has a value that we never gave it.
    """
    if "command" in body:
        return _slash(body, prefix)
    match body.get("type"):
        case "block_actions":
            return _click(body)
        case "view_submission":
            return _filled(body) if body["view"].get("callback_id") == CALLBACK else _submission(body)
        case "block_suggestion":
            return _sought(body)
        case "event_callback":
            return _event(body)
        case _:
            return None


def texts_of(incoming: object) -> Iterator[str]:
    """Every text in what was read, whatever its kind: also ids and values, which somebody may have forged."""
    match incoming:
        case str():
            yield incoming
        case Mapping():
            for value in incoming.values():
                yield from texts_of(value)
        case tuple() | list():
            for value in incoming:
                yield from texts_of(value)
        case _ if is_dataclass(incoming):
            for field in fields(incoming):
                yield from texts_of(getattr(incoming, field.name))


def _slash(body: Payload, prefix: str) -> Typed:
    command = str(body["command"]).removeprefix("/").removeprefix(prefix)
    return Typed(
        sender=Sender(str(body.get("team_id", "")), str(body.get("user_id", ""))),
        channel=str(body.get("channel_id", "")),
        text=str(body.get("text", "")),
        dedupe=f"slash:{body.get('trigger_id', '')}",
        noun="" if command == "andock" else command,
        slash=True,
        trigger=str(body.get("trigger_id", "")),
    )


def _click(body: Payload) -> Incoming | None:
    action = (body.get("actions") or [{}])[0]
    name = str(action.get("action_id", ""))
    sender = Sender(str(body["user"].get("team_id", "")), str(body["user"]["id"]))
    if name == SERVICE_ACTION:
        view = body["view"]
        return ServiceChosen(sender, _form(view), _chosen(action), str(view["id"]), str(view["hash"]))
    container = body.get("container", {})
    channel = str(body.get("channel", {}).get("id") or container.get("channel_id", ""))
    ephemeral = bool(container.get("is_ephemeral"))
    thread = str(container.get("thread_ts") or ("" if ephemeral else container.get("message_ts", "")))
    if name.startswith(COMMAND_ACTION + ":"):
        trigger = str(body.get("trigger_id", ""))
        dedupe = f"click:{trigger}:{name}:{action.get('action_ts', '')}"
        return Typed(sender, channel, str(action.get("value", "")), dedupe, thread=thread, trigger=trigger)
    try:
        answer = Answer.GO_AHEAD if name == TYPE_ACTION else Answer(name.removeprefix("andock."))
    except ValueError:
        return None  # it opens a page, or is of a version before
    button = PlanButton.loads(str(action.get("value", "")))
    if name == TYPE_ACTION or answer is Answer.DENY:
        form = PlanForm(button, channel, thread)
        return FormWanted(sender, form, answer, str(body.get("trigger_id", "")))
    return Clicked(sender, channel, button, answer, thread)


def _submission(body: Payload) -> Incoming:
    view = body["view"]
    form = PlanForm.loads(str(view["private_metadata"]))
    answer = Answer(str(view["callback_id"]).removeprefix("andock."))
    text = str(view["state"]["values"][INPUT][INPUT].get("value") or "").strip()
    return Clicked(_sender(body), form.channel, form.button, answer, form.thread, text, form=True)


def _filled(body: Payload) -> DeployFilled:
    view = body["view"]
    form, values = _form(view), view["state"]["values"]

    def read(field: str, action: str) -> str:
        return _chosen(values.get(form.block(field), {}).get(action) or {})

    return DeployFilled(
        _sender(body),
        form,
        str(view["id"]),
        read(SERVICE, SERVICE_ACTION),
        read(WHAT, WHAT),
        read(ENVIRONMENT, ENVIRONMENT),
        read(VERSION, VERSION_ACTION),
        read(REPLICAS, REPLICAS),
        read(REASON, REASON),
    )


def _sought(body: Payload) -> VersionSought | None:
    if body.get("action_id") != VERSION_ACTION:
        return None
    return VersionSought(_sender(body), _form(body["view"]), str(body.get("value") or ""))


def _form(view: Payload) -> DeployForm:
    return DeployForm.loads(str(view["private_metadata"]))


def _chosen(element: Payload) -> str:
    """What was chosen in a select, or typed into a field."""
    option = element.get("selected_option") or {}
    return str(option.get("value") or element.get("value") or "").strip()


def _sender(body: Payload) -> Sender:
    return Sender(str(body["user"].get("team_id") or body["team"]["id"]), str(body["user"]["id"]))


def _event(body: Payload) -> Incoming | None:
    event = body.get("event", {})
    # edited messages, joins, files and everything that a bot posts carry one of these
    if event.get("subtype") or event.get("bot_id") or event.get("edited") or not event.get("user"):
        return None
    direct = event.get("type") == "message" and event.get("channel_type") == "im"
    if event.get("type") != "app_mention" and not direct:
        return None
    if event.get("type") == "app_mention" and event.get("channel_type") == "im":
        return None  # the same words come as a message of the direct channel
    return Typed(
        sender=Sender(str(event.get("team") or body.get("team_id", "")), str(event["user"])),
        channel=str(event["channel"]),
        text=_MENTION.sub("", str(event.get("text", ""))),
        dedupe=f"event:{body.get('team_id', '')}:{event.get('client_msg_id') or body.get('event_id', '')}",
        thread=str(event.get("thread_ts") or ("" if direct else event.get("ts", ""))),
    )
