"""An outcome as a Slack message, within Slack's limits whatever it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from andock.operation import Outcome, Table
from andock.rendering.buttons import link_buttons, offer_buttons
from andock.rendering.columns import align
from andock.rendering.message import (
    FRAME,
    MAX_CONTEXT_ELEMENTS,
    MAX_FALLBACK,
    MAX_FIELD,
    MAX_FIELDS,
    MAX_PAYLOAD,
    MAX_SECTION,
    Block,
    File,
    Piece,
    Rendered,
    SlackMessage,
    context,
    fields_section,
    section,
    size_of,
    weight,
)
from andock.rendering.mrkdwn import clean, cut, fence, fenced_text, prose, split
from andock.rendering.text import render_text

INLINE_TEXT = 2_800  # characters of fixed-font text that are shown whole; longer text becomes a file
_HEAD = 800  # of longer text, this much of its beginning
_TAIL = 1_600  # and this much of its end, where logs say what went wrong
_MOST_FIELDS = 3 * MAX_FIELDS
_MOST_TABLE_SECTIONS = 2
_WIDEST_CELL = 48
_LABEL = 100


def render_outcome(outcome: Outcome) -> Rendered:
    """The outcome as one message; what does not fit is in the file."""
    piece = outcome_piece(outcome, MAX_PAYLOAD)
    return Rendered(SlackMessage(fallback(outcome), piece.blocks), file_of(outcome, piece))


def outcome_piece(outcome: Outcome, room: int) -> Piece:
    """The outcome's blocks in at most `room` characters of JSON, buttons and notes at the end.

    `left_out` is everything that a file must hold because it is not shown here.
    """
    links = link_buttons(outcome.links)
    room -= links.size
    offers = offer_buttons(outcome.offers, room // 4)
    notes = _notes(outcome.notes, room // 6)
    room -= offers.size + notes.size
    summary = summary_blocks(outcome.summary, room // 3)
    room -= size_of(summary)
    fields = _fields(outcome.fields, room // 2 if outcome.table or outcome.text else room)
    room -= fields.size
    table = _table(outcome.table, room // 2 if outcome.text else room)
    room -= table.size
    text = _text(outcome, room)
    left_out = "\n\n".join(part for part in (fields.left_out, table.left_out, text.left_out) if part)
    blocks = (
        *summary,
        *fields.blocks,
        *table.blocks,
        *text.blocks,
        *notes.blocks,
        *links.blocks,
        *offers.blocks,
    )
    return Piece(blocks, left_out)


def summary_blocks(summary: str, room: int) -> tuple[Block, ...]:
    """A summary as one paragraph, or two where it is long."""
    markup = prose(summary, 2 * (MAX_SECTION - 100), room - 2 * FRAME)
    return tuple(section(part) for part in split(markup or "–", MAX_SECTION))[:2]  # noqa: RUF001  a dash


def fallback(outcome: Outcome) -> str:
    """The message's text: all that the outcome says, for whom sees no blocks."""
    return prose(render_text(outcome), MAX_FALLBACK) or "–"  # noqa: RUF001  Slack refuses an empty text


def file_of(outcome: Outcome, piece: Piece) -> File | None:
    """The file with what the piece left out, if it left out anything."""
    return File(outcome.filename, piece.left_out) if piece.left_out else None


def _fields(fields: Sequence[tuple[str, str]], room: int) -> Piece:
    if not fields:
        return Piece()
    each = max(min((room - 3 * FRAME) // min(len(fields), _MOST_FIELDS) - FRAME, MAX_FIELD), 0)
    shown: list[str] = []
    is_whole = len(fields) <= _MOST_FIELDS
    for label, value in fields[:_MOST_FIELDS]:
        head = f"*{prose(label.replace('*', ''), _LABEL, each // 2)}*\n"
        tail = prose(value, MAX_FIELD - len(head), max(each - weight(head), 0))
        is_whole = is_whole and tail == prose(value, len(value) * 5 + 1)
        shown.append(head + (tail or "–"))  # noqa: RUF001  a dash for an empty value
    blocks: tuple[Block, ...] = tuple(
        fields_section(shown[at : at + MAX_FIELDS]) for at in range(0, len(shown), MAX_FIELDS)
    )
    if len(fields) > _MOST_FIELDS:
        blocks += (context((f"… {len(fields) - _MOST_FIELDS} more in the file",)),)
    everything = "\n".join(f"{clean(label)}: {clean(value)}" for label, value in fields)
    return Piece(blocks, "" if is_whole else everything)


def _notes(notes: Sequence[str], room: int) -> Piece:
    """Notes as small print; a row of ten holds the ones that fit."""
    shown: list[str] = []
    for number, note in enumerate(notes):
        rest = len(notes) - number
        text = prose(note, 500)
        is_last_place = len(shown) == MAX_CONTEXT_ELEMENTS - 1 and rest > 1
        if is_last_place or size_of([context([*shown, text])]) > room - FRAME:
            shown.append(f"… {rest} more notes")
            break
        shown += [text] if text else []
    return Piece((context(shown),)) if shown else Piece()


def _table(table: Table | None, room: int) -> Piece:
    if table is None or not table.rows:
        return Piece()
    lines = [fenced_text(line) for line in align(table, widest=_WIDEST_CELL)]
    room -= FRAME  # for the line that says how many more
    blocks: list[Block] = []
    at = 0
    while at < len(lines) and len(blocks) < _MOST_TABLE_SECTIONS:
        count = _fitting(lines[at:], min(MAX_SECTION, room - FRAME) - 10)
        if not count:
            break
        blocks.append(section(fence("\n".join(lines[at : at + count]))))
        room -= size_of(blocks[-1:])
        at += count
    missing = len(lines) - max(at, 1)  # the first line is the head
    if not missing:
        return Piece(tuple(blocks))
    blocks.append(context((f"… {missing} more: narrow the name, or see the file.",)))
    return Piece(tuple(blocks), "\n".join(align(table)))


def _text(outcome: Outcome, room: int) -> Piece:
    """Text in a fixed font: whole, or its beginning and end with all of it in the file."""
    raw = clean(outcome.text).strip("\n")
    if not raw.strip():
        return Piece()
    whole = fenced_text(raw)
    space = min(MAX_SECTION, room - FRAME) - 10
    if len(raw) <= INLINE_TEXT and len(whole) <= space and weight(whole) <= space:
        return Piece((section(fence(whole)),))
    lines = whole.split("\n")
    budget = max(room - 4 * FRAME, 0)
    head = _fitting(lines, min(_HEAD, budget // 3))
    tail = _fitting(lines[head:][::-1], min(_TAIL, budget // 2))
    first, last = lines[:head], lines[len(lines) - tail :] if tail else []
    if not head and not tail:
        first = [cut(lines[0], _HEAD, min(_HEAD, budget // 3))]
    said = f"… {len(lines) - head - tail} lines more, all in `{prose(outcome.filename, 80)}` …"
    blocks: list[Block] = [section(fence("\n".join(first)))] if any(first) else []
    blocks.append(context((said,)))
    if last:
        blocks.append(section(fence("\n".join(last))))
    # what is kept beside it has all of it already
    return Piece(tuple(blocks), "" if outcome.attachment else outcome.text)


def _fitting(lines: Iterable[str], space: int) -> int:
    """How many of the lines fit into so many characters of JSON."""
    count = 0
    for line in lines:
        space -= weight(line) + 2
        if space < 0:
            break
        count += 1
    return count
