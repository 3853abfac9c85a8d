"""Puts the bot's parts together: the way in, who people are, and Slack's Web API."""

from __future__ import annotations

from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from andock.audit import Journal
from andock.memberships import Roster
from andock.rejections import Kind
from andock.signing import load_signer
from bot.ballots import Ballots
from bot.clerk import Clerk
from bot.identity import Directory
from bot.intake import Intake
from bot.parsing import check_grammars
from bot.usergroups import UserGroups
from config.installation import Installation
from config.settings import BotSettings, Settings


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
