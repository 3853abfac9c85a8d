"""The form for deployments at the bot: what it offers, what it refuses, and what is delivered twice."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from andock.ports.registry import ImageName, Tag
from andock.versions import Listed, VersionIndex
from sandbox.redis_server import RedisServer
from tests.integration.bot.conftest import Door, StartBot

SITES = """
instance: {instance}
engines:
  edge-1: {{url: "unix:///nowhere", environment: dev}}
registries: {{docker.io: {{}}}}
"""
IMAGE = ImageName.parse("redis:7")
FILE = """
services:
  {name}:
    image: redis:7
    x-andock: {{environments: {{dev: {{engines: [edge-1]}}}}}}
"""


@pytest.fixture(scope="module")
def own_door(start_bot: StartBot, redis_server: RedisServer) -> Door:
    door = start_bot(redis_server, SITES)
    (door.config / "services").mkdir()
    for name in ("api", "web"):
        (door.config / "services" / f"{name}.yaml").write_text(FILE.format(name=name))
    return door


@pytest.fixture
def bot(own_door: Door) -> Door:
    own_door.forget()
    own_door.ledger.say_alive("docker", 600)
    return own_door


def view(service: str, values: Mapping[str, object] | None = None) -> dict[str, Any]:
    return {
        "type": "modal",
        "id": f"V{secrets.token_hex(4)}",
        "hash": "1.x",
        "app_installed_team_id": None,
        "callback_id": "andock.deploy",
        "private_metadata": json.dumps(["C0OPS", "", service]),
        "state": {"values": values or {}},
    }


def send(bot: Door, kind: str, user: str = "U0OPS1", **more: object) -> dict[str, Any]:
    team = bot.slack.team_id
    payload = {"type": kind, "user": {"id": user, "team_id": team}, "team": {"id": team}, **more}
    answer = bot.signed(json.dumps(payload).encode(), "application/json")
    assert answer.status == 200
    return dict(json.loads(answer.body)) if answer.body else {}


def seek(bot: Door, typed: str, service: str = "api", user: str = "U0OPS1") -> dict[str, list[str]]:
    """The texts of what is offered, by the group's label."""
    answer = send(
        bot, "block_suggestion", user, action_id="andock.deploy.version", value=typed, view=view(service)
    )
    return {
        group["label"]["text"]: [option["text"]["text"] for option in group["options"]]
        for group in answer.get("option_groups", ())
    }


def fill(
    version: str,
    *,
    what: str = "service deploy",
    replicas: str = "",
    reason: str = "",
    service: str = "api",
    shown: str = "api",
) -> dict[str, Any]:
    """A submitted form that shows the fields of `shown`."""

    def option(value: str) -> dict[str, object]:
        return {"selected_option": {"value": value} if value else None}

    return view(
        shown,
        {
            "service": {"andock.deploy.service": option(service)},
            "what": {"what": option(what)},
            "replicas": {"replicas": {"value": replicas or None}},
            f"environment:{shown}": {"environment": option("dev")},
            f"version:{shown}": {"andock.deploy.version": option(version)},
            "reason": {"reason": {"value": reason or None}},
        },
    )


def hear(bot: Door, *tags: Tag, ago: float = 0.0) -> None:
    """Let a worker have heard of these versions so long ago."""
    VersionIndex(bot.ledger).put(IMAGE, tags)
    listed = Listed(at=time.time() - ago, tags=tuple((tag.name, tag.made) for tag in tags))
    bot.redis.set(bot.ledger.key("versions", IMAGE.path), listed.model_dump_json())


def test_versions_are_offered_with_dates_and_age_and_any_other_can_be_typed(bot: Door) -> None:
    made = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
    hear(bot, Tag("v1.1", "sha256:b", made), Tag("v1.0", "sha256:a", None), ago=200)

    heard = "From the registry, as of 3m ago"
    assert seek(bot, "") == {heard: ["v1.1 · 2026-11-20 14:03 UTC", "v1.0"]}
    assert seek(bot, "V1.1") == {heard: ["v1.1 · 2026-11-20 14:03 UTC"], "As typed": ["use V1.1"]}
    assert seek(bot, "v1.1") == {heard: ["v1.1 · 2026-11-20 14:03 UTC"]}
    assert seek(bot, "v 2") == {}


def test_without_a_registry_a_version_can_still_be_typed(bot: Door) -> None:
    digest = "sha256:" + "1" * 64
    assert seek(bot, digest) == {"As typed": [f"use {digest}"]}


def test_who_may_not_deploy_is_offered_nothing(bot: Door) -> None:
    hear(bot, Tag("v1.1", "sha256:b", None))
    assert seek(bot, "", user="U0LEAD1") == {}
    assert seek(bot, "", service="nothing") == {}


def test_what_is_submitted_twice_is_asked_for_once(bot: Door) -> None:
    filled = fill("v1.1", reason="- fixes the “basket”")
    assert send(bot, "view_submission", view=filled) == {}
    assert send(bot, "view_submission", view=filled) == {}

    (asked,) = bot.requests()
    assert asked.command == 'service deploy api v1.1 to dev --reason="- fixes the \\"basket\\""'
    assert (asked.channel, asked.actor.user) == ("C0OPS", "U0OPS1")
    assert asked.params["reason"] == '- fixes the "basket"'


def test_a_form_that_is_submitted_before_it_shows_the_service_shows_it_then(bot: Door) -> None:
    for shown in ("", "web"):
        answer = send(bot, "view_submission", view=fill("v1.1", shown=shown))
        assert answer["response_action"] == "update"
        blocks = [block["block_id"] for block in answer["view"]["blocks"]]
        assert blocks == ["service", "what", "environment:api", "version:api", "replicas", "reason"]
    assert bot.requests() == []


@pytest.mark.parametrize(
    ("what", "version", "replicas", "command"),
    [
        ("plan", "v1.1", "", "service plan api v1.1 to dev"),
        ("promote", "", "", "service promote api to dev --reason why"),
        ("rollback", "", "", "service rollback api in dev --reason why"),
        ("rollback", "v1.0", "", "service rollback api in dev --to v1.0 --reason why"),
        ("restart", "", "", "service restart api in dev --reason why"),
        ("scale", "", " 3", "service scale api in dev to 3 --reason why"),
    ],
)
def test_the_other_changes_are_put_together_in_it_too(
    bot: Door, what: str, version: str, replicas: str, command: str
) -> None:
    filled = fill(version, what=f"service {what}", replicas=replicas, reason="why")
    assert send(bot, "view_submission", view=filled) == {}
    (asked,) = bot.requests()
    words = command.partition(" --")
    assert asked.command.startswith(words[0])
    assert set(asked.command.split()) == set(command.split())


@pytest.mark.parametrize(
    ("what", "version", "replicas", "says"),
    [
        ("service deploy", "", "", "VERSION"),
        ("service restart", "v1.1", "", "`service restart` takes no version"),
        ("service deploy", "v1.1", "3", "`service deploy` takes no number of containers"),
        ("service scale", "", "", "REPLICAS"),
        ("container kill", "", "", "Choose what is to be done"),
    ],
)
def test_what_does_not_fit_what_is_to_be_done_is_said_in_the_form(
    bot: Door, what: str, version: str, replicas: str, says: str
) -> None:
    answer = send(bot, "view_submission", view=fill(version, what=what, replicas=replicas))
    assert says in answer["errors"]["environment:api"]
    assert bot.requests() == []


@pytest.mark.parametrize(
    ("version", "reason", "says"),
    [
        ("not a version", "", "VERSION"),
        ("v1.1", "AKIA" + "IOSFODNN7EXAMPLE", "secret"),
        ("v1.1", "two\nlines", "control character"),
    ],
)
def test_what_is_wrong_is_said_in_the_form(bot: Door, version: str, reason: str, says: str) -> None:
    answer = send(bot, "view_submission", view=fill(version, reason=reason))
    assert answer["response_action"] == "errors"
    assert says in answer["errors"]["environment:api"]
    assert bot.requests() == []


def test_a_denial_is_said_in_the_form(bot: Door) -> None:
    answer = send(bot, "view_submission", user="U0LEAD1", view=fill("v1.1"))
    assert "Not allowed" in answer["errors"]["environment:api"]


def test_a_trigger_that_is_over_is_told_with_what_to_type(bot: Door) -> None:
    said = bot.slash("deploy api").text
    assert said == (
        "The form came too late for Slack. Try again, or type it: `deploy NAME VERSION to ENVIRONMENT`."
    )


def test_forged_metadata_does_nothing(bot: Door) -> None:
    for metadata in ("", "[1]", "{}", "null"):
        assert send(bot, "view_submission", view={**fill("v1.1"), "private_metadata": metadata}) == {}
    assert bot.requests() == []


def choose(bot: Door, service: str) -> None:
    """Choose a service in a form that the person has closed meanwhile."""
    action = {"action_id": "andock.deploy.service", "selected_option": {"value": service}}
    send(bot, "block_actions", actions=[action], view=view(""), container={"type": "view"})


def test_versions_that_are_old_are_asked_for_once_and_nobody_is_told(bot: Door) -> None:
    hear(bot, Tag("v1.1", "sha256:b", None), ago=90)
    choose(bot, "api")
    choose(bot, "api")

    asked = bot.requests()
    assert 1 <= len(asked) <= 2  # a new minute may have begun
    assert asked[0].command == "service versions api"
    assert asked[0].reply.channel == ""
    assert asked[0].channel == "C0OPS"


def test_versions_that_are_fresh_are_not_asked_for(bot: Door) -> None:
    hear(bot, Tag("v1.1", "sha256:b", None))
    choose(bot, "api")
    assert bot.requests() == []
