"""Where a read shows and draws what it has, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from andock.ports.charts import Chart
from andock.ports.display import Kept


@dataclass
class Paper:
    """A `Display` that keeps all that was shown, and an output that keeps all that was written."""

    live: bool = True
    shown: list[tuple[str, str]] = field(default_factory=list)
    kept: list[bytearray] = field(default_factory=list)

    def show(self, summary: str, text: str) -> None:
        self.shown.append((summary, text))

    def keep(self) -> Sheet:
        self.kept.append(bytearray())
        return Sheet(f"r1-1-{len(self.kept)}", self.kept[-1])


@dataclass
class Sheet:
    id: str
    written: bytearray

    def write(self, piece: bytes) -> None:
        self.written += piece

    def write_lines(self, lines: Iterable[str]) -> None:
        self.written += "".join(f"{line}\n" for line in lines).encode()

    def close(self) -> Kept:
        return Kept(self.id, len(self.written))


@dataclass
class Pen:
    """`Charts` that remember what was to be drawn."""

    drawn: list[Chart] = field(default_factory=list)

    def draw(self, chart: Chart) -> bytes:
        self.drawn.append(chart)
        return b"a picture"
