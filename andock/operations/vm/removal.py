"""`vm destroy`: a VM and its disks, for good."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from andock.errors import InvalidParamsError, TargetNotFoundError, TargetStateError
from andock.operation import Backend, Change, Mark, Params, Plan, Reader, Risk, Step
from andock.operations.vm.filters import is_pattern
from andock.operations.vm.snapshots import read_all
from andock.operations.vm.targets import NAMING, resolve_all, target_of
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import PowerState


class DestroyParams(Params):
    """What `vm destroy` takes."""

    vm: tuple[str, ...] = Field(min_length=1, max_length=10, description=f"{NAMING} No patterns.")


def plan_destruction(params: DestroyParams, ctx: Reader) -> Plan:
    """One step for each VM, all of which are off; one after another.

    Raises:
        InvalidParamsError: a pattern stands for a name.
        TargetStateError: a VM is not off.
        TargetNotFoundError, AmbiguousTargetError, ...: see `resolve_all`.
    """
    pattern = next((name for name in params.vm if is_pattern(name)), None)
    if pattern is not None:
        raise InvalidParamsError(
            f"`{pattern}` is a pattern; what is destroyed is named one by one, by id if need be."
        )
    vms = resolve_all(params.vm, ctx)
    for vm in vms:
        if vm.power is not PowerState.OFF:
            raise TargetStateError(vm.name, actual=vm.power.value, wanted=PowerState.OFF.value)
    steps = tuple(
        Step(
            action="destroy",
            target=target_of(vm),
            text=f"destroy `{vm.name}` and its disks on {', '.join(vm.datastores) or 'no datastore'}",
            facts={"power": vm.power.value, "uuid": vm.uuid, "name": vm.name},
        )
        for vm in vms
    )
    warnings = [
        f"`{one.vm.name}` has {len(one.snapshots)} snapshots; they go with it."
        for one in read_all(vms, ctx)
        if one.snapshots
    ]
    return Plan(batches=(steps,), warnings=("This cannot be undone.", *warnings))


def _look(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    try:
        vm = ctx.vsphere.read_vm(step.target.site, step.target.id)
    except TargetNotFoundError:
        return Seen(done=True, said="it is gone")
    return Seen(done=False, said=f"it is there and {vm.power.value}")


DESTRUCTION = TaskStep(
    kind="destroy",
    start=lambda step, ctx, _: ctx.vsphere.destroy(step.target.site, step.target.id),
    look=_look,
    done=lambda step: f"`{step.target.name}` is destroyed.",
)

VM_DESTROY = Change(
    name="vm destroy",
    summary="Delete VMs that are off, and their disks, for good.",
    params=DestroyParams,
    backend=Backend.VSPHERE,
    risk=Risk.DESTRUCTIVE,
    plan=plan_destruction,
    apply=DESTRUCTION.apply,
    settle=DESTRUCTION.settle,
    time_limit=timedelta(hours=1),
    examples=("vm destroy web-04",),
)
