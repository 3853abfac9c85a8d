"""Tables as aligned lines for a fixed font."""

from __future__ import annotations

import unicodedata

from andock.operation import Table
from andock.rendering.mrkdwn import clean

_GAP = "  "


def align(table: Table, *, widest: int | None = None) -> tuple[str, ...]:
    """The head and the rows as lines; a cell over `widest` columns is cut, without it none is."""
    rows = [tuple(_cell(cell, widest) for cell in row) for row in (table.columns, *table.rows)]
    count = max(map(len, rows), default=0)
    widths = [max((_width(row[at]) for row in rows if at < len(row)), default=0) for at in range(count)]
    return tuple(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    return _GAP.join(cell + " " * (widths[at] - _width(cell)) for at, cell in enumerate(row)).rstrip()


def _cell(text: str, widest: int | None) -> str:
    text = " ".join(clean(text).split())
    if widest is None or _width(text) <= widest:
        return text
    text = text[:widest]  # every letter but a combining one is a column or two
    while _width(text) > widest - 1:
        text = text[:-1]
    return text + "…"


def _width(text: str) -> int:
    """Columns that the text takes in a fixed font."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
