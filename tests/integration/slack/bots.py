"""An app made of unmodified slack_bolt and slack_sdk, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self

from aiohttp import web
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack.client import Workspace


class Bot:
    """Register listeners on `app`, then connect over sockets or listen for HTTP."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.client = AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)
        self.app = AsyncApp(client=self.client, signing_secret=workspace.signing_secret)
        self.handlers: list[AsyncSocketModeHandler] = []
        self.runner: web.AppRunner | None = None

    def run(self, work: Coroutine[Any, Any, Any], timeout: float = 15.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def connect(self, count: int = 1) -> Self:
        for _ in range(count):
            self.handlers.append(self.run(self._connect()))
        self.workspace.wait_sockets(count)
        return self

    async def _connect(self) -> AsyncSocketModeHandler:
        handler = AsyncSocketModeHandler(self.app, self.workspace.app_token, ping_interval=2)
        await handler.connect_async()
        return handler

    def listen(self) -> str:
        """Serve signed HTTP; returns the request URL."""
        server = self.app.server(port=0, path="/slack/events")
        self.runner = web.AppRunner(server.web_app)
        self.run(self.runner.setup())
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        self.run(site.start())
        port = self.runner.addresses[0][1]
        return f"http://127.0.0.1:{port}/slack/events"

    def close(self) -> None:
        for handler in self.handlers:
            self.run(handler.close_async())
        if self.runner is not None:
            self.run(self.runner.cleanup())
        self.run(_cancel_rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


async def _cancel_rest() -> None:
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
