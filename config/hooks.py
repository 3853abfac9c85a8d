"""hooks.yaml: the systems that may ask for deployments over HTTP, such as a CI; without it there are none."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, SecretStr

from andock.errors import ConfigError
from andock.operation import Value
from andock.patterns import Globs
from config.documents import Document, Place
from config.redactor import name_reference, read_known
from config.sites import SecretReference, Sites

FILE = "hooks.yaml"
SHORTEST = 32  # characters of a secret; `openssl rand -hex 32` makes 64
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_CHANNEL = re.compile(r"[CG][A-Z0-9]+")


class HookSettings(Value):
    """One system that may ask for deployments."""

    secret: SecretReference = Field(
        description="what it signs with; at least 32 characters, of this hook alone"
    )
    services: Globs = Field(description="patterns over the services that it may ask for")
    environments: tuple[str, ...] = Field(min_length=1, description="into which it may ask to deploy")
    channel: str = Field(description="channel id where it is asked, approved and answered; policy judges it")
    per_minute: int = Field(default=10, ge=1, le=1000, description="how often it may ask")


class Hooks(Value):
    """hooks.yaml as a whole."""

    hooks: Mapping[str, HookSettings] = Field(
        default_factory=dict, description="by name; policy.yaml names one `hook:NAME`"
    )


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook with its secret."""

    name: str
    secret: SecretStr
    settings: HookSettings


def load_hooks(folder: Path, sites: Sites, environ: Mapping[str, str] = os.environ) -> Mapping[str, Hook]:
    """All hooks by name; none without hooks.yaml.

    Raises:
        ConfigError: the first thing wrong, with file, line and fix; never with a secret.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    document = Document(path)
    found: dict[str, Hook] = {}
    for name, settings in document.parse(Hooks).hooks.items():
        _check(document, name, settings, sites)
        hook = Hook(name, _read_secret(document, name, settings, folder, environ), settings)
        twin = next((other.name for other in found.values() if other.secret == hook.secret), "")
        if twin:
            raise ConfigError(
                f"`{name}` and `{twin}` have the same secret.",
                where=document.where(("hooks", name, "secret")),
                fix="give each its own, or one could ask in the other's name.",
            )
        found[name] = hook
    return found


def _check(document: Document, name: str, settings: HookSettings, sites: Sites) -> None:
    place: Place = ("hooks", name)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"`{name}` is no name of a hook.",
            where=document.where(place),
            fix="write up to 31 small letters, digits and dashes.",
        )
    if not settings.services:
        raise ConfigError(
            f"`{name}` may ask for no service.",
            where=document.where((*place, "services")),
            fix='name some, such as `[api, "web-*"]`.',
        )
    if not _CHANNEL.fullmatch(settings.channel):
        raise ConfigError(
            f"`{settings.channel}` is no id of a channel.",
            where=document.where((*place, "channel")),
            fix="write the id that Slack shows in the channel's details: `C...`.",
        )
    for index, environment in enumerate(settings.environments):
        if environment not in sites.environments:
            raise document.unknown(
                (*place, "environments", index), "environment", environment, sites.environments
            )


def _read_secret(
    document: Document, name: str, settings: HookSettings, folder: Path, environ: Mapping[str, str]
) -> SecretStr:
    place: Place = ("hooks", name, "secret")
    secret = read_known(settings.secret, folder, environ)
    called = name_reference(settings.secret)
    if secret is None:
        raise ConfigError(
            f"{called} cannot be read, and it is the secret of hook `{name}`.",
            where=document.where(place),
            fix="set it for the bot; other processes need it not.",
        )
    if len(secret) < SHORTEST:
        raise ConfigError(
            f"{called} is shorter than {SHORTEST} characters.",
            where=document.where(place),
            fix="make one with `openssl rand -hex 32`.",
        )
    return SecretStr(secret)
