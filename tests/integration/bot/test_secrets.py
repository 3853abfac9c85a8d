"""A secret that somebody types is refused before anything is stored or logged, and is not repeated."""

from __future__ import annotations

import base64
import json
import secrets
from urllib.parse import quote, urlencode

import pytest

from andock.rendering.buttons import COMMAND_ACTION, PlanButton
from tests.integration.bot.conftest import Answer, Door, slash_fields
from tests.integration.bot.test_people import direct, event, mention

ADVICE = "delete the message, and rotate the secret"


def stored(door: Door) -> bytes:
    """All that Redis holds of this installation, names of keys too."""
    keys = sorted(door.remembered())
    return b"\n".join(keys) + b"".join(door.redis.dump(key) or b"" for key in keys)


def assert_kept_out(door: Door, secret: str) -> None:
    assert door.requests() == []
    assert secret.encode() not in stored(door)
    assert secret not in door.process.output()


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("vm info {}", "known secret"),
        ("vm info x{}y", "known secret"),
        ("vm info {base64}", "known secret"),
        ("vm info {url}", "known secret"),
        ("vm off web-01 --reason token={}", "password or token"),
        ("vm off web-01 —password {}", "password or token"),
        ("{}", "known secret"),
        ("no such command password: {}", "password or token"),
        ('vm info "unclosed password={}', "password or token"),
        ("can-i vm off {}", "known secret"),
        ('request show "Authorization: Bearer {}"', "authorization header"),
        ("container logs redis://:{}@host", "password in a URL"),
    ],
)
def test_a_command_with_a_secret_is_refused_with_advice_and_kept_nowhere(
    door: Door, typed: str, kind: str
) -> None:
    secret = door.slack.signing_secret
    raw = f"abc{secret}"
    text = typed.format(secret, base64=base64.b64encode(raw.encode()).decode(), url=quote(secret))

    answer = door.slash(text)

    assert answer.status == 200
    assert ADVICE in answer.text
    assert kind in answer.text
    assert secret not in answer.body
    assert_kept_out(door, secret)


@pytest.mark.parametrize(
    "typed",
    [
        "vm info pass\u200bword=hunter2-hunter2",
        "vm info “password=hunter2-hunter2”",
        'vm info "pass"word=hunter2-hunter2',
        "vm info <http://u:hunter2-hunter2@web-01.lab|web-01.lab>",
        "vm info token=hunter2-hunter2&amp;x",
    ],
)
def test_neither_signs_nor_quotes_hide_a_secret(door: Door, typed: str) -> None:
    answer = door.slash(typed)

    assert ADVICE in answer.text
    assert "hunter2" not in answer.body
    assert_kept_out(door, "hunter2")


def test_a_secret_in_a_mention_is_refused_to_its_author_alone(door: Door) -> None:
    asked = door.slack.type("U0OPS1", "C0OPS", "vm list")  # a message to stand in whose place
    body = mention(door, text="vm info password=hunter2-hunter2", ts=asked.ts)

    event(door, body, event_id=secrets.token_hex(4))

    said = door.slack.wait("C0OPS", "U0OPS1", ephemeral=True, contains=ADVICE, thread_ts=asked.ts)
    assert said.only_for == "U0OPS1"
    assert "hunter2" not in said.spoken
    assert_kept_out(door, "hunter2")


def test_a_secret_in_a_direct_message_is_refused(door: Door) -> None:
    event(door, direct(door, text="vm info xoxb-1234567890-abcdef"), event_id=secrets.token_hex(4))

    said = door.slack.wait("D0OPS1", "U0OPS1", contains=ADVICE)

    assert "xoxb" not in said.spoken
    assert_kept_out(door, "xoxb-1234567890")


def click(door: Door, action: str, value: str) -> Answer:
    payload = {
        "type": "block_actions",
        "trigger_id": f"1.{secrets.token_hex(4)}",
        "user": {"id": "U0OPS1", "team_id": door.slack.team_id},
        "team": {"id": door.slack.team_id},
        "channel": {"id": "C0OPS"},
        "container": {"channel_id": "C0OPS", "message_ts": "1.1", "is_ephemeral": True},
        "actions": [{"action_id": action, "value": value, "action_ts": "1.2"}],
    }
    return door.signed(urlencode({"payload": json.dumps(payload)}).encode())


@pytest.mark.parametrize(
    ("action", "value"),
    [
        (f"{COMMAND_ACTION}:0", "vm info password=hunter2-hunter2"),
        ("andock.go_ahead", PlanButton("password=hunter2-hunter2", "0" * 64).dumps()),
        ("andock.go_ahead", PlanButton("rabcdefghijk", "token=hunter2-hunter2").dumps()),
    ],
)
def test_a_secret_in_a_buttons_value_is_refused_and_not_repeated(door: Door, action: str, value: str) -> None:
    before = len(door.slack.messages("C0OPS", "*"))

    assert click(door, action, value).status == 200

    door.slack.wait("C0OPS", "U0OPS1", ephemeral=True, predicate=lambda m: ADVICE in m.spoken)
    said = door.slack.messages("C0OPS", "*")[before:]
    assert said
    assert "hunter2" not in "".join(m.spoken for m in said)
    assert_kept_out(door, "hunter2")


def test_who_may_not_act_at_all_is_refused_as_well(door: Door) -> None:
    answer = door.signed(
        urlencode(slash_fields(door.slack, "vm info password=hunter2-hunter2", "U0GUEST1", "C0OPS")).encode()
    )

    assert "hunter2" not in answer.body
    assert_kept_out(door, "hunter2")


@pytest.mark.parametrize(
    "typed", ["vm info token-service", "vm info secret", "vm info passwords", "help password"]
)
def test_a_command_that_only_speaks_of_secrets_is_taken(door: Door, typed: str) -> None:
    assert ADVICE not in door.slash(typed).text
