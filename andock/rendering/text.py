"""An outcome as plain text: for the terminal, for files, for notifications."""

from __future__ import annotations

from andock.operation import Outcome
from andock.rendering.columns import align
from andock.rendering.mrkdwn import clean


def render_text(outcome: Outcome) -> str:
    """Everything that the outcome says, in lines. Free of control characters, so safe for a terminal."""
    parts = [clean(outcome.summary).strip()]
    if outcome.fields:
        parts.append("\n".join(f"{clean(label)}: {clean(value)}" for label, value in outcome.fields))
    if outcome.table is not None and outcome.table.rows:
        parts.append("\n".join(align(outcome.table)))
    parts.append(clean(outcome.text).rstrip())
    parts.append("\n".join(clean(note) for note in outcome.notes))
    parts.append("\n".join(f"{clean(link.label)}: {clean(link.url)}" for link in outcome.links))
    parts.append("\n".join(f"{clean(offer.label)}: {clean(offer.command)}" for offer in outcome.offers))
    return "\n\n".join(part for part in parts if part)
