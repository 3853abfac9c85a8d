"""A long text's beginning and end, with all of it kept beside the message; the middle is held nowhere."""

from __future__ import annotations

from collections import deque

from andock.errors import CatalogueError
from andock.operation import Attachment, Reader
from andock.ports.display import Output
from andock.sizes import write_size

_WHOLE = 2_200  # characters that are shown whole
_HEAD = 700  # of a longer text, so much of its beginning
_TAIL = 1_400  # and of its end, where logs say what went wrong
_LONGEST_LINE = 300  # characters of a line that are shown


class Excerpt:
    """Takes lines one by one; memory does not grow with their number."""

    def __init__(self, ctx: Reader, filename: str) -> None:
        self.count = 0
        self._ctx = ctx
        self.filename = filename
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._size = 0  # characters in head and tail
        self._tail_size = 0
        self._output: Output | None = None

    def add(self, line: str) -> None:
        """The next line."""
        self.count += 1
        shown = line[:_LONGEST_LINE]
        if self._output is not None:
            self._output.write_line(line)
            self._add_tail(shown)
            return
        self._head.append(line)
        self._size += len(line) + 1
        if self._size > _WHOLE:
            self._begin_file()

    def _begin_file(self) -> None:
        """From here on it is too long to be shown: all so far goes to the file, its end to the tail."""
        if self._ctx.display is None:
            raise CatalogueError("a text was written where none can be kept")
        self._output = self._ctx.display.keep()
        lines, self._head, room = self._head, [], _HEAD
        for number, line in enumerate(lines):
            self._output.write_line(line)
            shown = line[:_LONGEST_LINE]
            room -= len(shown) + 1
            if room >= 0 or number == 0:
                self._head.append(shown)
            else:
                room = -1
                self._add_tail(shown)

    def _add_tail(self, line: str) -> None:
        self._tail.append(line)
        self._tail_size += len(line) + 1
        while self._tail_size > _TAIL and len(self._tail) > 1:
            self._tail_size -= len(self._tail.popleft()) + 1

    @property
    def text(self) -> str:
        """What is shown of it now."""
        if self._output is None:
            return "\n".join(self._head)
        left_out = self.count - len(self._head) - len(self._tail)
        gap = [f"… {left_out} lines more, all in {self.filename} …"] if left_out else []
        return "\n".join([*self._head, *gap, *self._tail])

    @property
    def newest(self) -> str:
        """Its end alone."""
        return "\n".join(self._tail if self._output is not None else self._head[-20:])

    @property
    def is_long(self) -> bool:
        """Whether it is more than is shown."""
        return self._output is not None

    def close(self) -> tuple[Attachment | None, tuple[str, ...]]:
        """The file with all of it, if it is long; and a note if even that could not hold all."""
        if self._output is None:
            return None, ()
        kept = self._output.close()
        notes = (
            (f"Its oldest {write_size(kept.dropped)} are left out: a file may have so much and no more",)
            if kept.dropped
            else ()
        )
        return Attachment(name=self.filename, output=kept.id, size=kept.size), notes
