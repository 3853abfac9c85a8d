"""Asks for what is due by the clock, such as the daily digest of snapshots, as a person would by typing."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import aiohttp
import structlog
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError

from andock.catalogue import Catalogue
from andock.errors import ConfigError, OpsError, SignatureError, UserError
from andock.messages import CLOCK_TEAM, Actor, Notice, Request
from andock.operation import Read
from andock.outbox import Outbox
from andock.refusals import TooManyCommandsError
from andock.rendering.notices import digest_refused
from bot.identity import Channel
from bot.intake import IncomingCommand, Intake
from bot.parsing import parse
from config.watching import Digest

log = structlog.get_logger()
LOOK = 5.0  # seconds between two looks at the clock
KEPT = 400 * 86_400  # seconds that it is known since when a digest is asked for


class Clock:
    """Any number of bots may have one: the ledger takes each day's request once.

    How far it is stands in the ledger too: the newest request of the digest's own actor says for when it was.
    """

    def __init__(
        self,
        intake: Intake,
        digests: Mapping[str, Digest],
        find_channel: Callable[[str], Awaitable[Channel]],
        *,
        admin: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        """`admin` is the channel that hears of what operators must mend.

        Raises:
            ConfigError: a digest's command is none, or does not only read.
        """
        for name, digest in digests.items():
            _check(name, digest, intake.catalogue)
        self._intake = intake
        self._digests = digests
        self._find_channel = find_channel
        self._admin = admin
        self._now = now
        self._complained: dict[str, str] = {}

    async def keep(self) -> None:
        """Look until cancelled; Redis, Slack and workers may go away and come back."""
        while self._digests:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Ask for every digest whose time has come; what cannot be asked now is asked at a later look."""
        for name, digest in self._digests.items():
            try:
                await self._ask_if_due(name, digest)
            except OpsError as error:
                self._complain(name, error.sentence)
            except (RedisError, SlackApiError, aiohttp.ClientError, TimeoutError) as error:
                self._complain(name, type(error).__name__)
            else:
                self._complained.pop(name, None)

    async def _ask_if_due(self, name: str, digest: Digest) -> None:
        due = digest.due(self._now())
        if await asyncio.to_thread(self._is_done, name, digest, due):
            return
        channel = await self._find_channel(digest.channel)
        command = IncomingCommand(_text(digest), channel, f"digest:{name}:{due:.0f}", due=due)
        try:
            await self._intake.take(command, _actor(name))
        except TooManyCommandsError:
            raise  # asked again in a moment
        except UserError as error:  # a person has to mend it: not asked again today
            log.warning("digest_refused", digest=name, error=error.sentence)
            await asyncio.to_thread(self._refuse, name, digest, due, error.sentence)

    def _is_done(self, name: str, digest: Digest, due: float) -> bool:
        """Whether this day's was asked for, or it was not wanted yet when it was due."""
        redis, since = self._intake.ledger.redis, self._since(name)
        redis.set(since, str(self._now()), nx=True, ex=KEPT)
        if float(cast("bytes", redis.get(since) or b"0")) >= due:
            return True
        for entry in self._intake.ledger.recent(actor=_actor(name).key, limit=1):
            try:
                request = self._intake.verifier.open(entry.sealed, Request, by="bot")
            except SignatureError:
                return False
            return digest.day(request.due) >= digest.day(due)
        return False

    def _refuse(self, name: str, digest: Digest, due: float, why: str) -> None:
        told = f"{self._intake.instance} {name} {due:.0f}"
        notice = Notice(
            id=f"digest{hashlib.sha256(told.encode()).hexdigest()[:32]}",
            instance=self._intake.instance,
            channel=self._admin or digest.channel,
            text=digest_refused(_actor(name).user, digest.command, due, why),
            at=time.time(),
        )
        Outbox(self._intake.ledger).tell(notice, self._intake.journal.signer)
        self._intake.ledger.redis.set(self._since(name), str(due), ex=KEPT)

    def _since(self, name: str) -> str:
        return self._intake.ledger.key("digest", name)

    def _complain(self, name: str, why: str) -> None:
        if self._complained.get(name) != why:
            log.warning("digest_waits", digest=name, error=why)
        self._complained[name] = why


def _actor(name: str) -> Actor:
    return Actor(team=CLOCK_TEAM, user=f"{CLOCK_TEAM}:{name}", name=f"the schedule {name}")


def _text(digest: Digest) -> str:
    return f"{digest.command} --share"


def _check(name: str, digest: Digest, catalogue: Catalogue) -> None:
    where = f"sites.yaml, digests.{name}.command"
    try:
        parsed = parse(_text(digest), catalogue)
    except OpsError as error:
        raise ConfigError(
            error.sentence.splitlines()[0], where=where, fix="write it as it is typed."
        ) from error
    if not isinstance(parsed.operation, Read) or not parsed.options.share:
        raise ConfigError(
            f"`{digest.command}` does not only read a site.",
            where=where,
            fix="name a read, such as `snapshot report --older-than 7d`.",
        )
