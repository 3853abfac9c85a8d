"""The HTTP server: routes, start, stop."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from sandbox.slack import control, page
from sandbox.slack.parts import App, Parts
from sandbox.slack.rates import HOOK_KEY
from sandbox.slack.webapi import files
from sandbox.slack.webapi.dispatch import WebApi
from sandbox.slack.wire import ApiError, Identity, Json, RateLimitedError
from sandbox.slack.workspace import WorkspaceState

MAX_BODY = 64 * 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """One workspace on one loopback port."""

    def __init__(self, identity: Identity, app: App, port: int) -> None:
        """Port 0 takes a free one; nothing listens until `start`."""
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        identity = replace(identity, base_url=f"http://127.0.0.1:{self.port}")
        self.parts = Parts(identity, app, WorkspaceState(identity))
        self._runner = web.AppRunner(self._build(), access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        """Close sockets and stop."""
        await self.parts.sockets.close()
        await self.parts.courier.close()
        await self._runner.cleanup()

    def describe(self) -> Json:
        """The line that tells a parent process where everything is."""
        identity = self.parts.identity
        return {
            "url": identity.base_url,
            "api_url": f"{identity.base_url}/api/",
            "control_url": f"{identity.base_url}/_control",
            "bot_token": identity.bot_token,
            "app_token": identity.app_token,
            "signing_secret": identity.signing_secret,
            "team_id": identity.team_id,
            "app_id": identity.app_id,
            "bot_id": identity.bot_id,
            "bot_user": identity.bot_user,
        }

    def _build(self) -> web.Application:
        parts = self.parts
        application = web.Application(client_max_size=MAX_BODY)
        add = application.router.add_route
        add("*", "/api/{method}", WebApi(parts).handle)
        add("GET", "/link/", parts.sockets.serve)
        for family in ("commands", "actions", "app"):
            add("POST", f"/{family}/{{team}}/{{number}}/{{token}}", self._answer_hook)
        add("POST", "/upload/v1/{name}", self._bind(files.receive_bytes))
        add("GET", "/files-pri/{file}/{name:.*}", self._bind(files.send_bytes))
        add("*", "/_control/{name}", self._bind(control.handle))
        add("GET", "/", self._show_page)
        return application

    def _bind(self, handler: Callable[[Parts, web.Request], Awaitable[web.StreamResponse]]) -> Handler:
        async def run(request: web.Request) -> web.StreamResponse:
            return await handler(self.parts, request)

        return run

    async def _show_page(self, request: web.Request) -> web.Response:
        channel, viewer = request.query.get("channel", "C0OPS"), request.query.get("as", "")
        return web.Response(text=page.render(self.parts, channel, viewer), content_type="text/html")

    async def _answer_hook(self, request: web.Request) -> web.StreamResponse:
        """A response_url. Errors are HTTP statuses here, unlike in the Web API."""
        fault = self.parts.faults.take("response_url")
        if fault is not None:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "drop" and fault.when == "before" and request.transport is not None:
                request.transport.close()
                return web.Response(status=500)
            elif fault.kind == "ratelimited":
                return web.Response(status=429, headers={"Retry-After": str(fault.retry_after)})
            elif fault.kind != "drop":
                return web.Response(status=fault.status, text=fault.error)
        token = request.match_info["token"]
        try:
            body = json.loads(await request.text())
            self.parts.rates.spend(HOOK_KEY, token)
            self.parts.hooks.use(token, body)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        except RateLimitedError as limit:
            return web.Response(status=429, headers={"Retry-After": str(limit.retry_after)})
        except ApiError as refusal:
            gone = refusal.error in ("used_url", "expired_url", "no_service")
            return web.json_response(refusal.body(), status=404 if gone else 400)
        if fault is not None and fault.kind == "drop" and request.transport is not None:
            request.transport.close()
        return web.Response(text="ok")
