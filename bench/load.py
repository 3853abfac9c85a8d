"""Slash commands as Slack sends them over signed HTTP, many at a time or so many a second."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp

OK = 200


@dataclass(frozen=True)
class Answer:
    """How one command was acknowledged; `seconds` from when it was due to be sent."""

    status: int
    body: str
    seconds: float


@dataclass(frozen=True)
class Slash:
    """Makes deliveries of one command, each with a trigger id of its own."""

    secret: str
    team: str
    command: str
    text: str
    user: str = "U0OPS1"
    channel: str = "C0OPS"
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def make(self) -> tuple[bytes, dict[str, str]]:
        """Body and headers of the next delivery."""
        number = next(self._numbers)
        form = {
            "token": "legacy", "team_id": self.team, "team_domain": "bench", "channel_id": self.channel,
            "channel_name": "ops", "user_id": self.user, "user_name": "ops-1", "command": self.command,
            "text": self.text, "api_app_id": "A0ANDOCK", "is_enterprise_install": "false",
            "response_url": "http://127.0.0.1:9/commands/T0/1/" + "x" * 24,
            "trigger_id": f"{number}.{time.time_ns()}.{secrets.token_hex(16)}",
        }  # fmt: skip
        body = urlencode(form).encode()
        stamp = str(int(time.time()))
        signed = hmac.new(self.secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        return body, {
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={signed}",
        }


def send_all(url: str, slash: Slash, *, count: int, connections: int) -> list[Answer]:
    """Send `count` commands over so many connections, each the next one as soon as it has its answer."""
    return asyncio.run(_send_all(url, slash, count, connections))


def send_at(url: str, slash: Slash, *, rate: float, seconds: float) -> list[Answer]:
    """Send `rate` commands a second, answered or not; a late answer delays no other command."""
    return asyncio.run(_send_at(url, slash, rate, seconds))


async def _send_all(url: str, slash: Slash, count: int, connections: int) -> list[Answer]:
    answers: list[Answer] = []
    left = iter(range(count))

    async def keep_sending(session: aiohttp.ClientSession) -> None:
        answers.extend([await _send(session, url, slash, time.perf_counter()) for _ in left])

    async with _session(connections) as session:
        await asyncio.gather(*(keep_sending(session) for _ in range(connections)))
    return answers


async def _send_at(url: str, slash: Slash, rate: float, seconds: float) -> list[Answer]:
    async with _session(0) as session:
        started = time.perf_counter()
        sent = []
        for number in range(int(rate * seconds)):
            due = started + number / rate
            await asyncio.sleep(due - time.perf_counter())
            sent.append(asyncio.create_task(_send(session, url, slash, due)))
        return await asyncio.gather(*sent)


def _session(connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=10),
        trust_env=False,
    )


async def _send(session: aiohttp.ClientSession, url: str, slash: Slash, due: float) -> Answer:
    body, headers = slash.make()
    async with session.post(url, data=body, headers=headers) as answer:
        text = await answer.text()
    return Answer(answer.status, text, time.perf_counter() - due)
