"""Deliveries that Slack would not make, or makes only on a bad day: repeated, late, badly signed, garbage."""

import asyncio
import base64
import time

import aiohttp

from sandbox.slack.delivery import KINDS, encode
from sandbox.slack.parts import Parts
from sandbox.slack.wire import ControlError, Json

MAX_TIMES = 1000


async def deliver(parts: Parts, body: Json) -> Json:
    """Repeat a recorded delivery (`delivery_id`), or send any `payload` of a `kind`, `times` over."""
    times = int(body.get("times") or 1)
    if not 1 <= times <= MAX_TIMES:
        raise ControlError("bad_times", f"1 to {MAX_TIMES}")
    delivery_id = str(body.get("delivery_id") or "")
    if delivery_id:
        delivery = parts.courier.record.get(delivery_id)
        if delivery is None:
            raise ControlError("no_such_delivery", delivery_id)
        return (
            await parts.courier.repeat(delivery, times, concurrent=bool(body.get("concurrent")))
        ).describe()
    kind, payload = body.get("kind"), body.get("payload")
    if kind not in KINDS or not isinstance(payload, dict):
        raise ControlError("bad_delivery", f"needs delivery_id, or payload and kind ({', '.join(KINDS)})")
    delivery = await parts.courier.deliver(str(kind), payload)
    if times > 1:
        await parts.courier.repeat(delivery, times - 1, concurrent=bool(body.get("concurrent")))
    return delivery.describe()


async def post_raw(parts: Parts, body: Json) -> Json:
    """One hand-made HTTP request to the request URL.

    `body` (or `body_base64`, or a recorded `delivery_id`), `content_type`, `timestamp` (default now),
    `age` (seconds to subtract), `signature` (default right; null leaves it out; any string is sent as it
    is), `headers`, `path`, `times`, `concurrent`.
    """
    url = str(body.get("url") or parts.courier.route.request_url)
    if not url:
        raise ControlError("no_request_url", "the app is on Socket Mode; set a request_url or give a url")
    raw, content_type = _read_body(parts, body)
    timestamp = str(body.get("timestamp", int(time.time()) - int(body.get("age") or 0)))
    headers = {
        "Content-Type": str(body.get("content_type") or content_type),
        "X-Slack-Request-Timestamp": timestamp,
    }
    signature = body.get("signature", parts.courier.sign(raw, timestamp))
    if signature is not None:
        headers["X-Slack-Signature"] = str(signature)
    for name, value in (body.get("headers") or {}).items():
        if value is None:
            headers.pop(name, None)
        else:
            headers[name] = str(value)
    times = int(body.get("times") or 1)
    if body.get("concurrent"):
        answers = await asyncio.gather(*(_post(parts, url, raw, headers) for _ in range(times)))
    else:
        answers = [await _post(parts, url, raw, headers) for _ in range(times)]
    return {**answers[0], "answers": answers}


async def verify_url(parts: Parts, url: str) -> bool:
    """The handshake that Slack makes before it delivers events to a URL."""
    challenge = "sandbox-challenge"
    payload = {"token": parts.identity.verification_token, "challenge": challenge, "type": "url_verification"}
    raw, content_type = encode("event", payload)
    answer = await _post(parts, url, raw, parts.courier.build_headers(raw, content_type))
    return answer["status"] == 200 and challenge in str(answer["body"])


def _read_body(parts: Parts, body: Json) -> tuple[bytes, str]:
    if body.get("delivery_id"):
        delivery = parts.courier.record.get(str(body["delivery_id"]))
        if delivery is None:
            raise ControlError("no_such_delivery", str(body["delivery_id"]))
        return encode(delivery.kind, delivery.payload)
    if "body_base64" in body:
        return base64.b64decode(body["body_base64"]), "application/x-www-form-urlencoded"
    if isinstance(body.get("payload"), dict):
        return encode(str(body.get("kind") or "slash"), body["payload"])
    return str(body.get("body") or "").encode(), "application/x-www-form-urlencoded"


async def _post(parts: Parts, url: str, raw: bytes, headers: dict[str, str]) -> Json:
    started = time.monotonic()
    try:
        status, text, answered = await parts.courier.post(url, raw, headers)
    except (TimeoutError, aiohttp.ClientError) as exc:
        return {"status": 0, "body": "", "problem": type(exc).__name__, "seconds": time.monotonic() - started}
    return {
        "status": status,
        "body": text,
        "headers": answered,
        "problem": "",
        "seconds": time.monotonic() - started,
    }
