"""The Slack app's manifest, derived from the catalogue: what an administrator pastes to make the app.

Limits are those of slackapi/manifest-schema 2.0.0 (manifest.schema.2.0.0.json).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from andock.catalogue import Catalogue
from andock.errors import ConfigError
from bot.parsing import usage_of

MAX_COMMANDS = 50
MAX_COMMAND = 32  # with the slash
MAX_COMMAND_DESCRIPTION = 2_000
MAX_USAGE_HINT = 1_000
MAX_COMMAND_URL = 3_000
MAX_REQUEST_URL = 3_500
MAX_APP_NAME = 35
MAX_APP_DESCRIPTION = 140
MAX_BOT_NAME = 80
MAX_SCOPES = 255
MAX_EVENTS = 100

OWN_COMMAND = "andock"
SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:write",
    "usergroups:read",
    "users:read",
)
EVENTS = ("app_mention", "message.im")
_SHORT = 100  # of a usage hint: Slack shows one line
# Slack's schema wants only the slash; these are the characters that its form accepts as well
_COMMAND = re.compile(r"[a-z0-9_-]+")


def manifest(
    catalogue: Catalogue,
    mode: Literal["socket", "http"],
    *,
    commands: Sequence[str] | None = None,
    prefix: str = "",
    url: str = "",
    name: str = "Andock",
) -> dict[str, Any]:
    """The manifest, ready for JSON or YAML.

    `commands` are the nouns that get a slash command of their own, all by default; `prefix` is put before
    each, for a workspace where `/vm` is taken; `url` is where Slack sends what happens, with HTTP.

    Raises:
        ConfigError: a limit of Slack's is exceeded, a noun is unknown, or the url is missing.
    """
    if mode == "http":
        _check_url(url)
    endpoint = {"url": url} if mode == "http" else {}
    request = {"request_url": url} if mode == "http" else {}
    options = {"message_menu_options_url": url} if mode == "http" else {}
    return {
        "_metadata": {"major_version": 2},
        "display_information": {
            "name": _within(name, MAX_APP_NAME, "the app's name"),
            "description": _within(
                "ChatOps for vSphere and Docker: ask, get it approved, see what happened.",
                MAX_APP_DESCRIPTION,
                "the app's description",
            ),
        },
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {
                "display_name": _within(name.lower(), MAX_BOT_NAME, "the bot's name"),
                "always_online": True,
            },
            "slash_commands": _slash_commands(catalogue, commands, prefix, endpoint),
        },
        "oauth_config": {"scopes": {"bot": _few(SCOPES, MAX_SCOPES, "scopes")}},
        "settings": {
            "event_subscriptions": {**request, "bot_events": _few(EVENTS, MAX_EVENTS, "events")},
            "interactivity": {"is_enabled": True, **request, **options},
            "org_deploy_enabled": False,
            "socket_mode_enabled": mode == "socket",
            "token_rotation_enabled": False,
        },
    }


def command_names(catalogue: Catalogue, commands: Sequence[str] | None, prefix: str) -> dict[str, str]:
    """Slash command (with its slash) to the noun or short form that it stands for; `/andock` stands for none.

    Raises:
        ConfigError: an unknown noun, or a name that Slack does not take.
    """
    known = (*catalogue.nouns, *catalogue.shorts)
    nouns = known if commands is None else tuple(commands)
    names = {f"/{prefix}{OWN_COMMAND}": ""}
    for noun in nouns:
        if noun not in known:
            raise ConfigError(
                f"there is no noun `{noun}` to make a slash command of.",
                where="slash commands",
                fix=f"use some of: {', '.join(known)}.",
            )
        names[f"/{prefix}{noun}"] = noun
    for command in names:
        _within(command, MAX_COMMAND, f"the slash command {command}")
        if not _COMMAND.fullmatch(command[1:]):
            raise ConfigError(
                f"`{command}` is no name of a slash command.",
                where="slash commands",
                fix="use lower case letters, digits, dashes and underscores in the prefix.",
            )
    return names


def _slash_commands(
    catalogue: Catalogue, commands: Sequence[str] | None, prefix: str, endpoint: dict[str, str]
) -> list[dict[str, Any]]:
    names = command_names(catalogue, commands, prefix)
    if len(names) > MAX_COMMANDS:
        raise ConfigError(
            f"{len(names)} slash commands; an app has at most {MAX_COMMANDS}.",
            where="slash commands",
            fix="name the nouns that need one of their own; `/andock` does everything.",
        )
    return [
        {
            "command": command,
            "description": _within(_description(catalogue, noun), MAX_COMMAND_DESCRIPTION, command),
            "usage_hint": _within(_hint(catalogue, noun), MAX_USAGE_HINT, command),
            # ids of people and channels instead of names, which anybody could take
            "should_escape": True,
            **endpoint,
        }
        for command, noun in names.items()
    ]


def _description(catalogue: Catalogue, noun: str) -> str:
    if not noun:
        return "Everything that Andock can do; `help` lists it."
    if noun in catalogue.shorts:
        return catalogue.shorts[noun].summary
    verbs = [operation.name.removeprefix(noun + " ") for operation in catalogue.of_noun(noun)]
    said = f"{noun}: {', '.join(verbs)}"
    return said if len(said) <= MAX_COMMAND_DESCRIPTION else said[: MAX_COMMAND_DESCRIPTION - 1] + "…"


def _hint(catalogue: Catalogue, noun: str) -> str:
    if not noun:
        return "help | vm list | request list"
    if noun in catalogue.shorts:
        operation = catalogue.shorts[noun]
        return usage_of(operation).removeprefix(operation.name + " ").split(" [")[0]
    hints = [
        usage_of(operation).removeprefix(noun + " ").split(" [")[0] for operation in catalogue.of_noun(noun)
    ]
    hint = " | ".join(hints)
    return hint if len(hint) <= _SHORT else hint[: _SHORT - 1].rpartition(" | ")[0] + " | …"


def _check_url(url: str) -> None:
    if not re.match(r"https://[^/\s]+", url):
        raise ConfigError(
            "HTTP mode needs the https address at which Slack reaches the bot.",
            where="the manifest's url",
            fix="give it as https://HOST/slack/events, or use Socket Mode.",
        )
    _within(url, min(MAX_COMMAND_URL, MAX_REQUEST_URL), "the url")


def _within(text: str, limit: int, what: str) -> str:
    if not text or len(text) > limit:
        raise ConfigError(
            f"{what} has {len(text)} characters; Slack takes 1 to {limit}.",
            where="the Slack app's manifest",
            fix="shorten it." if text else "give one.",
        )
    return text


def _few(names: Sequence[str], limit: int, what: str) -> list[str]:
    if len(names) > limit:
        raise ConfigError(
            f"{len(names)} {what}; Slack takes {limit}.",
            where="the Slack app's manifest",
            fix="take some out.",
        )
    return list(names)
