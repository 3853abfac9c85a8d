"""Asks Slack who is in the user groups that policy names, and leaves it signed in Redis for every process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import structlog
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from andock.errors import BackendUnavailableError
from andock.memberships import Membership, Memberships, Roster
from andock.outbox import Outbox
from andock.signing import Signer

log = structlog.get_logger()
METHOD = "usergroups.users.list"
TIER = (18.0, 6)  # calls a minute of all bots, and at once; Slack allows 20
RENEWED = 300.0  # seconds after which Slack is asked again about a group
BELIEVED = 5.0  # seconds that a process believes what it read in Redis
PATIENCE = 1.0  # seconds that a command waits for another process that asks about a group just now
LOOK = 0.05
PAUSE = 5.0  # seconds between looks at what is to be renewed
_GONE = frozenset({"no_such_subteam", "subteam_not_found"})


@dataclass
class UserGroups:
    """The user groups of one workspace. Any number of bots may look after them; one asks about each group."""

    slack: AsyncWebClient
    roster: Roster
    signer: Signer
    instance: str
    named: Callable[[], tuple[str, ...]]  # those that policy names now; no other is asked about
    _read: tuple[float, tuple[str, ...], Memberships] | None = field(default=None, init=False)

    async def members(self) -> Memberships:
        """What is known of the groups; Slack is asked only about a group of which nothing is known yet.

        Raises:
            BackendUnavailableError: Redis is away, and nothing was read before.
        """
        groups = self.named()
        known = await self._look_up(groups)
        asked = [await self._renew(group) for group in known.unknown]
        deadline = time.monotonic() + PATIENCE
        while known.unknown and all(asked) and time.monotonic() < deadline:
            self._read = None
            known = await self._look_up(groups)
            await asyncio.sleep(LOOK if known.unknown else 0)
        return known

    async def keep(self) -> None:
        """Renew what is old, until cancelled; Slack and Redis may go away and come back."""
        while True:
            await self.renew_old()
            await asyncio.sleep(PAUSE)

    async def renew_old(self) -> None:
        """Ask Slack about each group of which nothing new is known, as far as its rate allows."""
        groups = self.named()
        try:
            found = await asyncio.to_thread(self.roster.read, groups)
        except RedisError as error:
            log.warning("memberships_not_read", error=type(error).__name__)
            return
        ages = {group: membership.at for group, membership in found.known.items()}
        for group in sorted(groups, key=lambda name: ages.get(name, 0.0)):
            if time.time() - ages.get(group, 0.0) >= RENEWED and not await self._renew(group):
                return

    async def _look_up(self, groups: tuple[str, ...]) -> Memberships:
        read = self._read
        if read is not None and read[1] == groups and time.monotonic() - read[0] < BELIEVED:
            return read[2]
        try:
            found = await asyncio.to_thread(self.roster.read, groups)
        except RedisError as error:
            if read is not None and read[1] == groups:
                return read[2]
            why = "no connection" if isinstance(error, RedisAwayError) else "no answer"
            raise BackendUnavailableError("Redis", why) from error
        self._read = (time.monotonic(), groups, found)
        return found

    async def _renew(self, group: str) -> bool:
        """Ask Slack about one group, or leave it to who is at it; False when it is no use to go on now."""
        try:
            if not await asyncio.to_thread(self.roster.reserve, group):
                return True
            if await asyncio.to_thread(self._spend):
                return False
            membership = await self._ask(group)
            await asyncio.to_thread(self.roster.write, membership, self.signer)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, RedisError) as error:
            log.warning("membership_not_renewed", group=group, error=type(error).__name__)
            return False
        return True

    def _spend(self) -> int:
        return Outbox(self.roster.ledger).spend(METHOD, per_minute=TIER[0], burst=TIER[1])

    async def _ask(self, group: str) -> Membership:
        at = time.time()  # from before the call: somebody may leave while Slack answers
        try:
            answer = await self.slack.usergroups_users_list(usergroup=group)
            members = frozenset(map(str, answer.get("users") or ()))
        except SlackApiError as error:
            if error.response.get("error") not in _GONE:
                raise
            members = frozenset()
        return Membership(instance=self.instance, group=group, members=members, at=at)
