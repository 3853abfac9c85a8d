"""Text from anywhere into Slack's markup without breaking it, cut and split at good places."""

from __future__ import annotations

import re
from bisect import bisect_right

from andock.rendering.message import weight

# A backtick inside code would end it. This one looks alike and ends nothing.
_TICK = "\u02cb"
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_PARTIAL_ENTITY = re.compile(r"&[a-z]{0,3}\Z")
_NEAR_END = 60  # a cut moves back by so many characters to spare a word
_MARK = "…"
_MARK_WEIGHT = 6  # in JSON, as \\u2026


def clean(text: str) -> str:
    """Without colours, control characters and marks that turn the direction of writing; lines stay."""
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def escape(text: str) -> str:
    """With `& < >` as entities: no value makes a link or calls a channel."""
    return text.translate(_ENTITIES)


def prose(text: str, limit: int, room: int | None = None) -> str:
    """A sentence in which backticks are markup, at most `limit` characters."""
    return cut(escape(clean(text).replace("```", _TICK * 3)).strip(), limit, room)


def code(text: str, limit: int = 200, room: int | None = None) -> str:
    """A name or a command, in a fixed font on one line."""
    inner = escape(" ".join(clean(text).split()).replace("`", _TICK))
    return f"`{cut(inner, limit - 2, room)}`" if inner else "`–`"  # noqa: RUF001  a dash for nothing


def fence(lines: str) -> str:
    """Lines in a fixed font; `lines` comes from `fenced_text`."""
    return f"```\n{lines}\n```"


def fenced_text(text: str) -> str:
    """Text that may stand inside a fence."""
    return escape(clean(text).replace("```", _TICK * 3).expandtabs(4))


def cut(markup: str, limit: int, room: int | None = None) -> str:
    """At most `limit` characters (and `room` in JSON) of escaped markup, with … where it was longer.

    Not inside an entity, not inside a word if one ends nearby, and a code span that is cut is closed.
    """
    if len(markup) <= limit and (room is None or weight(markup) <= room):
        return markup
    keep = limit - 2  # for … and a backtick
    if room is not None:
        fits = room - _MARK_WEIGHT - 1
        keep = min(keep, bisect_right(range(len(markup)), fits, key=lambda end: weight(markup[:end])) - 1)
    if keep <= 0:
        return ""
    head = _end_well(markup[:keep])
    return head + _MARK + ("`" if head.count("`") % 2 else "")


def split(markup: str, limit: int) -> tuple[str, ...]:
    """Escaped markup in parts of at most `limit` characters.

    Parts end at a line's end, else between words, else anywhere but inside an entity. A fence or a code
    span that goes on is closed at the end of one part and opened again in the next.
    """
    parts: list[str] = []
    rest = markup.strip("\n")
    opening = ""
    while rest:
        if len(opening) + len(rest) <= limit:
            parts.append(opening + rest)
            break
        head = _part(rest, limit - len(opening) - 4)
        rest = rest[len(head) :]
        body = opening + head
        opening, closing = _open_at_end(body)
        parts.append(body.rstrip("\n") + closing)
        rest = rest.lstrip("\n") if head.endswith("\n") else rest
        if len(opening) > 1 and rest.startswith("```"):
            # the fence ends just here: no empty one in the next part
            opening, rest = "", rest[3:].lstrip("\n")
    return tuple(parts)


def _end_well(head: str) -> str:
    """The head without a partial entity, and without a partial word if a space is near the end."""
    head = _PARTIAL_ENTITY.sub("", head)
    space = max(head.rfind(" "), head.rfind("\n"))
    return (head[:space] if space > len(head) - _NEAR_END and space > 0 else head).rstrip()


def _part(rest: str, limit: int) -> str:
    head = rest[:limit]
    newline, space = head.rfind("\n"), head.rfind(" ")
    if newline >= limit // 2:
        return head[: newline + 1]
    if space >= limit // 2:
        return head[: space + 1]
    # a hard cut: not inside an entity, not inside a run of backticks
    shorter = _PARTIAL_ENTITY.sub("", head)
    if rest[len(shorter) : len(shorter) + 1] == "`":
        shorter = shorter.rstrip("`")
    return shorter or head


def _open_at_end(body: str) -> tuple[str, str]:
    """What must be opened again in the next part and closed in this one."""
    if body.count("```") % 2:
        return "```\n", "\n```"
    outside = "".join(body.split("```")[::2])
    return ("`", "`") if outside.count("`") % 2 else ("", "")
