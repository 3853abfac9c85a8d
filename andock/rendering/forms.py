"""Forms: the reason for a No, and the name that is typed again before something is destroyed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from andock.rendering.buttons import Answer, PlanButton
from andock.rendering.message import Block, plain_text, section
from andock.rendering.mrkdwn import code

INPUT = "text"  # block and action id of the one field that a form has
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class PlanForm:
    """What a form carries: the plan that it is about, and where the button was."""

    button: PlanButton
    channel: str
    thread: str

    def dumps(self) -> str:
        """The form's private metadata."""
        return json.dumps([self.button.dumps(), self.channel, self.thread])

    @classmethod
    def loads(cls, metadata: str) -> PlanForm:
        """The form that has this metadata.

        Raises:
            ValueError: it is not one of ours.
        """
        read = json.loads(metadata)
        if not isinstance(read, list) or not all(isinstance(part, str) for part in read):
            raise ValueError("no form of ours")
        button, channel, thread = read
        return cls(PlanButton.loads(button), channel, thread)


def deny_form(form: PlanForm) -> Block:
    """Asks why; the reason may be left out."""
    return _form(
        form,
        Answer.DENY,
        title="Deny this plan",
        submit="Deny",
        text=f"Request {code(form.button.request, 60)} ends; nothing is changed.",
        label="Why not? Everybody reads it.",
        optional=True,
    )


def type_form(form: PlanForm) -> Block:
    """Asks for the name of what is to be destroyed."""
    return _form(
        form,
        Answer.GO_AHEAD,
        title="Are you sure?",
        submit="Destroy",
        text=f"This cannot be undone. Type {code(form.button.phrase, _LONGEST)} to go ahead.",
        label="The name, as it stands above",
        optional=False,
    )


def _form(
    form: PlanForm, answer: Answer, *, title: str, submit: str, text: str, label: str, optional: bool
) -> Block:
    field = {"type": "plain_text_input", "action_id": INPUT, "max_length": _LONGEST}
    return {
        "type": "modal",
        "callback_id": answer.action,
        "private_metadata": form.dumps(),
        "title": plain_text(title),
        "submit": plain_text(submit),
        "close": plain_text("Back"),
        "blocks": [
            section(text),
            {
                "type": "input",
                "block_id": INPUT,
                "label": plain_text(label),
                "element": field,
                "optional": optional,
            },
        ],
    }
