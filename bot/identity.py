"""Who a Slack user is: asked of Slack, kept for a minute, never taken from the payload's own words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from andock.messages import Actor
from andock.refusals import NotAllowedError
from bot.usergroups import UserGroups

T = TypeVar("T")
log = structlog.get_logger()
KEPT = 60.0  # seconds that a person's and a channel's facts are believed
KEPT_WITHOUT_SLACK = 3600.0  # seconds that they are believed while Slack does not answer
PATIENCE = 1.0  # seconds that a person waits while Slack is asked again about what is known
PAUSE = 30.0  # seconds after Slack failed to answer in which nobody waits for it again
_PASSING = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"}
)
_SERVER_FAILED = 500  # HTTP


@dataclass(frozen=True, slots=True)
class Channel:
    """Where something was asked, as Slack describes it to the bot."""

    id: str
    direct: bool
    writable: bool  # the bot is a member, or it is a direct message with it


@dataclass
class Directory:
    """Looks people, groups and channels up in one workspace."""

    slack: AsyncWebClient
    team: str
    groups: UserGroups
    _people: dict[str, tuple[float, Actor]] = field(default_factory=dict)
    _channels: dict[str, tuple[float, Channel]] = field(default_factory=dict)
    _away_until: float = 0.0

    async def identify(self, team: str, user: str) -> Actor:
        """The actor behind a payload, with their user groups as they were last known.

        Raises:
            NotAllowedError: a bot, a deactivated user, or somebody of another workspace.
            BackendUnavailableError: Redis is away, and with it what is known of user groups.
            SlackApiError: Slack did not answer, and nothing is known of this person.
        """
        if team != self.team:
            raise NotAllowedError("people of other workspaces never act", rule="built in: own workspace only")
        known = self._people.get(user)
        if known is None or time.monotonic() - known[0] > KEPT:
            try:
                known = await self._renewed(known, lambda: self._ask_person(user))
            except NotAllowedError:
                self._people.pop(user, None)  # who is a guest now does not act when Slack is away
                raise
            self._people[user] = known
        return (await self.groups.members()).actor(known[1])

    async def _renewed(
        self, known: tuple[float, T] | None, ask: Callable[[], Awaitable[T]]
    ) -> tuple[float, T]:
        """What Slack says now; while it is away, what it said within the last hour."""
        now = time.monotonic()
        if known is None or now - known[0] > KEPT_WITHOUT_SLACK:
            return now, await ask()
        if now < self._away_until:
            return known
        try:
            async with asyncio.timeout(PATIENCE):
                return now, await ask()
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error, SlackApiError) and not _passes(error):
                raise
            log.warning("slack_away", error=type(error).__name__)
            self._away_until = time.monotonic() + PAUSE
            return known

    async def _ask_person(self, user: str) -> Actor:
        answer = await self.slack.users_info(user=user)
        person = answer["user"]
        if person.get("deleted"):
            raise NotAllowedError("deactivated users never act", rule="built in: people only")
        if person.get("is_bot") or user == "USLACKBOT":
            raise NotAllowedError("bots never act", rule="built in: people only")
        if person.get("is_stranger") or person.get("team_id", self.team) != self.team:
            raise NotAllowedError("people of other workspaces never act", rule="built in: own workspace only")
        if person.get("is_restricted") or person.get("is_ultra_restricted"):
            raise NotAllowedError("guests never act", rule="built in: full members only")
        name = (
            person.get("profile", {}).get("display_name")
            or person.get("real_name")
            or person.get("name", user)
        )
        return Actor(team=self.team, user=user, name=name)

    async def find_by_email(self, address: str) -> str:
        """The user id of the member with this e-mail address.

        Raises:
            SlackApiError: there is none, the app may not ask, or Slack did not answer.
        """
        return str((await self.slack.users_lookupByEmail(email=address))["user"]["id"])

    async def find_channel(self, channel: str) -> Channel:
        """What the bot may do in a channel; a channel that it cannot see is one it cannot write to."""
        if channel.startswith("D"):
            return Channel(channel, direct=True, writable=True)
        known = self._channels.get(channel)
        if known is None or time.monotonic() - known[0] > KEPT:
            known = await self._renewed(known, lambda: self._ask_channel(channel))
            self._channels[channel] = known
        if not known[1].writable:
            del self._channels[channel]  # asked again next time, so that an invitation counts at once
        return known[1]

    async def _ask_channel(self, channel: str) -> Channel:
        try:
            described = (await self.slack.conversations_info(channel=channel))["channel"]
        except SlackApiError as error:
            if error.response.get("error") not in {"channel_not_found", "missing_scope"}:
                raise
            return Channel(channel, direct=False, writable=False)
        return Channel(
            channel,
            direct=bool(described.get("is_im")),
            writable=bool(described.get("is_member")) and not described.get("is_archived"),
        )


def _passes(error: SlackApiError) -> bool:
    """Whether Slack is away rather than saying no."""
    return error.response.status_code >= _SERVER_FAILED or error.response.get("error") in _PASSING
