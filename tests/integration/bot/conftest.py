"""A real bot process in HTTP mode, on a real Redis and a Slack workspace; nobody performs what it accepts."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast
from urllib.parse import urlencode

import pytest
from redis import Redis

from andock.audit import AuditRecord, Event
from andock.entries import Entry
from andock.ledger import Ledger
from andock.messages import Request
from andock.rejections import Kind
from andock.signing import load_verifier
from config.installation import connect
from sandbox.processes import Child, free_port, start
from sandbox.redis_server import RedisServer
from sandbox.slack.client import Workspace

ROOT = Path(__file__).resolve().parents[3]
SITES = """
instance: {instance}
admin: C0ADMIN
vcenters:
  lab: {{host: 127.0.0.1, port: 1, user: u, password: {{env: NOT_SET}}, environment: dev}}
engines:
  edge-1: {{url: "unix:///nowhere", environment: dev}}
"""
POLICY = """
groups:
  ops: {users: [U0OPS1], usergroups: [S0OPS]}
rules:
  - {name: ops, allow: ["*"], to: [ops]}
  - {name: reads, allow: ["*"], risk: [read], to: [everyone]}
"""


@dataclass(frozen=True)
class Answer:
    """What the bot said over HTTP."""

    status: int
    body: str
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """What a slash command's acknowledgement tells the person."""
        return str(json.loads(self.body)["text"]) if self.body.startswith("{") else ""


@dataclass(frozen=True)
class Door:
    """The bot's HTTP side, and what lies behind it."""

    port: int
    process: Child
    slack: Workspace
    redis: Redis
    ledger: Ledger
    keys: Path
    config: Path

    def get(self, path: str) -> Answer:
        return self.send("GET", path, b"", [])

    def send(
        self, method: str, path: str, body: bytes | Iterator[bytes], headers: list[tuple[str, str]]
    ) -> Answer:
        """One request with exactly these headers, also twice the same."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        chunked = not isinstance(body, bytes)
        if isinstance(body, bytes):
            connection.putheader("Content-Length", str(len(body)))
        else:
            connection.putheader("Transfer-Encoding", "chunked")
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # answered before it had heard all
                connection.endheaders(body, encode_chunked=chunked)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(), dict(answer.getheaders()))
        finally:
            connection.close()

    def sign(self, body: bytes, stamp: str) -> str:
        secret = self.slack.signing_secret.encode()
        return "v0=" + hmac.new(secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()

    def signed(self, body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Answer:
        """As Slack sends it."""
        stamp = str(int(time.time()))
        headers = [
            ("Content-Type", content_type),
            ("X-Slack-Request-Timestamp", stamp),
            ("X-Slack-Signature", self.sign(body, stamp)),
        ]
        return self.send("POST", "/slack/events", body, headers)

    def slash(self, text: str, *, user: str = "U0OPS1", channel: str = "C0OPS", **changes: str) -> Answer:
        return self.signed(urlencode(slash_fields(self.slack, text, user, channel) | changes).encode())

    def remembered(self) -> set[bytes]:
        """Keys of this installation and its queues."""
        found = set(self.redis.scan_iter(f"{self.ledger.prefix}*"))
        # the bot looks after who is in which user group by itself, and records what it refuses
        apart = (b":members:", b":budget:", b":audit", b":rejected")
        found = {key for key in found if not any(part in key for part in apart)}
        return found | set(self.redis.scan_iter(f"rq:queue:{self.ledger.prefix.split(':')[1]}.*"))

    def requests(self) -> list[Request]:
        """What was accepted, newest first."""
        verifier = load_verifier(self.keys)
        entries: tuple[Entry, ...] = self.ledger.recent(actor=None, limit=50)
        return [verifier.open(entry.sealed, Request, by="bot") for entry in entries]

    def refused(self) -> list[AuditRecord]:
        """What was recorded as refused since the ledger was emptied."""
        verifier = load_verifier(self.keys)
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", self.redis.xrange(self.ledger.audit))
        records = [verifier.open(fields[b"sealed"], AuditRecord, by="bot") for _, fields in entries]
        return [record for record in records if record.event is Event.REFUSED]

    def forget(self) -> None:
        """Start with an empty ledger and workers that seem to live."""
        kinds = (self.ledger.key("budget", f"rejected:{kind.name}") for kind in Kind)
        for key in (*self.remembered(), *kinds, self.ledger.audit, self.ledger.key("rejected")):
            self.redis.delete(key)

    def pretend_workers(self) -> None:
        for pool in ("vsphere", "docker"):
            self.ledger.say_alive(pool, 600)


def slash_fields(slack: Workspace, text: str, user: str, channel: str) -> dict[str, str]:
    """A slash command's form."""
    return {
        "team_id": slack.team_id,
        "user_id": user,
        "channel_id": channel,
        "command": "/andock",
        "text": text,
        "trigger_id": f"{secrets.randbelow(10**9)}.{secrets.token_hex(4)}",
        "response_url": f"{slack.url}/response/none",
    }


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace.start(tmp_path_factory.mktemp("slack")) as running:
        running.set_limits(enabled=False)
        yield running


StartBot = Callable[..., Door]


@pytest.fixture(scope="session")
def start_bot(
    workspace: Workspace, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartBot]:
    """Starts a bot in HTTP mode on a Redis; it is stopped at the end.

    `module` is the bot, `files` are more of its configuration or other texts, `env` more of its environment.
    """
    started: list[Child] = []

    def start_bot(
        server: RedisServer,
        sites: str = SITES,
        *,
        module: str = "bot",
        files: Mapping[str, str] = MappingProxyType({}),
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> Door:
        folder, port = tmp_path_factory.mktemp("bot"), free_port()
        instance = f"t{secrets.token_hex(4)}"
        (folder / "sites.yaml").write_text(sites.format(instance=instance))
        (folder / "policy.yaml").write_text(POLICY)
        for name, text in files.items():
            (folder / name).write_text(text)
        environ = {
            **os.environ,
            "REDIS_URL": server.url,
            "ANDOCK_CONFIG_DIR": str(folder),
            "ANDOCK_KEYS_DIR": str(keys),
            "ANDOCK_SLACK_MODE": "http",
            "ANDOCK_SLACK_API_URL": workspace.api_url,
            "ANDOCK_HTTP_PORT": str(port),
            "SLACK_BOT_TOKEN": workspace.bot_token,
            "SLACK_SIGNING_SECRET": workspace.signing_secret,
            **env,
        }
        process = start([sys.executable, "-m", module], log=folder / "log", env=environ, cwd=ROOT)
        started.append(process)
        redis = connect(server.url)
        door = Door(port, process, workspace, redis, Ledger(redis, instance), keys, folder)
        process.wait_ready(lambda: _answers(door), 20)
        return door

    yield start_bot
    for process in started:
        process.stop()


def _answers(door: Door) -> bool:
    try:
        return door.get("/healthz").status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def shared_door(start_bot: StartBot, redis_server: RedisServer) -> Door:
    return start_bot(redis_server)


@pytest.fixture
def door(shared_door: Door) -> Door:
    """One bot for all tests; its ledger is empty at the start of each, and workers seem to live."""
    shared_door.forget()
    shared_door.pretend_workers()
    return shared_door
