"""Resizing, moving, renaming, noting, tagging, destroying: plans, steps and what a crash leaves."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from andock.errors import (
    AmbiguousTargetError,
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    InvalidParamsError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Change, Done, Mark, NotDone, Risk, Unknown
from andock.operations.vm.descriptions import VM_NOTE, VM_RENAME, NoteParams, RenameParams
from andock.operations.vm.hardware import VM_RESIZE, ResizeParams
from andock.operations.vm.migration import VM_MIGRATE, MigrateParams
from andock.operations.vm.removal import VM_DESTROY, DestroyParams
from andock.operations.vm.tags import TAG_ATTACH, TAG_DETACH, TagParams
from andock.ports.vsphere import PlaceKind, PowerState, Verdict

ON, OFF = PowerState.ON, PowerState.OFF


@pytest.fixture(autouse=True)
def _machines(bench: Any) -> None:
    """web-01 on and web-02 off, two hosts and a datastore, two tags."""
    bench.vsphere.add("lab", "web-01")
    bench.vsphere.add("lab", "web-02", power=OFF)
    for name in ("esx-2", "esx-3"):
        bench.vsphere.place(PlaceKind.HOST, "lab", name)
    bench.vsphere.place(PlaceKind.DATASTORE, "lab", "ssd", free=50, capacity=100)
    bench.vsphere.attached = {"env=stage": set(), "owner=shop": {("lab", "vm-1")}}


def resize(bench: Any, *vm: str, **params: Any) -> Any:
    return VM_RESIZE.plan(ResizeParams(vm=vm, **params), bench.reader)


def migrate(bench: Any, *vm: str, **params: Any) -> Any:
    return VM_MIGRATE.plan(MigrateParams(vm=vm, **params), bench.reader)


def rename(bench: Any, vm: str, name: str) -> Any:
    return VM_RENAME.plan(RenameParams(vm=vm, name=name), bench.reader)


def note(bench: Any, vm: str, text: str, *, append: bool = False) -> Any:
    return VM_NOTE.plan(NoteParams(vm=vm, text=text, append=append), bench.reader)


def destroy(bench: Any, *vm: str) -> Any:
    return VM_DESTROY.plan(DestroyParams(vm=vm), bench.reader)


def mark_now(bench: Any, task: str = "") -> Mark:
    return Mark(begun_at=1.0, site_time=bench.vsphere.server_time("lab").timestamp(), task=task)


def read(bench: Any, vm: str = "vm-1") -> Any:
    return bench.vsphere.read_vm("lab", vm)


# --- resize ---------------------------------------------------------------------------------------------


def test_a_vm_that_is_off_is_resized_either_way(bench: Any) -> None:
    (step,) = resize(bench, "web-02", cpus=1, memory="4G").steps
    assert step.text == "resize `web-02` (off) from 2 to 1 CPUs and from 2.0 GiB to 4.0 GiB of memory"
    done = VM_RESIZE.apply(step, bench.writer)
    assert done == Done(text="`web-02` has 1 CPUs and 4.0 GiB of memory.")
    assert (read(bench, "vm-2").cpus, read(bench, "vm-2").memory_mb) == (1, 4096)


@pytest.mark.parametrize(
    ("params", "hot", "why"),
    [
        ({"cpus": 4}, False, "on, and its settings do not let CPUs be added while it is"),
        ({"memory": "4G"}, False, "on, and its settings do not let memory be added while it is"),
        ({"cpus": 1}, True, "on, and nothing can be taken from it while it is"),
        ({"memory": "1G"}, True, "on, and nothing can be taken from it while it is"),
    ],
)
def test_a_running_vm_that_cannot_be_resized_says_that_it_must_be_off(
    bench: Any, params: dict[str, Any], hot: bool, why: str
) -> None:
    bench.vsphere.hot |= {("lab", "vm-1")} if hot else set()
    with pytest.raises(TargetStateError) as refused:
        resize(bench, "web-01", **params)
    assert why in refused.value.sentence
    assert (
        "must be off (`vm shutdown vm-1 --site lab`, then this again, then `vm on`)" in refused.value.sentence
    )


def test_a_running_vm_grows_where_its_settings_allow_it(bench: Any) -> None:
    bench.vsphere.hot.add(("lab", "vm-1"))
    (step,) = resize(bench, "web-01", cpus=8).steps
    VM_RESIZE.apply(step, bench.writer)
    assert (read(bench).cpus, read(bench).power) == (8, ON)


def test_a_pattern_resizes_those_that_can_be(bench: Any) -> None:
    plan = resize(bench, "web-*", memory="4G")
    assert [step.target.name for step in plan.steps] == ["web-02"]
    assert "1 left out: `web-01` is on" in plan.warnings[0]


def test_sizes_that_make_no_sense_are_refused(bench: Any) -> None:
    for params in ({}, {"memory": "3M"}, {"memory": "x"}, {"cpus": 0}):
        with pytest.raises(ValidationError):
            ResizeParams(vm=("a",), **params)
    with pytest.raises(TargetStateError, match="of that size already"):
        resize(bench, "web-02", cpus=2)


# --- migrate --------------------------------------------------------------------------------------------


def test_a_move_into_another_environments_cluster_is_judged_there_too(bench: Any) -> None:
    bench.vsphere.place(PlaceKind.HOST, "lab", "esx-7", cluster="staging")
    plan = migrate(bench, "web-01", host="esx-7")
    (step,) = plan.steps
    assert step.becomes is not None
    assert (step.target.environment, step.becomes.environment) == ("dev", "stage")
    assert "`web-01` goes from dev to stage by it." in plan.warnings
    assert {target.environment for target in plan.judged} == {"dev", "stage"}


def test_a_vm_moves_to_a_host_and_a_datastore(bench: Any) -> None:
    (step,) = migrate(bench, "web-01", host="esx-3", datastore="ssd").steps
    assert step.text == "move `web-01` (on) from `esx-1` to host `esx-3` and datastore `ssd`"
    assert step.target.parents == ("host:lab/host-1", "host:lab/host-2")
    done = VM_MIGRATE.apply(step, bench.writer)
    assert done == Done(text="`web-01` is on host `esx-3` and datastore `ssd`.")
    assert (read(bench).host, read(bench).datastores) == ("esx-3", ("ssd",))


def test_what_vcenter_forbids_is_refused_before_anything(bench: Any) -> None:
    bench.vsphere.verdicts["host-2"] = Verdict(errors=("its CPU is of another kind",))
    with pytest.raises(TargetStateError, match=r"kept where it is by vCenter \(its CPU is of another kind\)"):
        migrate(bench, "web-01", host="esx-3")
    assert bench.vsphere.tasks == {}


def test_what_vcenter_warns_of_is_shown(bench: Any) -> None:
    bench.vsphere.verdicts["host-2"] = Verdict(warnings=("it has snapshots",))
    assert "`web-01`: it has snapshots." in migrate(bench, "web-01", host="esx-3").warnings


def test_one_that_is_there_or_nowhere_to_go_is_refused(bench: Any) -> None:
    bench.vsphere.change("lab", "vm-1", host_id="host-2")
    with pytest.raises(TargetStateError, match="there already"):
        migrate(bench, "web-01", host="esx-3")
    with pytest.raises(TargetNotFoundError, match="No host `esx-9`"):
        migrate(bench, "web-01", host="esx-9")
    with pytest.raises(ValidationError, match="say where to"):
        MigrateParams(vm=("web-01",))
    bench.vsphere.add("prod-1", "web-03")
    with pytest.raises(AmbiguousTargetError):
        migrate(bench, "web-*", host="esx-2")


# --- rename and note ------------------------------------------------------------------------------------


def test_policy_judges_a_vm_by_its_old_name_and_its_new_one(bench: Any) -> None:
    plan = rename(bench, "web-01", "prod-db-1")
    (step,) = plan.steps
    assert [target.name for target in plan.judged] == ["web-01", "prod-db-1"]
    assert [target.name for target in plan.targets] == ["web-01"]
    assert plan.judged[1].path == "/DC0/vm/prod-db-1"
    done = VM_RENAME.apply(step, bench.writer)
    assert done == Done(text="`web-01` is called `prod-db-1` now.")
    assert read(bench).name == "prod-db-1"


def test_a_name_that_is_taken_or_its_own_is_refused(bench: Any) -> None:
    with pytest.raises(InvalidParamsError, match="There is a VM `/DC0/vm/web-02` already"):
        rename(bench, "web-01", "web-02")
    with pytest.raises(TargetStateError, match="called so already"):
        rename(bench, "web-01", "web-01")


def test_notes_are_replaced_with_a_look_at_what_is_lost_or_added_to(bench: Any) -> None:
    bench.vsphere.change("lab", "vm-1", notes="owner: shop")
    plan = note(bench, "web-01", "owner: ops")
    assert plan.warnings == ("They say now: owner: shop",)
    added = note(bench, "web-01", "disk replaced", append=True)
    assert added.warnings == ()
    VM_NOTE.apply(added.steps[0], bench.writer)
    first, second = read(bench).notes.splitlines()
    assert first == "owner: shop"
    assert second.endswith("ops-1: disk replaced")
    assert note(bench, "web-01", "owner: ops").digest != plan.digest
    with pytest.raises(TargetStateError, match="noted like this already"):
        note(bench, "web-02", "")


# --- tags -----------------------------------------------------------------------------------------------


def tagging(bench: Any, operation: Change[Any], tag: str, *vm: str) -> Any:
    return operation.plan(TagParams(tag=tag, vm=vm), bench.reader)


def test_a_tag_is_judged_before_and_after(bench: Any) -> None:
    plan = tagging(bench, TAG_ATTACH, "env=stage", "web-01")
    before, after = plan.judged
    assert (before.labels, before.environment) == (("owner=shop",), "dev")
    assert (after.labels, after.environment) == (("env=stage", "owner=shop"), "stage")
    assert plan.warnings == ("`web-01` goes from dev to stage by it.",)
    done = TAG_ATTACH.apply(plan.steps[0], bench.writer)
    assert done == Done(text="`web-01` is tagged `env=stage`.")
    assert bench.vsphere.tags_of("lab", ("vm-1",)) == {"vm-1": ("env=stage", "owner=shop")}


def test_a_tag_is_taken_away(bench: Any) -> None:
    (step,) = tagging(bench, TAG_DETACH, "owner=shop", "web-*").steps
    done = TAG_DETACH.apply(step, bench.writer)
    assert done == Done(text="`web-01` is no longer tagged `owner=shop`.")
    assert bench.vsphere.attached["owner=shop"] == set()


def test_tags_that_are_unknown_or_change_nothing_are_refused(bench: Any) -> None:
    with pytest.raises(TargetNotFoundError, match=r"No tag `env=stag` on `lab`\. Did you mean `env=stage`"):
        tagging(bench, TAG_ATTACH, "env=stag", "web-01")
    with pytest.raises(InvalidParamsError, match="write `category=tag`"):
        tagging(bench, TAG_ATTACH, "stage", "web-01")
    with pytest.raises(TargetStateError, match="tagged so already"):
        tagging(bench, TAG_ATTACH, "owner=shop", "web-01")
    with pytest.raises(TargetStateError, match="without the tag"):
        tagging(bench, TAG_DETACH, "owner=shop", "web-02")


@pytest.mark.parametrize("lost", ["done", "undone"])
def test_a_tags_lost_answer_is_looked_after(bench: Any, lost: str) -> None:
    (step,) = tagging(bench, TAG_ATTACH, "env=stage", "web-01").steps
    bench.vsphere.lost = lost
    if lost == "done":
        assert isinstance(TAG_ATTACH.apply(step, bench.writer), Done)
    else:
        with pytest.raises(OutcomeUnknownError):
            TAG_ATTACH.apply(step, bench.writer)
        assert TAG_ATTACH.settle(step, bench.reader, bench.marks[0]) == NotDone()
    bench.vsphere.vms.clear()
    assert isinstance(TAG_ATTACH.settle(step, bench.reader, bench.marks[0]), Unknown)


def test_a_tag_whose_answer_is_lost_with_its_vcenter_stays_unknown(bench: Any) -> None:
    (step,) = tagging(bench, TAG_ATTACH, "env=stage", "web-01").steps
    attach = bench.vsphere.attach_tag

    def attach_and_go(*args: str) -> None:
        bench.vsphere.lost = "done"
        try:
            attach(*args)
        finally:
            bench.vsphere.away["lab"] = "connection refused"

    bench.vsphere.attach_tag = attach_and_go
    with pytest.raises(OutcomeUnknownError, match="gave no answer"):
        TAG_ATTACH.apply(step, bench.writer)
    assert ("lab", "vm-1") in bench.vsphere.attached["env=stage"]


# --- destroy --------------------------------------------------------------------------------------------


def test_a_vm_that_is_off_is_destroyed_after_a_look_at_its_snapshots(bench: Any) -> None:
    bench.vsphere.plant("lab", "vm-2")
    bench.vsphere.change("lab", "vm-2", datastores=("ssd",))
    plan = destroy(bench, "web-02")
    assert VM_DESTROY.risk is Risk.DESTRUCTIVE
    assert plan.steps[0].text == "destroy `web-02` and its disks on ssd"
    assert plan.warnings == ("This cannot be undone.", "`web-02` has 1 snapshots; they go with it.")
    assert VM_DESTROY.apply(plan.steps[0], bench.writer) == Done(text="`web-02` is destroyed.")
    with pytest.raises(TargetNotFoundError):
        read(bench, "vm-2")


def test_one_that_is_on_and_patterns_are_refused(bench: Any) -> None:
    with pytest.raises(TargetStateError, match="`web-01` is on; it must be off"):
        destroy(bench, "web-01")
    with pytest.raises(InvalidParamsError, match=r"`web-\*` is a pattern"):
        destroy(bench, "web-*")


def test_a_destruction_is_bound_to_the_machine_and_not_to_its_name(bench: Any) -> None:
    plan = destroy(bench, "web-02")
    bench.vsphere.change("lab", "vm-2", uuid="another")
    assert destroy(bench, "web-02").digest != plan.digest


def test_one_that_is_gone_after_a_crash_is_destroyed(bench: Any) -> None:
    (step,) = destroy(bench, "web-02").steps
    mark = mark_now(bench, "task-forgotten")
    settled = VM_DESTROY.settle(step, bench.reader, mark)
    assert isinstance(settled, Unknown)
    assert "it is there and off" in settled.text
    assert VM_DESTROY.settle(step, bench.reader, mark_now(bench)) == NotDone()
    del bench.vsphere.vms["lab", "vm-2"]
    assert isinstance(VM_DESTROY.settle(step, bench.reader, mark), Done)


# --- what all tasks have in common -----------------------------------------------------------------------

STEPS = [
    (VM_RESIZE, lambda bench: resize(bench, "web-02", cpus=4)),
    (VM_MIGRATE, lambda bench: migrate(bench, "web-02", host="esx-3")),
    (VM_RENAME, lambda bench: rename(bench, "web-02", "web-09")),
    (VM_NOTE, lambda bench: note(bench, "web-02", "x")),
    (VM_DESTROY, lambda bench: destroy(bench, "web-02")),
]


@pytest.mark.parametrize(("operation", "plan"), STEPS)
def test_failures_cancellations_and_a_site_that_is_away_are_told_alike(
    bench: Any, operation: Change[Any], plan: Any
) -> None:
    (step,) = plan(bench).steps
    bench.vsphere.fault = "another task is running on it"
    with pytest.raises(BackendRejectedError, match="another task"):
        operation.apply(step, bench.writer)
    bench.vsphere.slow, bench.watch.cancel_after = 50, bench.watch.looks + 3
    with pytest.raises(CancelledError, match="was left as it was"):
        operation.apply(step, bench.writer)
    bench.watch.cancel_after = None
    assert bench.done == []
    bench.vsphere.away["lab"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        operation.settle(step, bench.reader, bench.marks[0])


@pytest.mark.parametrize(("operation", "plan"), STEPS)
def test_after_a_crash_the_effect_is_recognised_and_its_lack_too(
    bench: Any, operation: Change[Any], plan: Any
) -> None:
    (step,) = plan(bench).steps
    mark = mark_now(bench)
    assert operation.settle(step, bench.reader, mark) == NotDone()
    operation.apply(step, bench.writer)
    bench.vsphere.tasks.clear()
    assert isinstance(operation.settle(step, bench.reader, mark), Done)
    assert len(bench.done) == 1


@pytest.mark.parametrize(("operation", "plan"), STEPS)
def test_a_lost_answer_is_found_again_by_its_effect(bench: Any, operation: Change[Any], plan: Any) -> None:
    (step,) = plan(bench).steps
    bench.vsphere.lost = "done"
    assert isinstance(operation.apply(step, bench.writer), Done)
    assert len(bench.done) == 1
