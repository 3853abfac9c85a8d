"""kill -9 of a worker with steps, a snapshot or a clone under way: one effect each, and its real end."""

from __future__ import annotations

import secrets

import pytest

from sandbox.installation import Installation
from sandbox.vcenter.control import Rule
from tests.e2e.test_crashes import end_of, kill_worker, type_command, until

pytestmark = pytest.mark.long  # test_crashes.py says the same of one VM


def test_killed_with_several_vms_under_way_each_is_settled_and_the_rest_taken_once(
    installation: Installation,
) -> None:
    control = installation.vcenter.control
    prefix = f"crew-{secrets.token_hex(3)}"
    vms = [control.create_vm(f"{prefix}-{n}", folder="dev", power_on=True) for n in range(6)]
    control.set_rules([Rule("PowerOffVM_Task", this=vm.id, delay=8.0) for vm in vms[:3]])
    control.calls()
    after = type_command(installation, f"/vm off {prefix}-* --at-once 3 --yes")
    until(lambda: control.calls().get("WaitForUpdatesEx", 0) >= 3)
    kill_worker(installation)

    said = end_of(installation, f"vm off {prefix}", after).spoken
    control.set_rules([])

    assert "vm off: 6 of 6 done." in said
    states = [control.vm(vm.id) for vm in vms]
    assert [state.power for state in states] == ["poweredOff"] * 6
    assert [state.effects.get("powerOff") for state in states] == [1] * 6


def test_killed_between_a_snapshots_call_and_its_task_id_it_is_taken_once(
    installation: Installation,
) -> None:
    control = installation.vcenter.control
    vm = control.create_vm(f"crash-{secrets.token_hex(3)}", folder="dev", power_on=True)
    control.set_rules([Rule("CreateSnapshot_Task", this=vm.id, count=1, hold_answer=5.0)])
    after = type_command(installation, f"/snapshot create {vm.name} --reason crash")
    until(lambda: control.vm(vm.id).effects.get("createSnapshot") == 1)
    kill_worker(installation)

    said = end_of(installation, f"snapshot create {vm.name}", after).spoken

    assert f"A snapshot of `{vm.name}` was taken." in said
    assert control.vm(vm.id).effects.get("createSnapshot") == 1


def test_killed_during_a_clone_the_next_worker_reports_its_real_end(installation: Installation) -> None:
    control = installation.vcenter.control
    template = control.create_vm(f"tpl-{secrets.token_hex(3)}", folder="dev", template=True)
    name = f"clone-{secrets.token_hex(3)}"
    control.set_rules([Rule("CloneVM_Task", count=1, delay=8.0)])
    after = type_command(installation, f"/vm clone {template.name} {name}")
    installation.slack.wait("C0OPS", after_ts=after, regex=r"(?s)Running\*.*" + name + r".* %", timeout=20)
    kill_worker(installation)

    said = end_of(installation, f"vm clone {template.name}", after).spoken
    control.set_rules([])

    assert f"`{name}` was cloned from" in said
    assert len(control.vms(name)) == 1


def test_killed_while_a_clone_comes_up_the_next_worker_waits_on_and_makes_no_other(
    installation: Installation,
) -> None:
    control = installation.vcenter.control
    template = control.create_vm(f"tpl-{secrets.token_hex(3)}", folder="dev", template=True)
    control.set_guest(template.id, address="none")
    name = f"clone-{secrets.token_hex(3)}"
    after = type_command(installation, f"/vm clone {template.name} {name} --on")
    waits = rf"(?s)Running\*.*`{name}` is on; waiting for an address"
    installation.slack.wait("C0OPS", after_ts=after, regex=waits, timeout=30)
    kill_worker(installation)
    made = control.vm(name)
    control.set_guest(made.id, address="10.9.8.7")

    said = end_of(installation, f"vm clone {template.name}", after).spoken

    assert f"`{name}` has the address 10.9.8.7." in said
    assert control.vm(name).effects.get("powerOn") == made.effects.get("powerOn") == 1
