"""The bot's process: listens to Slack and to hooks until it is asked to end."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Iterator

import structlog
import uvicorn
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult

from andock.errors import ConfigError
from andock.versions import VersionIndex
from bot.app import Ingress, make_bolt
from bot.assembly import make_directory, make_intake, make_slack
from bot.clock import Clock
from bot.deploy_desk import DeployDesk
from bot.deployable import ServiceShelf
from bot.desk import FrontDesk
from bot.hooks.desk import CommandOf, HookDesk, deploy_command
from bot.hooks.routes import HookRoutes
from bot.identity import Directory
from bot.intake import Intake
from bot.metrics import Metrics
from bot.policy_watch import PolicyWatch
from config.hooks import load_hooks
from config.installation import Installation, start_process
from config.settings import BotSettings
from config.sites import Sites

log = structlog.get_logger()
SOCKET_LOOK = 3.0  # seconds until a socket that broke without a word is noticed and made anew


def _hook_secrets(settings: BotSettings, sites: Sites) -> Iterator[str]:
    """What hooks sign with, so that it is hidden wherever it turns up."""
    for hook in load_hooks(settings.config_dir, sites).values():
        yield hook.secret.get_secret_value()


async def serve(settings: BotSettings, command_of: CommandOf = deploy_command) -> None:
    """Run until SIGTERM or SIGINT; `command_of` says what a hook's call is as a command.

    Raises:
        ConfigError: a file or a setting is wrong.
    """
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
    http_mode = settings.slack_mode == "http"
    if http_mode and not secret:
        raise ConfigError(
            "is not set.", where="SLACK_SIGNING_SECRET", fix="HTTP mode needs it; take it from the app."
        )
    handler = None if http_mode else await _connect(bolt, settings)
    hooks = HookRoutes(
        load_hooks(settings.config_dir, installation.sites),
        HookDesk(intake, directory, str(me["url"]), command_of),
        metrics,
    )
    ingress = Ingress(
        installation.ledger,
        metrics,
        bolt,
        secret.encode(),
        http_mode,
        handler.client if handler else None,
        installation.policy,
        hooks,
        intake.rejections,
    )
    background = _begin_keeping(installation, intake, directory)
    gc.collect()
    gc.freeze()  # what stays is not looked through again and again
    log.info("ready", mode=settings.slack_mode, port=settings.http_port)
    try:
        await _listen(ingress, settings)
    finally:
        for task in background:
            task.cancel()
        if handler is not None:
            await handler.close_async()  # type: ignore[no-untyped-call]  # slack_bolt


async def _connect(bolt: AsyncApp, settings: BotSettings) -> AsyncSocketModeHandler:
    """Socket Mode, connected."""
    token = settings.slack_app_token.get_secret_value()
    handler = AsyncSocketModeHandler(bolt, token, ping_interval=SOCKET_LOOK)
    await handler.connect_async()  # type: ignore[no-untyped-call]  # slack_bolt
    return handler


def _begin_keeping(
    installation: Installation, intake: Intake, directory: Directory
) -> list[asyncio.Task[None]]:
    """What goes on beside the answering: policy, memberships and the clock are kept current."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, installation.policy.look_soon)
    sites = installation.sites
    watch = PolicyWatch(installation.policy, intake.journal, sites)
    clock = Clock(intake, sites.digests, directory.find_channel, admin=sites.admin)
    keepers = (watch.keep(), directory.groups.keep(), clock.keep())
    return [asyncio.create_task(keeper) for keeper in keepers]


async def _listen(ingress: Ingress, settings: BotSettings) -> None:
    """Answer HTTP until a signal ends it."""
    config = uvicorn.Config(
        ingress.application(),
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    await uvicorn.Server(config).serve()
