from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andock.errors import ParseError
from bot.words import add_option, join_words, split_words

WORD = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  a   b ", ("a", "b")),
        ('a "b c" d', ("a", "b c", "d")),
        ("a 'b c'", ("a", "b c")),
        ('--reason="a b"', ("--reason=a b",)),
        ("it's fine, don't", ("it's", "fine,", "don't")),
        (r"LAB\ann C:\temp", (r"LAB\ann", r"C:\temp")),
        (r'"C:\temp \"x\" \\"', ('C:\\temp "x" \\',)),
        ('""', ("",)),
        ("a '' b", ("a", "", "b")),
        ("k=\"v w\" x='y z'", ("k=v w", "x=y z")),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    "text",
    [
        'a "b',
        "a 'b",
        '"a"b',
        'web"01',
        "a\nb",
        "a\x00b",
        "a\x1b[0m b",
        "a\tb",
        "x" * 3001,
        "a " * 201,
        "k='v",
        '"a" "',
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        split_words(text)


def test_surrounding_line_ends_are_no_matter() -> None:
    assert split_words("\n vm list \n") == ("vm", "list")


def test_a_long_line_of_quotes_is_refused_quickly() -> None:
    with pytest.raises(ParseError):
        split_words("='" * 1500)
    with pytest.raises(ParseError):
        split_words("a" * 1500 + '"' * 1499)


@given(st.lists(WORD, max_size=8))
def test_joined_words_split_into_the_same(words: list[str]) -> None:
    assert split_words(join_words(words)) == tuple(words)


@pytest.mark.parametrize(
    ("command", "with_it"),
    [
        ("vm off web-1", "vm off web-1 --hard"),
        ("container run web --name w -- sleep 5 -- 6", "container run web --name w --hard -- sleep 5 -- 6"),
    ],
)
def test_an_option_is_added_where_it_is_read_as_one(command: str, with_it: str) -> None:
    assert add_option(command, "--hard") == with_it
