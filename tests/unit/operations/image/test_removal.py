from __future__ import annotations

import pytest

from andock.errors import (
    BackendError,
    BackendRejectedError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    TargetStateError,
    UserError,
)
from andock.operation import OWN_LABEL, Done, NotDone, Unknown
from andock.operations.image.removal import IMAGE_PRUNE, IMAGE_REMOVE, PruneParams, RemoveParams
from andock.removal import MOST_STEPS
from tests.unit.operations.fleet import Fleet

WEB = "registry.lab:5000/team/web"
DIGEST = "sha256:" + "ab" * 32


def names(fleet: Fleet) -> list[tuple[str, ...]]:
    return [row.names for row in fleet.containers.list_images().rows]


def test_the_last_name_takes_the_image_along_and_says_what_is_lost(fleet: Fleet) -> None:
    made = fleet.containers.hold_image("edge-1", f"{WEB}:1", digests=(f"{WEB}@{DIGEST}",))
    step = fleet.plan(IMAGE_REMOVE, RemoveParams(image=(f"{WEB}:1",))).steps[0]
    assert step.text == (
        f"remove image `{WEB}:1` ({made[7:19]}, 2 MiB). Lost: its layers; {WEB}@{DIGEST} can be pulled again"
    )
    assert IMAGE_REMOVE.apply(step, fleet.writer()).text == f"`{WEB}:1` is removed."
    assert names(fleet) == []
    assert len(fleet.marks) == 1


def test_an_image_with_another_name_only_loses_this_one(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "web:1", "web:2")
    step = fleet.plan(IMAGE_REMOVE, RemoveParams(image=("web:1",))).steps[0]
    assert step.text.startswith("take `web:1` from image ")
    assert step.text.endswith("It stays as `web:2`")
    IMAGE_REMOVE.apply(step, fleet.writer())
    assert names(fleet) == [("web:2",)]


def test_all_its_names_or_its_id_mean_the_image(fleet: Fleet) -> None:
    made = fleet.containers.hold_image("edge-1", "web:1", "web:2")
    by_names = fleet.plan(IMAGE_REMOVE, RemoveParams(image=("web:1", "edge-1/web:2")))
    by_id = fleet.plan(IMAGE_REMOVE, RemoveParams(image=(made[7:19],)))
    assert by_names.digest == by_id.digest
    assert len(by_id.steps) == 1
    IMAGE_REMOVE.apply(by_id.steps[0], fleet.writer())
    assert names(fleet) == []


def test_an_image_that_was_never_in_a_registry_is_said_to_be_lost(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "built:1")
    step = fleet.plan(IMAGE_REMOVE, RemoveParams(image=("built:1",))).steps[0]
    assert step.text.endswith("Lost: its layers; it is in no registry")


def test_an_image_in_use_is_refused_with_who_uses_it(fleet: Fleet) -> None:
    made = fleet.containers.hold_image("edge-1", "web:1")
    container = fleet.containers.run("edge-1", "shop")
    fleet.containers.change("edge-1", container, image_id=made)
    with pytest.raises(TargetStateError) as caught:
        fleet.plan(IMAGE_REMOVE, RemoveParams(image=("web:1",)))
    assert caught.value.sentence == "`web:1` is used by `shop`; it must be used by no container for this."


def test_one_that_comes_into_use_in_between_is_a_changed_plan(fleet: Fleet) -> None:
    made = fleet.containers.hold_image("edge-1", "web:1", "web:2")
    params = RemoveParams(image=("web:1",))
    before = fleet.plan(IMAGE_REMOVE, params)
    container = fleet.containers.run("edge-1", "shop")
    fleet.containers.change("edge-1", container, image_id=made)
    assert before.differences(fleet.plan(IMAGE_REMOVE, params))


def test_what_the_engine_refuses_half_way_is_partly(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.containers.hold_image("edge-1", "web:1", "web:2")
    step = fleet.plan(IMAGE_REMOVE, RemoveParams(image=("web:1", "web:2"))).steps[0]
    take = fleet.containers.remove_image

    def refuse_second(site: str, reference: str) -> None:
        if reference == "web:2":
            raise BackendRejectedError("Engine `edge-1`", "conflict: a container uses it")
        take(site, reference)

    monkeypatch.setattr(fleet.containers, "remove_image", refuse_second)
    with pytest.raises(BackendError, match="1 name of it had been taken away") as caught:
        IMAGE_REMOVE.apply(step, fleet.writer())
    assert caught.value.changed is Changed.PARTLY


def test_a_lost_answer_is_looked_after(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.containers.hold_image("edge-1", "web:1")
    step = fleet.plan(IMAGE_REMOVE, RemoveParams(image=("web:1",))).steps[0]
    fleet.containers.lost.add("edge-1")
    with pytest.raises(OutcomeUnknownError, match="`web:1` is still there; look again later"):
        IMAGE_REMOVE.apply(step, fleet.writer())

    def remove_and_be_silent(site: str, reference: str) -> None:
        fleet.containers.images.clear()
        raise OutcomeUnknownError(f"Engine `{site}` was told and did not answer ({reference}).")

    monkeypatch.setattr(fleet.containers, "remove_image", remove_and_be_silent)
    assert IMAGE_REMOVE.apply(step, fleet.writer()).text == "`web:1` is removed."
    assert IMAGE_REMOVE.apply(step, fleet.writer()).text == "`web:1` is removed."


def test_an_engine_that_says_so_and_keeps_it_is_not_believed(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "web:1")
    fleet.containers.keeping = True
    with pytest.raises(BackendError, match="is there again") as caught:
        fleet.do(IMAGE_REMOVE, RemoveParams(image=("web:1",)))
    assert caught.value.changed is Changed.UNKNOWN


def test_settling_finds_it_done_not_done_or_too_early(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "web:1", "web:2")
    step = fleet.plan(IMAGE_REMOVE, RemoveParams(image=("web:1",))).steps[0]
    assert fleet.settle(IMAGE_REMOVE, step, seconds_ago=40) == NotDone()
    assert fleet.settle(IMAGE_REMOVE, step) == NotDone()
    assert fleet.eye.looks > 10
    fleet.eye.ends_with = DeadlineError("over", changed=Changed.NOTHING)
    assert isinstance(fleet.settle(IMAGE_REMOVE, step), Unknown)
    fleet.containers.remove_image("edge-1", "web:1")
    assert isinstance(fleet.settle(IMAGE_REMOVE, step), Done)


def test_a_prune_takes_the_nameless_that_nobody_uses_the_largest_first(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "named:1")
    small = fleet.containers.hold_image("edge-1", size=1024)
    large = fleet.containers.hold_image("edge-2", size=4096)
    used = fleet.containers.hold_image("edge-1", size=9999)
    container = fleet.containers.run("edge-1", "shop")
    fleet.containers.change("edge-1", container, image_id=used)
    plan = fleet.plan(IMAGE_PRUNE, PruneParams())
    assert [step.target.id for step in plan.steps] == [large, small]
    assert plan.warnings == ("Frees at most 5 KiB; layers that other images share stay.",)
    everything = fleet.plan(IMAGE_PRUNE, PruneParams(all=True))
    assert "named:1" in [step.target.name for step in everything.steps]
    assert used not in [step.target.id for step in everything.steps]


def test_a_prune_leaves_andocks_own_and_what_is_to_be_kept(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "andock:1", labels={OWN_LABEL: "worker"})
    fleet.containers.hold_image("edge-1", "kept:1")
    gone = fleet.containers.hold_image("edge-1", "gone:1")
    plan = fleet.plan(IMAGE_PRUNE, PruneParams(all=True, keep=("kept:1",)))
    assert [step.target.id for step in plan.steps] == [gone]
    assert "Left alone, as Andock's own: `andock:1`." in plan.warnings


def test_a_prune_of_nothing_says_why(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "web:1")
    with pytest.raises(UserError, match="1 with names are used by no container, `--all` takes those"):
        fleet.plan(IMAGE_PRUNE, PruneParams())
    fleet.containers.images.clear()
    with pytest.raises(UserError, match="No image to prune on edge-1, edge-2"):
        fleet.plan(IMAGE_PRUNE, PruneParams(all=True))


def test_a_prune_is_never_longer_than_can_be_read(fleet: Fleet) -> None:
    for number in range(MOST_STEPS + 5):
        fleet.containers.hold_image("edge-1", f"n{number}:1", size=number)
    plan = fleet.plan(IMAGE_PRUNE, PruneParams(all=True))
    assert len(plan.steps) == MOST_STEPS
    assert plan.steps[0].target.name == f"n{MOST_STEPS + 4}:1"
    assert "5 smaller images left for the next time." in plan.warnings
