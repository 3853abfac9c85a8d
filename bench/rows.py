"""What a benchmark hands back: rows with a goal, and how they are printed and kept."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEADS = ("name", "goal", "ours", "peer", "ratio", "unit", "met")


@dataclass(frozen=True)
class Row:
    """One figure, its goal, and whether it is met; `peer` where there is one to compare with."""

    name: str
    goal: str
    ours: float
    peer: float | None
    ratio: float | None
    unit: str
    met: bool


def compare(name: str, *, ours: float, peer: float, most: float, unit: str) -> Row:
    """A row whose goal is `most` times the peer's figure."""
    ratio = ours / peer
    return Row(
        name, f"ratio at most {most:g}", round(ours, 3), round(peer, 3), round(ratio, 2), unit, ratio <= most
    )


def limit(name: str, *, ours: float, most: float, unit: str, peer: float | None = None) -> Row:
    """A row whose goal is a figure of its own; a peer's stands beside it."""
    return Row(
        name,
        f"at most {most:g}",
        round(ours, 3),
        None if peer is None else round(peer, 3),
        None if not peer else round(ours / peer, 2),
        unit,
        ours <= most,
    )


def reach(name: str, *, ours: float, least: float, unit: str, peer: float | None = None) -> Row:
    """A row whose goal is to be at least so fast; a peer's figure stands beside it."""
    return Row(
        name,
        f"at least {least:,g}",
        round(ours),
        None if peer is None else round(peer),
        None if not peer else round(ours / peer, 2),
        unit,
        ours >= least,
    )


def middle(figures: Sequence[float]) -> float:
    """The median, which one disturbed round does not move."""
    return statistics.median(figures)


def at_most_for(share: float, figures: Sequence[float]) -> float:
    """The figure that this share (0.99) of all figures does not exceed."""
    ordered = sorted(figures)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def format_table(rows: Sequence[Row]) -> str:
    """The rows as one would read them in a terminal and in Markdown."""
    lines = [HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    figures = ("" if figure is None else f"{figure:g}" for figure in (row.ours, row.peer, row.ratio))
    return (row.name, row.goal, *figures, row.unit, "yes" if row.met else "NO, falls short")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Keep the rows; those of benchmarks that did not run this time stay as they were."""
    kept: dict[str, object] = {}
    if path.exists():
        kept = {row["name"]: row for row in json.loads(path.read_text())}
    kept |= {row.name: asdict(row) for row in rows}
    path.write_text(json.dumps(list(kept.values()), indent=2) + "\n")
