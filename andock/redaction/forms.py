"""The forms in which a known secret may stand in a text: as it is, escaped, in hex, in base64."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

# Shorter values are no secrets: `admin` or `1234` would be hidden in every second sentence, which spoils the
# text, and whoever reads what is missing where knows the value.
SHORTEST = 6
LONGEST = 256  # bytes of a value that are looked for as one; a longer one is looked for in parts
_OVERLAP = 8  # so that no character of an encoded value lies between two parts
_LONGEST_LINE_ALONE = 16  # a shorter line of a value of several lines is no secret by itself
_BREAKS = ("\n", "\r\n", "\\n")  # what tools put into long base64 and hex
_SHORTEST_ROW = 16  # characters between two breaks, at least
_LEFT_OUT = "/ !'()*", "/", "", "!'()*", "!$&'()*+,;=", "!$&'()*+,;=:@/?#"  # left as they are by some encoder
_ARMOUR = "-----BEGIN "


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a secret is written; `wrapped` if line breaks may stand anywhere in it."""

    text: str
    wrapped: bool = False

    @property
    def width(self) -> int:
        """Characters that it takes at most."""
        return len(self.text) + (2 * self._breaks if self.wrapped else 0)

    @property
    def heads(self) -> Iterator[str]:
        """Every beginning of SHORTEST characters that it may have."""
        yield self.text[:SHORTEST]
        if self.wrapped:
            for at in range(1, SHORTEST):
                yield from ((self.text[:at] + gap + self.text[at:])[:SHORTEST] for gap in _BREAKS)

    def end_in(self, text: str, start: int) -> int:
        """Where it ends if it stands at `start`; 0 if it does not."""
        if text.startswith(self.text, start):
            return start + len(self.text)
        return self._wrapped_end(text, start) if self.wrapped else 0

    @property
    def _breaks(self) -> int:
        return len(self.text) // _SHORTEST_ROW + 1

    def _wrapped_end(self, text: str, at: int) -> int:
        left = self._breaks
        for character in self.text:
            if left and not text.startswith(character, at):
                gap = next((gap for gap in _BREAKS if text.startswith(gap, at)), "")
                at += len(gap)
                left -= 1
            if not text.startswith(character, at):
                return 0
            at += 1
        return at


def forms_of(value: str) -> frozenset[Form]:
    """All forms of a value; none for one that is too short to be a secret."""
    found: set[Form] = set()
    for part in _parts(value):
        found |= {Form(text) for text in _written(part)}
        if _ARMOUR not in value:  # encoded keys are known by their shape
            found |= {Form(text, wrapped=True) for text in _encoded(_bytes(part))}
    return frozenset(form for form in found if len(form.text) >= SHORTEST)


def make_sieve(heads: Iterable[str]) -> re.Pattern[str] | None:
    """What finds every head, and hardly anything else; None where there are none.

    It knows the first two characters of each, and of the others only which may stand at each place: to look
    every place of a text up in a dictionary takes eight times as long.
    """
    behind: dict[str, dict[str, list[str]]] = {}
    for head in heads:
        behind.setdefault(head[0], {}).setdefault(head[1], []).append(head[2:])
    if not behind:
        return None
    return re.compile(
        "|".join(
            re.escape(first)
            + f"(?:{'|'.join(re.escape(second) + _sets(rest) for second, rest in seconds.items())})"
            for first, seconds in behind.items()
        )
    )


def _sets(texts: Sequence[str]) -> str:
    """An expression of the characters that these texts, all of one length, have at each place."""
    return "".join(f"[{''.join(map(re.escape, sorted(set(column))))}]" for column in zip(*texts, strict=True))


def _parts(value: str) -> Iterator[str]:
    """What is looked for as one: the value, its lines if it has several, pieces of what is long."""
    value = value.strip()
    if len(value) < SHORTEST:
        return
    lines = value.splitlines()
    if len(lines) > 1:
        alone = [line.strip() for line in lines if not line.startswith("-----")]
        for line in alone:
            if len(line) >= _LONGEST_LINE_ALONE:
                yield from _pieces(line)
    if len(lines) == 1 or len(_bytes(value)) <= LONGEST:
        yield from _pieces(value)


def _pieces(text: str) -> Iterator[str]:
    size = max(SHORTEST + _OVERLAP, LONGEST * len(text) // len(_bytes(text)))
    if len(text) <= size:
        yield text
        return
    for start in range(0, len(text) - _OVERLAP, size - _OVERLAP):
        # the last piece is as long as the others, so that it is no short word
        yield text[max(0, min(start, len(text) - size)) :][:size]


def _written(text: str) -> Iterator[str]:
    """As it is, and as programs escape it."""
    yield text
    yield repr(text)[1:-1]
    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once)[1:-1]
    escaped = html.escape(text)
    yield escaped
    yield html.escape(text, quote=False)
    yield escaped.replace("&#x27;", "&#39;")
    yield escaped.replace("&#x27;", "&apos;")
    raw = _bytes(text)
    urls = [quote(raw, safe=safe) for safe in _LEFT_OUT] + [quote_plus(raw)]
    urls.append("".join(f"%{byte:02X}" for byte in raw))
    for url in urls:
        yield url
        yield _lower_escapes(url)


def _bytes(text: str) -> bytes:
    """As the environment has it, which may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _lower_escapes(url: str) -> str:
    head, *rest = url.split("%")
    return head + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)


def _encoded(raw: bytes) -> Iterator[str]:
    """In hex and base64, whatever stands before and behind it in what was encoded."""
    yield raw.hex()
    yield raw.hex().upper()
    for text in base64_inside(raw):
        yield text
        yield text.translate(_URL_SAFE)


_URL_SAFE = str.maketrans("+/", "-_")


def base64_inside(raw: bytes) -> Iterable[str]:
    """What is common to the base64 of all texts that hold `raw`, for each of its three alignments."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        # characters that also hold bits of what stands before or behind are left out
        yield encoded[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
