"""Undoes what Slack and keyboards do to typed text, so that the grammar sees what the person meant.

Only for text that a person typed. The value of a button is ours and goes to the parser as it is.
"""

from __future__ import annotations

import re

_DOUBLE = "“”„‟«»″"
_SINGLE = "‘’‚‛‹›′"  # noqa: RUF001  these are what is mended here
_SPACES = "\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
# soft hyphen, joiners, zero-width spaces, marks of writing direction, byte order mark
_INVISIBLE = "\u00ad\u034f\u061c\u180e\ufeff" + "".join(
    map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)))
)
_CHARACTERS = str.maketrans(
    dict.fromkeys(_DOUBLE, '"')
    | dict.fromkeys(_SINGLE, "'")
    | dict.fromkeys(_SPACES, " ")
    | dict.fromkeys(_INVISIBLE, "")
    | {"\u2011": "-"}  # the non-breaking hyphen that word processors put into names
)
# Slack writes links as <url|label>, people as <@U1|name>, channels as <#C1|name>, broadcasts as <!here>
_LINK = re.compile(r"<([^<>|\s][^<>|]*)(?:\|([^<>]*))?>")
_SCHEME = re.compile(r"(?:https?://|mailto:|tel:)")
# keyboards turn `--hard` into a dash and `hard`; a dash elsewhere is the person's own
_DASH = re.compile(r"(?<!\S)[—–](?=[A-Za-z])")  # noqa: RUF001
_ENTITY = re.compile(r"&(amp|lt|gt);")
_PLAIN_OF_ENTITY = {"amp": "&", "lt": "<", "gt": ">"}


def straighten(text: str) -> str:
    """The text as it was typed, before Slack and the keyboard improved it. Never raises.

    Links become what was typed (`<http://web-01.lab|web-01.lab>` is `web-01.lab`), mentions keep their
    id (`<@U123|ann>` is `@U123`), `&amp; &lt; &gt;` are undone once, smart quotes, dashes before an
    option's name, odd spaces and invisible characters become plain.
    """
    if text.isascii() and "<" not in text and "&" not in text:
        return text
    text = _LINK.sub(_unlink, text)
    # only after the links: what a person typed as `<` arrives as `&lt;` and is no link
    text = _ENTITY.sub(lambda match: _PLAIN_OF_ENTITY[match[1]], text)
    return _DASH.sub("--", text.translate(_CHARACTERS))


def _unlink(match: re.Match[str]) -> str:
    target, label = match[1], match[2]
    if target[0] in "@#":
        return target
    if target[0] == "!":
        # `<!subteam^S1|@ops>` and `<!here>`: the id where there is one
        kind, _, identity = target[1:].partition("^")
        return f"@{identity.partition('^')[0] if kind == 'subteam' and identity else kind}"
    if label:
        return label
    return _SCHEME.sub("", target, count=1)
