"""What is said, edited, deleted, whispered and uploaded, and who sees it."""

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.slack.client import Refused, WaitTimeout, Workspace, render

METADATA = {"event_type": "andock_request", "event_payload": {"request_id": "r-1"}}


def test_an_edited_message_keeps_what_was_not_given(workspace: Workspace, client: WebClient) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*one* of <@U0OPS1>"}}]
    posted = client.chat_postMessage(channel="C0OPS", text="one", blocks=blocks, metadata=METADATA)
    client.chat_update(channel="C0OPS", ts=posted["ts"], text="two")
    message = workspace.wait("C0OPS", "U0OPS1", ts=posted["ts"])
    assert message.edited
    assert message.earlier == ("one",)
    assert message.spoken == "*one* of @ops-1"
    assert message.payload == {"request_id": "r-1"}
    client.chat_update(channel="C0OPS", ts=posted["ts"], text="three", blocks=[])
    assert workspace.wait("C0OPS", ts=posted["ts"]).spoken == "three"


def test_history_finds_a_message_by_its_metadata(client: WebClient) -> None:
    posted = client.chat_postMessage(channel="C0OPS", text="x", metadata=METADATA)
    plain = client.conversations_history(channel="C0OPS")["messages"]
    full = client.conversations_history(channel="C0OPS", include_all_metadata=True)["messages"]
    assert "metadata" not in plain[0]
    assert full[0]["metadata"] == METADATA
    assert full[0]["ts"] == posted["ts"]


def test_history_is_newest_first_between_bounds_and_paged(client: WebClient) -> None:
    stamps = [client.chat_postMessage(channel="C0OPS", text=str(n))["ts"] for n in range(5)]
    assert len(set(stamps)) == 5
    newest = client.conversations_history(channel="C0OPS", limit=2)
    assert [m["ts"] for m in newest["messages"]] == stamps[:2:-1]
    assert newest["has_more"]
    after = client.conversations_history(channel="C0OPS", oldest=stamps[2])["messages"]
    assert [m["ts"] for m in after] == stamps[:2:-1]
    exact = client.conversations_history(channel="C0OPS", oldest=stamps[2], latest=stamps[2], inclusive=True)
    assert [m["ts"] for m in exact["messages"]] == [stamps[2]]


def test_replies_stay_in_their_thread(workspace: Workspace, client: WebClient) -> None:
    root = client.chat_postMessage(channel="C0OPS", text="root")["ts"]
    reply = client.chat_postMessage(channel="C0OPS", text="reply", thread_ts=root)["ts"]
    nested = client.chat_postMessage(channel="C0OPS", text="nested", thread_ts=reply)
    assert nested["message"]["thread_ts"] == root
    top = client.conversations_history(channel="C0OPS")["messages"]
    assert [m["text"] for m in top] == ["root"]
    assert top[0]["reply_count"] == 2
    thread = client.conversations_replies(channel="C0OPS", ts=root)["messages"]
    assert [m["text"] for m in thread] == ["root", "reply", "nested"]
    assert workspace.wait("C0OPS", contains="nested").is_reply


def test_an_ephemeral_message_is_seen_by_one_and_never_again(workspace: Workspace, client: WebClient) -> None:
    answer = client.chat_postEphemeral(channel="C0OPS", user="U0OPS1", text="for you")
    whispered = workspace.wait("C0OPS", "U0OPS1", contains="for you", ephemeral=True)
    assert whispered.only_for == "U0OPS1"
    assert "only visible to ops-1" in render(whispered)
    assert workspace.messages("C0OPS", "U0OPS2") == []
    assert client.conversations_history(channel="C0OPS")["messages"] == []
    for call in (client.chat_update, client.chat_delete):
        extra = {"text": "x"} if call == client.chat_update else {}
        with pytest.raises(SlackApiError) as refusal:
            call(channel="C0OPS", ts=answer["message_ts"], **extra)
        assert refusal.value.response["error"] == "message_not_found"


def test_only_own_messages_can_be_changed(workspace: Workspace, client: WebClient) -> None:
    said = workspace.type("U0OPS1", "C0OPS", "mine")
    with pytest.raises(SlackApiError, match="cant_update_message"):
        client.chat_update(channel="C0OPS", ts=said.ts, text="yours")
    with pytest.raises(SlackApiError, match="cant_delete_message"):
        client.chat_delete(channel="C0OPS", ts=said.ts)
    own = client.chat_postMessage(channel="C0OPS", text="gone soon")["ts"]
    client.chat_delete(channel="C0OPS", ts=own)
    workspace.wait_gone("C0OPS", contains="gone soon")


def test_a_thread_outlives_its_root(workspace: Workspace, client: WebClient) -> None:
    root = client.chat_postMessage(channel="C0OPS", text="root")["ts"]
    client.chat_postMessage(channel="C0OPS", text="reply", thread_ts=root)
    client.chat_delete(channel="C0OPS", ts=root)
    assert client.chat_postMessage(channel="C0OPS", text="goes on", thread_ts=root)["ok"]
    assert [m.spoken for m in workspace.messages("C0OPS")] == [
        "This message was deleted.",
        "reply",
        "goes on",
    ]


def test_only_posting_takes_names(client: WebClient) -> None:
    posted = client.chat_postMessage(channel="#ops", text="x")
    assert posted["channel"] == "C0OPS"
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client.chat_update(channel="#ops", ts=posted["ts"], text="y")


def test_an_archived_channel_takes_nothing(workspace: Workspace, client: WebClient) -> None:
    workspace.set_channel("C0OPS", is_archived=True)
    with pytest.raises(SlackApiError, match="is_archived"):
        client.chat_postMessage(channel="C0OPS", text="x")
    with pytest.raises(Refused, match="is_archived"):
        workspace.type("U0OPS1", "C0OPS", "x")


def test_direct_messages_are_private(workspace: Workspace, client: WebClient) -> None:
    opened = client.conversations_open(users="U0OPS1")["channel"]["id"]
    assert client.chat_postMessage(channel="U0OPS1", text="psst")["channel"] == opened
    assert workspace.wait(opened, "U0OPS1", contains="psst").spoken == "psst"
    with pytest.raises(Refused, match="not_in_channel"):
        workspace.messages(opened, "U0OPS2")


def test_a_file_goes_up_in_three_steps(workspace: Workspace, client: WebClient) -> None:
    content = "line one\nline two\n"
    client.files_upload_v2(
        channel="C0OPS", filename="out.txt", title="Output", content=content, initial_comment="see the file"
    )
    message = workspace.wait("C0OPS", "U0OPS1", file="out.txt")
    assert message.text == "see the file"
    assert message.files[0].title == "Output"
    assert workspace.read_file(message.files[0].id) == content.encode()
    assert "[file: Output (18 bytes)]" in render(message)


def test_a_file_goes_into_a_thread_or_a_direct_message(workspace: Workspace, client: WebClient) -> None:
    root = client.chat_postMessage(channel="C0OPS", text="root")["ts"]
    client.files_upload_v2(channel="C0OPS", thread_ts=root, filename="a.log", content="x")
    assert workspace.wait("C0OPS", thread_ts=root).files[0].name == "a.log"
    private = client.conversations_open(users="U0OPS1")["channel"]["id"]
    client.files_upload_v2(channel=private, filename="b.log", content="y")
    assert workspace.wait(private, "U0OPS1", file="b.log").user == workspace.bot_user
    with pytest.raises(SlackApiError, match="not_in_channel"):
        client.files_upload_v2(channel="C0LAB", filename="c.log", content="z")


def test_reactions(workspace: Workspace, client: WebClient) -> None:
    ts = client.chat_postMessage(channel="C0OPS", text="x")["ts"]
    client.reactions_add(channel="C0OPS", timestamp=ts, name="white_check_mark")
    with pytest.raises(SlackApiError, match="already_reacted"):
        client.reactions_add(channel="C0OPS", timestamp=ts, name="white_check_mark")
    assert workspace.wait("C0OPS", ts=ts).reactions == ("white_check_mark",)


def test_too_many_messages_into_one_channel(workspace: Workspace, client: WebClient) -> None:
    for number in range(5):
        client.chat_postMessage(channel="C0OPS", text=str(number))
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="C0OPS", text="one too many")
    assert refusal.value.response.status_code == 429
    assert refusal.value.response["error"] == "ratelimited"
    assert int(refusal.value.response.headers["Retry-After"]) >= 1
    assert client.chat_postMessage(channel="C0PROD", text="another channel is free")["ok"]
    assert [call.status for call in workspace.calls("chat.postMessage")] == [200] * 5 + [429, 200]


def test_updates_have_one_budget_for_the_workspace(workspace: Workspace, client: WebClient) -> None:
    workspace.limit("chat.update", 50, 2)
    first = client.chat_postMessage(channel="C0OPS", text="x")["ts"]
    second = client.chat_postMessage(channel="C0PROD", text="x")["ts"]
    client.chat_update(channel="C0OPS", ts=first, text="a")
    client.chat_update(channel="C0PROD", ts=second, text="b")
    with pytest.raises(SlackApiError) as refusal:
        client.chat_update(channel="C0OPS", ts=first, text="c")
    assert refusal.value.response.headers["Retry-After"] == "2"


def test_ordered_trouble_comes_in_order(workspace: Workspace, client: WebClient) -> None:
    workspace.fault("chat.postMessage", "ratelimited", retry_after=7)
    workspace.fault("chat.postMessage", "http_error", status=503)
    workspace.fault("chat.postMessage", "error", error="fatal_error")
    for status, error in ((429, "ratelimited"), (503, "internal_error"), (200, "fatal_error")):
        with pytest.raises(SlackApiError) as refusal:
            client.chat_postMessage(channel="C0OPS", text="x")
        assert (refusal.value.response.status_code, refusal.value.response["error"]) == (status, error)
    assert workspace.messages("C0OPS") == []
    assert client.chat_postMessage(channel="C0OPS", text="now")["ok"]


def test_a_lost_answer_leaves_its_effect(workspace: Workspace) -> None:
    client = WebClient(token=workspace.bot_token, base_url=workspace.api_url, retry_handlers=[])
    workspace.fault("chat.postMessage", "drop", when="before")
    with pytest.raises(OSError, match=r".*"):
        client.chat_postMessage(channel="C0OPS", text="never")
    assert workspace.messages("C0OPS") == []
    workspace.fault("chat.postMessage", "drop", when="after")
    with pytest.raises(OSError, match=r".*"):
        client.chat_postMessage(channel="C0OPS", text="posted all the same")
    assert workspace.wait("C0OPS", contains="all the same")


def test_a_slow_answer(workspace: Workspace) -> None:
    client = WebClient(token=workspace.bot_token, base_url=workspace.api_url, timeout=1, retry_handlers=[])
    workspace.fault("chat.postMessage", "delay", seconds=1.5, when="after")
    with pytest.raises(TimeoutError):
        client.chat_postMessage(channel="C0OPS", text="late")
    assert workspace.wait("C0OPS", contains="late")


def test_a_wait_that_fails_shows_the_channel(workspace: Workspace, client: WebClient) -> None:
    client.chat_postMessage(channel="C0OPS", text="something else")
    with pytest.raises(WaitTimeout, match="something else"):
        workspace.wait("C0OPS", contains="what never comes", timeout=0.2)


def test_the_page_shows_what_a_person_sees(workspace: Workspace, client: WebClient) -> None:
    client.chat_postMessage(channel="C0OPS", text="for <@U0OPS1> & all")
    client.chat_postEphemeral(channel="C0OPS", user="U0OPS1", text="a secret")
    pages = {}
    for user in ("U0OPS1", "U0OPS2"):
        with workspace.opener.open(f"{workspace.url}/?channel=C0OPS&as={user}") as answer:
            pages[user] = answer.read().decode()
    assert "for @ops-1 &amp; all" in pages["U0OPS2"]
    assert "a secret" in pages["U0OPS1"]
    assert "a secret" not in pages["U0OPS2"]
