"""From the typed text to the ledger: Slack's typography is undone, and a refusal is one sentence."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from andock.messages import Purpose
from andock.ports.records import Halt
from tests.integration.bot.conftest import Door


def taken(door: Door, text: str, **changes: str) -> str:
    answer = door.slash(text, **changes)
    assert answer.status == 200
    requests = door.requests()
    assert requests, answer.text
    return requests[0].command


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("vm off “web 01”", 'vm off "web 01"'),
        ("vm off \u2018web-01\u2019", "vm off web-01"),
        ("vm off web-01 web-02 —yes", "vm off web-01 web-02 --yes"),
        ("vm\u00a0off\u202fweb-01", "vm off web-01"),
        ("vm off <http://web-01.lab|web-01.lab>", "vm off web-01.lab"),
        ("vm off web\u200b-01", "vm off web-01"),
        ("vm off a&amp;b", "vm off a&b"),
        ("  VM   off   web-01  ", "vm off web-01"),
        ("vm off Web-01", "vm off Web-01"),
    ],
)
def test_what_slack_and_keyboards_do_to_text_is_undone(door: Door, typed: str, command: str) -> None:
    assert taken(door, typed) == command


def test_a_nouns_own_command_is_the_same_grammar(door: Door) -> None:
    assert taken(door, "off web-01", command="/vm") == "vm off web-01"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("vm lsit", "Did you mean `vm list`"),
        ("container stop", "Usage: `container stop [CONTAINER...]"),
        ("vm list --site labb", "Did you mean `lab`"),
        ("container stop x --engine edge-2", "Did you mean `edge-1`"),
        ("vm off x --frob", "--frob"),
        ("vm off " + "x" * 4000, "characters"),
        ("vm off " + "x " * 300, "words"),
        ('vm off "web', "has no pair"),
        ("vm off \x01", "control character"),
        ("vm list " + "(" * 900, ""),
        ("can-i", "missing"),
        ("can-i can-i vm off x", ""),
        ("can-i frobnicate", "There is no operation"),
    ],
)
def test_a_mistake_is_answered_at_once_to_the_person_alone(door: Door, typed: str, says: str) -> None:
    answer = door.slash(typed)

    assert answer.status == 200
    assert says in answer.text
    assert [request for request in door.requests() if request.operation.startswith(("vm", "container"))] == []


def test_what_no_rule_could_allow_is_denied_at_once(door: Door) -> None:
    assert "Not allowed: no rule matches" in door.slash("vm off web-01", user="U0LEAD1").text
    assert door.requests() == []


def test_a_change_where_the_bot_is_no_member_is_refused_and_a_read_is_not(door: Door) -> None:
    assert "invite me" in door.slash("vm off web-01", channel="C0LAB").text
    assert door.requests() == []

    assert "Working on" in door.slash("vm list", channel="C0LAB").text


def test_once_invited_the_bot_takes_changes_at_once(door: Door) -> None:
    door.slack.set_channel("C0NEW", name="new", members=["U0OPS1"])
    assert "invite me" in door.slash("vm off web-01", channel="C0NEW").text

    door.slack.set_members("C0NEW", add=[door.slack.bot_user])

    assert taken(door, "vm off web-01", channel="C0NEW") == "vm off web-01"


def test_with_no_live_worker_a_command_is_refused_at_once(door: Door) -> None:
    door.forget()

    answer = door.slash("vm off web-01")

    assert "was not reached" in answer.text
    assert "nothing was changed" in answer.text
    assert door.requests() == []


def test_a_halt_of_everything_refuses_changes_and_lets_reads_pass(door: Door) -> None:
    door.ledger.halt(Halt("*", "lead-1", "storage", datetime.now(UTC)))

    assert "halted by lead-1: storage" in door.slash("vm off web-01").text
    assert "Working on" in door.slash("vm list").text


def test_a_change_carries_five_minutes_to_start_in(door: Door) -> None:
    taken(door, "vm off web-01")

    request = door.requests()[0]
    assert 299 <= request.not_after - request.accepted_at <= 301
    assert abs(request.accepted_at - time.time()) < 10


def test_can_i_is_a_question_and_never_a_change(door: Door) -> None:
    assert taken(door, "can-i vm off web-01") == "can-i vm off web-01"

    request = door.requests()[0]
    assert request.purpose is Purpose.EXPLAIN
    assert request.reply.private


def test_can_i_asks_about_another_person_by_their_mention_and_in_private(door: Door) -> None:
    taken(door, "can-i vm list --as <@U0LEAD1|lead-1> --share")

    request = door.requests()[0]
    assert request.purpose is Purpose.EXPLAIN
    assert (request.command, request.reply.private) == ("can-i vm list --share --as @lead-1", True)
    assert (request.actor.user, request.about.user if request.about else "") == ("U0OPS1", "U0LEAD1")


def test_can_i_judges_the_other_person_and_not_the_asker(door: Door) -> None:
    mine = door.slash("can-i halt").text
    theirs = door.slash("can-i halt --as <@U0LEAD1|lead-1>").text

    assert mine.startswith("Yes: `halt` (rule: ops (policy.yaml:")
    assert theirs.startswith("No: `halt --as @lead-1`. Not allowed: no rule matches")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("can-i vm off x --as @lead-1", "pick the person from Slack's list"),
        ("can-i vm off x --as", "`--as` takes one person"),
        ("can-i vm off x --as <@U0LEAD1|l> --as <@U0OPS1|o>", "`--as` takes one person"),
        ("can-i vm off x --as <@U0GUEST1|guest-1>", "guests never act"),
        ("vm off x --as <@U0LEAD1|l>", "has no option `--as`"),
    ],
)
def test_who_is_asked_about_must_be_one_who_may_act(door: Door, typed: str, says: str) -> None:
    assert says in door.slash(typed).text
    assert door.requests() == []


def test_reads_are_private_unless_shared_and_changes_never_are(door: Door) -> None:
    for text in ("vm list", "vm list --share", "vm off web-01"):
        door.slash(text)

    assert [request.reply.private for request in reversed(door.requests())] == [True, False, False]


def test_the_host_is_nobody_in_slack(door: Door) -> None:
    assert "never act" in door.slash("vm list", team_id="cli", user="cli:root").text
