"""One line of text as words, and words as text that reads back the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

from andock.errors import ParseError

MAX_CHARACTERS = 3000
MAX_WORDS = 200

# A quote opens at the start of a word or after `=`; elsewhere an apostrophe is one (`don't`). A backslash
# outside quotes is itself, because people paste Windows paths and DOMAIN\user.
_WORD = re.compile(
    r"""\s*+(?P<bare>(?:(?!['"])[^\s="]*(?:=(?!['"])[^\s="]*)*=?)?)"""
    r"""(?:(?<![^\s=])(?P<quoted>"(?:[^"\\]|\\.)*"|'[^']*'))?(?=\s|\Z)"""
)
_NEEDS_NO_QUOTES = re.compile(r"""(?!')(?:[^\s="]|=(?!'))+""")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def split_words(text: str) -> tuple[str, ...]:
    """The words of one command line.

    Raises:
        ParseError: too long, too many words, a quote without its pair, or a control character.
    """
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        raise ParseError(f"That is {len(text)} characters; a command has at most {MAX_CHARACTERS}.")
    if _CONTROL.search(text):
        raise ParseError("A command is one line without control characters.")
    words = _quoted_words(text) if '"' in text or "'" in text else tuple(text.split())
    if len(words) > MAX_WORDS:
        raise ParseError(f"That is {len(words)} words; a command has at most {MAX_WORDS}.")
    return words


def join_words(words: Iterable[str]) -> str:
    """The words as one line, quoted where needed: what `split_words` reads back as these words."""
    return " ".join(quote(word) for word in words)


def quote(word: str) -> str:
    """The word as it is, or in double quotes if it would not be read back as itself."""
    if _NEEDS_NO_QUOTES.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted_words(text: str) -> tuple[str, ...]:
    words: list[str] = []
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise ParseError(f"The quote at `{_excerpt(text, at)}` has no pair, or text follows it directly.")
        at = match.end()
        words.append(match["bare"] + _unquote(match["quoted"]))
    return tuple(words)


def _unquote(quoted: str | None) -> str:
    if not quoted:
        return ""
    inner = quoted[1:-1]
    return re.sub(r'\\(["\\])', r"\1", inner) if quoted[0] == '"' else inner


def _excerpt(text: str, at: int) -> str:
    return " ".join(text[at : at + 30].replace("`", "'").split())


def add_option(command: str, option: str) -> str:
    """The command with one more option, before a `--` behind which all is taken as it is."""
    before, dashes, rest = command.partition(" -- ")
    return f"{before} {option}{dashes}{rest}"
