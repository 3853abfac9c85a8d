"""The watcher against a simulated vCenter and a real Redis: what changes is in the index, whatever breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from andock.ledger import Ledger
from andock.ports.vsphere import PowerState
from config.installation import connect
from sandbox.redis_server import start_redis
from sandbox.vcenter import Inventory, Rule, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import SITE, Watching, until, watching
from workers.vsphere import inventory, tagging, watcher

WAIT = "WaitForUpdatesEx"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that stops waits for the end of its call."""
    monkeypatch.setattr(watcher, "WAIT", 1)


@pytest.fixture
def service(simulator: Simulator) -> Iterator[Any]:
    """vCenter as somebody else uses it."""
    service = SmartConnect(
        host=simulator.host,
        port=simulator.port,
        user=simulator.user,
        pwd=simulator.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=10,
    )
    yield service
    Disconnect(service)


def test_the_index_says_what_vcenter_says(watched: Watching) -> None:
    watched.simulator.control.create_vm("same", folder="prod/x", power_on=True)
    assert until(lambda: "same" in watched.names())
    session = watched.sessions.open(SITE)
    listed = session.read(lambda s: inventory.list_rows(s, watched.sessions.vcenter(SITE)))
    session.close()
    found = watched.index.rows(SITE)
    assert found is not None
    assert {row.id: row for row in found.rows} == {row.id: row for row in listed}
    assert found.age < 5


def is_seen_in_time(watched: Watching, change: Callable[[], object], seen: Callable[[], object]) -> None:
    """Make a change; it must be in the index within a second of vCenter's own notice of it."""
    watched.simulator.control.notices()
    change()
    assert until(seen)
    now = datetime.now(UTC)
    first, *_ = watched.simulator.control.notices()
    assert (now - first).total_seconds() < 1.0


def test_every_change_of_a_machine_is_seen_within_the_second(watched: Watching, service: Any) -> None:
    control = watched.simulator.control
    vm = control.create_vm("changes", power_on=True).id
    machine = vim.VirtualMachine(vm, service._stub)
    assert until(lambda: watched.row(vm))

    def has(**wanted: object) -> Callable[[], bool]:
        def look() -> bool:
            row = watched.row(vm)
            return row is not None and all(getattr(row, name) == value for name, value in wanted.items())

        return look

    data = service.content.rootFolder.childEntity[0].vmFolder
    prod = data.CreateFolder("yard").CreateFolder("prod")
    hosts = {host.name: host for host in data.parent.hostFolder.childEntity[0].host}
    row = watched.row(vm)
    assert row is not None
    other = next(name for name in hosts if name != row.host)
    changes: list[tuple[Callable[[], object], Callable[[], bool]]] = [
        (machine.PowerOffVM_Task, has(power=PowerState.OFF, tools_running=False, ip="")),
        (machine.PowerOnVM_Task, has(power=PowerState.ON, tools_running=True, ip=row.ip)),
        (machine.SuspendVM_Task, has(power=PowerState.SUSPENDED)),
        (lambda: machine.Rename_Task("changed"), has(name="changed", path="/DC0/vm/changed")),
        (
            lambda: prod.MoveIntoFolder_Task([machine]),
            has(path="/DC0/vm/yard/prod/changed", environment="prod"),
        ),
        (lambda: prod.Rename_Task("stage"), has(path="/DC0/vm/yard/stage/changed", environment="dev")),
        (lambda: machine.MigrateVM_Task(host=hosts[other], priority="defaultPriority"), has(host=other)),
        (lambda: control.set_bios_uuid(vm, "4211-AB"), has(uuid="4211-ab")),
        (machine.Destroy_Task, lambda: watched.row(vm) is None),
    ]
    for change, seen in changes:
        is_seen_in_time(watched, change, seen)
    assert watched.names().isdisjoint({"changes", "changed"})


def test_a_new_machine_is_seen_within_the_second(watched: Watching) -> None:
    is_seen_in_time(
        watched,
        lambda: watched.simulator.control.create_vm("born"),
        lambda: "born" in watched.names(),
    )


def test_snapshots_are_known_by_the_oldest(watched: Watching, service: Any) -> None:
    vm = watched.simulator.control.create_vm("snapped").id
    machine = vim.VirtualMachine(vm, service._stub)
    assert until(lambda: watched.row(vm))

    def oldest() -> datetime | None:
        row = watched.row(vm)
        assert row is not None
        return row.oldest_snapshot

    assert oldest() is None
    before = datetime.now(UTC)
    machine.CreateSnapshot_Task("first", "", False, False)
    assert until(oldest)
    first = oldest()
    assert first is not None
    assert abs((first - before).total_seconds()) < 5
    machine.CreateSnapshot_Task("second", "", False, False)
    assert until(lambda: machine.snapshot.rootSnapshotList[0].childSnapshotList)
    assert oldest() == first
    machine.RemoveAllSnapshots_Task()
    assert until(lambda: oldest() is None)


def test_templates_are_no_machines(watched: Watching, service: Any) -> None:
    vm = watched.simulator.control.create_vm("tpl").id
    assert until(lambda: watched.row(vm))
    pool = service.content.rootFolder.childEntity[0].hostFolder.childEntity[0].resourcePool
    folder = service.content.rootFolder.childEntity[0].vmFolder
    place = vim.vm.RelocateSpec(pool=pool)
    vim.VirtualMachine(vm, service._stub).CloneVM_Task(
        folder, "tpl-2", vim.vm.CloneSpec(location=place, template=True, powerOn=False)
    )
    watched.simulator.control.create_vm("after-tpl")
    assert until(lambda: "after-tpl" in watched.names())
    assert "tpl-2" not in watched.names()


@pytest.mark.parametrize(
    "rule",
    [
        Rule(WAIT, count=1, fault="NotAuthenticated"),
        Rule(WAIT, count=1, fault="InvalidCollectorVersion"),
        Rule(WAIT, count=1, drop=True),
        Rule(WAIT, count=1, lose_answer=True),
        Rule(WAIT, count=2, http=503),
        Rule("CreateFilter", count=1, fault="ManagedObjectNotFound"),
    ],
)
def test_whatever_ends_a_watch_the_next_one_knows_everything(watched: Watching, rule: Rule) -> None:
    control = watched.simulator.control
    control.set_rules([rule])
    if rule.method != WAIT:
        control.expire_sessions()
    name = f"after-{rule.fault or rule.http or rule.drop}-{rule.lose_answer}".lower()
    control.create_vm(name)
    assert until(lambda: name in watched.names())
    control.create_vm(f"{name}-2")
    assert until(lambda: f"{name}-2" in watched.names())


def test_a_session_that_vcenter_ended_is_made_anew(watched: Watching) -> None:
    assert watched.simulator.control.expire_sessions() > 0
    watched.simulator.control.create_vm("after-expiry")
    assert until(lambda: "after-expiry" in watched.names())


def test_an_answer_that_does_not_come_is_given_up(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "ANSWER_WITHIN", 0.5)
    watched.simulator.control.set_rules([Rule(WAIT, count=1, hold_answer=60)])
    watched.simulator.control.create_vm("after-silence")
    assert until(lambda: "after-silence" in watched.names())


def test_updates_in_many_pieces_are_one_filling(simulator: Simulator, ledger: Ledger) -> None:
    for number in range(7):
        simulator.control.create_vm(f"piece-{number}")
    simulator.control.set_page(3)
    with watching(simulator, ledger) as running:
        assert until(running.is_filled)
        assert {f"piece-{number}" for number in range(7)} <= running.names()
        assert running.names() == {vm.name for vm in simulator.control.vms()} - {"tpl-2"}


def test_a_vcenter_that_restarts_is_watched_again(tmp_path: Path, ledger: Ledger) -> None:
    simulator = start_vcenter(tmp_path, inventory=Inventory(vms=2))
    try:
        with watching(simulator, ledger) as running:
            simulator.control.create_vm("before")
            assert until(lambda: "before" in running.names())
            simulator.kill()
            simulator.restart()
            simulator.control.create_vm("after")
            assert until(lambda: "after" in running.names())
            assert "before" not in running.names()
    finally:
        simulator.stop()


def test_a_redis_that_restarts_is_filled_again(simulator: Simulator, tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    ledger = Ledger(connect(server.url), "main")
    try:
        with watching(simulator, ledger) as running:
            assert until(running.is_filled)
            server.kill()
            simulator.control.create_vm("meanwhile")
            time.sleep(0.5)  # so that the watcher meets a Redis that is away
            server.restart()
            assert until(lambda: "meanwhile" in running.names())
    finally:
        ledger.redis.close()
        server.stop()


def test_of_two_watchers_one_writes_and_the_other_takes_over(
    watched: Watching, ledger: Ledger, simulator: Simulator
) -> None:
    with watching(simulator, ledger) as second:
        simulator.control.create_vm("of-two")
        assert until(lambda: "of-two" in watched.names())
        simulator.control.calls()
        assert until(lambda: simulator.control.calls().get(WAIT))
        assert "Login" not in simulator.control.calls()  # who stands by does not even log in
        watched.end()
        simulator.control.create_vm("of-one")
        assert until(lambda: "of-one" in second.names())


def test_a_refused_password_is_not_tried_again_and_again(simulator: Simulator, ledger: Ledger) -> None:
    simulator.control.calls()
    with watching(simulator, ledger, password="wrong") as running:
        time.sleep(3)  # in which it would try several times
        assert not running.is_filled()
    assert simulator.control.calls()["Login"] == 1


def test_calls_do_not_grow_with_the_inventory(simulator: Simulator, ledger: Ledger) -> None:
    counts = []
    for turn in range(2):
        simulator.control.calls()
        own = Ledger(ledger.redis, f"{ledger.prefix[7:-1]}-{turn}")
        with watching(simulator, own) as running:
            assert until(running.is_filled)
            counts.append({name: n for name, n in simulator.control.calls().items() if name != WAIT})
        for number in range(20):
            simulator.control.create_vm(f"grow-{turn}-{number}")
    assert counts[0] == counts[1]
    assert sum(counts[0].values()) < 8


def test_tags_are_in_the_index_and_environments_go_by_them(simulator: Simulator, ledger: Ledger) -> None:
    tags = simulator.tags
    vm = simulator.control.create_vm("tagged").id
    tags.attach(vm, "env=stage")
    tags.attach(vm, "team=shop")
    with watching(simulator, ledger, tags_decide=True) as running:
        assert until(running.is_filled)
        row = running.row(vm)
        assert row is not None
        assert (row.labels, row.environment) == (("env=stage", "team=shop"), "stage")


def test_where_tags_decide_there_is_no_index_without_them(
    simulator: Simulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "_CIS", "/nowhere")
    monkeypatch.setattr(watcher, "TAGS_WITHIN", 0.2)
    with watching(simulator, ledger, tags_decide=True) as running:
        assert until(lambda: simulator.control.calls().get("Login"))
        time.sleep(1.5)  # in which it would have been filled
        assert not running.is_filled()
    with watching(simulator, ledger) as running:
        assert until(running.is_filled)


def test_tags_grow_old_until_they_are_read_again(
    simulator: Simulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "TAGS_EVERY", 3600)

    def tags_age() -> float:
        found = running.index.rows(SITE)
        return found.tags_age or 0.0 if found is not None else 0.0

    with watching(simulator, ledger, tags_decide=True) as running:
        assert until(lambda: tags_age() > 3)


def test_a_tag_comes_and_goes_without_any_other_change(
    simulator: Simulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "TAGS_EVERY", 0.2)
    tags = simulator.tags
    vm = simulator.control.create_vm("tag-later").id
    with watching(simulator, ledger) as running:
        assert until(lambda: running.row(vm))
        tags.attach(vm, "room=1")
        assert until(lambda: (row := running.row(vm)) and row.labels == ("room=1",))
        tags.detach(vm, "room=1")
        assert until(lambda: (row := running.row(vm)) and row.labels == ())


def test_a_watcher_that_stops_leaves_no_session_behind(simulator: Simulator, ledger: Ledger) -> None:
    simulator.control.expire_sessions()
    with watching(simulator, ledger) as running:
        assert until(running.is_filled)
    assert simulator.control.expire_sessions() == 0
    assert running.index.age(SITE) is not None  # what it knew stays until it is stale
