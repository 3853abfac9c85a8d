from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andock.redaction import SHAPES_ONLY, Redactor
from workers.containers import logs


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=20),
    st.integers(min_value=1, max_value=17),
)
def test_frames_come_apart_wherever_the_connection_cuts_them(
    frames: list[tuple[int, bytes]], size: int
) -> None:
    sent = b"".join(frame(stream, data) for stream, data in frames)
    pieces = list(itertools.chain.from_iterable(logs.split_frames(cut(sent, size))))
    for stream in (1, 2):
        assert b"".join(data for number, data in pieces if number == stream) == b"".join(
            data for number, data in frames if number == stream
        )


def test_the_two_streams_never_mix_in_one_line() -> None:
    pieces = [(1, b"half of a "), (2, b"warning\n"), (1, b"line\nno end")]
    assert list(logs.join_lines([pieces])) == [[b"warning", b"half of a line"], [b"no end"]]
    alone = list(logs.join_lines([piece] for piece in pieces))
    assert alone == [[], [b"warning"], [b"half of a line"], [b"no end"]]


def test_a_line_without_end_takes_no_more_memory_than_one_line_may() -> None:
    endless = ([(1, b"x" * 65_536)] for _ in range(1000))
    batches = logs.join_lines(itertools.chain([[(1, b"begin ")]], endless, [[(1, b"\nnext\n")]]))
    lines = list(itertools.chain.from_iterable(batches))
    assert [len(line) for line in lines] == [logs.LONGEST_LINE, 4]
    assert lines[0].startswith(b"begin x")


def test_of_many_long_lines_the_newest_are_kept_within_the_room_there_is() -> None:
    lines = ((f"{number:04}", "x" * logs.LONGEST_LINE) for number in range(400))
    tracemalloc.start()

    kept, gone = logs.keep_newest(lines)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < logs.MOST_KEPT * 1.5
    assert [stamp for stamp, _ in kept] == [f"{number:04}" for number in range(384, 400)]
    assert gone == "0383"
    assert logs.keep_newest([("1", "a"), ("2", "b")]) == ([("1", "a"), ("2", "b")], "")
    assert logs.keep_newest([("1", "a"), ("2", "long")], most=2) == ([("2", "long")], "1")


def test_as_many_lines_as_a_key_may_have_are_only_there_for_what_begins_in_them() -> None:
    assert logs.count_above(["x"] * 500) == logs.ABOVE
    assert logs.count_above(["x"] * 5) == 5
    assert logs.count_above(["x" * logs.LONGEST_LINE] * 16) == 1


def test_a_line_shows_what_it_says() -> None:
    assert logs.clean(b"\x1b[31mred\x1b[0m\tgreen\r") == "red\tgreen"
    assert logs.clean(b"\x1b]0;a title\x07text\x1b(B") == "text"
    assert logs.clean(b"nul\x00 bell\x07 \xc2\x9bcsi") == "nul bell csi"
    assert logs.clean("user\u202egnp.exe".encode()) == "usergnp.exe"
    assert logs.clean(b"caf\xe9 gr\xc3\xbcn") == "caf\ufffd grün"


@given(st.binary(max_size=200))
def test_no_control_character_survives(line: bytes) -> None:
    text = logs.clean(line)
    assert not [char for char in text if (ord(char) < 32 and char != "\t") or 127 <= ord(char) < 160]


KEY = [
    b"-----BEGIN PRIVATE KEY-----",
    *([b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"] * 50),
    b"-----END PRIVATE KEY-----",
]


def lines_of(*lines: bytes) -> list[str]:
    return [line.decode() for line in lines]


def below(above: list[str], lines: list[str], redactor: Redactor = SHAPES_ONLY) -> list[str]:
    return list(logs.redact_below(above, lines, redactor))


def test_lines_above_are_not_shown() -> None:
    assert below(["one", "password=hunter2hunter2"], ["two", "three"]) == ["two", "three"]
    assert below([], ["two"]) == ["two"]
    assert below(["one"], []) == []


@pytest.mark.parametrize("at", range(1, len(KEY)))
def test_a_key_that_begins_above_what_is_shown_is_known_as_one(at: int) -> None:
    key = lines_of(*KEY)

    shown = below(["before", *key[:at]], [*key[at:], "after"])

    assert shown == ["-----BEGIN PRIVATE KEY-----[redacted]-----END PRIVATE KEY-----", "after"]


def test_of_a_key_that_nothing_follows_it_is_said_that_it_was_hidden() -> None:
    key = lines_of(*KEY)
    assert below(key[:5], key[5:9]) == ["-----BEGIN PRIVATE KEY-----[redacted]"]


def test_a_known_secret_over_many_lines_takes_no_other_line_with_it() -> None:
    secret = [f"line {number} of it" for number in range(10)]
    redactor = Redactor(["\n".join(secret)])

    assert below(["x", *secret[:6]], [*secret[6:], "a", "b"], redactor) == ["[redacted]", "a", "b"]


def test_a_secret_is_hidden_that_came_in_frames_with_colours_or_over_lines() -> None:
    redactor = Redactor(["hunter2-hunter2", "first line\nsecond line"])
    frames = [
        (1, b"a hunter2"),
        (2, b"other\n"),
        (1, b"-hunter2 b\nhun\x1b[1mter2-hun\x00ter2\nfirst line\nsecond "),
        (1, b"line\n"),
    ]

    lines = [logs.clean(line) for line in itertools.chain.from_iterable(logs.join_lines([frames]))]

    assert below([], lines, redactor) == ["other", "a [redacted] b", "[redacted]", "[redacted]"]
