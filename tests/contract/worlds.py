"""A live vCenter and a dead one behind the port: in memory, and simulated and spoken to over the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from andock.ports.vsphere import (
    Alarm,
    Cluster,
    Event,
    Host,
    HostDevice,
    Occupant,
    Place,
    PlaceKind,
    PlacementRule,
    PowerState,
    Question,
    RuleKind,
    Store,
    Subject,
    TaskRef,
    Verdict,
    VSphere,
)
from config.sites import EnvironmentRule, SecretReference, Vcenter, VcenterTls
from sandbox.processes import free_port
from sandbox.vcenter import NEVER, Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.fakes.vsphere import FakeVSphere, TinyWatch
from workers.vsphere import PyVmomiVSphere, Sessions

LIVE, DEAD = "lab", "away"
TASKS = {
    "PowerOnVM_Task",
    "PowerOffVM_Task",
    "ResetVM_Task",
    "SuspendVM_Task",
    "CreateSnapshot_Task",
    "RevertToSnapshot_Task",
    "RemoveSnapshot_Task",
    "ConsolidateVMDisks_Task",
    "CloneVM_Task",
    "ReconfigVM_Task",
    "Rename_Task",
    "RelocateVM_Task",
    "Destroy_Task",
    "EnterMaintenanceMode_Task",
    "ExitMaintenanceMode_Task",
}


class World(Protocol):
    """A live vCenter and a dead one behind a port, and what can go wrong with them."""

    @property
    def port(self) -> VSphere: ...
    def create(self, name: str, *, folder: str = "", on: bool = True) -> str: ...
    def stop_tools(self, vm: str) -> None: ...
    def deafen(self, vm: str) -> None: ...
    def slow_next_task(self) -> None: ...
    def fail_next_task(self) -> None: ...
    def lose_next_answer(self, *, done: bool) -> None: ...
    def effects(self, vm: str) -> Mapping[str, int]: ...
    def tag(self, vm: str, tag: str) -> None: ...
    def tags(self, vm: str) -> set[str]: ...
    def age_snapshot(self, vm: str, snapshot: str, *, days: float, size: int) -> None: ...
    def split_disks(self, vm: str) -> None: ...
    def template(self, name: str) -> str: ...
    def allow_hot_add(self, vm: str) -> None: ...
    def ask(self, vm: str, text: str, choices: Sequence[str]) -> None: ...
    def block_host(self, host: str) -> None: ...
    def place(self, kind: PlaceKind) -> Sequence[Place]: ...
    def hosts(self) -> Sequence[Host]: ...
    def fill(self, *, free: int, capacity: int) -> Store: ...
    def raise_alarm(self, vm: str, status: str) -> None: ...
    def measure(self, vm: str) -> None: ...
    def bind(self, vm: str) -> None: ...
    def rule(self, name: str, kind: RuleKind, vms: Sequence[str], hosts: Sequence[str] = ()) -> None: ...
    def leave_alone(self, vm: str) -> None: ...


@dataclass
class FakeWorld:
    port: FakeVSphere

    def create(self, name: str, *, folder: str = "", on: bool = True) -> str:
        return self.port.add(LIVE, name, folder=folder, power=PowerState.ON if on else PowerState.OFF)

    def stop_tools(self, vm: str) -> None:
        self.port.change(LIVE, vm, tools_running=False)

    def deafen(self, vm: str) -> None:
        self.port.deaf.add(vm)

    def slow_next_task(self) -> None:
        self.port.slow = 10

    def fail_next_task(self) -> None:
        self.port.fault = "there are not enough resources on the hosts"

    def lose_next_answer(self, *, done: bool) -> None:
        self.port.lost = "done" if done else "undone"

    def effects(self, vm: str) -> Mapping[str, int]:
        return Counter(effect for where, effect in self.port.effects if where == vm)

    def tag(self, vm: str, tag: str) -> None:
        self.port.attached.setdefault(tag, set()).add((LIVE, vm))

    def tags(self, vm: str) -> set[str]:
        return {tag for tag, bearers in self.port.attached.items() if (LIVE, vm) in bearers}

    def age_snapshot(self, vm: str, snapshot: str, *, days: float, size: int) -> None:
        kept = self.port.snapshots[LIVE, vm]
        born = self.port.now - timedelta(days=days)
        kept[:] = [replace(one, created=born, size=size) if one.id == snapshot else one for one in kept]

    def split_disks(self, vm: str) -> None:
        self.port.unconsolidated.add((LIVE, vm))

    def template(self, name: str) -> str:
        return self.port.place(PlaceKind.TEMPLATE, LIVE, name)

    def allow_hot_add(self, vm: str) -> None:
        self.port.hot.add((LIVE, vm))

    def ask(self, vm: str, text: str, choices: Sequence[str]) -> None:
        pairs = tuple((str(number), label) for number, label in enumerate(choices))
        self.port.questions[LIVE, vm] = Question("1", text, pairs, pairs[-1][0])
        self.port.change(LIVE, vm, question=text)

    def block_host(self, host: str) -> None:
        self.port.verdicts[host] = Verdict(errors=("it is in maintenance mode",))

    def place(self, kind: PlaceKind) -> Sequence[Place]:
        names = {PlaceKind.FOLDER: ("vm", "dev"), PlaceKind.HOST: ("h-1", "h-2", "h-3")}
        known = self.port.list_places(kind, LIVE).rows
        if not known:
            for name in names.get(kind, (f"{kind.value}-a", f"{kind.value}-b")):
                path = "/DC0/vm" if name == "vm" else f"/DC0/vm/{name}"
                self.port.place(kind, LIVE, name, **({"path": path} if kind is PlaceKind.FOLDER else {}))
        return self.port.list_places(kind, LIVE).rows

    def hosts(self) -> Sequence[Host]:
        if not self.port.hosts:
            for name in ("h-1", "h-2", "h-3"):
                self.port.host(LIVE, name, memory=1000, model="made up", version="8.0.0")
            self.port.clusters.append(
                Cluster(LIVE, "domain-c1", "C0", "/DC0/host/C0", "dev", ("h-1", "h-2", "h-3"), 3, cpu=24000,
                        memory=3000, drs="automatic")
            )  # fmt: skip
        return self.port.list_hosts(LIVE).rows

    def fill(self, *, free: int, capacity: int) -> Store:
        level = "critical" if free * 10 <= capacity else ""
        store = Store(LIVE, "datastore-1", "ssd-1", "/DC0/datastore/ssd-1", "dev", "VMFS", capacity, free,
                      hosts=3, vms=len(self.port.vms), level=level)  # fmt: skip
        self.port.stores[:] = [store]
        vms = [vm.name for vm in self.port.list_vms(LIVE).rows]
        self.port.occupants[store.id] = tuple(Occupant(name, 10, 20) for name in vms)
        return store

    def raise_alarm(self, vm: str, status: str) -> None:
        found = self.port.read_vm(LIVE, vm)
        subject = Subject("vm", LIVE, vm, found.name, found.path, found.environment)
        self.port.alarms.append(
            Alarm("alarm.VmCPUUsageAlarm", "Virtual machine CPU usage", status, self.port.now, subject)
        )
        self.port.happened.append((vm, Event(self.port.server_time(LIVE), "VmPoweredOnEvent", "is on")))

    def measure(self, vm: str) -> None:
        self.port.figures[vm] = {("CPU", "%"): 42.0, ("ready", "%"): 5.0, ("memory", "MiB"): 512.0}

    def bind(self, vm: str) -> None:
        self.port.devices += [HostDevice(vm, "PCI device 0"), HostDevice(vm, "CD/DVD drive 9", drive=True)]

    def rule(self, name: str, kind: RuleKind, vms: Sequence[str], hosts: Sequence[str] = ()) -> None:
        self.port.rules.append(PlacementRule(name, kind, tuple(vms), tuple(hosts)))

    def leave_alone(self, vm: str) -> None:
        self.port.unmoved.append(vm)


@dataclass
class RealWorld:
    port: PyVmomiVSphere
    simulator: Simulator

    def create(self, name: str, *, folder: str = "", on: bool = True) -> str:
        made = self.simulator.control.create_vm(name, folder=folder, power_on=on)
        self.born = dict(made.effects)
        return made.id

    def stop_tools(self, vm: str) -> None:
        self.simulator.control.set_guest(vm, tools="guestToolsNotRunning")

    def deafen(self, vm: str) -> None:
        self.simulator.control.set_guest(vm, shutdown=NEVER, reboot=NEVER)

    def slow_next_task(self) -> None:
        self.simulator.control.set_rules([Rule(method, count=1, delay=3.5) for method in TASKS])

    def fail_next_task(self) -> None:
        fault = "InsufficientResourcesFault"
        self.simulator.control.set_rules([Rule(method, count=1, task_fault=fault) for method in TASKS])

    def lose_next_answer(self, *, done: bool) -> None:
        self.simulator.control.set_rules(
            [Rule(method, count=1, lose_answer=done, drop=not done) for method in TASKS]
        )

    def effects(self, vm: str) -> Mapping[str, int]:
        return Counter(self.simulator.control.vm(vm).effects) - Counter(self.born)

    def tag(self, vm: str, tag: str) -> None:
        self.simulator.tags.attach(vm, tag)

    def tags(self, vm: str) -> set[str]:
        return self.simulator.tags.of(vm)

    def age_snapshot(self, vm: str, snapshot: str, *, days: float, size: int) -> None:
        self.simulator.control.set_snapshot(vm, snapshot, age=days * 86_400, size=size)

    def split_disks(self, vm: str) -> None:
        self.simulator.control.set_consolidation(vm, needed=True)

    def template(self, name: str) -> str:
        return self.simulator.control.create_vm(name, template=True).id

    def allow_hot_add(self, vm: str) -> None:
        self.simulator.control.set_hot_add(vm, on=True)

    def ask(self, vm: str, text: str, choices: Sequence[str]) -> None:
        self.simulator.control.ask(vm, text, choices)

    def block_host(self, host: str) -> None:
        name = next(one.name for one in self.port.list_places(PlaceKind.HOST, LIVE).rows if one.id == host)
        self.simulator.control.set_maintenance(name, on=True)

    def place(self, kind: PlaceKind) -> Sequence[Place]:
        return self.port.list_places(kind, LIVE).rows

    def hosts(self) -> Sequence[Host]:
        return sorted(self.port.list_hosts(LIVE).rows, key=lambda host: host.name)

    def fill(self, *, free: int, capacity: int) -> Store:
        name = self.port.list_stores(LIVE).rows[0].name
        self.simulator.control.set_space(name, free=free, capacity=capacity)
        return self.port.list_stores(LIVE).rows[0]

    def raise_alarm(self, vm: str, status: str) -> None:
        shown: Any = status
        self.simulator.control.set_alarm("VirtualMachine", vm, "alarm.VmCPUUsageAlarm", shown)

    def measure(self, vm: str) -> None:
        planted = {"cpu.usage.average": 4200, "cpu.ready.summation": 1000, "mem.active.average": 512 * 1024}
        for counter, value in planted.items():
            self.simulator.control.set_figure("VirtualMachine", vm, counter, value)

    def bind(self, vm: str) -> None:
        self.simulator.control.set_devices(vm, "pci", "drive")

    def rule(self, name: str, kind: RuleKind, vms: Sequence[str], hosts: Sequence[str] = ()) -> None:
        self.simulator.control.set_rule("DC0_C0", name, kind.value, vms, hosts=hosts)

    def leave_alone(self, vm: str) -> None:
        self.simulator.control.set_drs("DC0_C0", "manual", vm_id=vm)


def sessions_of(simulator: Simulator) -> Sessions:
    def entry(port: int) -> Vcenter:
        return Vcenter(
            host=simulator.host,
            port=port,
            user=simulator.user,
            password=SecretReference(env="UNUSED"),
            tls=VcenterTls(verify=False),
            environment="dev",
            environments=(EnvironmentRule(folder="*/prod/*", **{"is": "prod"}),),
        )

    password = SecretStr(simulator.password)
    vcenters = {LIVE: entry(simulator.port), DEAD: entry(free_port())}
    return Sessions(vcenters, {LIVE: password, DEAD: password}, Path("/"))


def run(world: World, task: TaskRef) -> None:
    world.port.await_task(task, TinyWatch())
