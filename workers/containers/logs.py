"""An engine's log format: frames become lines, lines become plain text, within a bound of memory."""

from __future__ import annotations

import itertools
import re
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from andock.redaction import MARK, Redactor

LONGEST_LINE = 256 * 1024  # bytes; what is behind them is dropped
ABOVE = 120  # lines that are read before those that are shown: a private key may begin in them
MOST_KEPT = 4 * 1024 * 1024  # characters of the lines that are held at once
_LONG_ABOVE = 64 * 1024  # characters; no private key has as many
_HEADER = struct.Struct(">B3xI")  # stream number, three zeros, length of the frame
# whole escape sequences first: without their first character they would stay as rubbish
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
# controls, and the marks that turn the direction of writing and so hide what a line says
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def split_frames(pieces: Iterable[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    """Stream numbers and bytes out of Docker's multiplexed format, those in each piece together.

    What one frame holds may come in several; frames of one stream that follow each other come as one.
    """
    buffer = b""
    stream = left = 0
    for piece in pieces:
        buffer += piece
        at, end = 0, len(buffer)
        found: list[tuple[int, bytes]] = []
        same: list[bytes] = []  # bytes of `stream`
        while at < end:
            if left:
                said = buffer[at : at + left]
                at += len(said)
                left -= len(said)
                same.append(said)
            elif end - at < _HEADER.size:
                break
            else:
                before = stream
                stream, left = _HEADER.unpack_from(buffer, at)
                at += _HEADER.size
                if stream != before and same:
                    found.append((before, b"".join(same)))
                    same = []
        if same:
            found.append((stream, b"".join(same)))
        buffer = buffer[at:]
        yield found


def join_lines(batches: Iterable[Iterable[tuple[int, bytes]]]) -> Iterator[list[bytes]]:
    """The lines that each batch of a stream's bytes ends, in that order, and at last those without an end.

    What the two streams write never mixes in one line.
    """
    begun: dict[int, bytes] = {}
    for batch in batches:
        ended: list[bytes] = []
        for stream, piece in batch:
            *whole, rest = (begun.get(stream, b"") + piece).split(b"\n")
            ended += whole
            begun[stream] = rest[:LONGEST_LINE]
        yield [line[:LONGEST_LINE] for line in ended]
    yield [rest for rest in begun.values() if rest]


def keep_newest(lines: Iterable[tuple[str, str]], most: int = MOST_KEPT) -> tuple[list[tuple[str, str]], str]:
    """The newest of these lines, each behind its stamp, within so many characters, and always the last one.

    Returns also the stamp of the newest line that had no room; empty if all had.
    """
    kept: deque[tuple[str, str]] = deque()
    size, gone = 0, ""
    for line in lines:
        kept.append(line)
        size += len(line[1])
        while size > most and len(kept) > 1:
            gone, text = kept.popleft()
            size -= len(text)
    return list(kept), gone


def count_above(lines: Sequence[str]) -> int:
    """How many of the first lines are only there for what begins in them: ABOVE, or fewer long ones."""
    size = 0
    for number, line in enumerate(lines[:ABOVE]):
        if size > _LONG_ABOVE:
            return number
        size += len(line)
    return min(len(lines), ABOVE)


def redact_below(above: Sequence[str], lines: Iterable[str], redactor: Redactor) -> Iterator[str]:
    """The lines without secrets, also those that begin in the lines above, which are not shown.

    What begins above and ends here is shown as the one line that it becomes.
    """
    alone = list(redactor.redact_lines(above))
    together = redactor.redact_lines(itertools.chain(above, lines))
    for said in alone:
        line = next(together, None)
        if line != said:
            if line is not None:
                yield line
            break
    else:
        first = next(together, None)
        if first is not None:
            yield first
        elif alone and alone[-1].endswith(MARK):
            yield alone[-1]  # nothing but the rest of it was written
            return
    yield from together


def clean(line: bytes) -> str:
    """The line as text that shows what it says: no control characters but tabs, no escape sequences."""
    text = line.decode("utf-8", errors="replace")
    return text if text.isprintable() else _CONTROL.sub("", _ESCAPE.sub("", text))
