"""Snapshots on the fake and on a simulated vCenter, spoken to over the wire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    OutcomeUnknownError,
    TargetNotFoundError,
)
from andock.ports.vsphere import PowerState, Snapshot, TaskRef
from tests.contract.worlds import DEAD, LIVE, RealWorld, World, run


def take(world: World, vm: str, name: str, *, memory: bool = False) -> Snapshot:
    run(world, create(world, vm, name, memory=memory))
    (found,) = (one for one in world.port.read_snapshots(LIVE, vm).snapshots if one.name == name)
    return found


def create(world: World, vm: str, name: str, *, memory: bool = False) -> TaskRef:
    return world.port.create_snapshot(
        LIVE, vm, name=name, description="before the update", memory=memory, quiesce=False
    )


def test_a_chain_is_read_with_each_after_the_one_that_it_stands_on(world: World) -> None:
    vm = world.create("snap-chain")
    assert world.port.read_snapshots(LIVE, vm).snapshots == ()
    since = world.port.server_time(LIVE)
    first, second = take(world, vm, "one"), take(world, vm, "two", memory=True)
    read = world.port.read_snapshots(LIVE, vm)
    assert read.vm.id == vm
    assert [(one.id, one.parent, one.depth, one.current) for one in read.snapshots] == [
        (first.id, "", 1, False),
        (second.id, first.id, 2, True),
    ]
    assert first.description == "before the update"
    assert first.created >= since - timedelta(seconds=2)
    assert first.created.tzinfo is not None
    assert (first.power, second.power) == (PowerState.OFF, PowerState.ON)
    assert not read.consolidation_needed
    assert all(space.capacity >= space.free > 0 and space.name for space in read.spaces)
    assert read.spaces
    assert world.effects(vm) == {"createSnapshot": 2}


def test_going_back_makes_it_the_current_one_and_brings_its_power(world: World) -> None:
    vm = world.create("snap-revert")
    first = take(world, vm, "one")
    take(world, vm, "two")
    run(world, world.port.revert_to_snapshot(LIVE, vm, first.id))
    current = [one.id for one in world.port.read_snapshots(LIVE, vm).snapshots if one.current]
    assert current == [first.id]
    assert world.port.read_vm(LIVE, vm).power is PowerState.OFF
    assert world.effects(vm) == {"createSnapshot": 2, "revert": 1}


@pytest.mark.parametrize(("children", "left"), [(False, ["one", "three"]), (True, ["one"])])
def test_one_in_the_middle_is_deleted_alone_or_with_all_that_stand_on_it(
    world: World, children: bool, left: list[str]
) -> None:
    vm = world.create("snap-delete")
    take(world, vm, "one")
    middle = take(world, vm, "two")
    take(world, vm, "three")
    run(world, world.port.delete_snapshot(LIVE, vm, middle.id, children=children))
    assert [one.name for one in world.port.read_snapshots(LIVE, vm).snapshots] == left
    assert world.effects(vm) == {"createSnapshot": 3, "remove": 1}


def test_disks_are_consolidated(world: World) -> None:
    vm = world.create("snap-merge")
    world.split_disks(vm)
    assert world.port.read_snapshots(LIVE, vm).consolidation_needed
    run(world, world.port.consolidate(LIVE, vm))
    assert not world.port.read_snapshots(LIVE, vm).consolidation_needed
    assert world.effects(vm) == {"consolidateDisks": 1}


def test_all_that_have_some_are_listed_with_age_and_size(world: World) -> None:
    vm, split, bare = world.create("snap-list"), world.create("snap-split"), world.create("snap-none")
    old = take(world, vm, "old")
    world.age_snapshot(vm, old.id, days=5, size=7_000_000)
    world.split_disks(split)
    listing = world.port.list_snapshots()
    found = {one.vm.id: one for one in listing.rows}
    assert {vm, split} <= set(found)
    assert bare not in found
    assert [away.site for away in listing.not_reached] == [DEAD]
    (seen,) = found[vm].snapshots
    assert seen.size == 7_000_000
    age = world.port.server_time(LIVE) - seen.created
    assert timedelta(days=5) <= age < timedelta(days=5, minutes=5)
    assert (found[split].snapshots, found[split].consolidation_needed) == ((), True)
    assert found[vm].vm.path == "/DC0/vm/snap-list"


def test_listing_takes_no_more_calls_for_more_vms(world: World) -> None:
    if not isinstance(world, RealWorld):
        return
    for number in range(4):
        take(world, world.create(f"snap-many-{number}"), "one")
    control = world.simulator.control
    control.calls()
    world.port.list_snapshots(LIVE)
    few = control.calls()
    for number in range(12):
        take(world, world.create(f"snap-more-{number}"), "one")
    control.calls()
    world.port.list_snapshots(LIVE)
    assert control.calls().get("RetrievePropertiesEx") == few["RetrievePropertiesEx"] <= 4


def test_tasks_are_found_by_vm_and_called_as_vcenter_calls_them(world: World) -> None:
    vm = world.create("snap-tasks")
    since = world.port.server_time(LIVE)
    first = take(world, vm, "one")
    run(world, world.port.revert_to_snapshot(LIVE, vm, first.id))
    run(world, world.port.delete_snapshot(LIVE, vm, first.id, children=False))
    run(world, world.port.consolidate(LIVE, vm))
    kinds = [task.kind for task in world.port.tasks_since(LIVE, vm, since)]
    assert kinds == ["createSnapshot", "revert", "remove", "consolidateDisks"]


def test_a_slow_one_is_found_by_the_same_word_and_can_be_cancelled(world: World) -> None:
    vm = world.create("snap-slow")
    first = take(world, vm, "one")
    since = world.port.server_time(LIVE)
    world.slow_next_task()
    task = world.port.delete_snapshot(LIVE, vm, first.id, children=False)
    assert [(one.id, one.kind) for one in world.port.tasks_since(LIVE, vm, since)] == [(task.id, "remove")]
    world.port.cancel_task(task)
    with pytest.raises(BackendRejectedError, match="cancelled"):
        run(world, task)
    assert [one.id for one in world.port.read_snapshots(LIVE, vm).snapshots] == [first.id]


@pytest.mark.parametrize(
    "ask",
    [
        lambda world, vm: create(world, vm, "one"),
        lambda world, vm: world.port.consolidate(LIVE, vm),
        lambda world, vm: world.port.revert_to_snapshot(LIVE, vm, base(world, vm)),
        lambda world, vm: world.port.delete_snapshot(LIVE, vm, base(world, vm), children=False),
    ],
)
@pytest.mark.parametrize("done", [True, False])
def test_an_answer_that_is_lost_is_never_asked_for_again(
    world: World, ask: Callable[[World, str], TaskRef], done: bool
) -> None:
    vm = world.create("snap-lost")
    take(world, vm, "base")
    before = world.effects(vm)
    world.lose_next_answer(done=done)
    with pytest.raises(OutcomeUnknownError):
        ask(world, vm)
    assert sum(world.effects(vm).values()) - sum(before.values()) == int(done)


def base(world: World, vm: str) -> str:
    return world.port.read_snapshots(LIVE, vm).snapshots[0].id


def test_what_is_gone_is_not_found_and_a_site_that_is_away_is_told(world: World) -> None:
    vm = world.create("snap-gone")
    with pytest.raises(TargetNotFoundError, match="No VM `vm-99999`"):
        world.port.read_snapshots(LIVE, "vm-99999")
    with pytest.raises(TargetNotFoundError, match="No snapshot `snapshot-99999`"):
        world.port.revert_to_snapshot(LIVE, vm, "snapshot-99999")
    with pytest.raises(BackendUnavailableError, match="connection refused"):
        world.port.read_snapshots(DEAD, "vm-1")
