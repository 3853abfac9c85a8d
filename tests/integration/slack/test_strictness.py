"""The Web API refuses what Slack refuses, with Slack's names."""

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.slack.client import Workspace


@pytest.fixture(scope="module")
def api(shared: Workspace) -> WebClient:
    return WebClient(token=shared.bot_token, base_url=shared.api_url)


def refuse(api: WebClient, method: str, **args: Any) -> SlackApiError:
    with pytest.raises(SlackApiError) as refusal:
        api.api_call(method, json=args)
    return refusal.value


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(text: str = "Go", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": text}, "action_id": "go", **more}


def actions(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements), **more}


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("chat.postMessage", {"text": "x"}, "missing_argument"),
        ("chat.postMessage", {"channel": "C0NONE", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "C0LAB", "text": "x"}, "not_in_channel"),
        ("chat.postMessage", {"channel": "C0OPS"}, "no_text"),
        (
            "chat.postMessage",
            {"channel": "C0OPS", "text": "x", "markdown_text": "y"},
            "markdown_text_conflict",
        ),
        ("chat.postMessage", {"channel": "C0OPS", "markdown_text": "y" * 12_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": "C0OPS", "text": "x", "blocks": "{"}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": "C0OPS", "text": "x", "blocks": {"a": 1}}, "invalid_blocks_format"),
        (
            "chat.postMessage",
            {"channel": "C0OPS", "text": "x", "metadata": "nope"},
            "invalid_metadata_format",
        ),
        (
            "chat.postMessage",
            {"channel": "C0OPS", "text": "x", "metadata": {"a": 1}},
            "invalid_metadata_schema",
        ),
        (
            "chat.postMessage",
            {"channel": "C0OPS", "text": "x", "thread_ts": "1.000001"},
            "cannot_reply_to_message",
        ),
        ("chat.postEphemeral", {"channel": "C0OPS", "text": "x"}, "missing_argument"),
        ("chat.postEphemeral", {"channel": "C0PROD", "user": "U0GUEST1", "text": "x"}, "user_not_in_channel"),
        ("chat.postEphemeral", {"channel": "C0LAB", "user": "U0OPS1", "text": "x"}, "not_in_channel"),
        ("chat.postEphemeral", {"channel": "C0OPS", "user": "U0OPS1", "text": "x" * 40_001}, "msg_too_long"),
        ("chat.update", {"channel": "C0OPS", "ts": "1.000001", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": "C0OPS", "ts": "1.000001"}, "message_not_found"),
        ("views.open", {"view": {"type": "modal"}}, "invalid_arguments"),
        ("views.open", {"trigger_id": "1.2.3"}, "missing_argument"),
        ("users.info", {"user": "U0OPS1"}, "missing_argument"),  # takes no JSON
        ("conversations.open", {"users": "U0GONE1"}, "user_disabled"),
        ("conversations.open", {"users": "U0BOT1"}, "cannot_dm_bot"),
        ("conversations.open", {}, "users_list_not_supplied"),
        ("conversations.join", {"channel": "C0ADMIN"}, "method_not_supported_for_channel_type"),
        ("reactions.add", {"channel": "C0OPS", "name": "No Name", "timestamp": "1.1"}, "invalid_name"),
        ("files.completeUploadExternal", {"files": [{"id": "F0NONE"}]}, "file_not_found"),
        ("apps.connections.open", {}, "not_allowed_token_type"),
        ("no.such.method", {}, "unknown_method"),
    ],
)
def test_a_wrong_call_is_refused_by_name(
    api: WebClient, method: str, args: dict[str, Any], error: str
) -> None:
    assert refuse(api, method, **args).response["error"] == error


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("users.info", {"user": "U0NOBODY"}, "user_not_found"),
        ("users.lookupByEmail", {"email": "a@b.c"}, "users_not_found"),
        ("usergroups.users.list", {"usergroup": "S0NONE"}, "no_such_subteam"),
        ("conversations.history", {"channel": "C0LAB"}, "not_in_channel"),
        ("conversations.replies", {"channel": "C0OPS", "ts": "1.000001"}, "thread_not_found"),
        ("conversations.list", {"types": "nonsense"}, "invalid_types"),
        ("conversations.members", {"channel": "C0OPS", "cursor": "zzz"}, "invalid_cursor"),
        ("files.getUploadURLExternal", {"filename": "a", "length": 0}, "missing_argument"),
    ],
)
def test_a_wrong_form_is_refused_by_name(
    api: WebClient, method: str, args: dict[str, Any], error: str
) -> None:
    with pytest.raises(SlackApiError) as refusal:
        api.api_call(method, params=args)
    assert refusal.value.response["error"] == error


def long_text(length: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": "x" * length}


def select(**more: Any) -> dict[str, Any]:
    return {"type": "static_select", "action_id": "s", **more}


def entry(**more: Any) -> dict[str, Any]:
    field = {"type": "plain_text_input", "action_id": "v"}
    return {"type": "input", "label": PLAIN, "element": field, **more}


OPTION = {"text": {"type": "plain_text", "text": "a"}, "value": "a"}
PLAIN = {"type": "plain_text", "text": "a"}
GROUP = {"label": PLAIN, "options": [OPTION]}


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([section("x")] * 51, id="51 blocks"),
        pytest.param([section("x" * 3001)], id="long section"),
        pytest.param([section("")], id="empty text"),
        pytest.param([{"type": "section"}], id="section without text"),
        pytest.param(
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}], id="long field"
        ),
        pytest.param([{"type": "section", "fields": [PLAIN] * 11}], id="11 fields"),
        pytest.param(
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], id="long header"
        ),
        pytest.param([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], id="mrkdwn header"),
        pytest.param([actions()], id="no actions"),
        pytest.param([actions(*[button(action_id=f"b{n}") for n in range(26)])], id="26 actions"),
        pytest.param([actions(button(), button())], id="same action_id twice"),
        pytest.param([actions(button("x" * 76))], id="long button"),
        pytest.param([actions(button(value="x" * 2001))], id="long value"),
        pytest.param([actions(button(style="loud"))], id="unknown style"),
        pytest.param([actions(button(action_id="x" * 256))], id="long action_id"),
        pytest.param([{**section("x"), "block_id": "b"}] * 2, id="same block_id twice"),
        pytest.param([{**section("x"), "block_id": "b" * 256}], id="long block_id"),
        pytest.param([{**section("x"), "color": "red"}], id="unknown key"),
        pytest.param([{"type": "sectoin"}], id="unknown type"),
        pytest.param([{"type": "alert", "text": PLAIN}], id="alert outside of a modal"),
        pytest.param([{"type": "context", "elements": [PLAIN] * 11}], id="11 in context"),
        pytest.param([{"type": "markdown", "text": "x" * 12_001}], id="long markdown"),
        pytest.param([{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]] * 101}], id="101 rows"),
        pytest.param([{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]}], id="21 cells"),
        pytest.param(
            [actions({"type": "overflow", "action_id": "o", "options": [OPTION] * 6})], id="overflow of 6"
        ),
        pytest.param(
            [
                actions(
                    {"type": "static_select", "action_id": "s", "options": [{**OPTION, "value": "x" * 151}]}
                )
            ],
            id="long option value",
        ),
        pytest.param(
            [
                actions(
                    {
                        "type": "static_select",
                        "action_id": "s",
                        "options": [{"text": {"type": "plain_text", "text": "x" * 76}, "value": "a"}],
                    }
                )
            ],
            id="long option text",
        ),
        pytest.param(
            [
                actions(
                    {
                        "type": "static_select",
                        "action_id": "s",
                        "options": [{"text": PLAIN, "value": str(n)} for n in range(101)],
                    }
                )
            ],
            id="101 options",
        ),
        pytest.param([actions(button(confirm={"title": PLAIN}))], id="confirm without text"),
        pytest.param(
            [actions(button(confirm={"title": PLAIN, "text": {"type": "plain_text", "text": "x" * 301}}))],
            id="long confirm",
        ),
        pytest.param(
            [actions(button(confirm={"title": long_text(101), "text": PLAIN}))], id="long confirm title"
        ),
        pytest.param(
            [actions(button(confirm={"title": PLAIN, "text": PLAIN, "confirm": long_text(31)}))],
            id="long confirm button",
        ),
        pytest.param(
            [actions({"type": "users_select", "action_id": "u", "placeholder": long_text(151)})],
            id="long placeholder",
        ),
        pytest.param([actions(select(option_groups=[GROUP] * 101))], id="101 option groups"),
        pytest.param(
            [actions(select(option_groups=[{**GROUP, "label": long_text(76)}]))], id="long group label"
        ),
        pytest.param([actions(button(accessibility_label="x" * 76))], id="long accessibility label"),
        pytest.param([{"type": "image", "image_url": "http://x/y.png"}], id="image without alt text"),
        pytest.param(
            [{"type": "image", "image_url": "http://x/y.png", "alt_text": "x" * 2001}], id="long alt text"
        ),
        pytest.param([entry(label=long_text(2001))], id="long label"),
        pytest.param([entry(hint=long_text(2001))], id="long hint"),
        pytest.param(
            [{"type": "task_card", "task_id": "1", "title": "t", "status": "completed"}], id="task state"
        ),
    ],
)
def test_wrong_blocks_are_refused_with_the_place(api: WebClient, blocks: list[dict[str, Any]]) -> None:
    response = refuse(api, "chat.postMessage", channel="C0OPS", text="x", blocks=blocks).response
    assert response["error"] == "invalid_blocks"
    assert "json-pointer:/blocks" in response["response_metadata"]["messages"][0]
    verdict = refuse(api, "blocks.validate", blocks=blocks).response
    assert verdict["error"] == "invalid_blocks"
    assert verdict["errors"][0]["message"]


def test_many_correct_blocks_are_too_long_together(api: WebClient) -> None:
    blocks = [section("x" * 2900)] * 5
    assert (
        refuse(api, "chat.postMessage", channel="C0OPS", blocks=blocks).response["error"]
        == "msg_blocks_too_long"
    )


def test_everything_at_its_limit_is_accepted(api: WebClient) -> None:
    option = {"text": {"type": "plain_text", "text": "x" * 75}, "value": "v" * 150}
    blocks = [
        section("x" * 3000),
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 150}},
        actions(
            button("x" * 75, value="v" * 2000, confirm={"title": PLAIN, "text": PLAIN, "style": "danger"})
        ),
        {
            "type": "section",
            "text": PLAIN,
            "accessory": {"type": "overflow", "action_id": "o", "options": [option]},
        },
        {"type": "context", "elements": [PLAIN] * 10},
        {"type": "divider"},
    ]
    assert api.chat_postMessage(channel="C0OPS", text="x", blocks=blocks)["ok"]
    assert api.chat_postMessage(channel="C0OPS", text="x", blocks=[{"type": "divider"}] * 50)["ok"]
    assert api.api_call("blocks.validate", json={"blocks": blocks})["ok"]


def home(**more: Any) -> dict[str, Any]:
    return {"type": "home", "blocks": [section("x")], **more}


@pytest.mark.parametrize(
    ("view", "error"),
    [
        pytest.param(home(callback_id="x" * 256), "invalid_arguments", id="long callback_id"),
        pytest.param(home(external_id="x" * 256), "invalid_arguments", id="long external_id"),
        pytest.param(home(blocks=[section("x" * 2900)] * 90), "view_too_large", id="too large together"),
    ],
)
def test_a_view_over_a_limit_is_refused(api: WebClient, view: dict[str, Any], error: str) -> None:
    assert refuse(api, "views.publish", user_id="U0OPS1", view=view).response["error"] == error


def test_a_view_at_its_limits_is_accepted(api: WebClient) -> None:
    view = home(blocks=[section("x")] * 100, callback_id="x" * 255, private_metadata="x" * 3000)
    assert api.views_publish(user_id="U0OPS1", view=view)["ok"]


def test_long_text_is_cut_at_forty_thousand(api: WebClient) -> None:
    answer = api.chat_postMessage(channel="C0OPS", text="x" * 40_010)
    assert len(answer["message"]["text"]) == 40_000
    assert answer["warning"] == "message_truncated"


def test_tokens(shared: Workspace) -> None:
    for token, error in ((None, "not_authed"), ("xoxb-wrong", "invalid_auth")):
        stranger = WebClient(token=token, base_url=shared.api_url)
        assert refuse(stranger, "chat.postMessage", channel="C0OPS", text="x").response["error"] == error
    app = WebClient(token=shared.app_token, base_url=shared.api_url)
    assert app.apps_connections_open(app_token=shared.app_token)["url"].startswith("ws://127.0.0.1:")
    assert (
        refuse(app, "chat.postMessage", channel="C0OPS", text="x").response["error"]
        == "not_allowed_token_type"
    )


def test_scopes(shared: Workspace, api: WebClient) -> None:
    shared.set_app(scopes=["chat:write"])
    try:
        with pytest.raises(SlackApiError) as refusal:
            api.users_info(user="U0OPS1")
        assert refusal.value.response["error"] == "missing_scope"
        assert refusal.value.response["needed"] == "users:read"
        assert api.chat_postMessage(channel="C0OPS", text="x")["ok"]
    finally:
        shared.set_app(scopes=None)


def test_people_are_told_apart(api: WebClient) -> None:
    users = {user["id"]: user for user in api.users_list()["members"]}
    assert users["U0GUEST1"]["is_ultra_restricted"]
    assert users["U0GONE1"]["deleted"]
    assert users["U0BOT1"]["is_bot"]
    assert users["U0STRANGER1"]["is_stranger"]
    assert users["U0STRANGER1"]["team_id"] != users["U0OPS1"]["team_id"]
    assert api.usergroups_users_list(usergroup="S0LEADS")["users"] == ["U0LEAD1", "U0LEAD2"]
    assert {group["handle"] for group in api.usergroups_list()["usergroups"]} == {"ops", "leads"}


def test_lists_come_in_pages(api: WebClient) -> None:
    first = api.conversations_members(channel="C0OPS", limit=3)
    cursor = first["response_metadata"]["next_cursor"]
    rest = api.conversations_members(channel="C0OPS", limit=100, cursor=cursor)
    assert len(first["members"]) == 3
    assert not set(first["members"]) & set(rest["members"])
    assert rest["response_metadata"]["next_cursor"] == ""
