"""Every operation on vCenters, with what makes a thing ready for it: the rows of the table of faults."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from andock.errors import Changed
from andock.operation import Change, Params, Ports, Read, Reader
from andock.operations.vm.alarms import ALARM_ACK, ALARM_LIST
from andock.operations.vm.cloning import VM_CLONE
from andock.operations.vm.clusters import CLUSTER_INFO, CLUSTER_LIST
from andock.operations.vm.console import VM_CONSOLE
from andock.operations.vm.datastores import DATASTORE_INFO, DATASTORE_LIST
from andock.operations.vm.descriptions import VM_NOTE, VM_RENAME
from andock.operations.vm.events import EVENT_LIST
from andock.operations.vm.guest import VM_RESTART, VM_SHUTDOWN
from andock.operations.vm.hardware import VM_RESIZE
from andock.operations.vm.hosts import HOST_INFO, HOST_LIST
from andock.operations.vm.inventory import VM_FIND, VM_INFO, VM_LIST
from andock.operations.vm.maintenance import HOST_MAINTENANCE
from andock.operations.vm.migration import VM_MIGRATE
from andock.operations.vm.power import VM_OFF, VM_ON, VM_RESET, VM_SUSPEND
from andock.operations.vm.questions import VM_ANSWER, VM_QUESTION
from andock.operations.vm.removal import VM_DESTROY
from andock.operations.vm.snapshot_ends import SNAPSHOT_DELETE, SNAPSHOT_REVERT
from andock.operations.vm.snapshot_reads import SNAPSHOT_LIST, SNAPSHOT_REPORT, SNAPSHOT_TREE
from andock.operations.vm.snapshots import SNAPSHOT_CONSOLIDATE, SNAPSHOT_CREATE
from andock.operations.vm.stats import HOST_STATS, VM_STATS
from andock.operations.vm.tags import TAG_ATTACH, TAG_DETACH
from andock.operations.vm.vcenter_tasks import TASK_CANCEL, TASK_LIST
from andock.ports.vsphere import PlaceKind, PowerState, Vm
from sandbox.vcenter import NEVER, Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.worlds import LIVE
from tests.fakes.display import Paper, Pen
from tests.fakes.vsphere import TinyWatch
from workers.vsphere import PyVmomiVSphere

HOST = "DC0_C0_H1"  # the one that goes into maintenance mode and back
TAG = "fault=table"
FAULTS = (
    "TaskInProgress",
    "InvalidPowerState",
    "InsufficientResourcesFault",
    "NoPermission",
    "RestrictedVersion",
)


@dataclass
class Stage:
    """A VM of one trial alone, and the task that runs on it, if any."""

    simulator: Simulator
    port: PyVmomiVSphere
    vm: str
    name: str
    task: str = ""

    @property
    def reader(self) -> Reader:
        ports = Ports(vsphere=self.port, charts=Pen())
        return Reader(watch=TinyWatch(), site=LIVE, actor="ops-1", ports=ports, display=Paper())

    def host_of(self, name: str) -> str:
        return next(one.id for one in self.port.list_places(PlaceKind.HOST, LIVE).rows if one.name == name)


Typed = Callable[[Stage], Mapping[str, object]]
Prepare = Callable[[Stage], object]


@dataclass(frozen=True)
class ChangeCase:
    """One change, the call by which it is made, and how a VM is made ready for it."""

    operation: Change[Any]
    method: str
    typed: Typed
    on: bool = True
    prepare: Prepare = lambda _: None
    told: bool = True  # whether the effect can be told from the target, so that a lost answer is found again
    shows: Callable[[Stage], bool] | None = None  # whether the effect is there; None: a new plan tells
    number: int = 0  # of the plan's step that makes the call; those before it are done
    args: Mapping[str, Any] = field(default_factory=dict)  # of the step, where nobody may ask for it so short
    refused: Changed = Changed.NOTHING  # what was changed when vCenter refuses the call
    label: str = ""

    @property
    def is_task(self) -> bool:
        return self.method.endswith("_Task")

    @property
    def name(self) -> str:
        return self.label or self.operation.name

    def params(self, stage: Stage) -> Params:
        params: Params = self.operation.params(**self.typed(stage))
        return params


@dataclass(frozen=True)
class ReadCase:
    """One read, what it is asked about, and a value planted in that run which it shows."""

    operation: Read[Any, Any]
    typed: Typed
    shows: Callable[[Stage], str]
    prepare: Prepare = lambda _: None

    @property
    def name(self) -> str:
        return self.operation.name

    def params(self, stage: Stage) -> Params:
        params: Params = self.operation.params(**self.typed(stage))
        return params


def set_stage(simulator: Simulator, port: PyVmomiVSphere, case: ChangeCase | ReadCase) -> Stage:
    """A machine of its own, made ready."""
    name = f"fault-{secrets.token_hex(4)}"
    on = not isinstance(case, ChangeCase) or case.on
    simulator.control.set_maintenance(HOST, on=False)
    stage = Stage(simulator, port, simulator.control.create_vm(name, power_on=on).id, name)
    case.prepare(stage)
    return stage


def take_two(stage: Stage) -> None:
    for name in ("one", "two"):
        task = stage.port.create_snapshot(
            LIVE, stage.vm, name=name, description="", memory=False, quiesce=False
        )
        stage.port.await_task(task, TinyWatch())


def start_slow_task(stage: Stage) -> None:
    stage.simulator.control.set_rules([Rule("SuspendVM_Task", this=stage.vm, delay=60.0)])
    stage.task = stage.port.suspend(LIVE, stage.vm).id
    stage.simulator.control.set_rules([])


def raise_alarm(stage: Stage) -> None:
    stage.simulator.control.set_alarm("VirtualMachine", stage.vm, "alarm.VmCPUUsageAlarm", "red")


def move_away(stage: Stage) -> None:
    task = stage.port.move(LIVE, stage.vm, host=stage.host_of("DC0_C0_H0"), datastore="")
    stage.port.await_task(task, TinyWatch())


def make_template(stage: Stage) -> None:
    stage.simulator.control.create_vm(f"{stage.name}-template", template=True)


def clone_of(stage: Stage) -> Vm:
    (clone,) = stage.port.find_vms(f"{stage.name}-clone", LIVE).rows
    return clone


def deafen(stage: Stage) -> None:
    stage.simulator.control.set_guest(stage.vm, shutdown=NEVER, reboot=NEVER)


def had(effect: str) -> Callable[[Stage], bool]:
    return lambda stage: stage.simulator.control.vm(stage.vm).effects.get(effect, 0) > 0


def measure(kind: str, thing: Callable[[Stage], str]) -> Prepare:
    return lambda stage: stage.simulator.control.set_figure(kind, thing(stage), "cpu.usage.average", 4321)


def _vms(stage: Stage) -> Mapping[str, object]:
    return {"vm": (stage.name,)}


def _vm(stage: Stage) -> Mapping[str, object]:
    return {"vm": stage.name}


def _hard(stage: Stage) -> Mapping[str, object]:
    return {**_vms(stage), "hard_after": timedelta(seconds=5)}


def _clone(stage: Stage) -> Mapping[str, object]:
    return {"template": f"{stage.name}-template", "name": f"{stage.name}-clone"}


CHANGES = (
    ChangeCase(VM_ON, "PowerOnVM_Task", _vms, on=False),
    ChangeCase(VM_OFF, "PowerOffVM_Task", _vms),
    ChangeCase(VM_SUSPEND, "SuspendVM_Task", _vms),
    ChangeCase(VM_RESET, "ResetVM_Task", _vms, shows=had("reset")),
    ChangeCase(VM_SHUTDOWN, "ShutdownGuest", lambda stage: {**_vms(stage), "within": timedelta(seconds=5)}),
    ChangeCase(
        VM_RESTART, "RebootGuest", lambda stage: {**_vms(stage), "within": timedelta(seconds=5)},
        shows=had("guestReboot"),
    ),
    ChangeCase(
        VM_SHUTDOWN, "PowerOffVM_Task", _hard, prepare=deafen, shows=had("powerOff"), args={"seconds": 0.2},
        refused=Changed.UNKNOWN, label="vm shutdown --hard-after",
    ),
    ChangeCase(
        VM_RESTART, "ResetVM_Task", _hard, prepare=deafen, shows=had("reset"), args={"seconds": 0.2},
        refused=Changed.UNKNOWN, label="vm restart --hard-after",
    ),
    ChangeCase(
        SNAPSHOT_CREATE, "CreateSnapshot_Task", lambda stage: {**_vms(stage), "reason": "x"},
        shows=lambda stage: bool(stage.port.read_snapshots(LIVE, stage.vm).snapshots),
    ),
    ChangeCase(
        SNAPSHOT_REVERT, "RevertToSnapshot_Task", lambda stage: {**_vm(stage), "snapshot": "one"},
        prepare=take_two,
    ),
    ChangeCase(
        SNAPSHOT_DELETE, "RemoveSnapshot_Task", lambda stage: {**_vm(stage), "snapshot": "one"},
        prepare=take_two,
    ),
    ChangeCase(
        SNAPSHOT_CONSOLIDATE, "ConsolidateVMDisks_Task", _vms,
        prepare=lambda stage: stage.simulator.control.set_consolidation(stage.vm, needed=True),
    ),
    ChangeCase(VM_CLONE, "CloneVM_Task", _clone, prepare=make_template),
    ChangeCase(
        VM_CLONE, "PowerOnVM_Task", lambda stage: {**_clone(stage), "on": True}, prepare=make_template,
        number=1, shows=lambda stage: clone_of(stage).power is PowerState.ON, label="vm clone --on",
    ),
    ChangeCase(VM_RESIZE, "ReconfigVM_Task", lambda stage: {**_vms(stage), "cpus": 7}, on=False),
    ChangeCase(VM_NOTE, "ReconfigVM_Task", lambda stage: {**_vm(stage), "text": "new"}),
    ChangeCase(VM_RENAME, "Rename_Task", lambda stage: {**_vm(stage), "name": f"{stage.name}-renamed"}),
    ChangeCase(
        VM_MIGRATE, "RelocateVM_Task", lambda stage: {**_vms(stage), "host": "DC0_C0_H2"}, prepare=move_away
    ),
    ChangeCase(VM_DESTROY, "Destroy_Task", _vms, on=False),
    ChangeCase(
        VM_ANSWER, "AnswerVM", lambda stage: {**_vm(stage), "choice": "Yes"}, told=False,
        prepare=lambda stage: stage.simulator.control.ask(stage.vm, "Go on?"),
    ),
    ChangeCase(
        TAG_ATTACH, "rest:attach", lambda stage: {**_vms(stage), "tag": TAG},
        prepare=lambda stage: stage.simulator.tags.create(TAG),
    ),
    ChangeCase(
        TAG_DETACH, "rest:detach", lambda stage: {**_vms(stage), "tag": TAG},
        prepare=lambda stage: stage.simulator.tags.attach(stage.vm, TAG),
    ),
    ChangeCase(ALARM_ACK, "AcknowledgeAlarm", lambda stage: {"thing": stage.name}, prepare=raise_alarm),
    ChangeCase(
        TASK_CANCEL, "CancelTask", lambda stage: {"task": stage.task}, prepare=start_slow_task
    ),
    ChangeCase(
        HOST_MAINTENANCE, "EnterMaintenanceMode_Task", lambda _: {"mode": "enter", "host": HOST},
        label="host maintenance enter",
    ),
    ChangeCase(
        HOST_MAINTENANCE, "ExitMaintenanceMode_Task", lambda _: {"mode": "exit", "host": HOST},
        prepare=lambda stage: stage.simulator.control.set_maintenance(HOST, on=True),
        label="host maintenance exit",
    ),
)  # fmt: skip

READS = (
    ReadCase(VM_LIST, lambda stage: {"name": stage.name}, lambda stage: stage.name),
    ReadCase(VM_FIND, lambda stage: {"text": stage.name}, lambda stage: stage.name),
    ReadCase(VM_INFO, _vm, lambda stage: stage.name),
    ReadCase(VM_CONSOLE, _vm, lambda stage: stage.vm),
    ReadCase(
        VM_QUESTION, _vm, lambda _: "Go on?",
        prepare=lambda stage: stage.simulator.control.ask(stage.vm, "Go on?"),
    ),
    ReadCase(
        VM_STATS, _vm, lambda _: "43.2 %", prepare=measure("VirtualMachine", lambda stage: stage.vm)
    ),
    ReadCase(
        HOST_STATS, lambda _: {"host": HOST}, lambda _: "43.2 %",
        prepare=measure("HostSystem", lambda stage: stage.host_of(HOST)),
    ),
    ReadCase(SNAPSHOT_LIST, lambda stage: {"name": stage.name}, lambda _: "two", prepare=take_two),
    ReadCase(SNAPSHOT_TREE, _vm, lambda _: "two", prepare=take_two),
    ReadCase(SNAPSHOT_REPORT, lambda _: {"chain": 1}, lambda stage: stage.name, prepare=take_two),
    ReadCase(HOST_LIST, lambda _: {}, lambda _: HOST),
    ReadCase(
        HOST_INFO, lambda _: {"host": HOST}, lambda _: "maintenance",
        prepare=lambda stage: stage.simulator.control.set_maintenance(HOST, on=True),
    ),
    ReadCase(CLUSTER_LIST, lambda _: {}, lambda _: "DC0_C0"),
    ReadCase(CLUSTER_INFO, lambda _: {"cluster": "DC0_C0"}, lambda _: HOST),
    ReadCase(DATASTORE_LIST, lambda _: {}, lambda _: "LocalDS_0"),
    ReadCase(
        DATASTORE_INFO, lambda _: {"datastore": "LocalDS_0", "top": 100}, lambda stage: stage.name
    ),
    ReadCase(ALARM_LIST, lambda _: {}, lambda stage: stage.name, prepare=raise_alarm),
    ReadCase(EVENT_LIST, lambda stage: {"thing": stage.name}, lambda _: "VmPoweredOn"),
    ReadCase(
        TASK_LIST, lambda stage: {"thing": stage.name}, lambda stage: stage.name, prepare=start_slow_task
    ),
)  # fmt: skip


def check_sentence(sentence: str) -> None:
    """One line that ends, and nothing of the vendor's insides in it."""
    assert re.fullmatch(r"[^\n]{10,400}\.", sentence), sentence
    assert not re.search(r"vim\.|vmodl|Traceback|\(returnval\)", sentence), sentence
