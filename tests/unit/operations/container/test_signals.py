from __future__ import annotations

import pytest

from andock.errors import BackendError, Changed, OutcomeUnknownError, TargetStateError
from andock.operation import Change, Done, Mark, NotDone, Risk, Settled, Step, Unknown
from andock.operations.container.signals import (
    CONTAINER_KILL,
    CONTAINER_PAUSE,
    CONTAINER_UNPAUSE,
    KillParams,
    PauseParams,
)
from andock.ports.container_insight import MountedVolume
from tests.unit.operations.container.chat import Chat


def kill_step(chat: Chat, signal: str = "KILL") -> Step:
    params = KillParams.model_validate({"container": ("web",), "signal": signal})
    return CONTAINER_KILL.plan(params, chat.reader()).steps[0]


def state_step(chat: Chat, change: Change[PauseParams]) -> Step:
    return change.plan(PauseParams(container=("web",)), chat.reader()).steps[0]


def begun(chat: Chat) -> Mark:
    """The checkpoint of a step whose worker died; its own clock is years off."""
    chat.containers.tick()
    mark = Mark(begun_at=0.0, site_time=chat.containers.now.timestamp())
    chat.containers.tick()
    return mark


def settle(chat: Chat, change: Change[PauseParams] | Change[KillParams], step: Step, mark: Mark) -> Settled:
    return change.settle(step, chat.reader(), mark)


def test_a_plan_to_kill_says_what_is_lost(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    assert kill_step(chat).text == (
        f"send KILL to `web` (running, id {made[:12]}); it has no time to save anything"
    )
    chat.containers.temporary.add(made)
    chat.containers.mounted[made] = (MountedVolume("a" * 64, "/v/a", "/cache", anonymous=True),)
    assert kill_step(chat, "TERM").text == (
        f"send TERM to `web` (running, id {made[:12]}). Made with --rm, it is removed when it ends. "
        "Lost: its writable layer of 1.5 KiB and the anonymous volume aaaaaaaaaaaa at /cache."
    )


def test_kill(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step = kill_step(chat)
    assert CONTAINER_KILL.apply(step, chat.writer()) == Done(text="`web` was killed (exit code 137).")
    assert chat.state(step) == "exited"
    assert len(chat.marks) == 1


def test_another_signal_leaves_it_be(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    done = CONTAINER_KILL.apply(kill_step(chat, "HUP"), chat.writer())
    assert done.text == "`web` got HUP and is running."


def test_what_is_up_after_a_kill_is_no_success(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    chat.containers.run("edge-1", "web")
    step = kill_step(chat)
    monkeypatch.setattr(chat.containers, "kill", lambda *_: None)
    with pytest.raises(BackendError, match="got KILL and is running") as caught:
        CONTAINER_KILL.apply(step, chat.writer())
    assert caught.value.changed is Changed.UNKNOWN


def test_pause_and_unpause(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step = state_step(chat, CONTAINER_PAUSE)
    assert CONTAINER_PAUSE.apply(step, chat.writer()) == Done(text="`web` is paused.")
    assert chat.state(step) == "paused"
    with pytest.raises(TargetStateError, match="`web` is paused"):
        state_step(chat, CONTAINER_PAUSE)
    step = state_step(chat, CONTAINER_UNPAUSE)
    assert CONTAINER_UNPAUSE.apply(step, chat.writer()) == Done(text="`web` is running.")
    with pytest.raises(TargetStateError, match="must be paused"):
        state_step(chat, CONTAINER_UNPAUSE)


def test_a_lost_answer_is_unknown_and_marked_before(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step = state_step(chat, CONTAINER_PAUSE)
    chat.containers.lost.add("edge-1")
    with pytest.raises(OutcomeUnknownError, match="before you pause it again"):
        CONTAINER_PAUSE.apply(step, chat.writer())
    assert len(chat.marks) == 1


def test_risks() -> None:
    risks = [change.risk for change in (CONTAINER_KILL, CONTAINER_PAUSE, CONTAINER_UNPAUSE)]
    assert risks == [Risk.DESTRUCTIVE, Risk.DISRUPTIVE, Risk.CHANGE]


# --- after a crash --------------------------------------------------------------------------------------


def test_a_kill_that_was_made_is_done(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step, mark = kill_step(chat), begun(chat)
    chat.containers.kill("edge-1", step.target.id, "KILL")
    assert settle(chat, CONTAINER_KILL, step, mark) == Done(text="`web` was killed (exit code 137).")


def test_a_kill_that_never_came_is_not_done_when_its_time_is_over(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step, mark = kill_step(chat), begun(chat)
    assert settle(chat, CONTAINER_KILL, step, mark) == NotDone()
    assert chat.containers.now.timestamp() - mark.site_time > 5


def test_a_kill_after_which_somebody_started_it_is_unknown(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step, mark = kill_step(chat), begun(chat)
    chat.containers.kill("edge-1", step.target.id, "KILL")
    chat.containers.start("edge-1", step.target.id)
    assert settle(chat, CONTAINER_KILL, step, mark) == Unknown("`web` got KILL and is running.")


def test_a_signal_that_the_engine_remembers_was_sent(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step, mark = kill_step(chat, "HUP"), begun(chat)
    chat.containers.kill("edge-1", step.target.id, "HUP")
    assert settle(chat, CONTAINER_KILL, step, mark) == Done(text="`web` got HUP and is running.")


def test_a_signal_that_nobody_remembers_is_never_sent_again(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step, mark = kill_step(chat, "HUP"), begun(chat)
    assert isinstance(settle(chat, CONTAINER_KILL, step, mark), Unknown)


def test_one_that_was_made_with_rm_is_gone_after_its_kill(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step, mark = kill_step(chat), begun(chat)
    del chat.containers.held["edge-1", step.target.id]
    assert isinstance(settle(chat, CONTAINER_KILL, step, mark), Done)


def test_a_pause(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step, mark = state_step(chat, CONTAINER_PAUSE), begun(chat)
    assert settle(chat, CONTAINER_PAUSE, step, mark) == NotDone()
    chat.containers.pause("edge-1", step.target.id)
    assert settle(chat, CONTAINER_PAUSE, step, mark) == Done(text="`web` is paused.")
    chat.containers.unpause("edge-1", step.target.id)
    assert isinstance(settle(chat, CONTAINER_PAUSE, step, mark), Unknown)


def test_an_unpause(chat: Chat) -> None:
    chat.containers.pause("edge-1", chat.containers.run("edge-1", "web"))
    step, mark = state_step(chat, CONTAINER_UNPAUSE), begun(chat)
    assert settle(chat, CONTAINER_UNPAUSE, step, mark) == NotDone()
    chat.containers.unpause("edge-1", step.target.id)
    assert settle(chat, CONTAINER_UNPAUSE, step, mark) == Done(text="`web` is running.")
    chat.containers.change("edge-1", step.target.id, state="exited")
    assert isinstance(settle(chat, CONTAINER_UNPAUSE, step, mark), Unknown)
