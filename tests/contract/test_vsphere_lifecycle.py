"""Making, changing, moving and destroying VMs on the fake and on a simulated vCenter."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    OutcomeUnknownError,
    TargetNotFoundError,
    UnknownSiteError,
)
from andock.ports.vsphere import NewVm, PlaceKind, PowerState, TaskRef
from tests.contract.worlds import DEAD, LIVE, RealWorld, World, run
from tests.fakes.vsphere import TinyWatch


@pytest.fixture
def name() -> str:
    return f"made-{secrets.token_hex(3)}"


def folder(world: World) -> str:
    return next(one.id for one in world.place(PlaceKind.FOLDER) if one.path == "/DC0/vm")


def test_places_are_listed_with_their_paths_and_a_site_that_is_away_marks_itself(
    world: World, name: str
) -> None:
    template = world.template(name)
    templates = world.port.list_places(PlaceKind.TEMPLATE)
    (found,) = (one for one in templates.rows if one.id == template)
    assert (found.site, found.name, found.path) == (LIVE, name, f"/DC0/vm/{name}")
    assert [away.site for away in templates.not_reached] == [DEAD]
    assert folder(world)
    hosts = world.place(PlaceKind.HOST)
    assert len(hosts) >= 2
    assert all(host.usable and host.path.startswith("/DC0/host/") for host in hosts)
    assert world.place(PlaceKind.DATASTORE)
    assert world.place(PlaceKind.NETWORK)
    with pytest.raises(UnknownSiteError):
        world.port.list_places(PlaceKind.HOST, "labb")


def test_a_template_is_no_vm_and_is_read_by_its_id(world: World, name: str) -> None:
    template = world.template(name)
    assert world.port.find_vms(name, LIVE).rows == ()
    assert [vm.name for vm in world.port.read_vms(LIVE, (template,))] == [name]


def test_a_clone_is_as_asked_for(world: World, name: str) -> None:
    template = world.template(f"{name}-template")
    network = world.place(PlaceKind.NETWORK)[0]
    store = world.place(PlaceKind.DATASTORE)[0]
    host = world.place(PlaceKind.HOST)[1]
    new = NewVm(
        name=name,
        folder=folder(world),
        host=host.id,
        datastore=store.id,
        network=network.id,
        cpus=4,
        memory_mb=4096,
        notes="made in chat",
    )
    run(world, world.port.clone(LIVE, template, new))
    (made,) = world.port.find_vms(name, LIVE).rows
    assert (made.path, made.power, made.cpus, made.memory_mb) == (
        f"/DC0/vm/{name}",
        PowerState.OFF,
        4,
        4096,
    )
    assert made.notes == "made in chat"
    if isinstance(world, RealWorld):
        assert made.host == host.name
        assert made.datastores == (store.name,)
        assert world.simulator.control.vm(made.id).networks == [network.name]


def test_a_clone_takes_what_is_left_out_from_its_template(world: World, name: str) -> None:
    template = world.template(f"{name}-template")
    run(world, world.port.clone(LIVE, template, NewVm(name=name, folder=folder(world))))
    (made,) = world.port.find_vms(name, LIVE).rows
    source = world.port.read_vms(LIVE, (template,))[0]
    assert (made.power, made.cpus, made.memory_mb) == (PowerState.OFF, source.cpus, source.memory_mb)


def test_a_clone_can_be_customized_by_a_specification_that_is_there(world: World, name: str) -> None:
    specification = world.port.customizations(LIVE)[0]
    template = world.template(f"{name}-template")
    new = NewVm(name=name, folder=folder(world), customization=specification)
    run(world, world.port.clone(LIVE, template, new))
    (made,) = world.port.find_vms(name, LIVE).rows
    if isinstance(world, RealWorld):
        assert world.simulator.control.vm(made.id).effects.get("customize") == 1


def test_hardware_is_read_of_many_and_resized(world: World, name: str) -> None:
    vm, other = world.create(name, on=False), world.create(f"{name}-2")
    world.allow_hot_add(other)
    first, second = world.port.read_hardware(LIVE, (vm, other))
    assert (first.id, first.cpu_hot_add, first.memory_hot_add) == (vm, False, False)
    assert (second.cpu_hot_add, second.memory_hot_add) == (True, True)
    run(world, world.port.resize(LIVE, vm, cpus=first.cpus + 2, memory_mb=None))
    run(world, world.port.resize(LIVE, vm, cpus=None, memory_mb=8192))
    (now,) = world.port.read_hardware(LIVE, (vm, "vm-99999"))
    assert (now.cpus, now.memory_mb) == (first.cpus + 2, 8192)
    assert world.effects(vm) == {"reconfigure": 2}


def test_notes_and_names_are_changed(world: World, name: str) -> None:
    vm = world.create(name)
    run(world, world.port.annotate(LIVE, vm, "owner: ops\nsecond line"))
    run(world, world.port.rename(LIVE, vm, f"{name}/b"))
    now = world.port.read_vm(LIVE, vm)
    assert (now.notes, now.name) == ("owner: ops\nsecond line", f"{name}/b")
    assert world.effects(vm) == {"reconfigure": 1, "rename": 1}


def test_a_vm_is_moved_to_a_host_and_a_datastore(world: World, name: str) -> None:
    vm = world.create(name)
    here = world.port.read_vm(LIVE, vm)
    host = next(one for one in world.place(PlaceKind.HOST) if one.id != here.host_id)
    store = world.place(PlaceKind.DATASTORE)[0]
    verdict = world.port.check_move(LIVE, vm, host=host.id, datastore=store.id, watch=TinyWatch())
    assert (verdict.errors, verdict.warnings) == ((), ())
    assert world.effects(vm) == {}
    run(world, world.port.move(LIVE, vm, host=host.id, datastore=store.id))
    now = world.port.read_vm(LIVE, vm)
    assert (now.host, now.host_id, now.datastores) == (host.name, host.id, (store.name,))
    assert world.effects(vm) == {"relocate": 1}


def test_a_move_that_cannot_be_is_known_beforehand(world: World, name: str) -> None:
    vm = world.create(name)
    host = world.place(PlaceKind.HOST)[2]
    if isinstance(world, RealWorld) and world.port.read_vm(LIVE, vm).host_id == host.id:
        run(world, world.port.move(LIVE, vm, host=world.place(PlaceKind.HOST)[0].id, datastore=""))
    world.block_host(host.id)
    try:
        verdict = world.port.check_move(LIVE, vm, host=host.id, datastore="", watch=TinyWatch())
        assert len(verdict.errors) == 1
        if isinstance(world, RealWorld):
            with pytest.raises(BackendRejectedError, match="the host is in maintenance mode"):
                run(world, world.port.move(LIVE, vm, host=host.id, datastore=""))
            usable = {one.id: one.usable for one in world.place(PlaceKind.HOST)}
            assert usable[host.id] is False
    finally:
        if isinstance(world, RealWorld):
            world.simulator.control.set_maintenance(host.name, on=False)


def test_a_vm_that_is_off_is_destroyed_and_one_that_is_on_is_not(world: World, name: str) -> None:
    vm, other = world.create(name, on=False), world.create(f"{name}-on")
    run(world, world.port.destroy(LIVE, vm))
    with pytest.raises(TargetNotFoundError):
        world.port.read_vm(LIVE, vm)
    with pytest.raises(BackendRejectedError, match="it is on"):
        run(world, world.port.destroy(LIVE, other))
    assert world.port.read_vm(LIVE, other).power is PowerState.ON


def test_a_question_is_read_and_answered_once(world: World, name: str) -> None:
    vm = world.create(name)
    assert world.port.read_question(LIVE, vm) is None
    world.ask(vm, "Moved or copied?", ("I moved it", "I copied it"))
    question = world.port.read_question(LIVE, vm)
    assert question is not None
    assert (question.text, question.choices, question.default) == (
        "Moved or copied?",
        (("0", "I moved it"), ("1", "I copied it")),
        "1",
    )
    assert world.port.read_vm(LIVE, vm).question == "Moved or copied?"
    for wrong in (("7", "0"), (question.id, "9")):
        with pytest.raises(BackendRejectedError):
            world.port.answer(LIVE, vm, *wrong)
    world.port.answer(LIVE, vm, question.id, "1")
    assert world.port.read_question(LIVE, vm) is None
    assert world.effects(vm) == {"answer:1": 1}
    with pytest.raises(BackendRejectedError):
        world.port.answer(LIVE, vm, question.id, "1")


def test_a_slow_one_is_found_by_vcenters_word_for_it(world: World, name: str) -> None:
    vm = world.create(name, on=False)
    for kind, start in (
        ("reconfigure", lambda: world.port.annotate(LIVE, vm, "slow")),
        ("rename", lambda: world.port.rename(LIVE, vm, f"{name}-slow")),
        ("relocate", lambda: world.port.move(LIVE, vm, host=world.place(PlaceKind.HOST)[0].id, datastore="")),
    ):
        since = world.port.server_time(LIVE)
        world.slow_next_task()
        task = start()
        assert [(one.id, one.kind) for one in world.port.tasks_since(LIVE, vm, since)] == [(task.id, kind)]
        run(world, task)


@pytest.mark.parametrize(
    "start",
    [
        lambda world, vm: world.port.resize(LIVE, vm, cpus=2, memory_mb=None),
        lambda world, vm: world.port.rename(LIVE, vm, "lost-name"),
        lambda world, vm: world.port.destroy(LIVE, vm),
        lambda world, vm: world.port.move(
            LIVE, vm, host=world.place(PlaceKind.HOST)[0].id, datastore=world.place(PlaceKind.DATASTORE)[0].id
        ),
    ],
)
def test_an_answer_that_is_lost_is_never_asked_for_again(
    world: World, name: str, start: Callable[[World, str], TaskRef]
) -> None:
    vm = world.create(name, on=False)
    world.place(PlaceKind.DATASTORE)
    world.place(PlaceKind.HOST)
    world.lose_next_answer(done=False)
    with pytest.raises(OutcomeUnknownError):
        start(world, vm)
    assert world.effects(vm) == {}


def test_a_clone_whose_answer_is_lost_is_made_once(world: World, name: str) -> None:
    template = world.template(f"{name}-template")
    new = NewVm(name=name, folder=folder(world))
    world.lose_next_answer(done=True)
    with pytest.raises(OutcomeUnknownError):
        world.port.clone(LIVE, template, new)
    assert len(world.port.find_vms(name, LIVE).rows) == 1


def test_a_site_that_is_away_is_told(world: World) -> None:
    for ask in (
        lambda: world.port.read_hardware(DEAD, ("vm-1",)),
        lambda: world.port.destroy(DEAD, "vm-1"),
        lambda: world.port.read_question(DEAD, "vm-1"),
        lambda: world.port.customizations(DEAD),
    ):
        with pytest.raises(BackendUnavailableError, match="connection refused"):
            ask()
