"""Whose right is asked about: the `--as PERSON` of `can-i`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from andock.errors import ParseError, UserError
from andock.messages import Actor, team_outside
from bot.identity import Directory

_PERSON = re.compile(r"@?([UW][A-Z0-9]+)")
_USAGE = "can-i COMMAND... --as @PERSON"


def split_person(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The person of a `--as PERSON` among the words that `can-i` carries, or nothing, and the other words.

    Raises:
        ParseError: nobody is named, or two are.
    """
    persons: list[str] = []
    others: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            others += [word, *left]
        elif word == "--as":
            persons.append(next(left, ""))
        elif word.startswith("--as="):
            persons.append(word.removeprefix("--as="))
        else:
            others.append(word)
    if len(persons) > 1 or "" in persons:
        raise ParseError("`--as` takes one person.", usage=_USAGE)
    return "".join(persons), tuple(others)


async def look_up(person: str, asker: Actor, people: Directory | None) -> Actor:
    """The one whose right is asked about.

    Raises:
        OpsError: it is nobody who acts, or Slack cannot be asked.
    """
    if team := team_outside(person):
        return Actor(team=team, user=person, name=person)
    found = _PERSON.fullmatch(person)
    if found is None:
        raise ParseError(f"`--as {person[:60]}`: pick the person from Slack's list after `@`.", usage=_USAGE)
    if people is None:
        raise UserError("`--as` asks Slack who that is, and this was not asked in Slack.")
    return await people.identify(asker.team, found[1])
