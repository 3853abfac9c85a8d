"""Forms: triggers that run out, fields that are checked, answers that keep the form open."""

import asyncio
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from sandbox.slack.client import Refused, Workspace
from tests.integration.slack.bots import Bot


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def field(block_id: str, label: str, element: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": element, **more}


VIEW: dict[str, Any] = {
    "type": "modal",
    "callback_id": "clone",
    "title": plain("Clone a machine"),
    "submit": plain("Clone"),
    "close": plain("Cancel"),
    "notify_on_close": True,
    "private_metadata": "C0OPS",
    "blocks": [
        field("name", "Name", {"type": "plain_text_input", "action_id": "v", "max_length": 15}),
        field(
            "size",
            "Size",
            {
                "type": "static_select",
                "action_id": "v",
                "options": [{"text": plain(size.title()), "value": size} for size in ("small", "large")],
                "initial_option": {"text": plain("Small"), "value": "small"},
            },
        ),
        field("source", "Source", {"type": "external_select", "action_id": "v", "min_query_length": 1}),
        field("note", "Note", {"type": "plain_text_input", "action_id": "v"}, optional=True),
    ],
}


@pytest.fixture
def sent(bot: Bot) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []

    @bot.app.command("/vm")
    async def on_command(ack: Any, body: dict[str, Any], client: Any) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=VIEW)
        await ack()

    @bot.app.options("v")
    async def on_search(ack: Any, payload: dict[str, Any]) -> None:
        names = [name for name in ("web-1", "web-2", "db-1") if payload["value"] in name]
        await ack(options=[{"text": plain(name), "value": name} for name in names])

    @bot.app.view("clone")
    async def on_submit(ack: Any, body: dict[str, Any]) -> None:
        bodies.append(body)
        name = body["view"]["state"]["values"]["name"]["v"]["value"]
        if name == "taken":
            await ack(response_action="errors", errors={"name": "there is one already"})
        elif name == "next":
            await ack(response_action="push", view={**VIEW, "title": plain("Second")})
        else:
            await ack()

    @bot.app.view_closed("clone")
    async def on_close(ack: Any, body: dict[str, Any]) -> None:
        bodies.append(body)
        await ack()

    bot.connect()
    return bodies


def test_a_form_from_opening_to_submission(workspace: Workspace, sent: list[dict[str, Any]]) -> None:
    workspace.type("U0OPS1", "C0OPS", "/vm clone")
    form = workspace.wait_form("U0OPS1", title="Clone a machine")
    assert form.private_metadata == "C0OPS"
    assert workspace.form("U0OPS2") is None
    assert workspace.suggest("U0OPS1", "Source", "web") == ["web-1", "web-2"]
    result = workspace.submit("U0OPS1", {"Name": "web-3", "size": "large", "Source": "web-2"})
    assert result.acked
    assert result.closed
    assert workspace.form("U0OPS1") is None
    values = sent[0]["view"]["state"]["values"]
    assert values["name"]["v"] == {"type": "plain_text_input", "value": "web-3"}
    assert values["size"]["v"]["selected_option"]["value"] == "large"
    assert values["source"]["v"]["selected_option"]["value"] == "web-2"
    assert values["note"]["v"]["value"] is None
    keys = "type team user api_app_id token trigger_id view response_urls is_enterprise_install enterprise"
    assert sorted(sent[0]) == sorted(keys.split())


def test_what_the_client_checks_never_reaches_the_app(
    workspace: Workspace, sent: list[dict[str, Any]]
) -> None:
    workspace.type("U0OPS1", "C0OPS", "/vm clone")
    refused = workspace.submit("U0OPS1", {"Name": "much too long a name"})
    assert set(refused.errors or {}) == {"name", "source"}
    assert not refused.acked
    with pytest.raises(Refused, match="no_such_option"):
        workspace.submit("U0OPS1", {"Name": "x", "size": "huge"})
    with pytest.raises(Refused, match="no_such_field"):
        workspace.submit("U0OPS1", {"Colour": "red"})
    assert sent == []


def test_the_app_can_keep_the_form_open(workspace: Workspace, sent: list[dict[str, Any]]) -> None:
    workspace.type("U0OPS1", "C0OPS", "/vm clone")
    refused = workspace.submit("U0OPS1", {"Name": "taken", "Source": "web-1"})
    assert refused.errors == {"name": "there is one already"}
    form = workspace.form("U0OPS1")
    assert form is not None
    assert form.errors == {"name": "there is one already"}
    workspace.submit("U0OPS1", {"Name": "next", "Source": "web-1"})
    second = workspace.wait_form("U0OPS1", title="Second")
    assert second.depth == 2
    workspace.close("U0OPS1")
    workspace.close("U0OPS1")
    assert workspace.form("U0OPS1") is None
    assert [body["type"] for body in sent] == [
        "view_submission",
        "view_submission",
        "view_closed",
        "view_closed",
    ]


def test_a_trigger_runs_out_and_works_once(workspace: Workspace, bot: Bot) -> None:
    errors: list[str] = []
    ended = asyncio.Event()

    @bot.app.command("/vm")
    async def on_command(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        if body["text"] == "late":
            await asyncio.sleep(3.1)
        for _ in range(2):
            try:
                await client.views_open(trigger_id=body["trigger_id"], view=VIEW)
            except SlackApiError as refusal:
                errors.append(refusal.response["error"])
        ended.set()

    bot.connect()
    workspace.type("U0OPS1", "C0OPS", "/vm twice")
    bot.run(ended.wait())
    assert errors == ["exchanged_trigger_id"]
    ended.clear()
    workspace.type("U0OPS1", "C0OPS", "/vm late")
    bot.run(ended.wait())
    assert errors[1:] == ["expired_trigger_id"] * 2
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        bot.run(bot.client.views_open(trigger_id="1.2.3", view=VIEW))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"title": plain("x" * 25)}, "/view/title/text"),
        ({"submit": None}, "/view/submit"),
        ({"private_metadata": "x" * 3001}, "/view/private_metadata"),
        ({"blocks": [{"type": "divider"}] * 101}, "/view/blocks"),
        ({"colour": "red"}, "/view/colour"),
    ],
)
def test_a_wrong_view_is_refused_with_the_place(
    workspace: Workspace, bot: Bot, change: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(SlackApiError) as refusal:
        bot.run(bot.client.views_open(trigger_id="1.2.3", view={**VIEW, **change}))
    assert refusal.value.response["error"] == "invalid_arguments"
    assert any(pointer in line for line in refusal.value.response["response_metadata"]["messages"])


def test_an_update_with_an_old_hash_is_refused(
    workspace: Workspace, bot: Bot, sent: list[dict[str, Any]]
) -> None:
    workspace.type("U0OPS1", "C0OPS", "/vm clone")
    form = workspace.wait_form("U0OPS1")
    updated = bot.run(bot.client.views_update(view_id=form.id, view={**VIEW, "title": plain("Updated")}))
    assert workspace.wait_form("U0OPS1", title="Updated").id == form.id
    with pytest.raises(SlackApiError, match="hash_conflict"):
        bot.run(bot.client.views_update(view_id=form.id, view=VIEW, hash="1.old"))
    assert bot.run(bot.client.views_update(view_id=form.id, view=VIEW, hash=updated["view"]["hash"]))["ok"]


def test_the_home_tab(workspace: Workspace, bot: Bot) -> None:
    home = {"type": "home", "blocks": [{"type": "header", "text": plain("Sites")}]}
    bot.run(bot.client.views_publish(user_id="U0OPS1", view=home))
    shown = workspace.home("U0OPS1")
    assert shown is not None
    assert shown.blocks[0]["type"] == "header"


def test_an_external_select_in_a_message(workspace: Workspace, bot: Bot, sent: list[dict[str, Any]]) -> None:
    chosen: list[str] = []

    @bot.app.action("v")
    async def on_choice(ack: Any, action: dict[str, Any]) -> None:
        await ack()
        chosen.append(action["selected_option"]["value"])

    blocks = [{"type": "actions", "elements": [{"type": "external_select", "action_id": "v"}]}]
    bot.run(bot.client.chat_postMessage(channel="C0OPS", text="which?", blocks=blocks))
    workspace.select("U0OPS1", workspace.messages("C0OPS")[0], "v", "db-1")
    assert chosen == ["db-1"]
