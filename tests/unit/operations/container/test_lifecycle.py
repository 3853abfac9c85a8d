from __future__ import annotations

import pytest
from pydantic import ValidationError

from andock.errors import (
    BackendError,
    BackendRejectedError,
    BackendUnavailableError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    TargetStateError,
)
from andock.operation import Done, Risk, Step
from andock.operations.container.lifecycle import (
    CONTAINER_RESTART,
    CONTAINER_START,
    CONTAINER_STOP,
    StartParams,
    StopParams,
)
from andock.ports.container_insight import MountedVolume
from tests.unit.operations.container.chat import Chat


def step_of(chat: Chat, action: str, *, grace: int = 10) -> Step:
    if action == "start":
        return CONTAINER_START.plan(StartParams(container=("web",)), chat.reader()).steps[0]
    change = CONTAINER_STOP if action == "stop" else CONTAINER_RESTART
    return change.plan(StopParams(container=("web",), grace=grace), chat.reader()).steps[0]


def test_a_plan_has_one_step_for_each_and_binds_state_and_image(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    chat.containers.run("edge-2", "db")
    plan = CONTAINER_RESTART.plan(StopParams(container=("web", "db"), grace=30), chat.reader())
    assert [[step.text for step in batch] for batch in plan.batches] == [
        ["restart `web` (running)", "restart `db` (running)"]
    ]
    assert plan.steps[0].facts == {"state": "running", "image": "sha256:11"}
    assert plan.steps[0].args == {"grace": 30}
    chat.containers.tick(60)
    chat.containers.change("edge-1", web, status="Up 2 minutes", restarts=1)
    again = CONTAINER_RESTART.plan(StopParams(container=("web", "db"), grace=30), chat.reader())
    assert again.digest == plan.digest  # neither uptime nor counters are agreed on
    chat.containers.change("edge-1", web, image_id="sha256:22")
    newer = CONTAINER_RESTART.plan(StopParams(container=("web", "db"), grace=30), chat.reader())
    assert plan.differences(newer) == ("web: image was sha256:11 and is sha256:22",)


def test_an_engine_that_is_away_is_a_warning_when_the_name_is_found(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    chat.containers.away["edge-2"] = "connection refused"
    plan = CONTAINER_STOP.plan(StopParams(container=("web",)), chat.reader())
    assert plan.warnings == ("edge-2 not reached: connection refused",)


def test_what_is_already_so_is_refused(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    with pytest.raises(TargetStateError, match="`web` is running; it must be stopped"):
        step_of(chat, "start")
    chat.containers.stop("edge-1", web, 1)
    with pytest.raises(TargetStateError, match="`web` is exited; it must be running"):
        step_of(chat, "stop")
    assert step_of(chat, "restart").text == "restart `web` (exited)"
    chat.containers.change("edge-1", web, state="dead")
    with pytest.raises(TargetStateError):
        step_of(chat, "restart")


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_the_mark_is_left_before_the_call(chat: Chat, action: str) -> None:
    web = chat.containers.run("edge-1", "web")
    if action == "start":
        chat.containers.stop("edge-1", web, 1)
    step = step_of(chat, action)
    clock = chat.containers.now.timestamp()
    chat.containers.calls.clear()
    chat.containers.lost.add("edge-1")
    changes = {
        "start": CONTAINER_START.apply,
        "stop": CONTAINER_STOP.apply,
        "restart": CONTAINER_RESTART.apply,
    }
    with pytest.raises(OutcomeUnknownError, match=r"did not answer\. Look at `container info edge-1/web`"):
        changes[action](step, chat.writer())
    assert [mark.site_time for mark in chat.marks] == [clock]
    assert [call[0] for call in chat.containers.calls] == [action]


def test_start(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    chat.containers.stop("edge-1", web, 1)
    step = step_of(chat, "start")
    assert CONTAINER_START.apply(step, chat.writer()) == Done(text="`web` is running.")
    assert chat.state(step) == "running"


def test_stop_with_grace(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    step = step_of(chat, "stop", grace=42)
    assert CONTAINER_STOP.apply(step, chat.writer()) == Done(text="`web` is stopped (exit code 0).")
    assert ("stop", "edge-1", web, "42") in chat.containers.calls


def test_restart(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    before = chat.containers.read_container("edge-1", web).started_at
    step = step_of(chat, "restart", grace=0)
    assert CONTAINER_RESTART.apply(step, chat.writer()) == Done(text="`web` was restarted and is running.")
    assert chat.containers.read_container("edge-1", web).started_at != before
    assert ("restart", "edge-1", web, "0") in chat.containers.calls


@pytest.mark.parametrize("action", ["start", "restart"])
def test_what_dies_at_once_is_no_success(chat: Chat, action: str) -> None:
    web = chat.containers.run("edge-1", "web")
    if action == "start":
        chat.containers.stop("edge-1", web, 1)
    chat.containers.dying = 3
    change = CONTAINER_START if action == "start" else CONTAINER_RESTART
    with pytest.raises(
        BackendError, match=r"is exited again \(exit code 3\).*container logs edge-1/web"
    ) as caught:
        change.apply(step_of(chat, action), chat.writer())
    assert caught.value.changed is Changed.PARTLY


def test_a_job_that_ends_well_at_once_was_started(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    chat.containers.stop("edge-1", web, 1)
    chat.containers.dying = 0
    done = CONTAINER_START.apply(step_of(chat, "start"), chat.writer())
    assert done.text == "`web` was started, and ended with exit code 0."


def test_a_plan_to_stop_says_what_goes_with_a_container_made_with_rm(chat: Chat) -> None:
    web, job = (chat.containers.run("edge-1", name) for name in ("web", "job"))
    volumes = (
        MountedVolume("a" * 64, "/v/a", "/cache", anonymous=True),
        MountedVolume("data", "/v/d", "/data"),
    )
    chat.containers.mounted |= {web: volumes, job: volumes}
    chat.containers.temporary.add(job)

    plan = CONTAINER_STOP.plan(StopParams(container=("web", "job")), chat.reader())

    assert plan.steps[0].text == "stop `web` (running)"
    assert plan.steps[1].text == (
        "stop `job` (running). Made with --rm, it is removed when it ends. Lost: its writable layer of "
        "1.5 KiB and the anonymous volume aaaaaaaaaaaa at /cache. Stays: volume data."
    )
    assert plan.warnings == ("`job` was made with --rm: when it ends it is removed for good",)
    assert [step.facts["removed_at_end"] for step in plan.steps] == ["no", "yes"]
    chat.containers.mounted[job] = ()
    assert CONTAINER_STOP.plan(StopParams(container=("web", "job")), chat.reader()).digest != plan.digest


def test_a_container_made_with_rm_is_gone_after_a_stop(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step = step_of(chat, "stop")
    chat.containers.removing = True
    assert "removed" in CONTAINER_STOP.apply(step, chat.writer()).text


def test_a_restart_that_changed_nothing_is_not_called_done(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.containers.run("edge-1", "web")
    step = step_of(chat, "restart")
    monkeypatch.setattr(chat.containers, "restart", lambda *_: None)
    with pytest.raises(OutcomeUnknownError, match="says that it restarted"):
        CONTAINER_RESTART.apply(step, chat.writer())


def test_a_refusal_says_what_is_true_now(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    web = chat.containers.run("edge-1", "web")
    step = step_of(chat, "restart")
    chat.containers.refusing = "port is already allocated"
    with pytest.raises(BackendRejectedError) as caught:
        CONTAINER_RESTART.apply(step, chat.writer())
    assert caught.value.sentence == "Engine `edge-1` refused: port is already allocated."
    assert caught.value.changed is Changed.NOTHING

    def refuse_after_the_stop(site: str, container: str, grace: int) -> None:
        chat.containers.change(site, container, state="exited")
        raise BackendRejectedError("Engine `edge-1`", "port is already allocated", changed=Changed.UNKNOWN)

    monkeypatch.setattr(chat.containers, "restart", refuse_after_the_stop)
    with pytest.raises(BackendRejectedError, match="allocated; `web` is exited now") as caught:
        CONTAINER_RESTART.apply(step, chat.writer())
    assert caught.value.changed is Changed.PARTLY
    assert chat.containers.read_container("edge-1", web).state == "exited"


def test_an_engine_that_goes_away_after_the_call_leaves_it_unknown(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.containers.run("edge-1", "web")
    step = step_of(chat, "stop")

    def stop_and_go(site: str, container: str, grace: int) -> None:
        chat.containers.away[site] = "connection refused"

    monkeypatch.setattr(chat.containers, "stop", stop_and_go)
    with pytest.raises(OutcomeUnknownError, match="took the stop of `web`") as caught:
        CONTAINER_STOP.apply(step, chat.writer())
    assert caught.value.changed is Changed.UNKNOWN


def test_an_engine_that_is_away_before_the_call_leaves_no_mark(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step = step_of(chat, "stop")
    chat.containers.away["edge-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        CONTAINER_STOP.apply(step, chat.writer())
    assert chat.marks == []


def test_what_cannot_end_in_time_is_not_begun(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    step = step_of(chat, "stop", grace=300)
    chat.eye.left = 310
    with pytest.raises(DeadlineError, match="Too little time") as caught:
        CONTAINER_STOP.apply(step, chat.writer())
    assert caught.value.changed is Changed.NOTHING
    assert chat.marks == []
    assert chat.state(step) == "running"


def test_risks() -> None:
    assert [change.risk for change in (CONTAINER_START, CONTAINER_STOP, CONTAINER_RESTART)] == [
        Risk.CHANGE,
        Risk.DISRUPTIVE,
        Risk.DISRUPTIVE,
    ]


@pytest.mark.parametrize(
    "wrong", [{"container": ()}, {"container": ("x",) * 51}, {"grace": -1}, {"grace": 301}]
)
def test_limits(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StopParams.model_validate({"container": ("web",), **wrong})
