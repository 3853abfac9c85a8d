"""A secret that is known is hidden in every form in which programs write it."""

from __future__ import annotations

import base64
import html
import json
import textwrap
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andock.redaction import MARK, SHORTEST, Redactor
from andock.redaction.forms import make_sieve

SECRET = "S3cr&t/pass \"wörd\" +'x'="
KEY_FILE = (
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIBkg1cVQkKZ9mGJx0YfJ1o6lXQ2nJ9rBq0gq3o3m1n5uoAoGCCqGSM49\n"
    "AwEHoUQDQgAEvE0n2Jv1b3kq4sD0b8c9Q3xw6r1t8h2y7u5i4o3p2a1s9d8f7g6h\n"
    "-----END EC PRIVATE KEY-----\n"
)
VALUES = st.text(min_size=SHORTEST, max_size=60).filter(lambda value: len(value.strip()) >= SHORTEST)
printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=SHORTEST, max_size=60)


def only(value: str) -> Redactor:
    """Knows this value and no shape, so that nothing else hides it."""
    return Redactor([value], shapes=())


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(json.dumps(SECRET)),
        repr(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe=";,/?:@&=+$-_.!~*'()#"),
        quote(SECRET, safe="!'()*"),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower().replace("s3cr", "S3cr"),
        html.escape(SECRET),
        html.escape(SECRET, quote=False),
        html.escape(SECRET).replace("&#x27;", "&#39;"),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    ],
    ids=lambda written: written[:24],
)
def test_a_known_secret_is_hidden_as_programs_write_it(written: str) -> None:
    said = only(SECRET).redact(f"before {written} after")

    assert MARK in said
    assert said.startswith("before ")
    assert said.endswith(" after")
    assert written.strip('"') not in said


@given(VALUES, st.binary(max_size=10), st.binary(max_size=10))
def test_base64_is_hidden_whatever_stands_around_the_secret_in_it(
    value: str, before: bytes, behind: bytes
) -> None:
    raw = before + value.strip().encode() + behind
    for encoded in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        said = only(value).redact(encoded)
        assert MARK in said
        # a rest of the encoding may stay, but no whole character of the secret
        left = said.split(MARK)
        assert len(left[0]) <= len(base64.b64encode(before)) + 2
        assert len(left[-1]) <= len(base64.b64encode(behind)) + 4


@given(printable, st.text("abc", max_size=150), st.integers(min_value=16, max_value=76))
def test_base64_and_hex_that_were_broken_into_lines_are_hidden(value: str, before: str, width: int) -> None:
    raw = f"{before}{value}".encode()
    for encoded in (base64.b64encode(raw).decode(), raw.hex()):
        for gap in ("\n", "\r\n", "\\n"):
            wrapped = gap.join(textwrap.wrap(encoded, width))
            assert MARK in only(value).redact(wrapped)


@given(printable)
def test_a_secret_is_found_in_the_middle_of_a_word_and_beside_itself(value: str) -> None:
    said = only(value).redact(f"x{value}{value}y")

    assert value not in said
    assert said == f"x{MARK}y"


def test_secrets_that_overlap_are_hidden_as_one() -> None:
    redactor = Redactor(["abcdefgh", "efghijkl"], shapes=())

    assert redactor.redact("<abcdefghijkl>") == f"<{MARK}>"


def test_values_of_fewer_than_six_characters_are_no_secrets() -> None:
    redactor = Redactor(["admin", "x", "", " 1234  "], shapes=())

    assert redactor.redact("admin x 1234") == "admin x 1234"
    assert Redactor(["admin1"], shapes=()).redact("an admin1") == f"an {MARK}"


def test_each_line_of_a_key_is_a_secret_and_its_frame_is_none() -> None:
    redactor = only(KEY_FILE)

    lines = [redactor.redact(f"12:00 {line}") for line in KEY_FILE.splitlines()]

    assert lines[1:3] == [f"12:00 {MARK}"] * 2
    assert lines[0] == "12:00 -----BEGIN EC PRIVATE KEY-----"
    assert KEY_FILE.strip() not in redactor.redact(KEY_FILE)


@pytest.mark.parametrize("length", [255, 256, 257, 300, 600, 5000])
def test_a_long_secret_is_hidden_to_its_last_character(length: int) -> None:
    value = "".join(chr(ord("a") + number * 7 % 26) + str(number) for number in range(length))[:length]

    assert only(value).redact(f"<{value}>") == f"<{MARK}>"
    assert only(value).redact(f"<{quote(value + '+')}>") == f"<{MARK}%2B>"
    assert only(value).hold < 2000


@given(VALUES, st.text(max_size=20), st.text(max_size=20))
def test_no_value_makes_the_redactor_fail(value: str, before: str, behind: str) -> None:
    text = f"{before}{value}{behind}"

    assert value.strip() not in only(value).redact(text).replace(MARK, "\0")


@given(st.lists(st.text("ab-]^\\n", min_size=SHORTEST, max_size=SHORTEST), max_size=8), st.text("ab-]^\\n"))
def test_the_sieve_lets_every_head_through(heads: list[str], text: str) -> None:
    sieve = make_sieve(heads)

    places = [at for at in range(len(text)) if text[at : at + SHORTEST] in heads]

    assert all(sieve is not None and sieve.match(text, at) for at in places)
    assert all(sieve is not None and sieve.fullmatch(head) for head in heads)


def test_a_secret_that_is_no_text_is_known_too() -> None:
    value = b"caf\xe9-\xff-secret"
    redactor = only(value.decode("utf-8", "surrogateescape"))

    assert redactor.redact(f"x {value.hex()} y") == f"x {MARK} y"
    assert redactor.redact("caf%E9-%FF-secret") == MARK
