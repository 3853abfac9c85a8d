"""The bot that one writes in an afternoon: Bolt in Socket Mode, and a job on a stock `rq worker`."""

from __future__ import annotations

import asyncio
import os

from redis import Redis
from rq import Queue
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bench.naive_job import show_vm

QUEUE = "naive"


async def serve() -> None:
    """Take `/vm info NAME` until the process is stopped."""
    slack = AsyncWebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["ANDOCK_SLACK_API_URL"])
    bolt = AsyncApp(client=slack)
    queue = Queue(QUEUE, connection=Redis.from_url(os.environ["REDIS_URL"]))

    @bolt.command("/vm")
    async def take(ack: AsyncAck, command: dict[str, str]) -> None:
        await ack()
        name = command["text"].removeprefix("info ")
        queue.enqueue(show_vm, name, command["channel_id"])

    await AsyncSocketModeHandler(bolt, os.environ["SLACK_APP_TOKEN"]).start_async()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    asyncio.run(serve())
