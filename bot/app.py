"""Bolt behind our door: Socket Mode or HTTP, health, readiness and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from andock.ledger import Ledger
from andock.rejections import Kind, Rejections
from bot.desk import FrontDesk
from bot.doorkeeper import LARGEST, Refusal, check_signature, clean_headers, parse_body, read_body
from bot.hooks.routes import HookRoutes
from bot.metrics import Metrics
from config.live_policy import LivePolicy

log = structlog.get_logger()


def make_bolt(
    desk: FrontDesk, slack: AsyncWebClient, signing_secret: str, identity: AuthorizeResult
) -> AsyncApp:
    """Bolt with one way through: every payload goes to the desk, no listener is looked for.

    Each registered listener costs about 13 us a request, and one that raises after its ack loses the ack.
    """

    async def authorize() -> AuthorizeResult:
        return identity  # one workspace, asked once at the start

    app = AsyncApp(
        name="bolt",  # else Bolt looks for one in the source of its callers, which stays in memory
        client=slack,
        signing_secret=signing_secret,
        authorize=authorize,
        process_before_response=True,
    )

    app.middleware(_Dispatch(desk))
    return app


class _Dispatch(AsyncMiddleware):
    """Hands every payload to the desk; as a class, so that Bolt makes no arguments that nobody reads."""

    def __init__(self, desk: FrontDesk) -> None:
        self._desk = desk

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,  # noqa: ARG002  Bolt's
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002, ARG002  Bolt's
    ) -> BoltResponse:
        """The desk's answer; nothing comes behind it."""
        return await self._desk.receive(req.body)


@dataclass(frozen=True)
class Ingress:
    """The bot's HTTP side; Slack's own route is there in HTTP mode only, those of hooks in both."""

    ledger: Ledger
    metrics: Metrics
    bolt: AsyncApp
    signing_secret: bytes
    http_mode: bool
    socket: SocketModeClient | None
    policy: LivePolicy
    hooks: HookRoutes
    rejections: Rejections

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._show_metrics),
        ]
        if self.http_mode:
            routes.append(Route("/slack/events", self._slack, methods=["POST"]))
        return Starlette(routes=[*routes, *self.hooks.routes()])

    async def _health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        faults = []
        try:
            await asyncio.to_thread(self.ledger.redis.ping)
        except RedisError as error:
            faults.append(f"redis: {type(error).__name__}")
        if self.socket is not None and not await self.socket.is_connected():
            faults.append("slack: no socket")
        said: dict[str, object] = {"ready": not faults, "faults": faults}
        if self.policy.fault:  # what counts is the policy before it, and Andock works
            said["warnings"] = [f"policy: {self.policy.fault}"]
        return JSONResponse(said, status_code=503 if faults else 200)

    async def _show_metrics(self, _request: Request) -> Response:
        return Response(await asyncio.to_thread(self.metrics.expose), media_type="text/plain; version=0.0.4")

    async def _slack(self, request: Request) -> Response:
        body = await read_body(request, LARGEST)
        headers = request.scope["headers"]
        if isinstance(body, Refusal):
            return _refuse(body)
        refusal = check_signature(headers, body, self.signing_secret)
        if refusal is not None:
            await asyncio.to_thread(self.rejections.record, Kind.HTTP, refusal.reason, content=body)
            return _refuse(refusal)
        payload = parse_body(request.headers.get("content-type", ""), body)
        if isinstance(payload, Refusal):
            return _refuse(payload)
        try:
            # as one from the socket: checked and parsed already
            bolt_request = AsyncBoltRequest(body=payload, headers=clean_headers(headers), mode="socket_mode")
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            return _refuse(Refusal(400, "not of Slack's shape"))
        answer = await self.bolt.async_dispatch(bolt_request)
        return Response(
            content=answer.body,
            status_code=answer.status,
            headers={k: v[0] for k, v in answer.headers.items()},
        )


def _refuse(refusal: Refusal) -> Response:
    log.warning("payload_refused", status=refusal.status, reason=refusal.reason)
    return PlainTextResponse(refusal.reason + "\n", status_code=refusal.status)
