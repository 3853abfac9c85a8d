"""`vm on`, `vm off`, `vm suspend` and `vm reset`: the power, without asking the guest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from andock.errors import TargetStateError
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    Plan,
    Reader,
    Risk,
    Settled,
    Step,
    Writer,
)
from andock.operations.vm.selection import Selection, pick, sort_out
from andock.operations.vm.targets import target_of
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import PowerState, TaskRef, Vm, VSphere


class PowerParams(Selection):
    """What `vm on`, `vm off`, `vm suspend` and `vm reset` take."""


@dataclass(frozen=True)
class Verb:
    """One thing that can be done to a VM's power."""

    action: str  # `power off`
    kind: str  # vCenter's word for its task
    states: tuple[PowerState, ...]  # in which it can be done, the usual one first
    done: str  # what is then true of the VM
    start: Callable[[VSphere], Callable[[str, str], TaskRef]]
    effect: Callable[[Vm, Mark], bool]  # whether the VM shows that it was done since the mark

    def plan(self, params: PowerParams, ctx: Reader) -> Plan:
        """One step for each VM.

        Raises:
            TargetStateError: a VM is not in a state in which this can be done.
            TargetNotFoundError, AmbiguousTargetError, ...: see `pick`.
        """
        vms, left_out = sort_out(pick(params, ctx), self._refuse)
        return params.plan_of(map(self._step, vms), (*left_out, *warn_of_questions(vms)))

    def apply(self, step: Step, ctx: Writer) -> Done:
        """Start the task and wait for it; see `TaskStep`."""
        return self._task.apply(step, ctx)

    def settle(self, step: Step, ctx: Reader, mark: Mark) -> Settled:
        """What became of it: the task's end, or else what the VM shows."""
        return self._task.settle(step, ctx, mark)

    @property
    def _task(self) -> TaskStep:
        return TaskStep(kind=self.kind, start=self._start, look=self._look, done=self._say)

    def _start(self, step: Step, ctx: Writer, _mark: Mark) -> TaskRef:
        return self.start(ctx.vsphere)(step.target.site, step.target.id)

    def _look(self, step: Step, ctx: Reader, mark: Mark) -> Seen:
        vm = ctx.vsphere.read_vm(step.target.site, step.target.id)
        return Seen(self.effect(vm, mark), f"it is {vm.power.value}")

    def _say(self, step: Step) -> str:
        return f"`{step.target.name}` {self.done}."

    def _refuse(self, vm: Vm) -> TargetStateError | None:
        if vm.power in self.states:
            return None
        return TargetStateError(vm.name, actual=vm.power.value, wanted=self.states[0].value)

    def _step(self, vm: Vm) -> Step:
        return Step(
            action=self.action,
            target=target_of(vm),
            text=f"{self.action} `{vm.name}` ({vm.power.value})",
            facts={"power": vm.power.value},
        )


def booted_since(vm: Vm, mark: Mark) -> bool:
    """Whether the VM started after the mark, by the site's clock."""
    return (
        vm.power is PowerState.ON and vm.boot_time is not None and vm.boot_time.timestamp() > mark.site_time
    )


def warn_of_questions(vms: tuple[Vm, ...]) -> tuple[str, ...]:
    """A VM that waits for an answer takes no other task."""
    return tuple(f"`{vm.name}` waits for an answer in vCenter: {vm.question}" for vm in vms if vm.question)


ON = Verb(
    action="power on",
    kind="powerOn",
    states=(PowerState.OFF, PowerState.SUSPENDED),
    done="is on",
    start=lambda vsphere: vsphere.power_on,
    effect=lambda vm, _: vm.power is PowerState.ON,
)
OFF = Verb(
    action="power off",
    kind="powerOff",
    states=(PowerState.ON, PowerState.SUSPENDED),
    done="is off",
    start=lambda vsphere: vsphere.power_off,
    effect=lambda vm, _: vm.power is PowerState.OFF,
)
SUSPEND = Verb(
    action="suspend",
    kind="suspend",
    states=(PowerState.ON,),
    done="is suspended",
    start=lambda vsphere: vsphere.suspend,
    effect=lambda vm, _: vm.power is PowerState.SUSPENDED,
)
RESET = Verb(
    action="reset",
    kind="reset",
    states=(PowerState.ON,),
    done="was reset",
    start=lambda vsphere: vsphere.reset,
    effect=booted_since,
)

VM_ON = Change(
    name="vm on",
    summary="Power VMs on, or resume suspended ones.",
    params=PowerParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=ON.plan,
    apply=ON.apply,
    settle=ON.settle,
    examples=("vm on web-01", "vm on web-* --tag env=test --at-once 20"),
)
VM_OFF = Change(
    name="vm off",
    summary="Take VMs' power away at once, without asking the guest; `vm shutdown` asks.",
    params=PowerParams,
    backend=Backend.VSPHERE,
    risk=Risk.DISRUPTIVE,
    plan=OFF.plan,
    apply=OFF.apply,
    settle=OFF.settle,
    examples=("vm off web-01", "vm off /DC0/vm/prod/web-01"),
)
VM_SUSPEND = Change(
    name="vm suspend",
    summary="Keep VMs' memory on disk and take their power away; `vm on` resumes them.",
    params=PowerParams,
    backend=Backend.VSPHERE,
    risk=Risk.DISRUPTIVE,
    plan=SUSPEND.plan,
    apply=SUSPEND.apply,
    settle=SUSPEND.settle,
    examples=("vm suspend web-01", "vm suspend test-*"),
)
VM_RESET = Change(
    name="vm reset",
    summary="Reset VMs at once, without asking the guest; `vm restart` asks.",
    params=PowerParams,
    backend=Backend.VSPHERE,
    risk=Risk.DISRUPTIVE,
    plan=RESET.plan,
    apply=RESET.apply,
    settle=RESET.settle,
    examples=("vm reset web-01", "vm reset vm-57 --site lab"),
)
