from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from andock.catalogue import Catalogue, load_catalogue
from andock.errors import ConfigError
from andock.operation import Desk, DeskOperation, Outcome, Params, Risk
from bot.__main__ import cli
from bot.manifest import command_names, manifest

# The parts of Slack's published schema (slackapi/manifest-schema 2.0.0) that a manifest of ours touches:
# key -> (type, most characters or entries) or a nested shape; nothing else may appear.
COMMAND = {
    "command": (str, 32),
    "url": (str, 3000),
    "description": (str, 2000),
    "usage_hint": (str, 1000),
    "should_escape": (bool, None),
}
SHAPE: dict[str, Any] = {
    "_metadata": {"major_version": (int, None), "minor_version": (int, None)},
    "display_information": {"name": (str, 35), "description": (str, 140), "long_description": (str, 4000)},
    "features": {
        "app_home": dict.fromkeys(
            ("home_tab_enabled", "messages_tab_enabled", "messages_tab_read_only_enabled"), (bool, None)
        ),
        "bot_user": {"display_name": (str, 80), "always_online": (bool, None)},
        "slash_commands": [COMMAND, 50],
    },
    "oauth_config": {"scopes": {"bot": [(str, 50), 255]}},
    "settings": {
        "event_subscriptions": {"request_url": (str, 3500), "bot_events": [(str, 50), 100]},
        "interactivity": {
            "is_enabled": (bool, None),
            "request_url": (str, 3500),
            "message_menu_options_url": (str, 3500),
        },
        "org_deploy_enabled": (bool, None),
        "socket_mode_enabled": (bool, None),
        "token_rotation_enabled": (bool, None),
    },
}


class Nothing(Params):
    pass


def say_nothing(params: Nothing, desk: Desk) -> Outcome:
    return Outcome(summary="nothing")


def declare(name: str) -> DeskOperation[Nothing]:
    return DeskOperation(
        name=name, summary="Does it.", params=Nothing, risk=Risk.READ, run=say_nothing, examples=(name,)
    )


def check(value: Any, shape: Any, path: str = "") -> None:
    if isinstance(shape, dict):
        assert set(value) <= set(shape), path
        for key, inner in value.items():
            check(inner, shape[key], f"{path}/{key}")
    elif isinstance(shape, list):
        inner, most = shape
        assert 1 <= len(value) <= most, path
        assert len({json.dumps(one) for one in value}) == len(value), path
        for one in value:
            check(one, inner, path)
    else:
        kind, most = shape
        assert type(value) is kind, path
        if most is not None:
            assert 1 <= len(value) <= most, path


@pytest.mark.parametrize(("mode", "url"), [("socket", ""), ("http", "https://bot.example.com/slack/events")])
def test_has_the_published_shape(mode: Any, url: str) -> None:
    made = json.loads(json.dumps(manifest(load_catalogue(), mode, url=url)))
    check(made, SHAPE)
    commands = made["features"]["slash_commands"]
    assert [command["command"] for command in commands][:1] == ["/andock"]
    assert {f"/{noun}" for noun in load_catalogue().nouns} <= {command["command"] for command in commands}
    assert all(command["should_escape"] for command in commands)


def test_socket_mode_has_no_address_and_http_has_it_everywhere() -> None:
    made = manifest(load_catalogue(), "socket")
    assert made["settings"]["socket_mode_enabled"] is True
    assert "url" not in json.dumps(made)
    url = "https://bot.example.com/slack/events"
    made = manifest(load_catalogue(), "http", url=url)
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["interactivity"]["request_url"] == url
    assert made["settings"]["interactivity"]["message_menu_options_url"] == url
    assert made["settings"]["event_subscriptions"]["request_url"] == url
    assert all(command["url"] == url for command in made["features"]["slash_commands"])


def test_what_the_app_may_and_hears() -> None:
    made = manifest(load_catalogue(), "socket")
    scopes = made["oauth_config"]["scopes"]["bot"]
    assert {"commands", "chat:write", "usergroups:read", "files:write", "im:history"} <= set(scopes)
    assert made["settings"]["event_subscriptions"]["bot_events"] == ["app_mention", "message.im"]


def test_commands_and_prefix_are_a_choice() -> None:
    names = command_names(load_catalogue(), ["request"], "ops-")
    assert names == {"/ops-andock": "", "/ops-request": "request"}
    assert command_names(load_catalogue(), [], "") == {"/andock": ""}


@pytest.mark.parametrize(
    ("words", "env", "offered"),
    [
        ([], {"ANDOCK_COMMAND_PREFIX": "ops-", "ANDOCK_COMMANDS": "vm container"},
         ["/ops-andock", "/ops-vm", "/ops-container"]),
        ([], {"ANDOCK_COMMANDS": "vm,request"}, ["/andock", "/vm", "/request"]),
        (["--prefix", "x-", "--command", "host"], {"ANDOCK_COMMAND_PREFIX": "ops-", "ANDOCK_COMMANDS": "vm"},
         ["/x-andock", "/x-host"]),
        (["--prefix", "", "--command", "host"], {"ANDOCK_COMMAND_PREFIX": "ops-"}, ["/andock", "/host"]),
    ],
)  # fmt: skip
def test_the_environment_says_which_commands_are_offered_and_options_overrule_it(
    words: list[str], env: dict[str, str], offered: list[str]
) -> None:
    done = CliRunner().invoke(cli, ["manifest", *words], env=env, catch_exceptions=False)

    assert [one["command"] for one in json.loads(done.output)["features"]["slash_commands"]] == offered


def test_a_wrong_prefix_in_the_environment_is_named() -> None:
    with pytest.raises(ConfigError, match="ANDOCK_COMMAND_PREFIX"):
        CliRunner().invoke(cli, ["manifest"], env={"ANDOCK_COMMAND_PREFIX": "Ops "}, catch_exceptions=False)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"commands": ["nonsense"]}, "no noun `nonsense`"),
        ({"prefix": "Ops "}, "no name of a slash command"),
        ({"prefix": "x" * 30}, "characters"),
        ({"name": "x" * 36}, "app's name"),
        ({"name": ""}, "app's name"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        manifest(load_catalogue(), "socket", **settings)


@pytest.mark.parametrize(
    "url", ["", "http://bot.example.com", "bot.example.com", "https://", "https://x/" + "y" * 3000]
)
def test_http_needs_an_address(url: str) -> None:
    with pytest.raises(ConfigError):
        manifest(load_catalogue(), "http", url=url)


def test_more_than_fifty_commands_are_refused() -> None:
    fits = Catalogue(declare(f"noun-{number} verb") for number in range(49))
    check(manifest(fits, "socket"), SHAPE)
    with pytest.raises(ConfigError, match="51 slash commands"):
        manifest(Catalogue(declare(f"noun-{number} verb") for number in range(50)), "socket")


def test_a_noun_of_many_verbs_keeps_its_descriptions_short() -> None:
    many = Catalogue(declare(f"vm a-rather-long-verb-{number}") for number in range(200))
    check(manifest(many, "socket"), SHAPE)
