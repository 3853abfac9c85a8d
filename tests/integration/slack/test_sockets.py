"""Unmodified slack_bolt over Socket Mode: commands, mentions, buttons, and sockets that go wrong."""

import asyncio
import time
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from sandbox.slack.client import Refused, Workspace
from tests.integration.sandbox.conftest import until
from tests.integration.slack.bots import Bot

CONFIRM = {
    "title": {"type": "plain_text", "text": "Sure?"},
    "text": {"type": "plain_text", "text": "Stops web-1"},
}
BLOCKS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Plan* for <@U0OPS1>"}},
    {
        "type": "actions",
        "block_id": "choice",
        "elements": [
            {
                "type": "button",
                "action_id": "go",
                "value": "r-1",
                "text": {"type": "plain_text", "text": "Go ahead"},
                "confirm": CONFIRM,
            },
            {
                "type": "button",
                "action_id": "no",
                "value": "r-1",
                "text": {"type": "plain_text", "text": "Cancel"},
            },
        ],
    },
]


@pytest.fixture
def seen(bot: Bot) -> list[dict[str, Any]]:
    """Bodies of everything that arrived; the bot answers commands and clicks."""
    bodies: list[dict[str, Any]] = []

    @bot.app.command("/vm")
    async def on_command(ack: Any, body: dict[str, Any]) -> None:
        bodies.append(body)
        await ack(text=f"working on {body['text']}")

    @bot.app.action({"block_id": "choice"})
    async def on_click(ack: Any, body: dict[str, Any], client: Any) -> None:
        bodies.append(body)
        await ack()
        if "message" in body:
            await client.chat_update(
                channel=body["channel"]["id"], ts=body["message"]["ts"], text="done", blocks=[]
            )

    @bot.app.event("app_mention")
    async def on_mention(body: dict[str, Any], say: Any) -> None:
        bodies.append(body)
        await say(text="yes?", thread_ts=body["event"]["ts"])

    @bot.app.event("message")
    async def on_message(body: dict[str, Any]) -> None:
        bodies.append(body)

    return bodies


def events(seen: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [body["event"] for body in seen if body.get("event", {}).get("type") == kind]


def test_a_command_is_acknowledged_in_private(
    workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]
) -> None:
    bot.connect()
    delivery = workspace.type("U0OPS1", "C0OPS", "/vm stop web-1")
    assert delivery.acked
    assert delivery.answer == {"text": "working on stop web-1"}
    assert workspace.messages("C0OPS", "U0OPS1")[0].spoken == "working on stop web-1"
    assert workspace.messages("C0OPS", "U0OPS2") == []
    keys = (
        "token team_id team_domain channel_id channel_name user_id user_name command text api_app_id "
        "is_enterprise_install response_url trigger_id"
    )
    assert sorted(seen[0]) == sorted(keys.split())


def test_an_answer_can_be_for_everybody_and_must_be_valid(workspace: Workspace, bot: Bot) -> None:
    @bot.app.command("/vm")
    async def on_command(ack: Any, body: dict[str, Any]) -> None:
        if body["text"] == "public":
            await ack(text="for all", response_type="in_channel")
        else:
            await ack(text="x", blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": ""}}])

    bot.connect()
    workspace.type("U0OPS1", "C0OPS", "/vm public")
    assert workspace.wait("C0OPS", "U0OPS2", contains="for all", ephemeral=False)
    broken = workspace.type("U0OPS1", "C0OPS", "/vm broken")
    assert "invalid_blocks" in broken.complaint
    assert workspace.wait("C0OPS", "U0OPS1", contains="invalid_blocks").user_name == "slackbot"


def test_nobody_listens(workspace: Workspace) -> None:
    delivery = workspace.type("U0OPS1", "C0OPS", "/vm stop web-1")
    assert (delivery.delivered, delivery.acked, delivery.problem) == (False, False, "no_socket")
    assert workspace.wait("C0OPS", "U0OPS1", contains="dispatch_failed").ephemeral


def test_a_late_acknowledgement_is_none(workspace: Workspace, bot: Bot) -> None:
    @bot.app.command("/vm")
    async def on_command(ack: Any) -> None:
        await asyncio.sleep(3.3)
        await ack("too late")

    bot.connect()
    delivery = workspace.type("U0OPS1", "C0OPS", "/vm stop web-1")
    assert delivery.delivered
    assert not delivery.acked
    assert workspace.wait("C0OPS", "U0OPS1", contains="operation_timeout")


def test_what_a_person_cannot_type(workspace: Workspace) -> None:
    for user, channel, text, error in (
        ("U0OPS1", "C0OPS", "/nonsense", "unknown_command"),
        ("U0GUEST1", "C0PROD", "hello", "not_in_channel"),
        ("U0GONE1", "C0OPS", "hello", "user_is_deactivated"),
        ("U0NOBODY", "C0OPS", "hello", "unknown"),
    ):
        with pytest.raises(Refused) as refusal:
            workspace.type(user, channel, text)
        assert refusal.value.error == error


def test_a_mention_is_two_events_and_a_direct_message_one(
    workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]
) -> None:
    bot.connect()
    said = workspace.type("U0OPS1", "C0OPS", "@andock vm info web1.example.com")
    answer = workspace.wait("C0OPS", thread_ts=said.ts, contains="yes?")
    assert answer.is_reply
    assert until(lambda: len(events(seen, "message")) == 1)
    mention, message = events(seen, "app_mention")[0], events(seen, "message")[0]
    assert mention["text"] == "<@U0ANDOCK> vm info <http://web1.example.com|web1.example.com>"
    assert "channel_type" not in mention
    assert message["channel_type"] == "channel"
    private = workspace.type("U0OPS1", "D0OPS1", "help")
    assert [attempt.acked for attempt in private.attempts] == [True]
    # Bolt acknowledges an event before its listener hears of it
    assert until(lambda: events(seen, "message")[-1]["channel_type"] == "im")
    workspace.type("U0OPS1", "C0LAB", "@andock the app is not in here")
    assert len(events(seen, "app_mention")) == 1


def test_edits_and_other_bots_are_recognisable(
    workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]
) -> None:
    bot.connect()
    workspace.type("U0OPS1", "C0OPS", "first")
    workspace.edit("U0OPS1", workspace.messages("C0OPS")[0], "second")
    workspace.type("U0BOT1", "C0OPS", "beep")
    workspace.type("U0STRANGER1", "C0OPS", "hello from outside")
    # Bolt acknowledges an event before its listener hears of it
    assert until(lambda: len(events(seen, "message")) == 4)
    by_subtype = {event.get("subtype"): event for event in events(seen, "message")}
    assert by_subtype["message_changed"]["message"]["text"] == "second"
    assert by_subtype["message_changed"]["previous_message"]["text"] == "first"
    assert by_subtype["bot_message"]["bot_id"] == "B0BOT1"
    (stranger,) = (event for event in events(seen, "message") if event.get("user") == "U0STRANGER1")
    assert stranger["user_team"] == "T0OTHER"


def test_a_button_asks_first(workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]) -> None:
    bot.connect()
    bot.run(bot.client.chat_postMessage(channel="C0OPS", text="plan", blocks=BLOCKS))
    plan = workspace.wait("C0OPS", "U0OPS1", button="Go ahead")
    assert [button.label for button in plan.buttons] == ["Go ahead", "Cancel"]
    assert plan.button("go").confirm == "Sure?: Stops web-1"
    with pytest.raises(Refused, match="Stops web-1"):
        workspace.click("U0OPS1", plan, "Go ahead")
    assert workspace.click("U0OPS1", plan, "Go ahead", confirm=False).dismissed
    assert seen == []
    assert workspace.click("U0OPS1", plan, "Go ahead", confirm=True).acked
    done = workspace.wait("C0OPS", "U0OPS1", ts=plan.ts, edited=True)
    assert done.spoken == "done"
    body = seen[0]
    keys = (
        "type user api_app_id token container trigger_id team enterprise is_enterprise_install actions "
        "channel state response_url message"
    )
    assert sorted(body) == sorted(keys.split())
    assert set(body["actions"][0]) == {"action_id", "block_id", "text", "value", "type", "action_ts"}
    with pytest.raises(Refused, match="no_such_element"):
        workspace.click("U0OPS2", done, "Cancel")
    assert workspace.click("U0OPS2", done, "Cancel", stale=True).acked


def test_a_button_of_an_ephemeral_message(workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]) -> None:
    bot.connect()
    bot.run(bot.client.chat_postEphemeral(channel="C0OPS", user="U0OPS1", text="plan", blocks=BLOCKS))
    plan = workspace.wait("C0OPS", "U0OPS1", button="Cancel")
    with pytest.raises(Refused, match="only U0OPS1"):
        workspace.click("U0OPS2", plan, "Cancel")
    assert workspace.click("U0OPS1", plan, "Cancel").acked
    assert "message" not in seen[0]
    assert seen[0]["container"]["is_ephemeral"]


def test_selects_offer_what_they_offer(workspace: Workspace, bot: Bot) -> None:
    chosen: list[Any] = []

    @bot.app.action("site")
    async def on_choice(ack: Any, action: dict[str, Any]) -> None:
        await ack()
        chosen.append(action["selected_option"]["value"])

    bot.connect()
    options = [
        {"text": {"type": "plain_text", "text": name.title()}, "value": name} for name in ("lab", "edge")
    ]
    select = {"type": "static_select", "action_id": "site", "options": options}
    bot.run(
        bot.client.chat_postMessage(
            channel="C0OPS", text="site", blocks=[{"type": "actions", "elements": [select]}]
        )
    )
    message = workspace.wait("C0OPS", contains="site")
    workspace.select("U0OPS1", message, "site", "edge")
    workspace.select("U0OPS1", message, "site", "Lab")
    assert chosen == ["edge", "lab"]
    with pytest.raises(Refused, match="lab, edge"):
        workspace.select("U0OPS1", message, "site", "moon")


def test_a_response_url_answers_five_times(workspace: Workspace, bot: Bot) -> None:
    statuses: list[int] = []
    ended = asyncio.Event()

    @bot.app.command("/vm")
    async def on_command(ack: Any, respond: Any) -> None:
        await ack()
        for number in range(6):
            answer = await respond(text=f"answer {number}", response_type="in_channel")
            statuses.append(answer.status_code)
        ended.set()

    bot.connect()
    workspace.limit("response_url", 600, 10)
    workspace.type("U0OPS1", "C0OPS", "/vm list")
    bot.run(ended.wait())
    assert statuses == [200] * 5 + [404]
    assert [m.text for m in workspace.messages("C0OPS", "U0OPS2")] == [f"answer {n}" for n in range(5)]


def test_names_arrive_as_ids_when_asked_for(
    workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]
) -> None:
    bot.connect()
    typed = "/vm tell @ops-2 and @ops in #prod & see https://x.test/a"
    workspace.type("U0OPS1", "C0OPS", typed)
    workspace.set_app(commands={"/vm": True})
    workspace.type("U0OPS1", "C0OPS", typed)
    assert [body["text"] for body in seen] == [
        "tell @ops-2 and @ops in #prod & see https://x.test/a",
        "tell <@U0OPS2|ops-2> and <!subteam^S0OPS|@ops> in <#C0PROD|prod> &amp; see <https://x.test/a>",
    ]


def test_the_same_payload_again(workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]) -> None:
    bot.connect()
    first = workspace.type("U0OPS1", "C0OPS", "/vm list")
    again = workspace.repeat(first, 3, concurrent=True)
    assert len(again.attempts) == 4
    assert len({body["trigger_id"] for body in seen}) == 1
    made_up = workspace.deliver("slash", {**first.payload, "trigger_id": "other"}, times=2)
    assert made_up.acked
    assert len(seen) == 6


def test_an_unacknowledged_event_comes_again(workspace: Workspace, bot: Bot) -> None:
    headers: list[Any] = []
    arrived = asyncio.Event()

    @bot.app.event("message")
    async def on_message(request: Any) -> None:
        headers.append(request.headers)
        arrived.set()

    workspace.set_retries(0.1)
    bot.connect()
    workspace.disturb("mute")
    first = workspace.type("U0OPS1", "C0OPS", "hello")
    assert (first.acked, first.problem) == (False, "timeout")
    workspace.disturb("unmute")
    bot.run(arrived.wait())
    assert headers[0]["x-slack-retry-num"] == ["1"]
    assert headers[0]["x-slack-retry-reason"] == ["timeout"]


def test_a_refresh_or_a_cut_loses_nothing_for_long(
    workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]
) -> None:
    bot.connect()
    for action in ("warn", "refresh", "drop"):
        old = {socket.id for socket in workspace.sockets()}
        assert workspace.disturb(action) == 1
        deadline = time.monotonic() + 10
        while not {s.id for s in workspace.sockets() if not s.leaving} - old and time.monotonic() < deadline:
            workspace.control("change", {"after": workspace.version(), "timeout": 0.5})
        workspace.wait_sockets(1)
        assert workspace.type("U0OPS1", "C0OPS", f"/vm after {action}").acked
    assert [body["text"] for body in seen] == ["after warn", "after refresh", "after drop"]


def test_payloads_go_to_any_connection(workspace: Workspace, bot: Bot, seen: list[dict[str, Any]]) -> None:
    bot.connect(3)
    for number in range(12):
        workspace.type("U0OPS1", "C0OPS", f"/vm {number}")
    assert len(seen) == 12
    assert sum(socket.acked > 0 for socket in workspace.sockets()) >= 2


def test_the_eleventh_connection_is_refused(workspace: Workspace, bot: Bot) -> None:
    async def open_one(session: Any) -> Any:
        url = (await bot.client.apps_connections_open(app_token=workspace.app_token))["url"]
        socket = await session.ws_connect(url)
        return socket, await socket.receive_json()

    async def open_many() -> list[dict[str, Any]]:
        import aiohttp

        async with aiohttp.ClientSession() as session:
            opened = [await open_one(session) for _ in range(11)]
            return [frame for _, frame in opened]

    frames = bot.run(open_many())
    assert [frame["type"] for frame in frames] == ["hello"] * 10 + ["disconnect"]
    assert frames[9]["num_connections"] == 10
    assert frames[10]["reason"] == "too_many_websockets"


def test_a_disabled_link(workspace: Workspace, bot: Bot) -> None:
    workspace.disturb("link_disabled")
    with pytest.raises(SlackApiError, match="socket_mode_disabled"):
        bot.run(bot.client.apps_connections_open(app_token=workspace.app_token))
    workspace.disturb("link_enabled")
    bot.connect()
