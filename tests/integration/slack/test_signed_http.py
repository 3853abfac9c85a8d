"""Unmodified slack_bolt over signed HTTP, and what an attacker or a bad network would send."""

from typing import Any

import pytest

from sandbox.slack.client import Workspace
from tests.integration.sandbox.conftest import until
from tests.integration.slack.bots import Bot


@pytest.fixture
def seen(bot: Bot, workspace: Workspace) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []

    @bot.app.command("/vm")
    async def on_command(ack: Any, body: dict[str, Any]) -> None:
        bodies.append(body)
        await ack("on it")

    @bot.app.event("message")
    async def on_message(body: dict[str, Any], request: Any) -> None:
        bodies.append({**body, "headers": request.headers})

    assert workspace.use_http(bot.listen())
    return bodies


def test_commands_and_events_are_signed(workspace: Workspace, seen: list[dict[str, Any]]) -> None:
    delivery = workspace.type("U0OPS1", "C0OPS", "/vm list")
    assert (delivery.acked, delivery.status, delivery.answer) == (True, 200, {"text": "on it"})
    assert workspace.wait("C0OPS", "U0OPS1", contains="on it").ephemeral
    workspace.type("U0OPS1", "C0OPS", "hello")
    # Bolt acknowledges an event before its listener hears of it
    assert until(lambda: len(seen) == 2)
    assert seen[1]["event"]["text"] == "hello"


def test_wrong_signatures_and_old_timestamps_are_made_to_order(
    workspace: Workspace, seen: list[dict[str, Any]]
) -> None:
    genuine = workspace.type("U0OPS1", "C0OPS", "/vm list")
    assert workspace.post(delivery_id=genuine.id).status == 200
    assert workspace.post(delivery_id=genuine.id, signature="v0=" + "0" * 64).status == 401
    assert workspace.post(delivery_id=genuine.id, signature=None).status == 401
    assert workspace.post(delivery_id=genuine.id, age=301).status == 401
    assert workspace.post(delivery_id=genuine.id, age=-301).status == 401
    assert len(seen) == 2


def test_an_app_that_fails_is_tried_again(workspace: Workspace, bot: Bot) -> None:
    headers: list[Any] = []

    @bot.app.event("message")
    async def on_message(request: Any) -> None:
        headers.append(request.headers)

    @bot.app.middleware
    async def fail_once(req: Any, resp: Any, next: Any) -> Any:  # noqa: A002 Bolt's name
        if "x-slack-retry-num" not in req.headers and "event_id" in req.raw_body:
            resp.status = 500
            return resp
        return await next()

    workspace.set_retries(0.0, 60.0)
    workspace.use_http(bot.listen(), verify=False)
    first = workspace.type("U0OPS1", "C0OPS", "hello")
    assert first.problem == "http_error"
    workspace.react("U0OPS1", workspace.messages("C0OPS")[0], "eyes")
    while not headers:
        workspace.control("change", {"after": workspace.version(), "timeout": 0.2})
    assert headers[0]["x-slack-retry-num"] == ["1"]
    assert headers[0]["x-slack-retry-reason"] == ["http_error"]
    again = next(d for d in workspace.deliveries("event") if d.id == first.id)
    assert [attempt.acked for attempt in again.attempts] == [False, True]


def test_an_app_that_is_away(workspace: Workspace) -> None:
    assert not workspace.use_http("http://127.0.0.1:9/slack/events")
    delivery = workspace.type("U0OPS1", "C0OPS", "/vm list")
    assert (delivery.delivered, delivery.problem) == (False, "connection_failed")
