"""The form in which a change of a service is put together: what, where, which version, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from andock.durations import write_duration
from andock.rendering.message import Block, plain_text

CALLBACK = "andock.deploy"
SERVICE, WHAT, ENVIRONMENT, VERSION = "service", "what", "environment", "version"
REPLICAS, REASON = "replicas", "reason"
DEPLOY = "service deploy"
CHOICES: Mapping[str, str] = {  # operations, as the form names them
    DEPLOY: "Deploy the version",
    "service plan": "Show what deploying it would do",
    "service promote": "Promote what is proven before",
    "service rollback": "Roll back, to the version or the last",
    "service restart": "Restart what runs",
    "service scale": "Scale what runs",
}
SERVICE_ACTION = f"{CALLBACK}.{SERVICE}"
VERSION_ACTION = f"{CALLBACK}.{VERSION}"
MAX_OPTIONS = 100
MAX_OPTION = 75
MAX_REASON = 300
_MOMENT = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class DeployForm:
    """What a form carries: where it was asked for, and the service that it shows."""

    channel: str
    thread: str
    service: str = ""

    def dumps(self) -> str:
        """The form's private metadata."""
        return json.dumps([self.channel, self.thread, self.service])

    @classmethod
    def loads(cls, metadata: str) -> DeployForm:
        """The form that has this metadata.

        Raises:
            ValueError: it is not one of ours.
        """
        read = json.loads(metadata)
        if not isinstance(read, list) or not all(isinstance(part, str) for part in read):
            raise ValueError("no form of ours")
        channel, thread, service = read
        return cls(channel, thread, service)

    def block(self, field: str) -> str:
        """The block of a field; what was chosen of one service must not stay when another is chosen."""
        return f"{field}:{self.service}" if field in (ENVIRONMENT, VERSION) else field


def deploy_form(form: DeployForm, services: Sequence[str], environments: Sequence[str]) -> Block:
    """The form; without a service it asks for one first, and the rest is shown once it is chosen."""
    # more than Slack's hundred are typed, and a typed one is always among those shown
    listed = dict.fromkeys([*([form.service] if form.service else []), *services])
    service = _select(sorted(list(listed)[:MAX_OPTIONS]), form.service)
    blocks = [
        {
            **_input(form, SERVICE, "Service", {**service, "action_id": SERVICE_ACTION}),
            "dispatch_action": True,
        }
    ]
    if form.service:
        only = environments[0] if len(environments) == 1 else ""
        place = {**_select(list(environments)[:MAX_OPTIONS], only), "action_id": ENVIRONMENT}
        search = {
            "type": "external_select",
            "action_id": VERSION_ACTION,
            "placeholder": plain_text("Choose one, or type any"),
            "min_query_length": 0,
        }
        choices = [_option(text, name) for name, text in CHOICES.items()]
        what = {"type": "static_select", "action_id": WHAT, "options": choices, "initial_option": choices[0]}
        typed = {"type": "plain_text_input", "action_id": REASON, "max_length": MAX_REASON}
        number = {"type": "plain_text_input", "action_id": REPLICAS, "max_length": 2}
        blocks += [
            _input(form, WHAT, "What", what),
            _input(form, ENVIRONMENT, "Environment", place),
            _optional(form, VERSION, "Version", search, "To deploy, or to roll back to."),
            _optional(form, REPLICAS, "Replicas", number, "To scale: containers on each engine."),
            _optional(form, REASON, "Why?", typed, "Everybody reads it."),
        ]
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": form.dumps(),
        "title": plain_text("Deploy a service"),
        "submit": plain_text("Go" if form.service else "Next"),
        "close": plain_text("Back"),
        "blocks": blocks,
    }


def version_options(tags: Sequence[tuple[str, datetime | None]], age: timedelta | None, typed: str) -> Block:
    """What the version field offers: tags with their dates, and what was typed itself.

    Args:
        tags: those that fit what was typed, and when each image was made.
        age: how long ago the registry said so; None where it has not been heard.
        typed: what was typed into the field; empty if it cannot be a version.
    """
    groups = []
    if tags and age is not None:
        options = [_option(_title(name, made), name) for name, made in tags[: MAX_OPTIONS - 1]]
        groups.append({"label": plain_text(_heard(age)), "options": options})
    if typed and typed not in dict(tags):
        groups.append({"label": plain_text("As typed"), "options": [_option(f"use {typed}", typed)]})
    return {"option_groups": groups} if groups else {"options": []}


def _heard(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    if seconds < 60:  # noqa: PLR2004  a minute
        return "From the registry, just now"
    minutes = timedelta(minutes=seconds // 60)
    return f"From the registry, as of {write_duration(minutes)} ago"


def _title(name: str, made: datetime | None) -> str:
    return name if made is None else f"{name} · {made.strftime(_MOMENT)} UTC"


def _select(names: Sequence[str], chosen: str) -> Block:
    element: Block = {"type": "static_select", "options": [_option(name, name) for name in names]}
    return {**element, "initial_option": _option(chosen, chosen)} if chosen else element


def _option(text: str, value: str) -> Block:
    shown = text if len(text) <= MAX_OPTION else text[: MAX_OPTION - 1] + "…"
    return {"text": plain_text(shown), "value": value}


def _input(form: DeployForm, field: str, label: str, element: Block) -> Block:
    return {"type": "input", "block_id": form.block(field), "label": plain_text(label), "element": element}


def _optional(form: DeployForm, field: str, label: str, element: Block, hint: str) -> Block:
    return {**_input(form, field, label, element), "optional": True, "hint": plain_text(hint)}
