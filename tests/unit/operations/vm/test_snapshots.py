from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from andock.errors import (
    AmbiguousTargetError,
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Change, Done, Mark, NotDone, Risk, Unknown
from andock.operations.vm.snapshot_ends import SNAPSHOT_DELETE, SNAPSHOT_REVERT, DeleteParams, RevertParams
from andock.operations.vm.snapshot_names import LONGEST, SnapshotName, read_name
from andock.operations.vm.snapshots import (
    SNAPSHOT_CONSOLIDATE,
    SNAPSHOT_CREATE,
    ConsolidateParams,
    CreateParams,
)
from andock.ports.vsphere import PowerState, Space


@pytest.fixture(autouse=True)
def _web(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")


def creating(bench: Any, **params: Any) -> Any:
    params = {"vm": ("web-01",), "reason": "before the update"} | params
    return SNAPSHOT_CREATE.plan(CreateParams(**params), bench.reader)


def mark_now(bench: Any, task: str = "") -> Mark:
    return Mark(begun_at=1.0, site_time=bench.vsphere.server_time("lab").timestamp(), task=task)


def names(bench: Any) -> list[str]:
    return [one.name for one in bench.vsphere.read_snapshots("lab", "vm-1").snapshots]


# --- names ----------------------------------------------------------------------------------------------

UNTIL = datetime(2026, 1, 4, 12, 30, tzinfo=UTC)


def test_a_name_says_why_by_whom_and_until_when_and_is_read_back() -> None:
    name = SnapshotName("before the update", "ops-1", UNTIL)
    assert str(name) == "before the update [ops-1 until 2026-01-04 12:30Z]"
    assert read_name(str(name)) == name


@pytest.mark.parametrize("reason", ["x" * 200, "odd [until] words", "lines\nand  tabs\t", "é" * 79])
def test_any_reason_fits_and_the_end_of_the_name_is_never_cut(reason: str) -> None:
    name = str(SnapshotName(reason, "a very long name of somebody who asked", UNTIL))
    assert len(name) <= LONGEST
    known = read_name(name)
    assert known is not None
    assert known.until == UNTIL


@pytest.mark.parametrize(
    "name", ["before patch", "[ops-1 until soon]", "x [ops-1 until 2026-13-99 99:99Z]", ""]
)
def test_what_others_called_theirs_is_not_read(name: str) -> None:
    assert read_name(name) is None


# --- create ---------------------------------------------------------------------------------------------


def test_a_snapshot_is_taken_and_named(bench: Any) -> None:
    plan = creating(bench, keep=timedelta(days=2), memory=True)
    assert plan.steps[0].text == "take a snapshot of `web-01` (on), with its memory, kept for 2d"
    assert plan.warnings == ()
    done = SNAPSHOT_CREATE.apply(plan.steps[0], bench.writer)
    assert done.text == "A snapshot of `web-01` was taken."
    assert done.offers[0].command == "snapshot tree vm-1 --site lab"
    (snapshot,) = bench.vsphere.read_snapshots("lab", "vm-1").snapshots
    known = read_name(snapshot.name)
    assert known is not None
    assert (known.reason, known.by) == ("before the update", "ops-1")
    assert timedelta(days=1, hours=23, minutes=58) < known.until - snapshot.created <= timedelta(days=2)
    assert snapshot.power is PowerState.ON
    assert "ops-1: before the update" in snapshot.description


def test_the_same_question_a_minute_later_is_the_same_plan(bench: Any) -> None:
    plan = creating(bench)
    bench.vsphere.now += timedelta(minutes=3)
    assert creating(bench).digest == plan.digest


def test_long_chains_full_datastores_and_broken_disks_are_warned_of(bench: Any) -> None:
    for _ in range(3):
        bench.vsphere.plant("lab", "vm-1")
    bench.vsphere.unconsolidated.add(("lab", "vm-1"))
    bench.vsphere.spaces = (Space("ds-1", 5 * 1024**2, 10 * 1024**3),)
    chain, disks, memory, room = creating(bench, memory=True).warnings
    assert "a chain of 4 snapshots" in chain
    assert "`snapshot consolidate` first" in disks
    assert "2048 MiB) may not fit" in memory
    assert room == "Datastore `ds-1` on lab has 0.0 GiB left of 10.0 (0 %)."


def test_a_guest_that_cannot_be_quiesced_is_refused_or_left_out(bench: Any) -> None:
    bench.vsphere.add("lab", "web-02", tools=False)
    with pytest.raises(TargetStateError, match="`web-02` is without VMware Tools"):
        creating(bench, vm=("web-02",), quiesce=True)
    plan = creating(bench, vm=("web-*",), quiesce=True)
    assert [step.target.name for step in plan.steps] == ["web-01"]
    assert "1 left out: `web-02`" in plan.warnings[0]


def test_a_snapshot_whose_answer_was_lost_is_recognised_by_its_name(bench: Any) -> None:
    step = creating(bench).steps[0]
    bench.vsphere.lost = "done"
    assert isinstance(SNAPSHOT_CREATE.apply(step, bench.writer), Done)
    assert bench.done == ["createSnapshot"]


def test_one_that_left_no_sign_stays_unknown(bench: Any) -> None:
    step = creating(bench).steps[0]
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError):
        SNAPSHOT_CREATE.apply(step, bench.writer)
    assert names(bench) == []


def test_after_a_crash_the_name_tells_ours_from_another(bench: Any) -> None:
    step = creating(bench).steps[0]
    mark = mark_now(bench, "task-forgotten")
    bench.vsphere.plant("lab", "vm-1", name="somebody else's")
    settled = SNAPSHOT_CREATE.settle(step, bench.reader, mark)
    assert isinstance(settled, Unknown)
    assert "it has 1 snapshots, and none of this request" in settled.text
    assert SNAPSHOT_CREATE.settle(step, bench.reader, mark_now(bench)) == NotDone()
    SNAPSHOT_CREATE.apply(step, bench.writer)
    assert isinstance(SNAPSHOT_CREATE.settle(step, bench.reader, bench.marks[0]), Done)


# --- revert, delete, consolidate --------------------------------------------------------------------------


@pytest.fixture
def chain(bench: Any) -> list[str]:
    """Ids of a chain of three; the VM stands on the last."""
    return [bench.vsphere.plant("lab", "vm-1", name=name) for name in ("one", "two", "three")]


def reverting(bench: Any, snapshot: str) -> Any:
    return SNAPSHOT_REVERT.plan(RevertParams(vm="web-01", snapshot=snapshot), bench.reader)


def deleting(bench: Any, snapshot: str, *, children: bool = False) -> Any:
    params = DeleteParams(vm="web-01", snapshot=snapshot, children=children)
    return SNAPSHOT_DELETE.plan(params, bench.reader)


@pytest.mark.usefixtures("chain")
def test_going_back_warns_of_what_is_lost_and_does_it(bench: Any) -> None:
    plan = reverting(bench, "ONE")
    lost, power = plan.warnings
    assert "What was written since `one` of 2026-01-01" in lost
    assert power == "`web-01` is on, and is off afterwards: the snapshot has no memory."
    assert plan.steps[0].text.startswith("take `web-01` (on) back to `one`")
    assert SNAPSHOT_REVERT.apply(plan.steps[0], bench.writer) == Done(text="`web-01` is back at `one`.")
    assert bench.vsphere.read_vm("lab", "vm-1").power is PowerState.OFF


@pytest.mark.parametrize("typed", ["three", "current", "snapshot-3"])
def test_a_snapshot_is_named_by_name_id_or_as_the_current_one(
    bench: Any, chain: list[str], typed: str
) -> None:
    assert reverting(bench, typed).steps[0].args["snapshot"] == chain[-1]


def test_snapshots_that_are_not_there_or_not_one_are_refused(bench: Any) -> None:
    with pytest.raises(TargetStateError, match="`web-01` is without snapshots"):
        reverting(bench, "one")
    for name in ("one", "one", "two"):
        bench.vsphere.plant("lab", "vm-1", name=name)
    with pytest.raises(AmbiguousTargetError, match="`snapshot-2`"):
        reverting(bench, "one")
    with pytest.raises(TargetNotFoundError, match=r"No snapshot `three` on `web-01`\. Did you mean `one`"):
        reverting(bench, "three")


@pytest.mark.usefixtures("chain")
def test_a_plan_to_go_back_changes_when_another_snapshot_was_taken(bench: Any) -> None:
    plan = reverting(bench, "one")
    bench.vsphere.plant("lab", "vm-1", name="four")
    assert plan.differences(reverting(bench, "one")) == (
        "web-01: stands on was snapshot-3 and is snapshot-4",
    )


def test_going_back_after_a_crash_is_told_by_where_the_vm_stands(bench: Any, chain: list[str]) -> None:
    step = reverting(bench, "one").steps[0]
    assert SNAPSHOT_REVERT.settle(step, bench.reader, mark_now(bench)) == NotDone()
    bench.vsphere.await_task(bench.vsphere.revert_to_snapshot("lab", "vm-1", chain[0]), bench.watch)
    bench.vsphere.tasks.clear()
    assert isinstance(SNAPSHOT_REVERT.settle(step, bench.reader, mark_now(bench)), Done)


@pytest.mark.usefixtures("chain")
def test_going_back_to_where_it_stood_cannot_be_told_without_a_task(bench: Any) -> None:
    step = reverting(bench, "current").steps[0]
    settled = SNAPSHOT_REVERT.settle(step, bench.reader, mark_now(bench))
    assert isinstance(settled, Unknown)
    assert (
        "cannot be told whether it was done; it stood on that snapshot before, and does now" in settled.text
    )


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(("children", "left"), [(False, ["one", "three"]), (True, ["one"])])
def test_one_is_deleted_alone_or_with_those_above(bench: Any, children: bool, left: list[str]) -> None:
    step = deleting(bench, "two", children=children).steps[0]
    assert ("and 1 that stand on it" in step.text) is children
    done = SNAPSHOT_DELETE.apply(step, bench.writer)
    assert done == Done(text="The snapshot `two` of `web-01` is deleted.")
    assert names(bench) == left


@pytest.mark.usefixtures("chain")
def test_a_deletion_with_children_is_bound_to_them(bench: Any) -> None:
    plan, alone = deleting(bench, "two", children=True), deleting(bench, "two")
    bench.vsphere.plant("lab", "vm-1", name="four")
    assert deleting(bench, "two", children=True).digest != plan.digest
    assert deleting(bench, "two").digest == alone.digest


def test_a_deletion_after_a_crash_is_told_by_what_is_left(bench: Any, chain: list[str]) -> None:
    step = deleting(bench, "two").steps[0]
    mark = mark_now(bench, "task-forgotten")
    settled = SNAPSHOT_DELETE.settle(step, bench.reader, mark)
    assert settled == Unknown(
        "`web-01`: vCenter no longer knows what became of its task; the snapshot is still there."
    )
    bench.vsphere.await_task(
        bench.vsphere.delete_snapshot("lab", "vm-1", chain[1], children=False), bench.watch
    )
    assert isinstance(SNAPSHOT_DELETE.settle(step, bench.reader, mark), Done)


def consolidating(bench: Any, *vm: str) -> Any:
    return SNAPSHOT_CONSOLIDATE.plan(ConsolidateParams(vm=vm), bench.reader)


def test_disks_are_consolidated_where_they_need_it(bench: Any) -> None:
    bench.vsphere.add("lab", "web-02")
    bench.vsphere.unconsolidated.add(("lab", "vm-1"))
    with pytest.raises(TargetStateError, match="`web-02` is without disks to consolidate"):
        consolidating(bench, "web-02")
    plan = consolidating(bench, "web-*")
    (step,) = plan.steps
    done = SNAPSHOT_CONSOLIDATE.apply(step, bench.writer)
    assert done == Done(text="The disks of `web-01` are consolidated.")
    assert bench.vsphere.unconsolidated == set()
    assert isinstance(SNAPSHOT_CONSOLIDATE.settle(step, bench.reader, mark_now(bench)), Done)


@pytest.mark.parametrize("operation", [SNAPSHOT_REVERT, SNAPSHOT_DELETE])
def test_what_loses_data_is_declared_destructive(operation: Change[Any]) -> None:
    assert operation.risk is Risk.DESTRUCTIVE


STEPS = [
    (SNAPSHOT_CREATE, creating),
    (SNAPSHOT_REVERT, lambda bench: reverting(bench, "one")),
    (SNAPSHOT_DELETE, lambda bench: deleting(bench, "one")),
    (SNAPSHOT_CONSOLIDATE, lambda bench: consolidating(bench, "web-01")),
]


@pytest.mark.parametrize(("operation", "plan"), STEPS)
def test_failures_cancellations_and_a_site_that_is_away_are_told_alike(
    bench: Any, chain: list[str], operation: Change[Any], plan: Any
) -> None:
    bench.vsphere.unconsolidated.add(("lab", "vm-1"))
    step = plan(bench).steps[0]
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
        operation.apply(step, bench.writer)
    with pytest.raises(BackendUnavailableError):
        operation.settle(step, bench.reader, bench.marks[0])
    assert len(names_away(bench)) == len(chain)


def names_away(bench: Any) -> list[str]:
    bench.vsphere.away.clear()
    return names(bench)
