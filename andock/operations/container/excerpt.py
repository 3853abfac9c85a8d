"""A long text's beginning and end, with all of it kept beside the message; the middle is held nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from andock.errors import CatalogueError
from andock.operation import Attachment, Reader
from andock.ports.display import Output
from andock.sizes import write_size

_WHOLE = 2_200  # characters that are shown whole
_HEAD = 700  # of a longer text, so much of its beginning
_TAIL = 1_400  # and of its end, where logs say what went wrong
_LONGEST_LINE = 300  # characters of a line that are shown
_AT_ONCE = 16_384  # characters of a long text that are put into its file at a time


class Excerpt:
    """Takes lines one by one; memory does not grow with their number."""

    def __init__(self, ctx: Reader, filename: str) -> None:
        self.count = 0
        self._ctx = ctx
        self.filename = filename
        self._head: list[str] = []
        self._tail: list[str] = []
        self._fresh: list[str] = []  # the newest, which are in none of these and not in the file yet
        self._room = _WHOLE  # characters that they may have
        self._output: Output | None = None

    def add(self, line: str) -> None:
        """The next line."""
        self.count += 1
        self._fresh.append(line)
        self._room -= len(line) + 1
        if self._room < 0:
            self._write()

    def _write(self) -> None:
        """Move the newest to the file. It is begun by the first that are too long to be shown."""
        if self._output is None:
            if self._ctx.display is None:
                raise CatalogueError("a text was written where none can be kept")
            self._output = self._ctx.display.keep()
            self._head = _fit(self._fresh, _HEAD)
            self._tail = _fit(self._fresh[: len(self._head) - 1 : -1], _TAIL)[::-1]
        else:
            self._tail = self._end
        self._output.write_lines(self._fresh)
        self._fresh, self._room = [], _AT_ONCE

    @property
    def _end(self) -> list[str]:
        return _fit([*self._tail, *self._fresh][::-1], _TAIL)[::-1]

    @property
    def text(self) -> str:
        """What is shown of it now."""
        if self._output is None:
            return "\n".join(self._fresh)
        tail = self._end
        left_out = self.count - len(self._head) - len(tail)
        gap = [f"… {left_out} lines more, all in {self.filename} …"] if left_out else []
        return "\n".join([*self._head, *gap, *tail])

    @property
    def newest(self) -> str:
        """Its end alone."""
        return "\n".join(self._end if self._output is not None else self._fresh[-20:])

    @property
    def is_long(self) -> bool:
        """Whether it is more than is shown."""
        return self._output is not None

    def close(self) -> tuple[Attachment | None, tuple[str, ...]]:
        """The file with all of it, if it is long; and a note if even that could not hold all."""
        if self._output is None:
            return None, ()
        self._write()
        kept = self._output.close()
        notes = (
            (f"Its oldest {write_size(kept.dropped)} are left out: a file may have so much and no more",)
            if kept.dropped
            else ()
        )
        return Attachment(name=self.filename, output=kept.id, size=kept.size), notes


def _fit(lines: Sequence[str], room: int) -> list[str]:
    """The first of these lines, as far as they are shown and as many as have room, and always one."""
    fitting: list[str] = []
    for line in lines:
        shown = line[:_LONGEST_LINE]
        room -= len(shown) + 1
        if room < 0 and fitting:
            break
        fitting.append(shown)
    return fitting
