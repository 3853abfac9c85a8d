"""A plan as a person sees it before it is done: every step, and the two buttons."""

from __future__ import annotations

from andock.operation import Plan, Step
from andock.rendering.buttons import plan_buttons
from andock.rendering.message import (
    FRAME,
    MAX_CONTEXT_ELEMENTS,
    MAX_FALLBACK,
    MAX_PAYLOAD,
    MAX_SECTION,
    Block,
    File,
    Piece,
    Rendered,
    SlackMessage,
    context,
    section,
    size_of,
    weight,
)
from andock.rendering.mrkdwn import clean, code, prose, split

PLAN_FILE = "plan.txt"
_STEP = 300  # characters of one step's line
_WARNING = 600


def render_plan(request: str, plan: Plan) -> Rendered:
    """The plan with Go ahead and Cancel; a plan too long to show whole is in the file, whole."""
    buttons = plan_buttons(request, plan.digest)
    piece = plan_piece(plan, MAX_PAYLOAD - size_of([buttons]))
    message = SlackMessage(plan_fallback(plan), (*piece.blocks, buttons))
    return Rendered(message, File(PLAN_FILE, piece.left_out) if piece.left_out else None)


def plan_piece(plan: Plan, room: int) -> Piece:
    """Warnings and steps by batch, without buttons, in at most `room` characters of JSON."""
    warnings = _warnings(plan, room // 3)
    room -= warnings.size + 4 * FRAME
    lines: list[str] = []
    shown = 0
    used = 0
    for line, is_step in _lines(plan):
        used += weight(line) + 2
        if used > min(room - FRAME, 2 * (MAX_SECTION - 100)):
            break
        lines.append(line)
        shown += is_step
    missing = len(plan.steps) - shown
    blocks = [section(part) for part in split("\n".join(lines), MAX_SECTION)]
    if missing:
        blocks.append(context((f"… {missing} more steps: all {len(plan.steps)} are in `{PLAN_FILE}`.",)))
    is_whole = not missing and not warnings.left_out
    return Piece((*warnings.blocks, *blocks), "" if is_whole else plan_text(plan))


def plan_text(plan: Plan) -> str:
    """The plan as plain text, all of it."""
    lines = [f"Warning: {clean(warning)}" for warning in plan.warnings]
    number = 0
    for index, batch in enumerate(plan.batches, start=1):
        if len(plan.batches) > 1:
            lines.append(f"Batch {index} of {len(plan.batches)}:")
        for step in batch:
            number += 1
            lines.append(f"{number}. {clean(step.text)} ({clean(_place(step))})")
    return "\n".join(lines) or "Nothing to do."


def plan_fallback(plan: Plan) -> str:
    """The message's text for whom sees no blocks."""
    count = len(plan.steps)
    return prose(f"{count} step{'s' * (count != 1)} to go ahead with:\n{plan_text(plan)}", MAX_FALLBACK)


def _lines(plan: Plan) -> list[tuple[str, bool]]:
    """The lines of all batches, each with whether it is a step."""
    lines: list[tuple[str, bool]] = []
    number = 0
    for index, batch in enumerate(plan.batches, start=1):
        if len(plan.batches) > 1:
            together = ", together" if len(batch) > 1 else ""
            lines.append((f"*Batch {index} of {len(plan.batches)}{together}*", False))
        for step in batch:
            number += 1
            lines.append((f"{number}. {prose(_one_line(step.text), _STEP)} · {code(_place(step))}", True))
    return lines or [("Nothing to do.", False)]


def _place(step: Step) -> str:
    """Where it happens: site, environment, and the path where there is one."""
    target = step.target
    return " · ".join(part for part in (target.site, target.environment, target.path) if part)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _warnings(plan: Plan, room: int) -> Piece:
    if not plan.warnings:
        return Piece()
    texts = [f"⚠️ Warning: {prose(_one_line(warning), _WARNING)}" for warning in plan.warnings]
    kept: list[str] = []
    for text in texts:
        if len(kept) == MAX_CONTEXT_ELEMENTS - 1 or size_of([context([*kept, text])]) > room - FRAME:
            break
        kept.append(text)
    left_out = len(texts) - len(kept)
    if left_out:
        kept.append(f"⚠️ … {left_out} more warnings in `{PLAN_FILE}`")
    blocks: tuple[Block, ...] = (context(kept),)
    return Piece(blocks, "warnings" if left_out else "")
