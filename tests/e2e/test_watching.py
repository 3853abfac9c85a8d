"""Alarms, events, tasks and datastores from the typed command to the simulated vCenter and back."""

from __future__ import annotations

import re
import secrets

import pytest

from sandbox.installation import Installation
from sandbox.vcenter import Rule, VmState
from tests.e2e.conftest import Chat


@pytest.fixture
def vm(installation: Installation) -> VmState:
    """A VM of this test alone; it is on."""
    name = f"seen-{secrets.token_hex(3)}"
    return installation.vcenter.control.create_vm(name, folder="dev", power_on=True)


def test_an_alarm_is_listed_and_acknowledged_by_a_button(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    installation.vcenter.control.set_alarm("VirtualMachine", vm.id, "alarm.VmCPUUsageAlarm", "red")
    try:
        listed = chat.ask(f"/alarm list {vm.name} --share")
        assert "1 alarm, 1 red." in listed.spoken
        installation.slack.click("U0OPS1", listed, f"Acknowledge: Virtual machine CPU usage on {vm.name}")
        installation.slack.wait(
            "C0OPS", "U0OPS1", thread_ts=listed.ts, author="app", regex="is acknowledged", timeout=20
        )
        assert "andock@vsphere.local" in chat.ask(f"/alarm list {vm.name}").spoken.lower()
    finally:
        installation.vcenter.control.set_alarm("VirtualMachine", vm.id, "alarm.VmCPUUsageAlarm", "green")


def test_what_happened_to_a_vm_is_listed(chat: Chat, vm: VmState) -> None:
    assert f"A snapshot of `{vm.name}`" in chat.ask(f"/snapshot create {vm.name} --reason seen").spoken
    assert "is off" in chat.ask(f"/vm off {vm.name} --yes").spoken
    said = chat.ask(f"/event list {vm.name}").spoken
    assert "VmPoweredOff" in said
    assert "VmPoweredOn" in said


def test_a_task_is_listed_and_cancelled(installation: Installation, chat: Chat, vm: VmState) -> None:
    control = installation.vcenter.control
    control.set_rules([Rule("CreateSnapshot_Task", this=vm.id, delay=20.0)])
    try:
        running = chat.ask(f"/snapshot create {vm.name} --reason slow", until=r"(?s)\*Running\*.* %")
        listed = chat.ask(f"/task list {vm.name}").spoken
        found = re.search(r"\btask-\d+\b", listed)
        assert found is not None, listed
        said = chat.ask(f"/task cancel {found.group()} --yes").spoken
        assert f"`createSnapshot` of `{vm.name}` ended without its effect" in said
        ended = installation.slack.wait("C0OPS", ts=running.ts, regex=r"\*Failed\*", timeout=30)
        assert "cancelled in vCenter" in ended.spoken
    finally:
        control.set_rules([])
    assert "createSnapshot" not in control.vm(vm.id).effects


def test_a_full_datastore_comes_first_with_its_level_and_its_vms(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    store = vm.datastores[0]
    installation.vcenter.control.set_space(store, free=3 * 1024**3, capacity=100 * 1024**3)
    try:
        assert "1 critical" in chat.ask("/datastore list --full").spoken
        said = chat.ask(f"/datastore info {store} --top 1000").spoken
    finally:
        installation.vcenter.control.set_space(store, free=90 * 1024**3, capacity=100 * 1024**3)
    assert f"Datastore `{store}` has 3.0 GiB free of 100.0 GiB (97 % used, critical)." in said
    assert vm.name in said


def test_a_cluster_is_shown_host_by_host_as_it_is(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    control = installation.vcenter.control
    before = chat.ask("/cluster list").spoken
    whole = re.search(r"DC0_C0\b.*?\b(\d+) of \1\b.*\bautomatic\b", before)
    assert whole is not None
    hosts = int(whole.group(1))
    control.set_maintenance(vm.host, on=True)
    control.set_drs("DC0_C0", "manual")
    try:
        listed = chat.ask("/cluster list").spoken
        said = chat.ask("/cluster info DC0_C0").spoken
    finally:
        control.set_maintenance(vm.host, on=False)
        control.set_drs("DC0_C0", "fullyAutomated")
    assert re.search(rf"DC0_C0\b.*\b{hosts - 1} of {hosts}\b.*\bmanual\b", listed)
    assert f"{hosts - 1} of {hosts} hosts in service" in said
    assert "*DRS*\nmanual" in said
    assert re.search(rf"{re.escape(vm.host)}\b.*\bmaintenance\b", said)
