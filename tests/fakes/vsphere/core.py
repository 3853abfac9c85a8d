"""vCenters in memory, with a clock that only calls move: their VMs, power and tasks."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
    UnknownSiteError,
)
from andock.ports.sites import Age, Listing, NotReached
from andock.ports.vsphere import ClientLinks, PowerState, TaskRef, Vm, VmName, VmRow
from andock.ports.watch import Watch

ON, OFF = PowerState.ON, PowerState.OFF


@dataclass
class TinyWatch:
    """A watch with a deadline of its own, that notes what it is told and cancels after some looks."""

    seconds: float = 5.0
    cancel_after: int | None = None
    percents: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    looks: int = 0
    began: float = field(default_factory=time.monotonic)

    def remaining(self) -> float:
        return self.seconds - (time.monotonic() - self.began)

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        self.looks += 1
        self.percents += [] if percent is None else [percent]
        self.texts += [text] if text else []
        if self.cancel_after is not None and self.looks > self.cancel_after:
            raise CancelledError("Cancelled while it ran.")
        if self.remaining() <= 0:
            raise DeadlineError("Its time limit passed.", changed=Changed.UNKNOWN)


@dataclass
class FakeTask:
    """A task in memory."""

    ref: TaskRef
    vm: str
    queued: datetime
    effect: Callable[[], None]
    looks: int  # how often its waiter looks before it ends
    fault: str = ""
    ended: bool = False


@dataclass
class FakeVcenters:
    """VMs, power and tasks. What goes wrong with the next change is set from outside."""

    environments: Mapping[str, str]  # site -> environment
    now: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    vms: dict[tuple[str, str], Vm] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)  # site -> why
    ages: dict[str, float] = field(default_factory=dict)  # site -> age of its index in seconds
    untagged: set[str] = field(default_factory=set)  # sites whose tags are not known
    unseen: frozenset[tuple[str, str]] = frozenset()  # site and id of VMs that its index does not know yet
    deaf: set[str] = field(default_factory=set)  # guests that ignore people
    lost: str = ""  # the next change's answer is lost: `done` or `undone`
    slow: int = 0  # looks that the next task takes
    fault: str = ""  # what the next task ends with
    uncancelable: bool = False
    tasks: dict[str, FakeTask] = field(default_factory=dict)
    effects: list[tuple[str, str]] = field(default_factory=list)  # what really happened to which VM

    def add(
        self, site: str, name: str, *, folder: str = "", power: PowerState = ON, tools: bool = True
    ) -> str:
        """A machine; its id."""
        made = f"vm-{len(self.vms) + 1}"
        path = "/".join(("/DC0/vm", *folder.split("/"), name)) if folder else f"/DC0/vm/{name}"
        environment = self.environment_of(site, path)
        boot = self._tick() if power is ON else None
        self.vms[site, made] = Vm(
            site, made, name, path, power, environment, "esx-1", "10.0.0.1", tools, f"uuid-{made}", "host-1",
            boot_time=boot, uptime=3600, cpus=2, memory_mb=2048, cluster="C0", addresses=("10.0.0.1",),
            tags_age=0.0,
        )  # fmt: skip
        return made

    def change(self, site: str, vm: str, **fields: Any) -> None:
        """Let it be otherwise, as if somebody else had done it."""
        self.vms[site, vm] = replace(self.vms[site, vm], **fields)

    def happen(self, site: str, vm: str, effect: str) -> None:
        """Let it happen to the VM, as a task or its guest does it."""
        old, now = self.vms[site, vm], self._tick()
        if effect == "suspend":
            self.vms[site, vm] = replace(old, power=PowerState.SUSPENDED)
        else:
            off = effect in {"powerOff", "guestShutdown"}
            self.vms[site, vm] = replace(old, power=OFF if off else ON, boot_time=None if off else now)
        self.effects.append((vm, effect))

    def sites(self) -> tuple[str, ...]:
        return tuple(self.environments)

    def list_vms(
        self, site: str | None = None, *, fresh: bool = False, tagged: bool = False
    ) -> Listing[VmRow]:
        found = self._listing(site)
        ages = tuple(Age(one, age) for one, age in self.ages.items() if one in found.searched and not fresh)
        untagged = tuple(one for one in found.searched if one in self.untagged) if tagged else ()
        return Listing(tuple(found.rows), found.searched, found.not_reached, ages, untagged)

    def vm_names(self, site: str | None = None) -> Listing[VmName]:
        found = self._listing(site)
        rows = tuple(VmName(vm.site, vm.id, vm.name, vm.path) for vm in found.rows)
        return Listing(rows, found.searched, found.not_reached)

    def find_vms(self, name: str, site: str | None = None, *, fresh: bool = False) -> Listing[Vm]:
        found = self._listing(site)
        folded = name.casefold()
        unseen = frozenset() if fresh else self.unseen
        rows = (
            vm
            for vm in found.rows
            if folded in (vm.name.casefold(), vm.path.casefold(), vm.id) and (vm.site, vm.id) not in unseen
        )
        return Listing(tuple(rows), found.searched, found.not_reached)

    def similar_names(self, name: str, site: str | None = None) -> tuple[str, ...]:
        return tuple(difflib.get_close_matches(name, [vm.name for vm in self._listing(site).rows], n=3))

    def read_vm(self, site: str, vm: str) -> Vm:
        self._reach(site)
        if (site, vm) not in self.vms:
            raise TargetNotFoundError("VM", vm, searched=(site,))
        return self.vms[site, vm]

    def read_vms(self, site: str, vms: Sequence[str]) -> tuple[Vm, ...]:
        self._reach(site)
        return tuple(self.vms[site, vm] for vm in vms if (site, vm) in self.vms)

    def environment_of(self, site: str, path: str, labels: Sequence[str] = (), cluster: str = "") -> str:
        if "env=stage" in labels or cluster == "staging":
            return "stage"
        return "prod" if "/prod/" in path or "env=prod" in labels else self.environments[site]

    def client_links(self, site: str, vm: str) -> ClientLinks:
        self._reach(site)
        subject = f"urn:vmomi:VirtualMachine:{vm}:11111111-2222-3333-4444-555555555555"
        return ClientLinks(f"https://{site}/ui/app/vm;nav=v/{subject}/summary", f"vmrc://{site}/?moid={vm}")

    def power_on(self, site: str, vm: str) -> TaskRef:
        return self._start(site, vm, "powerOn", {OFF, PowerState.SUSPENDED})

    def power_off(self, site: str, vm: str) -> TaskRef:
        return self._start(site, vm, "powerOff", {ON, PowerState.SUSPENDED})

    def reset(self, site: str, vm: str) -> TaskRef:
        return self._start(site, vm, "reset", {ON})

    def suspend(self, site: str, vm: str) -> TaskRef:
        return self._start(site, vm, "suspend", {ON})

    def shutdown_guest(self, site: str, vm: str) -> None:
        self._ask(site, vm, "guestShutdown")

    def reboot_guest(self, site: str, vm: str) -> None:
        self._ask(site, vm, "guestReboot")

    def await_task(self, task: TaskRef, watch: Watch) -> None:
        if task.id not in self.tasks:
            raise TargetNotFoundError("task", task.id, searched=(task.site,))
        known = self.tasks[task.id]
        for look in range(known.looks):
            if known.ended:
                break
            watch.look(percent=100 * look // known.looks)
        self._end(known)
        if known.fault:
            raise BackendRejectedError(task.site, known.fault)

    def cancel_task(self, task: TaskRef) -> None:
        known = self.tasks[task.id]
        if self.uncancelable:
            raise BackendRejectedError(task.site, "vCenter does not support this for it")
        lost, self.lost = self.lost, ""
        if not known.ended and lost != "undone":
            known.ended, known.fault = True, "the task was cancelled in vCenter"
        if lost:
            raise OutcomeUnknownError(f"{task.site} gave no answer")

    def tasks_since(self, site: str, vm: str, since: datetime) -> tuple[TaskRef, ...]:
        self._reach(site)
        known = self.tasks.values()
        return tuple(
            one.ref for one in known if one.ref.site == site and one.vm == vm and one.queued >= since
        )

    def server_time(self, site: str) -> datetime:
        self._reach(site)
        return self._tick()

    def _start(self, site: str, vm: str, kind: str, states: set[PowerState]) -> TaskRef:
        power = self.read_vm(site, vm).power
        fault = "" if power in states else f"it is {power.value} already"
        return self._begin(site, vm, kind, lambda: self.happen(site, vm, kind), fault)

    def _begin(self, site: str, vm: str, kind: str, effect: Callable[[], None], fault: str = "") -> TaskRef:
        """A task on the VM, which has its effect at its end unless it has a fault."""
        self.read_vm(site, vm)
        return self._begin_on(site, vm, kind, effect, fault)

    def _begin_on(
        self, site: str, thing: str, kind: str, effect: Callable[[], None], fault: str = ""
    ) -> TaskRef:
        """The same on anything that has an id."""
        lost, self.lost = self.lost, ""
        if lost == "undone":
            raise OutcomeUnknownError(f"{site} gave no answer")
        ref = TaskRef(site, f"task-{len(self.tasks) + 1}", kind)
        known = FakeTask(ref, thing, self._tick(), effect, self.slow, fault or self.fault)
        self.fault = ""
        self.tasks[ref.id], self.slow = known, 0
        if not known.looks:
            self._end(known)
        if lost:
            raise OutcomeUnknownError(f"{site} gave no answer")
        return ref

    def _end(self, task: FakeTask) -> None:
        if not task.ended:
            task.ended = True
            if not task.fault:
                task.effect()

    def _ask(self, site: str, vm: str, effect: str) -> None:
        known = self.read_vm(site, vm)
        if known.power is not ON:
            raise TargetStateError(vm, actual=known.power.value, wanted="on")
        if not known.tools_running:
            raise TargetStateError(vm, actual="without VMware Tools", wanted="running them")
        lost, self.lost = self.lost, ""
        if lost != "undone" and vm not in self.deaf:
            self.happen(site, vm, effect)
        if lost:
            raise OutcomeUnknownError(f"{site} gave no answer")

    def _listing(self, site: str | None) -> Listing[Vm]:
        sites = self.sites() if site is None else (site,)
        if not set(sites) <= set(self.environments):
            raise UnknownSiteError(sites[0], similar=difflib.get_close_matches(sites[0], self.sites(), n=2))
        rows = tuple(
            vm
            for (where, one), vm in self.vms.items()
            if where in sites and where not in self.away and not one.startswith("template-")
        )
        reached = tuple(one for one in sites if one not in self.away)
        return Listing(
            rows, reached, tuple(NotReached(one, self.away[one]) for one in sites if one in self.away)
        )

    def _reach(self, site: str) -> None:
        if site in self.away:
            raise BackendUnavailableError(site, self.away[site])

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now
