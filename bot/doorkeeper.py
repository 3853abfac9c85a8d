"""Checks raw HTTP bytes before anything parses them: size, time stamp, signature, shape.

Bolt parses a body before it checks the signature, and honours `x-slack-bolt-*` headers from the network;
so nothing reaches it that has not passed here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

LARGEST = 1_000_000  # bytes; Slack's own payloads stay below 0.5 MB
SKEW = 300  # seconds that a time stamp may be off, as Slack documents
_TIMESTAMP = re.compile(r"^\d{1,12}$")
_SIGNATURE = re.compile(r"^v0=[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further; `status` is HTTP's."""

    status: int
    reason: str


async def read_body(request: Request, largest: int) -> bytes | Refusal:
    """The body, read no further than the limit whatever its header promises."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > largest:
        return Refusal(413, "too large")
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > largest:
                return Refusal(413, "too large")
            chunks.append(chunk)
    except ClientDisconnect:
        return Refusal(400, "cut off")
    return b"".join(chunks)


def check_signature(
    headers: Sequence[tuple[bytes, bytes]], body: bytes, secret: bytes, now: float | None = None
) -> Refusal | None:
    """None if Slack signed these bytes in the last five minutes.

    The scheme is Slack's "Verifying requests from Slack": `v0=` HMAC-SHA256 over `v0:{timestamp}:{body}`.
    """
    stamps = [value.decode("latin-1") for name, value in headers if name == b"x-slack-request-timestamp"]
    signatures = [value.decode("latin-1") for name, value in headers if name == b"x-slack-signature"]
    if len(stamps) != 1 or len(signatures) != 1:
        return Refusal(401, "unsigned")
    if not _TIMESTAMP.match(stamps[0]) or not _SIGNATURE.match(signatures[0]):
        return Refusal(401, "malformed signature")
    if abs((time.time() if now is None else now) - int(stamps[0])) > SKEW:
        return Refusal(401, "too old or too new")
    wanted = hmac.new(secret, b"v0:" + stamps[0].encode() + b":" + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest("v0=" + wanted, signatures[0]):
        return Refusal(401, "wrong signature")
    return None


def parse_body(content_type: str, body: bytes) -> dict[str, Any] | Refusal:
    """What the body says: a JSON object, a form's fields, or the object in a form's `payload`.

    Bolt would lose a command with the word `payload` in its text, which it takes for such a form.
    """
    try:
        text = body.decode("utf-8")
        if content_type.startswith("application/json"):
            parsed = json.loads(text)
        else:
            parsed = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
            if "payload" in parsed:
                parsed = json.loads(parsed["payload"])
    except (ValueError, RecursionError):
        return Refusal(400, "malformed body")
    if not isinstance(parsed, dict) or not isinstance(parsed.get("event", {}), dict):
        return Refusal(400, "not an object")
    return parsed


def clean_headers(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str | Sequence[str]]:
    """The headers that Bolt may see, by lower-case name."""
    cleaned: dict[str, str | Sequence[str]] = {}
    for raw, value in headers:
        name = raw.decode("latin-1")
        if not name.startswith("x-slack-bolt-"):
            cleaned[name] = [*cleaned.get(name, ()), value.decode("latin-1")]  # Bolt takes lists only
    return cleaned
