"""The environment, read once per process into one frozen value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from andock.errors import ConfigError

S = TypeVar("S", bound="Settings")
CommandPrefix: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_-]{0,20}$",
        validation_alias="ANDOCK_COMMAND_PREFIX",
        description="put before every slash command, when another app owns `/vm`",
    ),
]


class Settings(BaseModel):
    """What every process reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias="REDIS_URL",
        description="Redis, with password; rediss:// and Sentinel URLs work too",
    )
    config_dir: Path = Field(
        default=Path("config"),
        validation_alias="ANDOCK_CONFIG_DIR",
        description="where sites.yaml and policy.yaml lie",
    )
    keys_dir: Path = Field(
        default=Path("keys"),
        validation_alias="ANDOCK_KEYS_DIR",
        description="signing keys and public keys, made by `andock keys init`",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        validation_alias="ANDOCK_LOG_LEVEL",
        description="what is logged, as JSON lines on stderr",
    )


class RecorderSettings(Settings):
    """What the recorder reads besides, and `andock audit` on the host."""

    state_dir: Path = Field(
        default=Path("state"),
        validation_alias="ANDOCK_STATE_DIR",
        description="where the audit record's files lie, in `audit/`",
    )


class ManifestSettings(Settings):
    """What `andock manifest` reads: the bot hears any slash command, the app offers these."""

    command_prefix: CommandPrefix = ""
    commands: str = Field(
        default="",
        validation_alias="ANDOCK_COMMANDS",
        description="which nouns get a slash command of their own beside `/andock`, such as `vm container`; "
        "left out: all",
    )


class SlackSettings(Settings):
    """What the bot and the courier read besides."""

    slack_bot_token: SecretStr = Field(
        validation_alias="SLACK_BOT_TOKEN", description="the app's bot token, `xoxb-...`"
    )
    slack_api_url: str = Field(
        default="https://slack.com/api/",
        validation_alias="ANDOCK_SLACK_API_URL",
        description="another Web API base, such as the sandbox's",
    )


class BotSettings(SlackSettings):
    """What the bot reads besides."""

    slack_mode: Literal["socket", "http"] = Field(
        default="socket", validation_alias="ANDOCK_SLACK_MODE", description="how Slack reaches the bot"
    )
    slack_app_token: SecretStr = Field(
        default=SecretStr(""), validation_alias="SLACK_APP_TOKEN", description="`xapp-...`, for Socket Mode"
    )
    slack_signing_secret: SecretStr = Field(
        default=SecretStr(""), validation_alias="SLACK_SIGNING_SECRET", description="for HTTP mode"
    )
    http_host: str = Field(
        default="127.0.0.1",
        validation_alias="ANDOCK_HTTP_HOST",
        description="address of health, metrics and HTTP mode",
    )
    http_port: int = Field(
        default=3000,
        ge=0,
        le=65535,
        validation_alias="ANDOCK_HTTP_PORT",
        description="its port; 0 picks a free one",
    )
    command_prefix: CommandPrefix = ""
    sandbox: bool = Field(
        default=False,
        validation_alias="ANDOCK_SANDBOX",
        description="a sandbox: `andock run --as` is allowed",
    )


def read_settings(model: type[S], environ: Mapping[str, str] = os.environ) -> S:
    """The settings of this process; a variable that is empty counts as not set.

    Raises:
        ConfigError: a variable is missing or wrong; names it.
    """
    try:
        return model.model_validate({name: value for name, value in environ.items() if value})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigError(first["msg"] + ".", where=name, fix=f"set {name} in the environment.") from error
