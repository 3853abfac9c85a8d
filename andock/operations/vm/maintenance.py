"""`host maintenance`: a host emptied and taken out of service, or put back into it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pydantic import Field, field_validator

from andock.errors import (
    BackendError,
    BackendRejectedError,
    CancelledError,
    Changed,
    OpsError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Backend, Change, Done, Mark, Params, Plan, Reader, Risk, Settled, Step, Writer
from andock.operations.vm.evacuation import what_blocks
from andock.operations.vm.hosts import NAMING, resolve_host, say_state
from andock.operations.vm.subjects import some, target_as
from andock.operations.vm.targets import target_of
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import Host, PowerState, TaskRef
from andock.ports.watch import Watch

COUNT_EVERY = 5.0  # seconds between two counts of the VMs that are still there


class MaintenanceParams(Params):
    """What `host maintenance` takes."""

    mode: str = Field(description="`enter` moves the VMs away first; `exit` lets it take VMs again.")
    host: str = Field(min_length=1, max_length=300, description=NAMING)
    with_off: bool = Field(default=False, description="Move VMs that are off or suspended too.")

    @field_validator("mode")
    @classmethod
    def _known_mode(cls, mode: str) -> str:
        if mode not in {"enter", "exit"}:
            raise ValueError("is `enter` or `exit`: `host maintenance enter esx-12`")
        return mode


def plan_maintenance(params: MaintenanceParams, ctx: Reader) -> Plan:
    """One step on the host; a host's lease covers its VMs, and policy judges those that are moved.

    Raises:
        TargetStateError: it is in that mode already, or not connected.
        TargetNotFoundError, AmbiguousTargetError, ...: see `choose_one`.
    """
    host = resolve_host(params.host, ctx)
    entering = params.mode == "enter"
    if host.connection != "connected":
        raise TargetStateError(host.name, actual=say_state(host), wanted="connected")
    if host.maintenance is entering:
        state = "in maintenance mode" if entering else "in service"
        wanted = "in service" if entering else "in maintenance mode"
        raise TargetStateError(host.name, actual=state, wanted=wanted)
    return _plan_entry(host, params, ctx) if entering else _plan_exit(host)


def _plan_entry(host: Host, params: MaintenanceParams, ctx: Reader) -> Plan:
    evacuation = ctx.vsphere.read_evacuation(host.site, host.id)
    vms = ctx.vsphere.read_vms(host.site, evacuation.vms)
    on = [vm for vm in vms if vm.power is PowerState.ON]
    moved = vms if params.with_off else tuple(on)
    where = f" to {some(f'`{name}`' for name in evacuation.others)}" if evacuation.others else ""
    text = f"put host `{host.name}` into maintenance mode"
    step = Step(
        action="enter-maintenance",
        target=target_as("host", host),
        text=f"{text}; {len(moved)} VMs move{where}" if moved else f"{text}; no VM has to move",
        facts={"state": say_state(host)},
        args={"with_off": params.with_off},
    )
    left = len(vms) - len(moved)
    stay = (f"{left} VMs that are off stay on it; `--with-off` moves them too.",) if left else ()
    return Plan(
        batches=((step,),),
        warnings=(*what_blocks(evacuation, vms, with_off=params.with_off), *stay),
        touches=tuple(target_of(vm) for vm in moved),
    )


def _plan_exit(host: Host) -> Plan:
    step = Step(
        action="exit-maintenance",
        target=target_as("host", host),
        text=f"take host `{host.name}` out of maintenance mode",
        facts={"state": say_state(host)},
    )
    return Plan(batches=((step,),))


@dataclass
class _Counting:
    """A watch that says now and then how many VMs are still on the host."""

    watch: Watch
    ctx: Reader
    step: Step
    counted: float = field(default_factory=time.monotonic)
    last: int = -1

    def remaining(self) -> float:
        return self.watch.remaining()

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        if not text and time.monotonic() - self.counted >= COUNT_EVERY:
            text = self._count()
            self.counted = time.monotonic()
        self.watch.look(percent=percent, text=text)

    def _count(self) -> str:
        target = self.step.target
        try:
            evacuation = self.ctx.vsphere.read_evacuation(target.site, target.id)
            vms = self.ctx.vsphere.read_vms(target.site, evacuation.vms)
        except (BackendError, TargetNotFoundError):
            return ""  # the wait for the task says what is wrong
        on = [vm for vm in vms if vm.power is PowerState.ON]
        if len(on) == self.last:
            return ""
        self.last = len(on)
        blocked = what_blocks(evacuation, vms, with_off=bool(self.step.args.get("with_off")))
        count = "1 VM is" if len(on) == 1 else f"{len(on)} VMs are"
        return f"{count} still on `{target.name}`" + (f"; {blocked[0]}" if blocked else "")


def _enter(step: Step, ctx: Writer, _mark: Mark) -> TaskRef:
    with_off = bool(step.args.get("with_off"))
    return ctx.vsphere.enter_maintenance(step.target.site, step.target.id, powered_off=with_off)


def _exit(step: Step, ctx: Writer, _mark: Mark) -> TaskRef:
    return ctx.vsphere.exit_maintenance(step.target.site, step.target.id)


def _look(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    host = ctx.vsphere.read_host(step.target.site, step.target.id)
    state = "in maintenance mode" if host.maintenance else "in service"
    return Seen(host.maintenance is (step.action == "enter-maintenance"), f"it is {state}")


ENTRY = TaskStep(
    kind="enterMaintenanceMode",
    start=_enter,
    look=_look,
    done=lambda step: f"Host `{step.target.name}` is in maintenance mode.",
)
EXIT = TaskStep(
    kind="exitMaintenanceMode",
    start=_exit,
    look=_look,
    done=lambda step: f"Host `{step.target.name}` is in service again.",
)


def apply_maintenance(step: Step, ctx: Writer) -> Done:
    """The step's task, with a count of the VMs while it runs.

    Raises: as `TaskStep.apply`; an entry that ended early says how many VMs had left by then.
    """
    if step.action == "exit-maintenance":
        return EXIT.apply(step, ctx)
    before = ctx.vsphere.read_evacuation(step.target.site, step.target.id).vms
    try:
        return ENTRY.apply(step, replace(ctx, watch=_Counting(ctx.watch, ctx, step)))
    except (BackendRejectedError, CancelledError) as error:
        if error.changed is not Changed.NOTHING:
            raise
        raise _ended_early(error, before, step, ctx) from error


def _ended_early(
    error: BackendRejectedError | CancelledError, before: tuple[str, ...], step: Step, ctx: Reader
) -> OpsError:
    """The error with what had changed: VMs that have left do not come back by themselves."""
    site, name = step.target.site, step.target.name
    why = error.why if isinstance(error, BackendRejectedError) else "cancelled"
    try:
        left = set(before) - set(ctx.vsphere.read_evacuation(site, step.target.id).vms)
    except (BackendError, TargetNotFoundError) as lost:
        return OutcomeUnknownError(
            f"`{name}` was not emptied ({why}), and it cannot be seen which VMs have left it: {lost.sentence}"
        )
    if not left:
        return error
    sentence = f"`{name}` is in service, and {len(left)} of its {len(before)} VMs have left it"
    if isinstance(error, CancelledError):
        return CancelledError(f"Cancelled; {sentence}.", changed=Changed.PARTLY)
    return BackendRejectedError(site, f"{why}; {sentence}", changed=Changed.PARTLY)


def settle_maintenance(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of it: the task's end, or else the mode that the host is in."""
    return (EXIT if step.action == "exit-maintenance" else ENTRY).settle(step, ctx, mark)


HOST_MAINTENANCE = Change(
    name="host maintenance",
    summary="Empty a host and take it out of service, or put it back; says what keeps VMs from leaving.",
    params=MaintenanceParams,
    backend=Backend.VSPHERE,
    risk=Risk.DISRUPTIVE,
    plan=plan_maintenance,
    apply=apply_maintenance,
    settle=settle_maintenance,
    time_limit=timedelta(hours=8),
    long=True,
    examples=("host maintenance enter esx-12", "host maintenance exit esx-12"),
)
