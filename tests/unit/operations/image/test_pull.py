from __future__ import annotations

import pytest

from andock.errors import (
    BackendError,
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    TargetNotFoundError,
    UserError,
)
from andock.operation import Done, NotDone, Unknown
from andock.operations.image.pull import IMAGE_PULL, PullParams
from andock.refusals import ImageNotAllowedError
from tests.unit.operations.fleet import Fleet

WEB = "registry.lab:5000/team/web"
DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
PARAMS = PullParams(image=f"{WEB}:1")


@pytest.fixture
def held(fleet: Fleet) -> Fleet:
    fleet.registry.hold(f"{WEB}:1", DIGEST)
    return fleet


def test_the_plan_has_the_digest_that_the_name_stands_for_now(held: Fleet) -> None:
    step = held.plan(IMAGE_PULL, PARAMS, "edge-1").steps[0]
    assert step.text == f"pull `{WEB}:1@{DIGEST}` to edge-1 (1000 B to fetch)"
    assert step.facts == {"digest": DIGEST}
    assert (step.target.kind, step.target.name, step.target.environment) == ("image", f"{WEB}:1", "dev")
    held.registry.hold(f"{WEB}:1", OTHER)
    again = held.plan(IMAGE_PULL, PARAMS, "edge-1")
    assert again.steps[0].facts["digest"] == OTHER


def test_a_pull_gets_the_digest_of_the_plan_whatever_the_name_stands_for_by_then(held: Fleet) -> None:
    step = held.plan(IMAGE_PULL, PARAMS, "edge-1").steps[0]
    held.registry.hold(f"{WEB}:1", OTHER)
    done = IMAGE_PULL.apply(step, held.writer())
    assert done.text == f"{DIGEST[:19]} is on edge-1, 2 MiB: `{WEB}:1@{DIGEST}`."
    assert held.containers.list_images("edge-1").rows[0].digests == (f"{WEB}@{DIGEST}",)
    assert held.containers.list_images("edge-1").rows[0].names == (f"{WEB}:1",)
    assert len(held.marks) == 1


def test_of_several_engines_one_is_said_or_all(held: Fleet) -> None:
    with pytest.raises(UserError, match="Several engines could pull it: `edge-1`, `edge-2`"):
        held.plan(IMAGE_PULL, PARAMS)
    assert held.registry.asked == []
    everywhere = held.plan(IMAGE_PULL, PullParams(image=f"{WEB}:1", everywhere=True))
    assert [step.target.site for step in everywhere.steps] == ["edge-1", "edge-2"]


def test_an_engine_that_is_away_is_left_out_and_told(held: Fleet) -> None:
    held.containers.away["edge-2"] = "connection refused"
    plan = held.plan(IMAGE_PULL, PullParams(image=f"{WEB}:1", everywhere=True))
    assert [step.target.site for step in plan.steps] == ["edge-1"]
    assert plan.warnings == ("edge-2 not reached: connection refused",)


def test_what_is_not_allowed_or_not_there_is_refused_before_anything_is_pulled(held: Fleet) -> None:
    with pytest.raises(ImageNotAllowedError):
        held.plan(IMAGE_PULL, PullParams(image="busybox"), "edge-1")
    with pytest.raises(TargetNotFoundError, match=f"Did you mean `{WEB}:1`"):
        held.plan(IMAGE_PULL, PullParams(image=f"{WEB}:2"), "edge-1")
    with pytest.raises(UserError, match="is no name of an image"):
        held.plan(IMAGE_PULL, PullParams(image="Web"), "edge-1")
    held.registry.away = "no answer in time"
    with pytest.raises(BackendUnavailableError):
        held.plan(IMAGE_PULL, PARAMS, "edge-1")
    assert not [call for call in held.containers.calls if call[0] == "pull"]


def test_what_the_engine_refuses_changed_nothing(held: Fleet) -> None:
    held.containers.pull_fails = "its disk is full; `engine disk` shows with what"
    with pytest.raises(BackendRejectedError, match="its disk is full") as caught:
        held.do(IMAGE_PULL, PARAMS, "edge-1")
    assert caught.value.changed is Changed.NOTHING


def test_a_lost_answer_is_looked_after(held: Fleet) -> None:
    held.containers.lost.add("edge-1")
    with pytest.raises(BackendError, match="The image is not there; pull it again") as caught:
        held.do(IMAGE_PULL, PARAMS, "edge-1")
    assert caught.value.changed is Changed.NOTHING
    held.containers.hold_image("edge-1", f"{WEB}:1", digests=(f"{WEB}@{DIGEST}",))
    assert len(held.do(IMAGE_PULL, PARAMS, "edge-1")) == 1


def test_an_engine_that_goes_away_meanwhile_leaves_it_unknown(
    held: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull_and_go(*_: object) -> None:
        held.containers.away["edge-1"] = "connection refused"
        raise OutcomeUnknownError("Engine `edge-1` was told and did not answer.")

    step = held.plan(IMAGE_PULL, PARAMS, "edge-1").steps[0]
    monkeypatch.setattr(held.containers, "pull_image", pull_and_go)
    with pytest.raises(OutcomeUnknownError, match=r"went away \(connection refused\)"):
        IMAGE_PULL.apply(step, held.writer())


def test_a_cancel_is_passed_on(held: Fleet) -> None:
    held.eye.ends_with = CancelledError("enough")
    with pytest.raises(CancelledError):
        held.do(IMAGE_PULL, PARAMS, "edge-1")


def test_too_little_time_begins_nothing(held: Fleet) -> None:
    held.eye.left = 3
    with pytest.raises(DeadlineError) as caught:
        held.do(IMAGE_PULL, PARAMS, "edge-1")
    assert (caught.value.changed, held.marks) == (Changed.NOTHING, [])


def test_settling_finds_it_done_not_done_or_too_early(held: Fleet) -> None:
    step = held.plan(IMAGE_PULL, PARAMS, "edge-1").steps[0]
    assert held.settle(IMAGE_PULL, step) == NotDone()  # after waiting until the engine must have given up
    assert held.eye.looks > 10
    held.eye.ends_with = DeadlineError("over", changed=Changed.NOTHING)
    assert isinstance(held.settle(IMAGE_PULL, step), Unknown)
    held.containers.hold_image("edge-1", f"{WEB}:1", digests=(f"{WEB}@{DIGEST}",))
    assert isinstance(held.settle(IMAGE_PULL, step), Done)


def test_the_same_content_under_another_name_is_not_done(held: Fleet) -> None:
    step = held.plan(IMAGE_PULL, PARAMS, "edge-1").steps[0]
    held.containers.hold_image("edge-1", f"{WEB}:0", digests=(f"{WEB}@{DIGEST}",))
    assert held.settle(IMAGE_PULL, step) == NotDone()
