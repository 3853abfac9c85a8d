from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andock.rendering.message import weight
from andock.rendering.mrkdwn import clean, code, cut, escape, prose, split

INLINE = st.sampled_from(
    ["`na me`", "\n", " ", "&", "<", "word", "a longer one ", "日本", "x" * 40, "`" + "n" * 70 + "`"]
)
LINES = st.lists(st.sampled_from(["log line", "", "y" * 90, "a & b `c` d"]), max_size=9).map("\n".join)
PIECES = st.lists(INLINE | LINES.map(lambda lines: f"\n```\n{lines}\n```\n"), max_size=40).map("".join)


def partial_entity(text: str) -> bool:
    return re.search(r"&(?!(?:amp|lt|gt);)", text) is not None


@given(st.text(), st.integers(3, 60), st.integers(20, 200))
def test_cut_keeps_to_its_limits(text: str, limit: int, room: int) -> None:
    short = cut(escape(text), limit, room)
    assert len(short) <= limit
    assert weight(short) <= room
    assert not partial_entity(short)


@given(PIECES, st.integers(60, 300))
def test_parts_are_within_the_limit_and_lose_nothing(text: str, limit: int) -> None:
    parts = split(escape(text), limit)
    for part in parts:
        assert len(part) <= limit
        assert not partial_entity(part)
        assert part.count("```") % 2 == 0
    squeeze = str.maketrans("", "", "` \n")
    assert "".join(parts).translate(squeeze) == escape(text).translate(squeeze)


def test_split_ends_at_lines_and_words() -> None:
    assert split("one two\nthree four", 20) == ("one two\nthree four",)
    assert split("aaaa bbbb cccc dddd", 14) == ("aaaa bbbb ", "cccc dddd")
    assert split("line one\nline two\nline three", 22) == ("line one\nline two", "line three")


def test_split_closes_and_opens_fences() -> None:
    log = "```\n" + "\n".join(f"line {number}" for number in range(20)) + "\n```\nafter"
    parts = split(log, 80)
    assert len(parts) > 2
    assert all(part.count("```") in (0, 2) for part in parts)
    assert parts[0].startswith("```\nline 0")
    assert parts[-1].endswith("after")


def test_split_closes_and_opens_code_spans() -> None:
    parts = split("see `" + "name " * 30 + "` end", 60)
    assert all(part.count("`") % 2 == 0 for part in parts)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("web-01", "`web-01`"),
        ("we`b", "`we\u02cbb`"),
        ("two\nlines", "`two lines`"),
        ("a<b>&c", "`a&lt;b&gt;&amp;c`"),
        ("", "`–`"),  # noqa: RUF001
        ("\x1b[1mbold\x1b[0m", "`bold`"),
    ],
)
def test_names_in_code(value: str, shown: str) -> None:
    assert code(value) == shown


def test_prose_keeps_code_and_opens_no_fence_or_mention() -> None:
    assert prose("`web` <!channel> ```x", 100) == "`web` &lt;!channel&gt; \u02cb\u02cb\u02cbx"
    assert prose("`" + "word " * 30 + "`", 40).count("`") == 2


def test_clean_removes_what_controls_a_terminal_or_the_reader() -> None:
    assert clean("a\x1b]0;title\x07b\x1b[2Jc\u202ed\r\ne\x00\tf\rg") == "abcd\ne\tf\ng"
