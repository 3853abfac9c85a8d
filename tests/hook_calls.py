"""Calls of a hook as a CI makes them: signed bodies, signed questions."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECRET = "0123456789abcdef" * 4

HOOKS = """
hooks:
  ci:
    secret: {{env: DEPLOY_HOOK_SECRET}}
    services: ["{services}"]
    environments: [{environment}]
    channel: {channel}
    per_minute: {per_minute}
  other:
    secret: {{env: OTHER_HOOK_SECRET}}
    services: ["*"]
    environments: [{environment}]
    channel: {channel}
"""
OTHER_SECRET = "fedcba9876543210" * 4
ENVIRON = {"DEPLOY_HOOK_SECRET": SECRET, "OTHER_HOOK_SECRET": OTHER_SECRET}


def describe_hooks(
    *, services: str = "*", environment: str = "prod", channel: str = "C0OPS", per_minute: int = 1000
) -> str:
    """hooks.yaml with the hooks `ci` and `other`."""
    return HOOKS.format(services=services, environment=environment, channel=channel, per_minute=per_minute)


@dataclass(frozen=True)
class Reply:
    """What the bot said."""

    status: int
    headers: Mapping[str, str]
    said: Any  # JSON of the bot's own shape


@dataclass(frozen=True)
class Caller:
    """A CI that knows a hook's secret."""

    port: int
    secret: str = SECRET
    hook: str = "ci"

    def call(self, **changes: object) -> dict[str, object]:
        """A body, whole unless changed; None leaves a key out."""
        body: dict[str, object] = {
            "service": "api",
            "version": "v1.2.3",
            "environment": "prod",
            "author": "U0OPS1",
            "reason": "merged",
            "url": "https://ci.example/api/runs/1234567",
            "nonce": secrets.token_hex(16),
            "time": int(time.time()),
        }
        return {key: value for key, value in (body | changes).items() if value is not None}

    def sign(self, signed: bytes) -> str:
        return "sha256=" + hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()

    def post(self, body: Mapping[str, object] | bytes, **headers: str | None) -> Reply:
        """Ask for a deployment; headers may be changed, or (None) left out."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "x-andock-hook": self.hook,
            "x-andock-signature": self.sign(raw),
            "content-type": "application/json",
        }
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send("POST", "/hooks/deploy", raw, sent | changed)

    def look(self, request: str, *, at: int | None = None, **headers: str | None) -> Reply:
        """Ask how it is."""
        moment = int(time.time()) if at is None else at
        signature = self.sign(f"GET /hooks/deploy/{request}\n{moment}".encode())
        sent = {"x-andock-hook": self.hook, "x-andock-time": str(moment), "x-andock-signature": signature}
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send("GET", f"/hooks/deploy/{request}", b"", sent | changed)

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str | None]) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            kept = {name: value for name, value in headers.items() if value is not None}
            connection.request(method, path, body, kept)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), json.loads(answer.read()))
        finally:
            connection.close()
