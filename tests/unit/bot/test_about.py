"""`can-i ... --as PERSON`: whose right is asked about."""

from __future__ import annotations

import asyncio

import pytest

from andock.errors import ParseError, UserError
from andock.messages import CLI_TEAM, CLOCK_TEAM, HOOK_TEAM, Actor
from bot.about import look_up, split_person

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")


@pytest.mark.parametrize(
    ("words", "person", "others"),
    [
        ("vm off web-1", "", "vm off web-1"),
        ("vm off web-1 --as @U0LEAD1", "@U0LEAD1", "vm off web-1"),
        ("--as @U0LEAD1 vm off web-1 --yes", "@U0LEAD1", "vm off web-1 --yes"),
        ("vm off --as=U0LEAD1 web-1", "U0LEAD1", "vm off web-1"),
        ("vm off -- --as x", "", "vm off -- --as x"),
    ],
)
def test_the_person_is_taken_out_of_the_command(words: str, person: str, others: str) -> None:
    assert split_person(words.split()) == (person, tuple(others.split()))


@pytest.mark.parametrize("words", ["vm off --as", "vm off --as=", "--as a vm off --as b"])
def test_one_person_is_meant(words: str) -> None:
    with pytest.raises(ParseError):
        split_person(words.split())


@pytest.mark.parametrize(
    ("person", "team"),
    [("cli:root", CLI_TEAM), ("hook:ci", HOOK_TEAM), ("schedule:snapshots", CLOCK_TEAM)],
)
def test_who_is_not_in_slack_needs_none(person: str, team: str) -> None:
    found = asyncio.run(look_up(person, OPS, None))

    assert (found.team, found.user) == (team, person)


def test_where_there_is_no_slack_nobody_of_slack_can_be_asked_about() -> None:
    with pytest.raises(UserError, match="was not asked in Slack"):
        asyncio.run(look_up("@U0LEAD1", OPS, None))
