from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from andock.errors import BackendUnavailableError, CancelledError, LeaseLostError
from andock.operation import Done, Mark, NotDone, Settled, Step, Unknown
from andock.operations.container.lifecycle import (
    CONTAINER_RESTART,
    CONTAINER_START,
    CONTAINER_STOP,
    StartParams,
    StopParams,
)
from tests.unit.operations.container.chat import Chat

GRACE = 10


def begin(chat: Chat, action: str) -> tuple[Step, Mark]:
    """A step that was begun, and whose worker died; what the engine made of it is the test's to say."""
    web = chat.containers.run("edge-1", "web")
    if action == "start":
        chat.containers.stop("edge-1", web, 1)
        step = CONTAINER_START.plan(StartParams(container=("web",)), chat.reader()).steps[0]
    else:
        change = CONTAINER_STOP if action == "stop" else CONTAINER_RESTART
        step = change.plan(StopParams(container=("web",), grace=GRACE), chat.reader()).steps[0]
    chat.containers.tick()
    # the worker's clock is years off: only the engine's counts
    mark = Mark(begun_at=0.0, site_time=chat.containers.now.timestamp())
    chat.containers.tick()
    return step, mark


def settle(chat: Chat, step: Step, mark: Mark) -> Settled:
    change = {
        "start": CONTAINER_START.settle,
        "stop": CONTAINER_STOP.settle,
        "restart": CONTAINER_RESTART.settle,
    }
    return change[step.action](step, chat.reader(), mark)


def elapsed(chat: Chat, mark: Mark) -> float:
    return chat.containers.now.timestamp() - mark.site_time


def later(chat: Chat, seconds: float, what: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it happen while somebody is looking."""
    due = chat.containers.now.timestamp() + seconds
    read = chat.containers.read_container
    happened = False

    def read_container(site: str, container: str) -> object:
        nonlocal happened
        if not happened and chat.containers.now.timestamp() >= due:
            happened = True
            what()
        return read(site, container)

    monkeypatch.setattr(chat.containers, "read_container", read_container)


def restart(chat: Chat, step: Step) -> None:
    chat.containers.restart(step.target.site, step.target.id, GRACE)


def test_a_restart_that_was_made_is_done_at_once(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    restart(chat, step)
    assert settle(chat, step, mark) == Done(text="`web` was restarted and is running.")
    assert elapsed(chat, mark) < 1


def test_a_restart_still_in_its_grace_is_waited_for(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    step, mark = begin(chat, "restart")
    later(chat, 9, lambda: restart(chat, step), monkeypatch)
    assert isinstance(settle(chat, step, mark), Done)
    assert 9 <= elapsed(chat, mark) < 10
    assert chat.eye.looks >= 18


def test_a_restart_that_never_came_is_not_done_after_grace_and_five_seconds(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    assert settle(chat, step, mark) == NotDone()
    assert GRACE + 5 < elapsed(chat, mark) < GRACE + 7


def test_long_after_the_crash_nothing_is_waited_for(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    chat.containers.tick(3600)
    assert settle(chat, step, mark) == NotDone()
    assert chat.eye.looks == 0


def test_a_restart_stopped_half_way_is_unknown(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    chat.containers.stop("edge-1", step.target.id, 1)
    assert settle(chat, step, mark) == Unknown("`web` was stopped and not started again.")


def test_a_restart_whose_start_comes_late_is_waited_for(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    step, mark = begin(chat, "restart")
    chat.containers.stop("edge-1", step.target.id, 1)
    later(chat, 20, lambda: chat.containers.start("edge-1", step.target.id), monkeypatch)
    assert isinstance(settle(chat, step, mark), Done)


def test_a_restart_that_died_again_is_unknown(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    chat.containers.dying = 3
    restart(chat, step)
    assert settle(chat, step, mark) == Unknown("`web` was restarted and is exited (exit code 3).")


def test_a_restart_of_one_that_stayed_down_is_not_done(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    chat.containers.change(
        "edge-1", step.target.id, state="exited", finished_at=datetime.fromisoformat("2026-01-01T00:00Z")
    )
    assert settle(chat, step, mark) == NotDone()


def test_a_stop(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    step, mark = begin(chat, "stop")
    later(chat, 4, lambda: chat.containers.stop("edge-1", step.target.id, 1), monkeypatch)
    assert settle(chat, step, mark) == Done(text="`web` is stopped (exit code 0).")


def test_a_stop_that_never_came(chat: Chat) -> None:
    step, mark = begin(chat, "stop")
    assert settle(chat, step, mark) == NotDone()
    assert elapsed(chat, mark) > GRACE + 5


def test_a_stop_after_which_somebody_started_it_is_unknown(chat: Chat) -> None:
    step, mark = begin(chat, "stop")
    restart(chat, step)
    assert isinstance(settle(chat, step, mark), Unknown)


def test_a_stop_of_one_made_with_rm(chat: Chat) -> None:
    step, mark = begin(chat, "stop")
    del chat.containers.held["edge-1", step.target.id]
    assert settle(chat, step, mark) == Done(text="`web` is stopped and gone.")


@pytest.mark.parametrize("action", ["start", "restart"])
def test_one_that_should_run_and_is_gone_is_unknown(chat: Chat, action: str) -> None:
    step, mark = begin(chat, action)
    del chat.containers.held["edge-1", step.target.id]
    assert settle(chat, step, mark) == Unknown("`web` is gone.")


def test_a_start(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    step, mark = begin(chat, "start")
    later(chat, 12, lambda: chat.containers.start("edge-1", step.target.id), monkeypatch)
    assert settle(chat, step, mark) == Done(text="`web` is running.")


def test_a_start_that_never_came(chat: Chat) -> None:
    step, mark = begin(chat, "start")
    assert settle(chat, step, mark) == NotDone()
    assert 30 < elapsed(chat, mark) < 32


def test_a_start_that_died_is_unknown(chat: Chat) -> None:
    step, mark = begin(chat, "start")
    chat.containers.dying = 127
    chat.containers.start("edge-1", step.target.id)
    assert settle(chat, step, mark) == Unknown("`web` was started and is exited (exit code 127).")


def test_a_cancel_while_looking_does_not_pretend_that_nothing_happened(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    chat.eye.ends_with = CancelledError("Cancelled while it ran.")
    assert isinstance(settle(chat, step, mark), Unknown)


def test_another_attempt_may_take_over_while_looking(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    chat.eye.ends_with = LeaseLostError("this attempt's lease is over")
    with pytest.raises(LeaseLostError):
        settle(chat, step, mark)


def test_an_engine_that_is_away_is_asked_again_later(chat: Chat) -> None:
    step, mark = begin(chat, "restart")
    chat.containers.away["edge-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        settle(chat, step, mark)
