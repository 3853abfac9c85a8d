"""Finds secrets in text and hides them, also in text that comes in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from andock.redaction.forms import Form, forms_of, make_sieve
from andock.redaction.shapes import MARK, SHAPES, Shape, Tail, read_pattern

KNOWN = "known secret"
AT_ONCE = 8_192  # characters that a stream decides at a time, at least: one look costs as much for a line
_SEEN_BEHIND = 64  # characters behind its end that a head may look at


class Span(NamedTuple):
    """A part of a text that is to be hidden, from `start` to `end`, and on as far as its tail goes."""

    start: int
    end: int
    kind: str
    tail: Tail | None = None


class Redactor:
    """Knows the secrets of one process, and what secrets look like. Used by any thread.

    Work is proportional to the length of the text, whatever stands in it and however many values are known.
    """

    def __init__(
        self, values: Iterable[str] = (), patterns: Iterable[str] = (), *, shapes: Iterable[Shape] = SHAPES
    ) -> None:
        """Values shorter than SHORTEST are no secrets.

        Args:
            values: secrets that this process knows; each is also found escaped, in hex and in base64.
            patterns: regular expressions of the team's, as `read_pattern` takes them.
            shapes: what secrets look like.

        Raises:
            ValueError: as `read_pattern`.
        """
        self._shapes = (*shapes, *(read_pattern(pattern) for pattern in patterns))
        self._known: frozenset[Form] = frozenset()
        self._heads: dict[str, tuple[Form, ...]] = {}
        self._sieve: re.Pattern[str] | None = None
        self.hold = max((shape.width for shape in self._shapes), default=0) + _SEEN_BEHIND
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these values too, from now on; a text that is half read by a stream may miss one."""
        new = frozenset(form for value in values for form in forms_of(value)) - self._known
        if not new:
            return
        heads = dict(self._heads)
        for form in new:
            for head in form.heads:
                heads[head] = (*heads.get(head, ()), form)
        self._known |= new
        self.hold = max(self.hold, *(form.width + _SEEN_BEHIND for form in new))
        # the heads first: a sieve that is older than them only lets less through
        self._heads, self._sieve = heads, make_sieve(heads)

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `[redacted]`; a text without one is returned as it is."""
        spans = self.spans(text, 0, len(text))
        return Stream(self, text).decide(len(text), spans) if spans else text

    def find(self, text: str) -> tuple[str, ...]:
        """The kinds of secrets that a text holds, each once; never the secrets."""
        return tuple(dict.fromkeys(span.kind for span in self.spans(text, 0, len(text))))

    def stream(self) -> Stream:
        """Redacts one text that comes in pieces."""
        return Stream(self)

    def redact_lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Lines without their ends, redacted as the one text that they are.

        What is hidden over several lines becomes one line. Lines come a little later than they are given.
        """
        stream = self.stream()
        begun = ""
        for line in lines:
            if said := stream.feed(line + "\n"):
                *whole, begun = (begun + said).split("\n")
                yield from whole
        *whole, begun = (begun + stream.close()).split("\n")
        yield from whole
        if begun:
            yield begun

    def spans(self, text: str, first: int, end: int) -> list[Span]:
        """Every secret that begins at `first` or later and before `end`, in the order of their beginnings."""
        found = []
        heads, at = self._heads, first
        while self._sieve is not None and (met := self._sieve.search(text, at)) and met.start() < end:
            at = met.start() + 1
            stop = max((form.end_in(text, met.start()) for form in heads.get(met[0], ())), default=0)
            if stop:
                found.append(Span(met.start(), stop, KNOWN))
        plain = text.casefold()
        for shape in self._shapes:
            if shape.words and not any(word in plain for word in shape.words):
                continue
            at = first
            while (match := shape.head.search(text, at)) is not None and match.start() < end:
                found.append(_span(shape, match))
                at = match.start() + 1
        return sorted(found, key=lambda span: span.start)


def _span(shape: Shape, match: re.Match[str]) -> Span:
    for name, tail in shape.parts.items():
        if match[name] is not None:
            return Span(*match.span(name), shape.kind, tail)
    return Span(*match.span(), shape.kind, shape.tail)


class Stream:
    """One text that comes in pieces: whatever the pieces, the results together are those of the whole.

    It keeps at most `AT_ONCE + hold` characters besides the piece that it is given. Whether a secret begins
    at a character is decided when `hold` more are there, for no decision looks further; a secret's tail is
    then followed for as long as it goes on.
    """

    def __init__(self, redactor: Redactor, text: str = "") -> None:
        self._redactor = redactor
        self._text = text  # the last character that was decided, as far as there is one, and all that was not
        self._pieces: list[str] = []  # what came since then
        self._fresh = 0  # characters in them
        self._next = 0  # the first that is not decided; this and all below are indices in `_text`
        self._done = 0  # everything before it was said or hidden
        self._hiding = False  # whether what stands before `_done` was hidden
        self._waiting: list[Span] = []  # found, and beginning where nothing is decided yet
        self._running: list[tuple[Tail, int]] = []  # tails that go on, and where each began

    def feed(self, piece: str) -> str:
        """What can be said now that this piece has come."""
        self._pieces.append(piece)
        self._fresh += len(piece)
        if self._fresh < AT_ONCE:
            return ""
        self._take_up()
        return self._go_on(max(self._next, len(self._text) - self._redactor.hold))

    def close(self) -> str:
        """The rest; the text ends here."""
        self._take_up()
        return self._go_on(len(self._text))

    def _take_up(self) -> None:
        self._text += "".join(self._pieces)
        self._pieces, self._fresh = [], 0

    def _go_on(self, end: int) -> str:
        return self.decide(end, self._redactor.spans(self._text, self._next, end))

    def decide(self, end: int, spans: list[Span]) -> str:
        """Say or hide everything before `end`; `spans` begin there, after what was decided already."""
        said: list[str] = []
        followed: dict[Tail, tuple[int, int]] = {}
        running, self._running = self._running, []
        for tail, start in running:
            self._follow(tail, start, end, followed)
        spans = [*self._waiting, *spans]
        self._waiting = [span for span in spans if span.start >= end]
        for span in sorted(spans, key=lambda span: span.start):
            if span.start >= end:
                break
            if span.start > self._done:
                said += (self._text[self._done : span.start], MARK)
            elif not self._hiding:
                said.append(MARK)
            self._hiding = True
            self._done = max(self._done, span.end)
            if span.tail is not None:
                self._follow(span.tail, span.end, end, followed)
        if self._done < end:
            said.append(self._text[self._done : end])
            self._done, self._hiding = end, False
        self._forget(end)
        return "".join(said)

    def _follow(self, tail: Tail, start: int, end: int, followed: dict[Tail, tuple[int, int]]) -> None:
        """Hide a tail that begins at `start` as far as that is decided; the rest of it comes next time."""
        first, last = followed.get(tail, (0, -1))
        if first <= start <= last:
            return  # it is a part of one that was followed
        stop = min(end, start + tail.most) if tail.most else end
        at = max(start, self._next)
        if at < stop and (match := tail.run.match(self._text, at)) is not None:
            at = min(match.end(), stop)
        followed[tail] = (start, at)
        self._done = max(self._done, at)
        if at >= end:
            self._running.append((tail, start))

    def _forget(self, end: int) -> None:
        """Keep what is not decided, and one character that heads and tails may look back at."""
        gone = max(end - 1, 0)
        self._text = self._text[gone:]
        self._next = end - gone
        self._done -= gone
        self._waiting = [
            span._replace(start=span.start - gone, end=span.end - gone) for span in self._waiting
        ]
        self._running = [(tail, start - gone) for tail, start in self._running]


SHAPES_ONLY = Redactor()
"""Knows no secret by its value."""
