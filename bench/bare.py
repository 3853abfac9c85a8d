"""The peer of the bot: Bolt on Starlette, as its documentation has it, with a handler that only enqueues."""

from __future__ import annotations

import asyncio
import os

import uvicorn
from redis import Redis
from rq import Queue
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

QUEUE = "bare"
PATH = "/slack/events"


def make_application() -> Starlette:
    """The ASGI application, from the environment."""
    slack = AsyncWebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["ANDOCK_SLACK_API_URL"])
    bolt = AsyncApp(
        client=slack, signing_secret=os.environ["SLACK_SIGNING_SECRET"], process_before_response=True
    )
    queue = Queue(QUEUE, connection=Redis.from_url(os.environ["REDIS_URL"]))

    @bolt.command("/vm")
    async def take(ack: AsyncAck, command: dict[str, str]) -> None:
        job = command["trigger_id"].replace(".", "-")
        await asyncio.to_thread(queue.enqueue, "jobs.perform", command["text"], job_id=job)
        await ack(f"Working on `{command['text']}` …")

    handler = AsyncSlackRequestHandler(bolt)

    async def receive(request: Request) -> Response:
        return await handler.handle(request)

    return Starlette(routes=[Route(PATH, receive, methods=["POST"])])


def main() -> None:
    """Serve, with the bot's own options of uvicorn."""
    config = uvicorn.Config(
        make_application(),
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
