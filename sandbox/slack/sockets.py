"""Socket Mode: the WebSockets of the app, what is sent over them, and the ways in which they go wrong."""

import asyncio
import contextlib
import json
import random
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from sandbox.slack.wire import ControlError, Identity, Json

MAX_CONNECTIONS = 10
LIFETIME = 3600  # what hello announces; nothing closes by itself here, refreshes are ordered


@dataclass
class Connection:
    """One live WebSocket. A muted one swallows what is sent to it, like a ghost behind a dead NAT entry."""

    id: str
    ws: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    opened_at: float = field(default_factory=time.time)
    sent: int = 0
    acked: int = 0
    muted: bool = False
    leaving: bool = False

    def describe(self) -> Json:
        """For the control API."""
        return {
            "id": self.id,
            "opened_at": self.opened_at,
            "sent": self.sent,
            "acked": self.acked,
            "muted": self.muted,
            "leaving": self.leaving,
        }


class Sockets:
    """All connections of the one app. Each payload goes to any one of them."""

    def __init__(self, identity: Identity, touch: Callable[[], None]) -> None:
        """`touch` is told of every connection that comes or goes."""
        self._touch = touch
        self.identity = identity
        self.connections: dict[str, Connection] = {}
        self.disabled = False
        self.stray_acks: list[str] = []
        self._tickets: set[str] = set()
        self._pending: dict[str, asyncio.Future[Json | None]] = {}
        self._random = random.Random(0)  # noqa: S311 only spreads payloads, repeatably

    def issue_url(self, base_url: str) -> str:
        """A WebSocket URL for one connection."""
        ticket = secrets.token_hex(12)
        self._tickets.add(ticket)
        return f"{base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={self.identity.app_id}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection from hello to close."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="invalid ticket")
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse(heartbeat=20)
        await ws.prepare(request)
        connection = Connection(f"ws-{secrets.token_hex(4)}", ws, request.transport)
        if len(self.connections) >= MAX_CONNECTIONS:
            await ws.send_json(
                {"type": "disconnect", "reason": "too_many_websockets", "debug_info": _debug_info()}
            )
            await ws.close(code=WSCloseCode.POLICY_VIOLATION)
            return ws
        self.connections[connection.id] = connection
        self._touch()
        try:
            await ws.send_json(self._hello())
            async for frame in ws:
                if frame.type is WSMsgType.TEXT:
                    self._receive(connection, frame.data)
        finally:
            self.connections.pop(connection.id, None)
            self._touch()
        return ws

    async def send(
        self, kind: str, payload: Json, *, answerable: bool, retry: tuple[int, str] | None
    ) -> "Sent | None":
        """Put an envelope on one of the connections; None when there is no connection to put it on."""
        envelope: Json = {
            "envelope_id": secrets.token_hex(16),
            "payload": payload,
            "type": kind,
            "accepts_response_payload": answerable,
        }
        if retry is not None:
            envelope |= {"retry_attempt": retry[0], "retry_reason": retry[1]}
        while candidates := [c for c in self.connections.values() if not c.leaving and not c.ws.closed]:
            connection = self._random.choice(candidates)
            future: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
            self._pending[envelope["envelope_id"]] = future
            connection.sent += 1
            if connection.muted:
                return Sent(envelope["envelope_id"], connection.id, future)
            try:
                await connection.ws.send_json(envelope)
            except (ConnectionError, RuntimeError):
                # It died between the choice and the write; Slack picks another one too.
                connection.leaving = True
                continue
            return Sent(envelope["envelope_id"], connection.id, future)
        return None

    def forget(self, sent: "Sent") -> None:
        """Nobody waits for this acknowledgement any more."""
        self._pending.pop(sent.envelope_id, None)

    async def disturb(self, action: str, connection_id: str = "") -> int:
        """Refresh, warn, drop, mute or unmute connections (all, or one); returns how many were meant."""
        chosen = [c for c in list(self.connections.values()) if connection_id in ("", c.id)]
        if connection_id and not chosen:
            raise ControlError("no_such_socket", connection_id)
        if action in ("link_disabled", "link_enabled"):
            self.disabled = action == "link_disabled"
        for connection in chosen:
            await _disturb(connection, action)
        return len(chosen)

    async def close(self) -> None:
        """The server stops."""
        await asyncio.gather(
            *(c.ws.close(code=WSCloseCode.GOING_AWAY) for c in list(self.connections.values()))
        )

    def describe(self) -> Iterable[Json]:
        """Live connections, oldest first."""
        return [connection.describe() for connection in self.connections.values()]

    def _receive(self, connection: Connection, data: str) -> None:
        try:
            ack = json.loads(data)
        except ValueError:
            self.stray_acks.append(data[:200])
            return
        envelope_id = ack.get("envelope_id", "") if isinstance(ack, dict) else ""
        future = self._pending.pop(envelope_id, None)
        if future is None or future.done():
            self.stray_acks.append(envelope_id)
            return
        connection.acked += 1
        payload = ack.get("payload")
        future.set_result(payload if isinstance(payload, dict) else None)

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "connection_info": {"app_id": self.identity.app_id},
            "num_connections": len(self.connections),
            "debug_info": {**_debug_info(), "approximate_connection_time": LIFETIME},
        }


@dataclass(frozen=True)
class Sent:
    """An envelope on its way; `ack` resolves to the acknowledgement's payload (or None)."""

    envelope_id: str
    connection_id: str
    ack: asyncio.Future[Json | None]


def _debug_info() -> Json:
    return {"host": "sandbox", "started": time.strftime("%Y-%m-%d %H:%M:%S.000"), "build_number": 54}


async def _disturb(connection: Connection, action: str) -> None:
    match action:
        case "warn":
            await connection.ws.send_json(
                {"type": "disconnect", "reason": "warning", "debug_info": _debug_info()}
            )
        case "refresh" | "link_disabled":
            reason = "refresh_requested" if action == "refresh" else action
            connection.leaving = True
            with contextlib.suppress(ConnectionError):
                await connection.ws.send_json(
                    {"type": "disconnect", "reason": reason, "debug_info": _debug_info()}
                )
            asyncio.get_running_loop().call_later(2.0, _abort, connection)
        case "drop":
            connection.leaving = True
            _abort(connection)
        case "mute" | "unmute":
            connection.muted = action == "mute"
        case "link_enabled":
            pass
        case _:
            raise ControlError(
                "bad_action", "refresh, warn, drop, mute, unmute, link_disabled or link_enabled"
            )


def _abort(connection: Connection) -> None:
    """Cut the TCP connection without a closing handshake, as a failing network does."""
    if isinstance(connection.transport, asyncio.Transport):
        connection.transport.abort()
