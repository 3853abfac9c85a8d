"""The same cases on the fake and on a simulated vCenter, spoken to over the wire."""

from __future__ import annotations

import time

import pytest

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
    UnknownSiteError,
)
from andock.ports.vsphere import PowerState, TaskRef, VmName
from tests.contract.worlds import DEAD, LIVE, World, run
from tests.fakes.vsphere import TinyWatch


def test_sites_are_in_the_order_of_the_file(world: World) -> None:
    assert world.port.sites() == (LIVE, DEAD)


def test_a_site_that_is_away_marks_itself_and_hides_nobody(world: World) -> None:
    vm = world.create("list-me", folder="prod/shop")
    started = time.monotonic()
    listing = world.port.list_vms()
    assert time.monotonic() - started < 3
    (row,) = [row for row in listing.rows if row.id == vm]
    assert (row.site, row.name, row.path) == (LIVE, "list-me", "/DC0/vm/prod/shop/list-me")
    assert (row.power, row.environment, row.tools_running) == (PowerState.ON, "prod", True)
    assert row.host
    assert row.host_id
    assert row.ip.startswith("10.")
    assert listing.searched == (LIVE,)
    assert [(away.site, away.why) for away in listing.not_reached] == [(DEAD, "connection refused")]


def test_all_vms_are_named_with_their_paths(world: World) -> None:
    vm = world.create("name-me", folder="prod/shop")
    listing = world.port.vm_names()
    assert VmName(LIVE, vm, "name-me", "/DC0/vm/prod/shop/name-me") in listing.rows
    assert {row.id for row in listing.rows} == {row.id for row in world.port.list_vms(LIVE).rows}
    assert listing.searched == (LIVE,)
    assert [(away.site, away.why) for away in listing.not_reached] == [(DEAD, "connection refused")]


def test_one_site_is_asked_alone(world: World) -> None:
    listing = world.port.list_vms(LIVE)
    assert listing.searched == (LIVE,)
    assert listing.not_reached == ()


def test_a_listing_without_an_index_is_as_of_now(world: World) -> None:
    for listing in (world.port.list_vms(LIVE), world.port.list_vms(LIVE, fresh=True, tagged=True)):
        assert listing.ages == ()
        assert listing.untagged == ()


def test_an_unknown_site_is_refused_with_the_nearest(world: World) -> None:
    for ask in (world.port.list_vms, world.port.vm_names, lambda site: world.port.find_vms("x", site)):
        with pytest.raises(UnknownSiteError, match="Did you mean `lab`"):
            ask("labb")


@pytest.mark.parametrize("wanted", ["find-me", "FIND-me", "/DC0/vm/prod/find-me", "{id}"])
def test_a_vm_is_found_in_full_by_name_path_or_id(world: World, wanted: str) -> None:
    vm = world.create("find-me", folder="prod")
    rows = [row for row in world.port.find_vms(wanted.format(id=vm), LIVE).rows if row.id == vm]
    (found,) = rows
    assert found == world.port.read_vm(LIVE, vm)
    assert (found.environment, found.power, found.cpus > 0, found.memory_mb > 0) == (
        "prod",
        PowerState.ON,
        True,
        True,
    )
    assert found.boot_time is not None
    assert found.boot_time.tzinfo is not None
    assert found.cluster
    assert found.addresses == (found.ip,)


def test_two_of_one_name_are_both_found(world: World) -> None:
    first, second = world.create("twin", folder="blue"), world.create("twin", folder="green")
    found = world.port.find_vms("twin", LIVE).rows
    assert {(vm.id, vm.path) for vm in found} == {
        (first, "/DC0/vm/blue/twin"),
        (second, "/DC0/vm/green/twin"),
    }


def test_nothing_found_is_no_error_and_similar_names_are_known(world: World) -> None:
    world.create("billing-01")
    assert world.port.find_vms("biling-01").rows == ()
    assert world.port.similar_names("biling-01")[:1] == ("billing-01",)


def test_a_vm_that_is_gone_is_not_found(world: World) -> None:
    with pytest.raises(TargetNotFoundError, match=r"No VM `vm-99999` on `lab`"):
        world.port.read_vm(LIVE, "vm-99999")


def test_power_goes_off_and_on(world: World) -> None:
    vm = world.create("power")
    run(world, world.port.power_off(LIVE, vm))
    off = world.port.read_vm(LIVE, vm)
    assert (off.power, off.boot_time) == (PowerState.OFF, None)
    run(world, world.port.power_on(LIVE, vm))
    assert world.port.read_vm(LIVE, vm).power is PowerState.ON
    assert world.effects(vm) == {"powerOff": 1, "powerOn": 1}


def test_a_suspended_vm_keeps_its_boot_time_and_is_resumed(world: World) -> None:
    vm = world.create("suspend")
    before = world.port.read_vm(LIVE, vm)
    run(world, world.port.suspend(LIVE, vm))
    suspended = world.port.read_vm(LIVE, vm)
    assert (suspended.power, suspended.boot_time) == (PowerState.SUSPENDED, before.boot_time)
    with pytest.raises(BackendRejectedError, match="it is suspended"):
        run(world, world.port.suspend(LIVE, vm))
    run(world, world.port.power_on(LIVE, vm))
    assert world.port.read_vm(LIVE, vm).power is PowerState.ON
    assert world.effects(vm) == {"suspend": 1, "powerOn": 1}


def test_several_are_read_in_the_order_asked_and_those_gone_are_left_out(world: World) -> None:
    first, second = world.create("bulk-1"), world.create("bulk-2")
    found = world.port.read_vms(LIVE, (second, "vm-99999", first))
    assert found == (world.port.read_vm(LIVE, second), world.port.read_vm(LIVE, first))
    assert world.port.read_vms(LIVE, ()) == ()


def test_where_a_vm_would_lie_says_its_environment(world: World) -> None:
    assert world.port.environment_of(LIVE, "/DC0/vm/prod/new") == "prod"
    assert world.port.environment_of(LIVE, "/DC0/vm/new") == "dev"


def test_links_to_a_vm_name_it_and_carry_no_ticket(world: World) -> None:
    vm = world.create("linked")
    links = world.port.client_links(LIVE, vm)
    assert links.page.startswith("https://")
    assert f"/ui/app/vm;nav=v/urn:vmomi:VirtualMachine:{vm}:" in links.page
    assert links.page.endswith("/summary")
    assert links.remote_console.endswith(f"/?moid={vm}")
    assert not any(word in links.page + links.remote_console for word in ("icket", "clone:", "cst-"))


def test_a_reset_is_a_new_boot(world: World) -> None:
    vm = world.create("reset")
    before = world.port.read_vm(LIVE, vm).boot_time
    run(world, world.port.reset(LIVE, vm))
    after = world.port.read_vm(LIVE, vm).boot_time
    assert before is not None
    assert after is not None
    assert after > before
    assert world.effects(vm) == {"reset": 1}


def test_what_cannot_be_done_is_said_by_the_task(world: World) -> None:
    vm = world.create("already-off", on=False)
    with pytest.raises(BackendRejectedError, match="it is off already"):
        run(world, world.port.power_off(LIVE, vm))
    assert world.effects(vm) == {}


def test_a_task_that_fails_says_why_and_changes_nothing(world: World) -> None:
    vm = world.create("unlucky", on=False)
    world.fail_next_task()
    with pytest.raises(BackendRejectedError, match="not enough resources"):
        run(world, world.port.power_on(LIVE, vm))
    assert world.port.read_vm(LIVE, vm).power is PowerState.OFF
    assert world.effects(vm) == {}


def test_a_slow_task_tells_its_progress(world: World) -> None:
    vm = world.create("slow")
    world.slow_next_task()
    watch = TinyWatch()
    world.port.await_task(world.port.power_off(LIVE, vm), watch)
    assert len(set(watch.percents)) >= 2
    assert watch.percents == sorted(watch.percents)
    assert world.effects(vm) == {"powerOff": 1}


def test_a_cancelled_task_ends_without_effect_and_an_ended_one_is_left_alone(world: World) -> None:
    vm = world.create("cancelled")
    world.slow_next_task()
    task = world.port.power_off(LIVE, vm)
    world.port.cancel_task(task)
    with pytest.raises(BackendRejectedError, match="cancelled"):
        run(world, task)
    world.port.cancel_task(task)
    assert world.port.read_vm(LIVE, vm).power is PowerState.ON
    assert world.effects(vm) == {}


def test_a_task_that_vcenter_no_longer_knows_is_not_found(world: World) -> None:
    with pytest.raises(TargetNotFoundError, match=r"No task `task-99999`"):
        run(world, TaskRef(LIVE, "task-99999"))


def test_tasks_are_found_by_vm_and_time(world: World) -> None:
    vm, other = world.create("tasks"), world.create("others-tasks")
    run(world, world.port.power_off(LIVE, vm))
    since = world.port.server_time(LIVE)
    assert since.tzinfo is not None
    assert world.port.tasks_since(LIVE, vm, since) == ()
    run(world, world.port.power_off(LIVE, other))
    task = world.port.power_on(LIVE, vm)
    again = world.port.reset(LIVE, vm)
    found = world.port.tasks_since(LIVE, vm, since)
    assert [(one.id, one.kind) for one in found] == [(task.id, "powerOn"), (again.id, "reset")]


@pytest.mark.parametrize("done", [True, False])
def test_an_answer_that_is_lost_is_never_asked_for_again(world: World, done: bool) -> None:
    vm = world.create("lost-answer")
    world.lose_next_answer(done=done)
    with pytest.raises(OutcomeUnknownError) as lost:
        world.port.power_off(LIVE, vm)
    assert lost.value.changed is Changed.UNKNOWN
    assert world.effects(vm) == ({"powerOff": 1} if done else {})


def test_guests_obey(world: World) -> None:
    vm = world.create("obeys")
    before = world.port.read_vm(LIVE, vm).boot_time
    world.port.reboot_guest(LIVE, vm)
    after = world.port.read_vm(LIVE, vm).boot_time
    assert before is not None
    assert after is not None
    assert after > before
    world.port.shutdown_guest(LIVE, vm)
    assert world.port.read_vm(LIVE, vm).power is PowerState.OFF
    assert world.effects(vm) == {"guestReboot": 1, "guestShutdown": 1}


def test_a_guest_may_ignore_people(world: World) -> None:
    vm = world.create("deaf")
    world.deafen(vm)
    before = world.port.read_vm(LIVE, vm)
    world.port.shutdown_guest(LIVE, vm)
    world.port.reboot_guest(LIVE, vm)
    after = world.port.read_vm(LIVE, vm)
    assert (after.power, after.boot_time) == (PowerState.ON, before.boot_time)
    assert world.effects(vm) == {}


def test_a_guest_without_tools_cannot_be_asked(world: World) -> None:
    vm = world.create("no-tools")
    world.stop_tools(vm)
    for ask in (world.port.shutdown_guest, world.port.reboot_guest):
        with pytest.raises(TargetStateError, match="without VMware Tools"):
            ask(LIVE, vm)
    assert world.effects(vm) == {}


def test_a_guest_that_is_off_cannot_be_asked(world: World) -> None:
    vm = world.create("off-guest", on=False)
    with pytest.raises(TargetStateError, match=rf"`{vm}` is off; it must be on"):
        world.port.shutdown_guest(LIVE, vm)


def test_a_site_that_is_away_is_told_within_3_s_and_nothing_was_changed(world: World) -> None:
    started = time.monotonic()
    for ask in (world.port.read_vm, world.port.power_off, world.port.shutdown_guest):
        with pytest.raises(BackendUnavailableError, match="connection refused") as away:
            ask(DEAD, "vm-1")
        assert away.value.changed is Changed.NOTHING
    assert time.monotonic() - started < 3
