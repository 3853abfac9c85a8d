"""Getting payloads to the app, over Socket Mode or signed HTTP, and remembering what became of each."""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp

from sandbox.slack.sockets import Sockets
from sandbox.slack.wire import Identity, Json

ACK_SECONDS = 3.0
# Slack tries an event again almost at once, after a minute and after five.
RETRY_DELAYS = (0.0, 60.0, 300.0)
KINDS = {"slash": "slash_commands", "interactive": "interactive", "event": "events_api"}


@dataclass(frozen=True)
class Attempt:
    """One try. `problem` is empty when it was acknowledged within 3 s, else Slack's retry reason."""

    number: int
    via: str
    seconds: float
    problem: str = ""
    status: int = 0
    body: str = ""
    payload: Json | None = None

    def describe(self) -> Json:
        """For the control API."""
        return {**self.__dict__, "acked": not self.problem}


@dataclass
class Delivery:
    """One payload on its way to the app; events may take several attempts."""

    id: str
    kind: str
    payload: Json
    attempts: list[Attempt] = field(default_factory=list)
    # What people would see of a wrong answer, e.g. an acknowledgement with invalid blocks.
    complaint: str = ""
    tried: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acked(self) -> bool:
        """Some attempt was acknowledged in time."""
        return any(not attempt.problem for attempt in self.attempts)

    def describe(self) -> Json:
        """For the control API."""
        last = self.attempts[-1] if self.attempts else None
        return {
            "delivery_id": self.id,
            "kind": self.kind,
            "delivered": bool(last and last.problem not in ("no_socket", "connection_failed")),
            "acked": self.acked,
            "seconds": last.seconds if last else 0.0,
            "status": last.status if last else 0,
            "body": last.body if last else "",
            "ack_payload": next((a.payload for a in self.attempts if not a.problem), None),
            "problem": last.problem if last else "",
            "complaint": self.complaint,
            "attempts": [attempt.describe() for attempt in self.attempts],
            "payload": self.payload,
        }


@dataclass
class Route:
    """Where payloads go: an empty request URL means Socket Mode."""

    request_url: str = ""
    retry_delays: tuple[float, ...] = RETRY_DELAYS


class Courier:
    """Carries payloads and keeps the record of them."""

    def __init__(self, identity: Identity, sockets: Sockets) -> None:
        """Delivers over Socket Mode until told otherwise."""
        self.identity = identity
        self.sockets = sockets
        self.route = Route()
        self.record: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, kind: str, payload: Json) -> Delivery:
        """Deliver once; an event that is not acknowledged is tried again in the background."""
        delivery = self._open(kind, payload)
        await self._attempt(delivery)
        if kind == "event" and not delivery.acked:
            self._spawn(self._retry(delivery))
        return delivery

    def deliver_soon(self, kind: str, payload: Json) -> Delivery:
        """The same, without waiting for the acknowledgement."""
        delivery = self._open(kind, payload)
        self._spawn(self._persist(delivery))
        return delivery

    async def first_attempt(self, delivery: Delivery) -> None:
        """Wait until the first attempt was acknowledged or given up."""
        await delivery.tried.wait()

    async def repeat(self, delivery: Delivery, times: int, *, concurrent: bool) -> Delivery:
        """Deliver the same payload again, as Slack does when an acknowledgement got lost on its way."""
        if concurrent:
            await asyncio.gather(*(self._attempt(delivery) for _ in range(times)))
        else:
            for _ in range(times):
                await self._attempt(delivery)
        return delivery

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """One raw HTTP request to the app: status, body and headers of its answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        timeout = aiohttp.ClientTimeout(total=ACK_SECONDS)
        async with self._session.post(url, data=body, headers=headers, timeout=timeout) as answer:
            return answer.status, await answer.text(errors="replace"), dict(answer.headers)

    def sign(self, body: bytes, timestamp: str) -> str:
        """Slack's v0 signature of a raw body."""
        base = f"v0:{timestamp}:".encode() + body
        return "v0=" + hmac.new(self.identity.signing_secret.encode(), base, hashlib.sha256).hexdigest()

    async def close(self) -> None:
        """Stop retrying."""
        for task in self._tasks:
            task.cancel()
        if self._session is not None:
            await self._session.close()

    def _open(self, kind: str, payload: Json) -> Delivery:
        delivery = Delivery(f"dl-{len(self.record) + 1}", kind, payload)
        self.record[delivery.id] = delivery
        return delivery

    def _spawn(self, work: "asyncio.Future[None] | object") -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _persist(self, delivery: Delivery) -> None:
        await self._attempt(delivery)
        if delivery.kind == "event" and not delivery.acked:
            await self._retry(delivery)

    async def _retry(self, delivery: Delivery) -> None:
        for delay in self.route.retry_delays:
            if delivery.acked or delivery.attempts[-1].problem == "no_retry":
                return
            await asyncio.sleep(delay)
            await self._attempt(delivery)

    async def _attempt(self, delivery: Delivery) -> Attempt:
        number = len(delivery.attempts)
        reason = delivery.attempts[-1].problem if number else ""
        started = time.monotonic()
        if self.route.request_url:
            attempt = await self._attempt_http(delivery, number, reason)
        else:
            attempt = await self._attempt_socket(delivery, number)
        finished = Attempt(**{**attempt.__dict__, "seconds": round(time.monotonic() - started, 4)})
        delivery.attempts.append(finished)
        delivery.tried.set()
        return finished

    async def _attempt_socket(self, delivery: Delivery, number: int) -> Attempt:
        retry = (number, "timeout" if number else "") if delivery.kind == "event" else None
        sent = await self.sockets.send(
            KINDS[delivery.kind], delivery.payload, answerable=_is_answerable(delivery), retry=retry
        )
        if sent is None:
            return Attempt(number, "", 0.0, "no_socket")
        try:
            payload = await asyncio.wait_for(sent.ack, ACK_SECONDS)
        except TimeoutError:
            return Attempt(number, sent.connection_id, 0.0, "timeout")
        finally:
            self.sockets.forget(sent)
        return Attempt(number, sent.connection_id, 0.0, payload=payload)

    async def _attempt_http(self, delivery: Delivery, number: int, reason: str) -> Attempt:
        url = self.route.request_url
        body, content_type = encode(delivery.kind, delivery.payload)
        headers = self.build_headers(body, content_type)
        if number and delivery.kind == "event":
            headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason or "http_timeout"}
        try:
            status, text, answered = await self.post(url, body, headers)
        except TimeoutError:
            return Attempt(number, url, 0.0, "http_timeout")
        except aiohttp.ClientError:
            return Attempt(number, url, 0.0, "connection_failed")
        if not 200 <= status < 300:
            declined = answered.get("X-Slack-No-Retry") == "1"
            return Attempt(number, url, 0.0, "no_retry" if declined else "http_error", status, text)
        return Attempt(
            number, url, 0.0, "", status, text, _read_answer(text, answered.get("Content-Type", ""))
        )

    def build_headers(self, body: bytes, content_type: str) -> dict[str, str]:
        """Headers of a properly signed request."""
        timestamp = str(int(time.time()))
        return {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": self.sign(body, timestamp),
        }


def encode(kind: str, payload: Json) -> tuple[bytes, str]:
    """A payload as the body of an HTTP delivery, and its content type."""
    if kind == "event":
        return json.dumps(payload).encode(), "application/json"
    form = payload if kind == "slash" else {"payload": json.dumps(payload)}
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def _is_answerable(delivery: Delivery) -> bool:
    return delivery.kind == "slash" or (
        delivery.kind == "interactive" and delivery.payload.get("type") != "shortcut"
    )


def _read_answer(text: str, content_type: str) -> Json | None:
    if not text.strip():
        return None
    if "json" in content_type:
        try:
            answer = json.loads(text)
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None
    return {"text": text}
