"""From typing `vm on PATTERN` to its end, for a hundred VMs whose vCenter tasks take their time."""

from __future__ import annotations

from bench.asking import hear
from bench.lab import DisagreementError, Lab
from bench.rows import Row, limit
from sandbox.vcenter import Rule
from sandbox.vcenter.control import Control

MOST = 12.0  # seconds; 100 tasks of 2 s, 20 at a time, take 10
TASK = 2.0  # seconds of one vCenter task
AT_ONCE = 20
PATIENCE = 120.0
HERD = "many"


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    installation, many = lab.whole(), lab.effort.changed
    control = installation.vcenter.control
    for number in range(many):
        control.create_vm(f"{HERD}-{number:03}")
    took: list[float] = []
    for number in range(lab.effort.rounds):
        control.set_rules([Rule("PowerOnVM_Task", delay=TASK)])
        command = f"vm on {HERD}-* --at-once {AT_ONCE} --yes"
        said = hear(installation, command, PATIENCE, process="worker-vsphere")
        control.set_rules([])
        check(said.text, control, many, number + 1)
        took.append(said.seconds)
        lab.tell(f"round {number + 1}: {many} VMs on in {said.seconds:.1f} s")
        back = f"vm off {HERD}-* --at-once {AT_ONCE} --yes"
        hear(installation, back, PATIENCE, process="worker-vsphere")
    return [
        limit(f"vm on of {many} VMs, 2 s each, 20 at once, the slowest", ours=max(took), most=MOST, unit="s")
    ]


def check(said: str, control: Control, many: int, times: int) -> None:
    """Raise DisagreementError unless one answer has all, and each was powered on `times` times in all."""
    if f"{many} of {many} done" not in said:
        raise DisagreementError(f"said of {many} VMs: {said[:300]}")
    herd = [vm for vm in control.vms() if vm.name.startswith(f"{HERD}-")]
    right = [vm for vm in herd if vm.power == "poweredOn" and vm.effects.get("powerOn") == times]
    if (len(herd), len(right)) != (many, many):
        raise DisagreementError(f"{len(right)} of {len(herd)} VMs were powered on {times} times, and no more")
