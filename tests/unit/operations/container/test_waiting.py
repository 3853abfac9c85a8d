from __future__ import annotations

from datetime import timedelta

import pytest

from andock.errors import Changed, DeadlineError
from andock.operation import Outcome
from andock.operations.container.waiting import CONTAINER_WAIT, WaitParams
from tests.unit.operations.container.chat import Chat


def wait(chat: Chat, **params: object) -> Outcome:
    checked = WaitParams.model_validate({"container": "web", **params})
    return CONTAINER_WAIT.run(checked, chat.reader(), CONTAINER_WAIT.find(checked, chat.reader()))


def after(chat: Chat, made: str, looks: int, monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    """Let it be otherwise after so many looks at it."""
    read = chat.containers.read_container
    left = looks

    def read_container(site: str, container: str) -> object:
        nonlocal left
        left -= 1
        if left == 0:
            chat.containers.held.pop(("edge-1", made)) if fields.get("gone") else chat.containers.change(
                site, container, **fields
            )
        return read(site, container)

    monkeypatch.setattr(chat.containers, "read_container", read_container)


def test_it_waits_for_the_end_and_says_the_exit_code(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    made = chat.containers.run("edge-1", "web")
    after(chat, made, 10, monkeypatch, state="exited", exit_code=3)
    assert wait(chat).summary == "`web` on edge-1 ended with exit code 3 (4 s)."


def test_it_waits_for_health(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    made = chat.containers.run("edge-1", "web")
    after(chat, made, 5, monkeypatch, health="healthy")
    assert wait(chat, until="healthy").summary == "`web` on edge-1 is healthy (2 s)."
    assert wait(chat, until="running").summary == "`web` on edge-1 is running (0 s)."


def test_what_is_removed_at_its_end_has_ended(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    made = chat.containers.run("edge-1", "web")
    after(chat, made, 4, monkeypatch, gone=True)
    assert wait(chat).summary == "`web` on edge-1 has ended and is gone."


def test_when_the_time_is_over_it_says_how_it_is(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    chat.containers.change("edge-1", made, health="starting")
    with pytest.raises(DeadlineError, match="`web` on edge-1 is running, starting after 20s") as caught:
        wait(chat, until="healthy", within=timedelta(seconds=20))
    assert caught.value.changed is Changed.NOTHING
