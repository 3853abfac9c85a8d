from __future__ import annotations

import time
from datetime import timedelta

import pytest
from pydantic import ValidationError

from andock.errors import CancelledError, UserError
from andock.operation import Outcome
from andock.operations.container.logs import CONTAINER_LOGS, LogsParams
from tests.unit.operations.container.chat import Chat


def logs(chat: Chat, **params: object) -> Outcome:
    checked = LogsParams.model_validate({"container": "web", **params})
    return CONTAINER_LOGS.run(checked, chat.reader(), CONTAINER_LOGS.find(checked, chat.reader()))


def test_the_last_lines(chat: Chat) -> None:
    chat.containers.run("edge-1", "web", [f"line {number}" for number in range(5)])
    outcome = logs(chat, tail=2)
    assert outcome.text == "line 3\nline 4"
    assert (outcome.filename, outcome.attachment) == ("web.log", None)
    assert outcome.summary == "`web` on edge-1: last 2 lines."
    assert logs(chat).summary == "`web` on edge-1: 5 lines."


def test_a_long_log_is_shown_by_its_ends_and_whole_as_a_file(chat: Chat) -> None:
    lines = [f"line {number}" for number in range(50_000)]
    chat.containers.run("edge-1", "web", lines)
    outcome = logs(chat, tail=50_000)
    assert outcome.text.startswith("line 0\nline 1\n")
    assert outcome.text.endswith("\nline 49999")
    shown = [line for line in outcome.text.split("\n") if line.startswith("line")]
    assert f"… {50_000 - len(shown)} lines more, all in web.log …" in outcome.text
    assert len(outcome.text) < 2_800
    assert outcome.attachment is not None
    assert (outcome.attachment.name, outcome.attachment.output) == ("web.log", "r1-1-1")
    assert chat.paper.kept == [("\n".join(lines) + "\n").encode()]


def test_the_first_lines_of_a_long_log_are_there_before_all_of_it_is_read(chat: Chat) -> None:
    chat.containers.run("edge-1", "web", [f"line {number}" for number in range(5_000)])
    logs(chat, tail=5_000)
    ((summary, text),) = chat.paper.shown
    assert summary == "`web` on edge-1: reading …"
    assert text.startswith("line 0\nline 1\n")
    assert "line 400" not in text


def test_what_only_the_asker_sees_is_told_once(chat: Chat) -> None:
    chat.containers.run("edge-1", "web", ["x" * 80] * 100)
    chat.paper.live = False
    assert logs(chat).attachment is not None
    assert chat.paper.shown == []


def test_one_endless_line_is_cut_where_it_is_shown_and_whole_in_the_file(chat: Chat) -> None:
    chat.containers.run("edge-1", "web", ["x" * 100_000, "end"])
    outcome = logs(chat)
    assert len(outcome.text) < 400
    assert outcome.text.endswith("\nend")
    assert len(chat.paper.kept[0]) == 100_000 + len("\nend\n")


def test_since_counts_back_from_the_engines_clock(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web", ["old"])
    chat.containers.tick(3600)
    chat.containers.write(made, "new")
    chat.containers.tick(60)
    assert logs(chat, since=timedelta(minutes=10)).text == "new"
    assert logs(chat, since=timedelta(hours=2)).text == "old\nnew"
    assert (
        logs(chat, since=timedelta(seconds=1)).summary
        == "`web` on edge-1 has written nothing in the last 1s."
    )


def test_grep_looks_at_all_of_the_log_unless_told_how_far(chat: Chat) -> None:
    lines = ["Error: one", "error: two", *["fine"] * 300]
    chat.containers.run("edge-1", "web", lines)
    outcome = logs(chat, grep="ERROR")
    assert outcome.text == "Error: one\nerror: two"
    assert outcome.summary == "`web` on edge-1: 2 lines with `ERROR`."
    assert logs(chat, grep="error", tail=301).text == "error: two"
    assert logs(chat, grep="panic").summary == "`web` on edge-1 has written nothing with `panic`."


@pytest.mark.parametrize("wrong", [{"tail": 0}, {"tail": 100_001}, {"since": timedelta(0)}, {"grep": ""}])
def test_limits(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LogsParams.model_validate({"container": "web", **wrong})


# --- following ------------------------------------------------------------------------------------------


def later(chat: Chat, made: str, times: dict[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it write a line after so many looks at its log."""
    read = chat.containers.new_logs
    looks = 0

    def new_logs(site: str, container: str, *, after: str, most: int) -> object:
        nonlocal looks
        if looks in times:
            chat.containers.write(made, times[looks])
        looks += 1
        return read(site, container, after=after, most=most)

    monkeypatch.setattr(chat.containers, "new_logs", new_logs)


def test_following_edits_the_message_as_lines_come(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    made = chat.containers.run("edge-1", "web", ["before"])
    later(chat, made, {3: "first", 6: "second"}, monkeypatch)
    outcome = logs(chat, follow=timedelta(seconds=30))
    assert [text for _, text in chat.paper.shown] == [
        "before",
        "before\nfirst",
        "before\nfirst\nsecond",
    ]
    assert outcome.summary == "`web` on edge-1 for 30s: 3 lines."
    assert outcome.text == "before\nfirst\nsecond"


def test_following_leaves_most_of_the_budget_for_edits_to_others(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = chat.containers.run("edge-1", "web")
    later(chat, made, {look: f"line {look}" for look in range(60)}, monkeypatch)
    logs(chat, follow=timedelta(minutes=1))
    assert len(chat.paper.shown) <= 20  # of 50 a minute


def test_what_cannot_be_edited_cannot_be_followed(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    chat.paper.live = False
    with pytest.raises(UserError, match=r"add `--share`, or ask me in a direct message"):
        logs(chat, follow=timedelta(minutes=1))


def test_following_ends_when_it_is_cancelled_and_shows_what_there_was(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = chat.containers.run("edge-1", "web", ["before"])
    later(chat, made, {0: "first"}, monkeypatch)
    chat.eye.ends_with = CancelledError("Cancelled while it ran.")
    outcome = logs(chat, follow=timedelta(minutes=1))
    assert "until it was cancelled" in outcome.summary
    assert outcome.text == "before\nfirst"


def test_following_ends_when_the_container_is_gone(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    made = chat.containers.run("edge-1", "web", ["before"])
    read = chat.containers.new_logs

    def new_logs(site: str, container: str, *, after: str, most: int) -> object:
        if after:
            chat.containers.held.pop(("edge-1", made), None)
        return read(site, container, after=after, most=most)

    monkeypatch.setattr(chat.containers, "new_logs", new_logs)
    began = time.monotonic()
    assert "until it was removed" in logs(chat, follow=timedelta(minutes=5)).summary
    assert time.monotonic() - began < 5
