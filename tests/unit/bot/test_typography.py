from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.typography import straighten


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("vm restart “web 01”", 'vm restart "web 01"'),
        ("vm restart ‘web 01’", "vm restart 'web 01'"),  # noqa: RUF001
        ("vm restart „web 01“", 'vm restart "web 01"'),
        ("vm restart «web 01»", 'vm restart "web 01"'),
        ("vm restart web —hard", "vm restart web --hard"),
        ("vm restart web –hard", "vm restart web --hard"),  # noqa: RUF001
        ("—hard", "--hard"),
        ("a — b", "a — b"),
        ("web–01", "web–01"),  # noqa: RUF001
        ("vm\u00a0info\u202fweb\u3000x", "vm info web x"),
        ("vm\u200b info \ufeffweb\u200d-01\u2060", "vm info web-01"),
        ("web\u201101", "web-01"),
        ("vm info <http://web-01.lab|web-01.lab>", "vm info web-01.lab"),
        ("vm info <http://web-01.lab>", "vm info web-01.lab"),
        ("pull <https://registry.lab/app>", "pull registry.lab/app"),
        ("who <mailto:a@b.c|a@b.c>", "who a@b.c"),
        ("who <mailto:a@b.c>", "who a@b.c"),
        ("<@U123|ann> <@U123>", "@U123 @U123"),
        ("<#C1|ops> <#C1>", "#C1 #C1"),
        ("<!here> <!subteam^S1|@ops> <!subteam^S1>", "@here @S1 @S1"),
        ("a &amp;&amp; b &lt;c&gt;", "a && b <c>"),
        ("&amp;lt;", "&lt;"),
        ("&lt;@U1&gt;", "<@U1>"),
        ("if a < b", "if a < b"),
        ("<>", "<>"),
        ("vm info web-01", "vm info web-01"),
    ],
)
def test_what_was_meant(typed: str, meant: str) -> None:
    assert straighten(typed) == meant


@given(st.text())
def test_never_raises(text: str) -> None:
    straighten(text)


@given(st.text(st.characters(exclude_characters="<>&")))
def test_twice_is_once(text: str) -> None:
    assert straighten(straighten(text)) == straighten(text)


@given(st.text(string.ascii_letters + string.digits + string.punctuation + " "))
def test_plain_text_stays(text: str) -> None:
    if "<" not in text and "&" not in text:
        assert straighten(text) == text
