"""What is asked for on the host: `andock run`, `andock break-glass`, `andock manifest`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Literal

import click

from andock.catalogue import load_catalogue
from andock.errors import ConfigError
from bot.assembly import make_directory, make_intake, make_slack
from bot.intake import Intake
from bot.manifest import manifest as make_manifest
from bot.terminal import run_command
from bot.words import add_option, quote
from config.installation import load_installation
from config.logs import start_logging
from config.settings import BotSettings, ManifestSettings, Settings, read_settings


@click.command()
@click.argument("command")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--as", "user", metavar="USER", help="Ask as this Slack user; in a sandbox only.")
@click.option("--channel", metavar="CHANNEL", help="Ask in this channel; goes with --as.")
def run(command: str, as_json: bool, user: str | None, channel: str | None) -> None:
    """Send one command the way a Slack message goes, and print its result."""
    if (user is None) != (channel is None):
        raise click.UsageError("--as and --channel go together.")
    settings: Settings = read_settings(Settings if user is None else BotSettings)
    if isinstance(settings, BotSettings) and not settings.sandbox:
        raise ConfigError("works in a sandbox only.", where="--as", fix="ask as yourself, without it.")
    installation = load_installation(settings)
    start_logging("ERROR", "run", installation.redactor)
    intake = make_intake(installation, settings)
    if isinstance(settings, BotSettings) and user is not None and channel is not None:
        sys.exit(asyncio.run(_run_as(settings, intake, command, as_json, (user, channel))))
    sys.exit(asyncio.run(run_command(intake, command, as_json)))


@click.command(name="break-glass")
@click.argument("command")
@click.option("--reason", required=True, help="Why; it is told, recorded and reviewed.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def break_glass(command: str, reason: str, as_json: bool) -> None:
    """Go ahead without approvals, as the unix user; for when Slack is away too."""
    settings = read_settings(Settings)
    installation = load_installation(settings)
    start_logging("ERROR", "run", installation.redactor)
    text = add_option(command, f"--break-glass={quote(reason)}")
    sys.exit(asyncio.run(run_command(make_intake(installation, settings), text, as_json)))


async def _run_as(
    settings: BotSettings, intake: Intake, command: str, as_json: bool, whom: tuple[str, str]
) -> int:
    slack = make_slack(settings)
    team = str((await slack.auth_test())["team_id"])
    return await run_command(intake, command, as_json, (make_directory(intake, slack, team), *whom))


@click.command()
@click.option(
    "--mode", type=click.Choice(["socket", "http"]), default="socket", help="How Slack reaches the bot."
)
@click.option("--url", default="", help="The bot's public address, for HTTP mode: https://andock.example.com")
@click.option(
    "--command",
    "commands",
    multiple=True,
    help="A noun that gets a slash command beside `/andock` (default: those in ANDOCK_COMMANDS, or all).",
)
@click.option(
    "--prefix", help="Put before each, when another app owns `/vm` (default: ANDOCK_COMMAND_PREFIX)."
)
def manifest(
    mode: Literal["socket", "http"], url: str, commands: tuple[str, ...], prefix: str | None
) -> None:
    """Print the Slack app manifest, made from the catalogue."""
    settings = read_settings(ManifestSettings)
    made = make_manifest(
        load_catalogue(),
        mode,
        commands=commands or settings.commands.replace(",", " ").split() or None,
        prefix=settings.command_prefix if prefix is None else prefix,
        url=url,
    )
    click.echo(json.dumps(made, indent=2))
