"""The bot's process, and `run`: one command from the host through the same way in."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from typing import Literal

import click
import structlog
import uvicorn
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from andock.audit import Journal
from andock.catalogue import load_catalogue
from andock.errors import ConfigError, OpsError
from andock.memberships import Roster
from andock.rejections import Kind
from andock.signing import load_signer
from andock.versions import VersionIndex
from bot.app import Ingress, make_bolt
from bot.ballots import Ballots
from bot.clerk import Clerk
from bot.clock import Clock
from bot.deploy_desk import DeployDesk
from bot.deployable import ServiceShelf
from bot.desk import FrontDesk
from bot.hooks.desk import CommandOf, HookDesk, deploy_command
from bot.hooks.routes import HookRoutes
from bot.identity import Directory
from bot.intake import Intake
from bot.manifest import manifest as make_manifest
from bot.metrics import Metrics
from bot.parsing import check_grammars
from bot.policy_command import policy
from bot.policy_watch import PolicyWatch
from bot.terminal import run_command
from bot.usergroups import UserGroups
from bot.words import add_option, quote
from config.hooks import load_hooks
from config.installation import Installation, load_installation, start_process
from config.logs import start_logging
from config.settings import BotSettings, ManifestSettings, Settings, read_settings
from config.sites import Sites

log = structlog.get_logger()
SOCKET_LOOK = 3.0  # seconds until a socket that broke without a word is noticed and made anew


def make_intake(installation: Installation, settings: Settings) -> Intake:
    """The way in, for Slack and for the host alike."""
    check_grammars(installation.catalogue)
    journal = Journal(installation.ledger, load_signer(settings.keys_dir, "bot"), installation.verifier)
    ballots = Ballots(
        instance=installation.sites.instance,
        ledger=installation.ledger,
        journal=journal,
        verifier=installation.verifier,
        catalogue=installation.catalogue,
        routing=installation.routing,
        doorbell=installation.doorbell,
        current_policy=installation.policy.current,
    )
    return Intake(
        instance=installation.sites.instance,
        catalogue=installation.catalogue,
        live_policy=installation.policy,
        routing=installation.routing,
        ledger=installation.ledger,
        doorbell=installation.doorbell,
        journal=journal,
        verifier=installation.verifier,
        ballots=ballots,
        redactor=installation.redactor,
        services=installation.services,
        clerk=Clerk(
            installation.ledger,
            journal,
            installation.verifier,
            installation.doorbell,
            installation.catalogue,
            installation.routing,
            ballots,
            installation.sites.environments,
        ),
    )


def make_directory(intake: Intake, slack: AsyncWebClient, team: str) -> Directory:
    """Who people are, and in which of the user groups that policy names."""
    groups = UserGroups(
        slack,
        Roster(intake.ledger, intake.verifier, intake.rejections.teller(Kind.MEMBERSHIP)),
        intake.journal.signer,
        intake.instance,
        lambda: intake.policy.usergroups,
    )
    return Directory(slack, team, groups)


def make_slack(settings: BotSettings) -> AsyncWebClient:
    """Slack's Web API for what the bot asks within its three seconds."""
    slack = AsyncWebClient(
        token=settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url, timeout=2
    )
    slack.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    return slack


def _hook_secrets(settings: BotSettings, sites: Sites) -> Iterator[str]:
    """What hooks sign with, so that it is hidden wherever it turns up."""
    for hook in load_hooks(settings.config_dir, sites).values():
        yield hook.secret.get_secret_value()


async def serve(settings: BotSettings, command_of: CommandOf = deploy_command) -> None:
    """Run until SIGTERM or SIGINT; `command_of` says what a hook's call is as a command."""
    installation = start_process(settings, "bot", own=lambda sites: _hook_secrets(settings, sites))
    slack = make_slack(settings)
    me = await slack.auth_test()
    intake = make_intake(installation, settings)
    directory = make_directory(intake, slack, str(me["team_id"]))
    metrics = Metrics(installation.ledger)
    deploying = DeployDesk(
        intake, directory, slack, VersionIndex(installation.ledger), ServiceShelf(installation.services)
    )
    desk = FrontDesk(intake, directory, slack, metrics, settings.command_prefix, deploying)
    secret = settings.slack_signing_secret.get_secret_value()
    identity = AuthorizeResult.from_auth_test_response(auth_test_response=me, bot_token=slack.token)
    bolt = make_bolt(desk, slack, secret or "not used in socket mode", identity)
    sites = installation.sites
    clock = Clock(intake, sites.digests, directory.find_channel, admin=sites.admin)
    http_mode = settings.slack_mode == "http"
    if http_mode and not secret:
        raise ConfigError(
            "is not set.", where="SLACK_SIGNING_SECRET", fix="HTTP mode needs it; take it from the app."
        )
    handler = None
    if not http_mode:
        token = settings.slack_app_token.get_secret_value()
        handler = AsyncSocketModeHandler(bolt, token, ping_interval=SOCKET_LOOK)
        await handler.connect_async()  # type: ignore[no-untyped-call]  # slack_bolt
    ingress = Ingress(
        installation.ledger,
        metrics,
        bolt,
        secret.encode(),
        http_mode,
        handler.client if handler else None,
        installation.policy,
        HookRoutes(
            load_hooks(settings.config_dir, installation.sites),
            HookDesk(intake, directory, str(me["url"]), command_of),
            metrics,
        ),
        intake.rejections,
    )
    config = uvicorn.Config(
        ingress.application(),
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    watch = PolicyWatch(installation.policy, intake.journal, installation.sites)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, installation.policy.look_soon)
    keepers = (watch.keep(), directory.groups.keep(), clock.keep())
    background = [asyncio.create_task(keeper) for keeper in keepers]
    log.info("ready", mode=settings.slack_mode, port=settings.http_port)
    try:
        await uvicorn.Server(config).serve()
    finally:
        for task in background:
            task.cancel()
        if handler is not None:
            await handler.close_async()  # type: ignore[no-untyped-call]  # slack_bolt


@click.group(invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    """Andock's bot. Without a command: serve Slack."""
    if context.invoked_subcommand is None:
        asyncio.run(serve(read_settings(BotSettings)))


@cli.command()
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


@cli.command(name="break-glass")
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


@cli.command()
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


cli.add_command(policy)


def main() -> None:
    """Run a command; a wrong configuration is one sentence and exit code 2."""
    try:
        cli(standalone_mode=True)
    except OpsError as error:
        click.echo(error.sentence, err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
