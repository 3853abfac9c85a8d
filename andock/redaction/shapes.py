"""What looks like a secret, whoever's it is: tokens, keys, passwords beside their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from andock.redaction.forms import base64_inside
from andock.redaction.measures import measure

MARK = "[redacted]"
OF_THE_TEAM = "pattern of sites.yaml"
WIDEST = 512  # characters that a pattern of the team's may take; text in pieces is held back for so long
_LEAST = 4  # characters that it must take: one that fits everywhere hides everything
_MOST_WAYS = 1000  # in which it may be tried at one place, so that no text makes it slow


@dataclass(frozen=True, slots=True)
class Tail:
    """What is hidden behind a secret's beginning: as far as `run` goes, at most `most` characters.

    A run can be left anywhere and taken up again there: it is one repetition, and looks back one character.
    """

    run: re.Pattern[str]
    most: int = 0  # 0: without a limit


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of secret. `head` finds its beginning within `width` characters; the tail is of any length.

    Of a head with groups only the first group of `parts` that took part is hidden, with its own tail.
    """

    kind: str
    head: re.Pattern[str]
    width: int
    tail: Tail | None = None
    parts: Mapping[str, Tail | None] = field(default_factory=dict)
    words: tuple[
        str, ...
    ] = ()  # one of them, case-folded, stands in each; looked for first, as that is quick


def _shape(
    kind: str, head: str, tail: Tail | None = None, words: tuple[str, ...] = (), **parts: Tail | None
) -> Shape:
    return Shape(kind, re.compile(head), measure(head).widest, tail, parts, words)


def _run(characters: str) -> Tail:
    return Tail(re.compile(f"(?:{characters})*+"))


_KEY = (
    # not as a folder: PWD is in every environment
    r"(?:pass(?:word|wd|phrase|code)|pwd(?![\"']?\s{0,3}[:=]\s{0,3}[\"']?/)|secret|token|credentials?"
    r"|vmware_soap_session|(?:access|account|api|encryption|private|secret|shared|signing)[_-]?key)"
    r"(?:[_-]?(?:base|hash|value))?[0-9]{0,2}"
)
# no `i` in them: expressions that ignore case also take a dotless one for it, which case-folding does not
_KEY_WORDS = ("pass", "pwd", "secret", "token", "credent", "soap_se", "key")
_HIDDEN_ALREADY = r"(?!\[redacted\](?:[\s\"'`<>,;&@\\]|\Z))"
_BARE = r"[^\s\"'`<>,;&]"
_NO_WORD = r"\{[\"}]|\{\s{0,2}(?:env|file):|\[[\"\]]|\\[\"']"
# a quoted value, or a word that begins no list, no object and no reference to a secret
_VALUE = (
    rf"(?:\\\"(?P<escaped>{_HIDDEN_ALREADY}[^\"\\\r\n])|\"(?P<double>{_HIDDEN_ALREADY}[^\"\r\n])"
    rf"|'(?P<single>{_HIDDEN_ALREADY}[^'\r\n])"
    rf"|(?P<bare>{_HIDDEN_ALREADY}(?!{_NO_WORD}){_BARE}))"
)
_VALUE_TAILS = {
    "escaped": _run(r"[^\"\\\r\n]|\\(?!\")"),
    "double": _run(r"[^\"\r\n]|(?<=\\)\""),
    "single": _run(r"[^'\r\n]|(?<=\\)'"),
    "bare": _run(_BARE),
}
_BASE64_TAIL = _run(r"[A-Za-z0-9+/=_-]|\r?\n(?=[A-Za-z0-9+/_-]{16})")
_KEY_KINDS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "PGP ")
_BASE64_KEYS = [
    text for kind in _KEY_KINDS for text in base64_inside(f"-----BEGIN {kind}PRIVATE KEY".encode())
]

# A head begins with a letter or sign of its own wherever it can: expressions that do are found fastest.
SHAPES = (
    _shape("Slack token", r"x(?:ox[a-z]|app)-[A-Za-z0-9-]{8}", _run(r"[A-Za-z0-9-]")),
    _shape(
        "Slack webhook",
        r"hooks\.slack\.com/(?:services|triggers|workflows)/(?P<path>[A-Za-z0-9])",
        path=_run(r"[A-Za-z0-9/_-]"),
    ),
    _shape("AWS key", r"A(?:KIA|SIA)[A-Z0-9]{16}"),
    _shape("access token", r"g(?:h[oprsu]_|ithub_pat_|lpat-)[A-Za-z0-9_-]{16}", _run(r"[A-Za-z0-9_-]")),
    _shape(
        "private key",
        r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
        r"(?P<body>(?:\r?\n|\\r|\\n| ?(?=[A-Za-z0-9+/]{20})))",
        body=Tail(re.compile(r"(?:[^-]|-(?!----(?:BEGIN|END) ))*+"), most=16_384),
    ),
    _shape(
        "private key",
        f"(?:{'|'.join(map(re.escape, _BASE64_KEYS))})",
        _BASE64_TAIL,
        words=tuple({text[:8].casefold() for text in _BASE64_KEYS}),
    ),
    _shape(
        "JSON web token",
        r"eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_-]{5,800}\.[A-Za-z0-9_-]{8}",
        _run(r"[A-Za-z0-9_.-]"),
    ),
    _shape(
        "bearer token",
        r"[bB](?i:earer)\s{1,3}(?=[A-Za-z_-]{0,40}[0-9])(?P<word>[A-Za-z0-9._~+/-]{12})",
        words=("bearer",),
        word=_run(r"[A-Za-z0-9._~+/=-]"),
    ),
    _shape(
        "authorization header",
        r"[aA](?i:uthorization)\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?"
        r"(?:(?i:apikey|basic|bearer|digest|negotiate|ntlm|token)\s{1,3}|(?=[^\s\"',]{16}))"
        rf"(?P<word>{_HIDDEN_ALREADY}[^\s\"',])",
        words=("author",),
        word=_run(r"[^\s\"',]"),
    ),
    _shape(
        "password in a URL",
        r"://[^\s/:@?#\"'`<>]{0,128}:(?P<word>(?!\[redacted\]@)[^\s/?#\"'`<>]{1,512})@",
        word=None,
    ),
    _shape(
        "password or token",
        rf"(?=[pPsStTcCvVaAeE])(?i:{_KEY})\\?[\"']?\s{{0,3}}(?::|=>?)\s{{0,3}}{_VALUE}",
        words=_KEY_WORDS,
        **_VALUE_TAILS,
    ),
    _shape(
        "password or token",
        rf"--(?i:(?:[a-z0-9]{{1,20}}-){{0,4}}{_KEY})\s{{1,3}}(?!-){_VALUE}",
        words=_KEY_WORDS,
        **_VALUE_TAILS,
    ),
)


def read_pattern(text: str) -> Shape:
    """A pattern of the team's.

    Raises:
        ValueError: it is no expression, or one that cannot be kept within bounds of time and memory; the
            text is one clause about it, and what to write instead.
    """
    try:
        head, found = re.compile(text), measure(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    if found.looks_around:
        raise ValueError(
            "looks around, back, or for the end of a text (^, $), which texts in pieces do not have"
        )
    if found.widest > WIDEST:
        raise ValueError(f"may take more than {WIDEST} characters: write {{1,100}} for +, {{0,100}} for *")
    if found.narrowest < _LEAST:
        raise ValueError(f"fits fewer than {_LEAST} characters, so that it hides far too much")
    if found.ways > _MOST_WAYS:
        raise ValueError("can be tried in too many ways: no repetition in another, fewer optional parts")
    return Shape(OF_THE_TEAM, head, found.widest)
