"""Text in pieces: whatever the pieces are, the result is that of the whole, and little is held back."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andock.redaction import MARK, Redactor
from andock.redaction.redactor import AT_ONCE
from andock.redaction.shapes import SHAPES

SECRET = "hunter2/é&hunter2"
KEY = (
    "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n" * 3
)
END = "-----END PRIVATE KEY-----"
LONG = "".join(f"{number:x}-" for number in range(400))
REDACTOR = Redactor([SECRET, LONG], [r"ACME-[0-9]{1,9}", r"\bstart[a-z]{0,9}\b"])
ENCODED = base64.b64encode(f"a:{SECRET}".encode()).decode()
# few shapes, so that little is held back and every second secret lies where a piece is cut
SMALL = Redactor([SECRET], shapes=[shape for shape in SHAPES if shape.width < 120])
FRAGMENTS = [
    *(
        SECRET,
        SECRET[:9],
        SECRET[9:],
        LONG,
        LONG[:300],
        ENCODED,
        f"{ENCODED[:7]}\n{ENCODED[7:]}",
        quote(SECRET),
    ),
    *(
        KEY,
        KEY + END,
        KEY[:27],
        "\n-----END ",
        "-",
        "PRIVATE KEY-----\n",
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-12345678",
    ),
    *(base64.b64encode(KEY.encode()).decode(), "LS0tLS1CRUdJTiBQUklWQVRF", "-abc", "abc", "abcdef0123456789"),
    *(
        "token=",
        "password: ",
        '"secret": "',
        '"api_key": \\"',
        "\\",
        '"',
        "'",
        "--password",
        "Authorization: ",
    ),
    *(
        " ",
        "\n",
        "\r\n",
        "=",
        ":",
        "/",
        "@",
        ".",
        "[",
        "é",
        "\x00",
        MARK,
        "redis://bob:",
        "pa@ss@",
        "Bearer ",
    ),
    *("eyJ", "eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxIn0", "ACME-1", "23", "start", "x" * 450, "y z" * 300),
]
TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=40).map("".join)


def in_pieces(redactor: Redactor, pieces: Sequence[str]) -> str:
    stream = redactor.stream()
    return "".join([stream.feed(piece) for piece in pieces] + [stream.close()])


def cut(text: str, places: Sequence[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@pytest.mark.parametrize("redactor", [REDACTOR, SMALL], ids=["all", "small"])
@settings(max_examples=400, deadline=None)
@given(text=TEXTS, places=st.lists(st.integers(min_value=0, max_value=1 << 16), max_size=12))
def test_any_split_of_any_text_gives_what_the_whole_gives(
    redactor: Redactor, text: str, places: list[int]
) -> None:
    assert in_pieces(redactor, cut(text, places)) == redactor.redact(text)


@pytest.mark.parametrize("redactor", [REDACTOR, SMALL], ids=["all", "small"])
@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_a_text_that_comes_character_by_character_is_redacted_as_the_whole(
    redactor: Redactor, text: str
) -> None:
    assert in_pieces(redactor, text) == redactor.redact(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=20))
def test_lines_are_redacted_as_the_text_that_they_are(fragments: list[str]) -> None:
    lines = "".join(fragments).split("\n")
    said = list(REDACTOR.redact_lines(lines))

    assert "\n".join(said) == REDACTOR.redact("\n".join([*lines, ""])).removesuffix("\n")


WIDE = {
    "plain": SECRET,
    "base64": ENCODED,
    "escaped": quote(SECRET),
    "every byte escaped": "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    "pair": "token=s3cret",
    "quoted pair": f'"token": "{"a" * 50} \\" b"',
    "key": KEY + END,
    "wide token": f"eyJ{'a' * 800}.{'b' * 50}",
    "wide password": f"x://{'u' * 128}:{'p' * 512}@host",
}


@pytest.mark.parametrize("written", WIDE.values(), ids=WIDE)
def test_a_secret_is_hidden_wherever_it_is_cut(written: str) -> None:
    before = "x " * 600
    text = f"{before}{written} {'y' * 2 * REDACTOR.hold}"
    whole = REDACTOR.redact(text)
    assert MARK in whole
    # whether a secret begins is decided `hold` characters later
    for place in range(len(before) - 10, len(before) + len(written) + REDACTOR.hold + 10):
        assert in_pieces(REDACTOR, [text[:place], text[place:]]) == whole


def test_a_stream_keeps_a_few_kibibytes_whatever_comes() -> None:
    for text in ("x", "token=abc", "-----BEGIN PRIVATE KEY-----\nabc\n", "eyJ", SECRET[:9], "xoxb-"):
        stream = REDACTOR.stream()
        most = 0
        for _ in range(3000):
            stream.feed(text * 10)
            most = max(
                most,
                len(stream._text) + stream._fresh + 10 * len(stream._waiting) + 10 * len(stream._running),
            )
        assert most < 2 * AT_ONCE


def test_what_is_hidden_without_an_end_comes_as_one_mark() -> None:
    stream = REDACTOR.stream()

    said = [stream.feed("token=" if number == 0 else "abc" * 100) for number in range(1000)]

    assert "".join([*said, stream.close()]) == f"token={MARK}"


def test_a_line_is_said_as_soon_as_what_follows_shows_that_nothing_in_it_is_hidden() -> None:
    given_lines = 0

    def arriving() -> list[str]:
        nonlocal given_lines
        given_lines += 1
        return [f"line {given_lines} of a log"]

    said = REDACTOR.redact_lines(line for _ in range(10_000) for line in arriving())

    assert next(said) == "line 1 of a log"
    assert given_lines < 1000


def test_a_secret_that_is_learnt_later_is_hidden_from_then_on() -> None:
    redactor = Redactor(["tulips-and-clogs"], shapes=())
    long = "windmills" * 30

    redactor.learn([long, "tulips-and-clogs"])

    stream = redactor.stream()
    pieces = [stream.feed(text) for text in ("it is ", long[:100], long[100:], " or tulips-and-", "clogs.")]
    assert "".join([*pieces, stream.close()]) == "it is [redacted] or [redacted]."
