"""Buttons: those that type a command, and those that answer a plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from andock.operation import Link, Offer
from andock.rendering.message import (
    MAX_BUTTON_LABEL,
    MAX_BUTTON_VALUE,
    MAX_CONFIRM_TEXT,
    MAX_URL,
    Block,
    Piece,
    mrkdwn,
    plain_text,
    size_of,
)
from andock.rendering.mrkdwn import clean, code

COMMAND_ACTION = "andock.command"  # followed by `:<n>`, because Slack wants each id once in a message
TYPE_ACTION = "andock.type"  # opens the form in which a name is typed again
LINK_ACTION = "andock.link"  # followed by `:<n>`; the browser opens it, and nothing is asked of us
_MOST_OFFERS = 10  # more buttons than this are a menu that nobody reads


class Answer(StrEnum):
    """What a person can say to a plan."""

    GO_AHEAD = "go_ahead"
    CANCEL = "cancel"
    APPROVE = "approve"
    DENY = "deny"
    GO_ON = "go_on"
    ROLL_BACK = "roll_back"

    @property
    def action(self) -> str:
        """The action id of its button."""
        return f"andock.{self.value}"


@dataclass(frozen=True, slots=True)
class PlanButton:
    """What a plan's button carries: which request, and the plan that the person saw."""

    request: str
    plan: str  # the plan's digest; empty where there is none yet
    phrase: str = ""  # what is to be typed again, as a reminder; the ledger knows it too

    def dumps(self) -> str:
        """The button's value."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def loads(cls, value: str) -> PlanButton:
        """The button that has this value.

        Raises:
            ValueError: it is not one of ours.
        """
        read = json.loads(value)
        if not isinstance(read, dict) or set(read) != {"request", "plan", "phrase"}:
            raise ValueError("no value of a plan's button")
        if not all(isinstance(part, str) for part in read.values()):
            raise ValueError("no value of a plan's button")
        return cls(**read)


def offer_buttons(offers: Sequence[Offer], room: int) -> Piece:
    """A row of buttons that type commands; one whose command is too long for Slack is left out, never cut."""
    buttons: list[Block] = []
    for offer in offers:
        if len(offer.command) > MAX_BUTTON_VALUE or not offer.command.strip():
            continue
        button = _offer_button(offer, len(buttons))
        if len(buttons) < _MOST_OFFERS and size_of([actions([*buttons, button])]) <= room:
            buttons.append(button)
    return Piece((actions(buttons),)) if buttons else Piece()


def link_buttons(links: Sequence[Link]) -> Piece:
    """A row of buttons that open pages; what is no web address to Slack is left out, for the text has it."""
    buttons = [
        {**button(link.label, f"{LINK_ACTION}:{number}", "open"), "url": link.url}
        for number, link in enumerate(links[:_MOST_OFFERS])
        if link.url.startswith("https://") and len(link.url) <= MAX_URL
    ]
    return Piece((actions(buttons),)) if buttons else Piece()


def plan_buttons(request: str, plan: str, phrase: str = "") -> Block:
    """Go ahead and Cancel; with a phrase, Go ahead asks for it to be typed first."""
    value = PlanButton(request, plan, phrase).dumps()
    if phrase:
        go_ahead = {**button("Type the name …", TYPE_ACTION, value), "style": "danger"}
    else:
        go_ahead = {**button("Go ahead", Answer.GO_AHEAD.action, value), "style": "primary"}
    return actions([go_ahead, button("Cancel", Answer.CANCEL.action, value)])


def approval_buttons(request: str, plan: str, command: str) -> Block:
    """Approve, with a dialog before, and Deny, which asks for a reason."""
    value = PlanButton(request, plan).dumps()
    said = f"{code(command, MAX_CONFIRM_TEXT - 60)}, plan {code(plan[:12], 20)}"
    confirm = _sure("Approve this plan?", said, "Approve")
    approve = {**button("Approve", Answer.APPROVE.action, value), "style": "primary", "confirm": confirm}
    deny = {**button("Deny …", Answer.DENY.action, value), "style": "danger"}
    return actions([approve, deny])


def pause_buttons(request: str) -> Block:
    """Roll back and Go on, under a request that was stopped halfway; each with a dialog before."""
    value = PlanButton(request, "").dumps()
    roll_back = {
        **button("Roll back", Answer.ROLL_BACK.action, value),
        "style": "danger",
        "confirm": _sure("Put back what it changed?", "All that it changed so far is put back.", "Roll back"),
    }
    go_on = {
        **button("Go on", Answer.GO_ON.action, value),
        "confirm": _sure("Go on with the rest?", "What failed stays as it was.", "Go on"),
    }
    return actions([roll_back, go_on])


def cancel_button(request: str) -> Block:
    """Cancel alone, under a request that runs or waits."""
    return actions([button("Cancel", Answer.CANCEL.action, PlanButton(request, "").dumps())])


def actions(buttons: Sequence[Block]) -> Block:
    """A row of buttons."""
    return {"type": "actions", "elements": list(buttons)}


def button(label: str, action: str, value: str) -> Block:
    """One button; the label is cut, the value is the caller's to keep within Slack's limit."""
    shown = " ".join(clean(label).split()).replace("`", "") or "…"
    if len(shown) > MAX_BUTTON_LABEL:
        shown = shown[: MAX_BUTTON_LABEL - 1].rstrip() + "…"
    return {"type": "button", "text": plain_text(shown), "action_id": action, "value": value}


def _sure(title: str, text: str, yes: str) -> Block:
    """The dialog before a button's click counts."""
    return {
        "title": plain_text(title),
        "text": mrkdwn(text),
        "confirm": plain_text(yes),
        "deny": plain_text("Not yet"),
    }


def _offer_button(offer: Offer, number: int) -> Block:
    made = button(offer.label, f"{COMMAND_ACTION}:{number}", offer.command)
    if not offer.danger:
        return made
    confirm = {
        "title": plain_text("Are you sure?"),
        "text": mrkdwn(f"This asks for {code(offer.command, MAX_CONFIRM_TEXT - 20)}."),
        "confirm": plain_text("Yes, do it"),
        "deny": plain_text("No"),
        "style": "danger",
    }
    return {**made, "style": "danger", "confirm": confirm}
