"""Hosts, clusters, datastores, alarms, events and tasks, on the fake and on a simulated vCenter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    OutcomeUnknownError,
    TargetNotFoundError,
    UnknownSiteError,
)
from andock.ports.vsphere import HostDevice, RuleKind, Subject
from tests.contract.worlds import DEAD, LIVE, RealWorld, World, run


def subject(world: World, vm: str) -> Subject:
    (found,) = world.port.find_subjects(vm, LIVE).rows
    return found


def test_hosts_are_listed_with_what_they_have_and_what_they_run(world: World) -> None:
    vm = world.create("estate-runs")
    hosts = {host.id: host for host in world.hosts()}
    home = hosts[world.port.read_vm(LIVE, vm).host_id]
    assert len(hosts) == 3
    assert home.vms >= 1
    assert home.cluster
    assert home.path.endswith(f"/{home.cluster}/{home.name}")
    assert home.cpu > 0
    assert home.memory > home.memory_used >= 0
    assert (home.connection, home.environment) == ("connected", "dev")
    assert home.version
    assert world.port.read_host(LIVE, home.id) == home
    away = world.port.list_hosts()
    assert [one.site for one in away.not_reached] == [DEAD]


def test_a_cluster_adds_up_its_hosts(world: World) -> None:
    hosts = world.hosts()
    (cluster,) = world.port.list_clusters(LIVE).rows
    assert sorted(cluster.hosts) == sorted(host.name for host in hosts)
    assert cluster.memory == sum(host.memory for host in hosts)
    assert cluster.cpu == sum(host.cpu for host in hosts)
    assert cluster.drs == "automatic"


def test_maintenance_moves_what_runs_and_can_be_left_again(world: World) -> None:
    vm = world.create("estate-moves")
    world.hosts()
    home = world.port.read_vm(LIVE, vm).host_id
    evacuation = world.port.read_evacuation(LIVE, home)
    assert vm in evacuation.vms
    assert len(evacuation.others) >= 1
    assert evacuation.mover == "automatic"
    run(world, world.port.enter_maintenance(LIVE, home, powered_off=True))
    assert world.port.read_host(LIVE, home).maintenance
    moved = world.port.read_vm(LIVE, vm)
    assert moved.host_id != home
    assert moved.host in evacuation.others
    run(world, world.port.exit_maintenance(LIVE, home))
    assert not world.port.read_host(LIVE, home).maintenance


def test_what_binds_vms_to_their_host_is_told(world: World) -> None:
    bound, mate = world.create("estate-bound"), world.create("estate-mate")
    other = next(host.name for host in world.hosts() if host.name != world.port.read_vm(LIVE, bound).host)
    world.bind(bound)
    world.leave_alone(mate)
    world.rule("pair", RuleKind.TOGETHER, [bound, mate])
    world.rule("licence", RuleKind.ON, [bound], [other])
    world.rule("spread", RuleKind.APART, [bound, mate])
    evacuation = world.port.read_evacuation(LIVE, world.port.read_vm(LIVE, bound).host_id)
    assert evacuation.devices == (
        HostDevice(bound, "PCI device 0"),
        HostDevice(bound, "CD/DVD drive 9", drive=True),
    )
    assert evacuation.unmoved == (mate,)
    assert [(rule.name, rule.kind, set(rule.vms), rule.hosts) for rule in evacuation.rules] == [
        ("pair", RuleKind.TOGETHER, {bound, mate}, ()),
        ("licence", RuleKind.ON, {bound}, (other,)),
        ("spread", RuleKind.APART, {bound, mate}, ()),
    ]
    if isinstance(world, RealWorld):
        for rule in evacuation.rules:
            world.rule(rule.name, rule.kind, ())
        world.simulator.control.set_drs("DC0_C0", "", vm_id=mate)
        world.simulator.control.set_devices(bound)


def test_other_rules_other_hosts_and_local_files_are_told_as_they_are(world: World) -> None:
    if not isinstance(world, RealWorld):
        return
    control = world.simulator.control
    vm, apart = world.create("estate-file"), world.create("estate-apart")
    home = world.port.read_vm(LIVE, vm)
    hosts = {host.name: host.id for host in world.hosts() if host.name != home.host}
    target = min(hosts)
    run(world, world.port.move(LIVE, apart, host=hosts[target], datastore=""))
    control.make_local_store(home.host, "scratch")
    control.set_devices(vm, "image", "usb", datastore="scratch")
    control.set_rule("DC0_C0", "spread", "apart", [vm, apart])
    control.set_rule("DC0_C0", "wish", "on", [vm], hosts=[home.host], optional=True)
    control.set_rule("DC0_C0", "never", "off", [vm], hosts=[target])
    evacuation = world.port.read_evacuation(LIVE, home.host_id)
    assert evacuation.devices == (
        HostDevice(vm, "CD/DVD drive 9 with `[scratch] debian.iso`", drive=True),
        HostDevice(vm, "USB 1"),
    )
    control.set_devices(vm, "image", datastore="LocalDS_0")  # which all hosts reach
    assert world.port.read_evacuation(LIVE, home.host_id).devices == ()
    assert evacuation.local == ("scratch",)
    assert [(rule.name, rule.kind, rule.hosts) for rule in evacuation.rules] == [
        ("spread", RuleKind.APART, (target,)),
        ("never", RuleKind.OFF, (target,)),
    ]
    for name in ("spread", "wish", "never"):
        control.set_rule("DC0_C0", name, "apart")


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_answer_is_unknown_and_not_asked_again(world: World, done: bool) -> None:
    host = world.hosts()[-1].id
    world.lose_next_answer(done=done)
    with pytest.raises(OutcomeUnknownError):
        world.port.enter_maintenance(LIVE, host, powered_off=True)
    since = world.port.server_time(LIVE) - timedelta(seconds=5)
    assert world.port.read_host(LIVE, host).maintenance is done
    if done:
        kinds = [task.kind for task in world.port.tasks_since(LIVE, host, since)]
        assert "enterMaintenanceMode" in kinds
        if isinstance(world, RealWorld):
            world.simulator.control.set_rules([])
        run(world, world.port.exit_maintenance(LIVE, host))


def test_a_slow_evacuation_is_cancelled_and_shown_among_the_tasks(world: World) -> None:
    host = world.hosts()[-1]
    world.slow_next_task()
    task = world.port.enter_maintenance(LIVE, host.id, powered_off=True)
    row = next(one for one in world.port.list_tasks(LIVE).rows if one.ref.id == task.id)
    assert (row.ref.kind, row.subject.name, row.subject.kind) == ("enterMaintenanceMode", host.name, "host")
    assert row.is_open
    assert row.cancelable
    world.port.cancel_task(task)
    with pytest.raises(BackendRejectedError, match="cancelled"):
        run(world, task)
    row = next(one for one in world.port.list_tasks(LIVE).rows if one.ref.id == task.id)
    assert (row.state, row.error) == ("error", "the task was cancelled in vCenter")
    assert not world.port.read_host(LIVE, host.id).maintenance


def test_a_datastore_says_what_is_free_and_who_takes_the_room(world: World) -> None:
    world.create("estate-takes")
    store = world.fill(free=5 * 1024**3, capacity=100 * 1024**3)
    (read,) = (one for one in world.port.list_stores(LIVE).rows if one.id == store.id)
    assert (read.free, read.capacity, read.level) == (5 * 1024**3, 100 * 1024**3, "critical")
    assert read.hosts >= 1
    occupants = world.port.read_occupants(LIVE, store.id)
    assert "estate-takes" in {one.vm for one in occupants}
    assert [one.used for one in occupants] == sorted((one.used for one in occupants), reverse=True)
    assert world.fill(free=90 * 1024**3, capacity=100 * 1024**3).level == ""


def test_an_alarm_is_listed_once_with_what_it_is_about_and_acknowledged(world: World) -> None:
    vm = world.create("estate-red")
    world.raise_alarm(vm, "red")
    (alarm,) = (one for one in world.port.list_alarms(LIVE).rows if one.subject.id == vm)
    assert (alarm.name, alarm.status, alarm.acknowledged) == ("Virtual machine CPU usage", "red", False)
    assert alarm.subject == subject(world, vm)
    world.port.acknowledge(alarm.subject, alarm.id)
    (after,) = (one for one in world.port.list_alarms(LIVE).rows if one.subject.id == vm)
    assert after.acknowledged
    assert after.acknowledged_by


def test_events_of_a_thing_are_the_newest_first_and_no_older_than_asked(world: World) -> None:
    since = world.port.server_time(LIVE) - timedelta(seconds=1)
    vm = world.create("estate-events")
    world.raise_alarm(vm, "yellow")
    events = world.port.read_events(subject(world, vm), since, 50)
    assert "VmPoweredOnEvent" in {event.kind for event in events}
    assert [event.at for event in events] == sorted((event.at for event in events), reverse=True)
    assert all(event.at >= since for event in events)
    later = world.port.server_time(LIVE) + timedelta(hours=1)
    assert world.port.read_events(subject(world, vm), later, 50) == ()
    assert len(world.port.read_events(subject(world, vm), since, 1)) == 1


def test_anything_is_found_by_name_path_or_id_whatever_the_case(world: World) -> None:
    vm, host = world.create("Estate-Named", folder="prod"), world.hosts()[0]
    for typed in ("estate-named", "/DC0/vm/prod/Estate-Named", vm):
        assert [one.id for one in world.port.find_subjects(typed, LIVE).rows] == [vm]
    assert subject(world, vm).environment == "prod"
    assert [(one.kind, one.id) for one in world.port.find_subjects(host.name.upper(), LIVE).rows] == [
        ("host", host.id)
    ]


def test_what_is_gone_is_not_found_and_a_site_that_is_away_is_told(world: World) -> None:
    with pytest.raises(TargetNotFoundError, match="No host `host-99999`"):
        world.port.read_host(LIVE, "host-99999")
    with pytest.raises(TargetNotFoundError, match="No datastore `datastore-99999`"):
        world.port.read_occupants(LIVE, "datastore-99999")
    with pytest.raises(TargetNotFoundError):
        world.port.enter_maintenance(LIVE, "host-99999", powered_off=False)
    with pytest.raises(BackendUnavailableError, match="connection refused"):
        world.port.read_host(DEAD, "host-1")
    with pytest.raises(UnknownSiteError):
        world.port.list_alarms("lap")


def test_no_more_calls_for_more_vms(world: World) -> None:
    if not isinstance(world, RealWorld):
        return

    def count() -> dict[str, int]:
        world.simulator.control.calls()
        world.port.list_hosts(LIVE)
        world.port.list_stores(LIVE)
        world.port.list_alarms(LIVE)
        world.port.list_tasks(LIVE)
        world.port.find_subjects("nobody", LIVE)
        return world.simulator.control.calls()

    few = count()
    for number in range(12):
        vm = world.create(f"estate-many-{number}")
        world.raise_alarm(vm, "red")
    assert count().get("RetrievePropertiesEx", 0) <= few["RetrievePropertiesEx"] + 2
