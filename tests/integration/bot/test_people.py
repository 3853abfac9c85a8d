"""Who may act: full members of this workspace, by what they typed themselves, and only as themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.redis_server import RedisServer
from tests.integration.bot.conftest import Answer, Door, StartBot


def event(door: Door, body: dict[str, Any], *, event_id: str = "Ev1", **outer: Any) -> Answer:
    """An event as the Events API delivers it."""
    payload = {
        "type": "event_callback",
        "team_id": door.slack.team_id,
        "event_id": event_id,
        "event": body,
        **outer,
    }
    return door.signed(json.dumps(payload).encode(), "application/json")


def mention(door: Door, text: str = "vm off web-01", **changes: Any) -> dict[str, Any]:
    body = {
        "type": "app_mention",
        "user": "U0OPS1",
        "team": door.slack.team_id,
        "channel": "C0OPS",
        "text": f"<@{door.slack.bot_user}> {text}",
        "ts": "1700000000.000100",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def direct(door: Door, **changes: Any) -> dict[str, Any]:
    return mention(door, type="message", channel_type="im", channel="D0OPS1", text="vm off web-01") | changes


def commands(door: Door) -> list[str]:
    return [request.command for request in door.requests()]


def test_a_member_who_types_is_heard(door: Door) -> None:
    door.slash("vm off web-01")

    assert commands(door) == ["vm off web-01"]
    assert (door.requests()[0].actor.user, door.requests()[0].actor.usergroups) == ("U0OPS1", ("S0OPS",))


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ("U0GUEST1", "guests never act"),
        ("U0BOT1", "bots never act"),
        ("U0GONE1", "deactivated users never act"),
        ("U0STRANGER1", "people of other workspaces never act"),
        ("USLACKBOT", "bots never act"),
    ],
)
def test_who_is_no_full_member_is_told_so_and_nothing_is_accepted(door: Door, user: str, why: str) -> None:
    answer = door.slash("vm list", user=user)

    assert why in answer.text
    assert "rule: built in" in answer.text
    assert commands(door) == []
    (record,) = door.refused()
    assert (record.actor, record.channel) == (f"{door.slack.team_id}/{user}", "C0OPS")
    assert why in record.text
    assert record.rule.startswith("built in")


def test_a_payload_of_another_workspace_is_refused_whoever_it_names(door: Door) -> None:
    answer = door.slash("vm off web-01", team_id="T0OTHER")

    assert "other workspaces never act" in answer.text
    assert commands(door) == []


def test_a_user_whom_nobody_knows_does_not_act(door: Door) -> None:
    door.slash("vm off web-01", user="U0NOBODY")

    assert commands(door) == []


def test_who_was_made_a_guest_meanwhile_stops_acting_within_a_minute(door: Door) -> None:
    door.slack.set_user("U0LATE1", name="late-1", is_restricted=True)

    assert "guests never act" in door.slash("vm list", user="U0LATE1").text


def test_a_mention_and_a_direct_message_are_heard(door: Door) -> None:
    event(door, mention(door), event_id="EvA")
    event(door, direct(door), event_id="EvB")

    assert commands(door) == ["vm off web-01", "vm off web-01"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"subtype": "message_changed"}, id="an edited message"),
        pytest.param({"edited": {"user": "U0OPS1", "ts": "1.2"}}, id="a message that bears an edit"),
        pytest.param({"subtype": "bot_message", "bot_id": "B0BOT1"}, id="a message of a bot"),
        pytest.param({"bot_id": "B0BOT1"}, id="a message that an app posted as a person"),
        pytest.param({"subtype": "file_share"}, id="a shared file"),
        pytest.param({"subtype": "message_deleted"}, id="a deletion"),
        pytest.param({"subtype": "channel_join"}, id="a join"),
        pytest.param({"user": None}, id="nobody's message"),
        pytest.param({"hidden": True, "subtype": "message_replied"}, id="a hidden message"),
    ],
)
@pytest.mark.parametrize("surface", [mention, direct], ids=["mention", "direct message"])
def test_what_nobody_typed_afresh_does_nothing(door: Door, surface: Any, changes: dict[str, Any]) -> None:
    body = {name: value for name, value in (surface(door) | changes).items() if value is not None}

    assert event(door, body).status == 200
    assert commands(door) == []


def test_a_message_in_a_channel_that_does_not_mention_the_bot_is_nobodys_business(door: Door) -> None:
    event(door, mention(door, type="message", channel_type="channel", text="vm off web-01"))

    assert commands(door) == []


def test_a_stranger_in_a_shared_channel_is_told_by_their_own_team(door: Door) -> None:
    event(door, mention(door, user="U0STRANGER1", team="T0OTHER"))

    assert commands(door) == []


def test_an_event_delivered_again_is_the_same_request(door: Door) -> None:
    for _ in range(5):
        event(door, mention(door), event_id="EvSame")

    assert commands(door) == ["vm off web-01"]


def test_a_slash_command_delivered_again_is_the_same_request(door: Door) -> None:
    for _ in range(5):
        door.slash("vm off web-01", trigger_id="1.same")

    assert commands(door) == ["vm off web-01"]


def click(door: Door, action: str, value: str, user: str = "U0OPS1") -> Answer:
    payload = {
        "type": "block_actions",
        "team": {"id": door.slack.team_id},
        "user": {"id": user, "team_id": door.slack.team_id},
        "channel": {"id": "C0OPS"},
        "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": "C0OPS"},
        "trigger_id": "1.2.click",
        "actions": [{"action_id": action, "value": value, "action_ts": "3.4", "type": "button"}],
    }
    return door.signed(json.dumps(payload).encode(), "application/json")


def test_a_button_types_its_command_for_whoever_clicks(door: Door) -> None:
    click(door, "andock.command:1", "vm reset web-01")

    assert commands(door) == ["vm reset web-01"]


def test_a_button_gives_a_guest_no_more_than_typing_would(door: Door) -> None:
    click(door, "andock.command:1", "vm reset web-01", user="U0GUEST1")

    assert commands(door) == []


@pytest.mark.parametrize("value", ["", "{}", "null", "[1]", "rabc", '{"request":1}', "x" * 3000])
@pytest.mark.parametrize("action", ["andock.go_ahead", "andock.cancel"])
def test_a_button_with_a_made_up_plan_does_nothing(door: Door, action: str, value: str) -> None:
    assert click(door, action, value).status == 200
    assert commands(door) == []
    (record,) = door.refused()
    assert "SHA-256" in record.text
    assert value not in record.text or len(value) < 3


def test_an_answer_to_a_request_that_is_not_there_is_recorded_with_who_gave_it(door: Door) -> None:
    click(door, "andock.approve", '{"request":"rabcdefgh","plan":"","phrase":""}')

    (record,) = door.refused()
    assert (record.request, record.actor) == ("rabcdefgh", f"{door.slack.team_id}/U0OPS1")
    assert "There is no request" in record.text


def test_a_button_that_opens_a_page_is_no_forgery(door: Door) -> None:
    click(door, "andock.link:0", "open")

    assert door.refused() == []


def test_can_i_about_the_desk_is_answered_to_a_mention_too(door: Door) -> None:
    door.slack.type("U0OPS1", "C0OPS", "may I?")
    ts = door.slack.messages("C0OPS")[-1].ts
    event(door, mention(door, text="can-i halt", ts=ts), event_id="EvCanI")

    said = door.slack.wait("C0OPS", as_user="U0OPS1", contains="Yes: `halt`", thread_ts=ts, timeout=5)
    assert said.only_for == "U0OPS1"


@pytest.fixture(scope="module")
def prefixed(start_bot: StartBot, redis_server: RedisServer) -> Door:
    """The bot of a workspace where another app owns `/vm`."""
    door = start_bot(redis_server, env={"ANDOCK_COMMAND_PREFIX": "ops-"})
    door.pretend_workers()
    return door


@pytest.mark.parametrize(
    ("command", "text", "asked"),
    [
        ("/ops-vm", "off web-01", "vm off web-01"),
        ("/ops-andock", "vm info web-02", "vm info web-02"),
        ("/ops-container", "list", "container list"),
    ],
)
def test_a_slash_command_with_the_installations_prefix_is_heard_as_without(
    prefixed: Door, command: str, text: str, asked: str
) -> None:
    prefixed.slash(text, command=command)

    assert commands(prefixed)[0] == asked
