"""`snapshot revert` and `snapshot delete`: what was written since, or the way back, is lost."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from andock.errors import AmbiguousTargetError, TargetNotFoundError, TargetStateError
from andock.operation import Backend, Change, Mark, Params, Plan, Reader, Risk, Step
from andock.operations.vm.sizes import write_size
from andock.operations.vm.targets import NAMING, resolve_all, target_of
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import PowerState, Snapshot, Vm, VmSnapshots

CURRENT = "current"  # how the snapshot that the VM stands on is typed


class RevertParams(Params):
    """What `snapshot revert` takes."""

    vm: str = Field(min_length=1, max_length=300, description=NAMING)
    snapshot: str = Field(
        min_length=1, max_length=200, description=f"Its name or id, or `{CURRENT}` for the newest on the way."
    )


class DeleteParams(RevertParams):
    """What `snapshot delete` takes."""

    children: bool = Field(default=False, description="And all snapshots that stand on it.")


def plan_revert(params: RevertParams, ctx: Reader) -> Plan:
    """Go back to one snapshot of one VM.

    Raises:
        TargetStateError: the VM has no snapshots.
        TargetNotFoundError, AmbiguousTargetError, ...: for the VM or the snapshot.
    """
    vm, read, snapshot = _find(params, ctx)
    warnings = [f"What was written since {_say(snapshot)} was taken is lost for good."]
    if vm.power is PowerState.ON and snapshot.power is not PowerState.ON:
        warnings.append(f"`{vm.name}` is on, and is off afterwards: the snapshot has no memory.")
    step = Step(
        action="revert",
        target=target_of(vm),
        text=f"take `{vm.name}` ({vm.power.value}) back to {_say(snapshot)}",
        facts={"power": vm.power.value, "stands on": _current(read), "snapshot": snapshot.name},
        args={"snapshot": snapshot.id, "from": _current(read)},
    )
    return Plan(batches=((step,),), warnings=tuple(warnings))


def plan_deletion(params: DeleteParams, ctx: Reader) -> Plan:
    """Delete one snapshot of one VM.

    Raises:
        TargetStateError: the VM has no snapshots.
        TargetNotFoundError, AmbiguousTargetError, ...: for the VM or the snapshot.
    """
    vm, read, snapshot = _find(params, ctx)
    above = _above(read, snapshot)
    text = f"delete {_say(snapshot)} of `{vm.name}`"
    if params.children and above:
        text += f" and {len(above)} that stand on it"
    warnings = [] if snapshot.size is None else [f"Merging {write_size(snapshot.size)} may take long."]
    step = Step(
        action="delete snapshot",
        target=target_of(vm),
        text=text,
        facts={"snapshot": snapshot.name, "above": ", ".join(above) if params.children else ""},
        args={"snapshot": snapshot.id, "children": params.children},
    )
    return Plan(batches=((step,),), warnings=tuple(warnings))


def _find(params: RevertParams, ctx: Reader) -> tuple[Vm, VmSnapshots, Snapshot]:
    (vm,) = resolve_all((params.vm,), ctx)
    read = ctx.vsphere.read_snapshots(vm.site, vm.id)
    if not read.snapshots:
        raise TargetStateError(vm.name, actual="without snapshots", wanted="one that has some")
    wanted = params.snapshot.casefold()
    found = [one for one in read.snapshots if wanted in (one.id, one.name.casefold())]
    found = found or [one for one in read.snapshots if one.current and wanted == CURRENT]
    if len(found) > 1:
        raise AmbiguousTargetError("snapshot", params.snapshot, [one.id for one in found])
    if not found:
        names = tuple(one.name for one in read.snapshots)[:3]
        raise TargetNotFoundError("snapshot", params.snapshot, searched=(vm.name,), similar=names)
    return vm, read, found[0]


def _say(snapshot: Snapshot) -> str:
    return f"`{snapshot.name}` of {snapshot.created:%Y-%m-%d %H:%M} UTC"


def _current(read: VmSnapshots) -> str:
    return next((one.id for one in read.snapshots if one.current), "")


def _above(read: VmSnapshots, snapshot: Snapshot) -> list[str]:
    """Ids of all that stand on it; parents come first in a listing."""
    found = {snapshot.id}
    for one in read.snapshots:
        if one.parent in found:
            found.add(one.id)
    return sorted(found - {snapshot.id})


def _arg(step: Step, name: str) -> str:
    return str(step.args.get(name, ""))


def _look_at_current(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    current = _current(ctx.vsphere.read_snapshots(step.target.site, step.target.id))
    if _arg(step, "from") == _arg(step, "snapshot"):
        return Seen(None, "it stood on that snapshot before, and does now")
    there = current == _arg(step, "snapshot")
    return Seen(there, f"it stands on `{current}`" if current else "it stands on no snapshot")


def _look_whether_gone(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    read = ctx.vsphere.read_snapshots(step.target.site, step.target.id)
    still = any(one.id == _arg(step, "snapshot") for one in read.snapshots)
    return Seen(not still, "the snapshot is still there")


REVERT = TaskStep(
    kind="revert",
    start=lambda step, ctx, _: ctx.vsphere.revert_to_snapshot(
        step.target.site, step.target.id, _arg(step, "snapshot")
    ),
    look=_look_at_current,
    done=lambda step: f"`{step.target.name}` is back at `{step.facts['snapshot']}`.",
)
DELETION = TaskStep(
    kind="remove",
    start=lambda step, ctx, _: ctx.vsphere.delete_snapshot(
        step.target.site,
        step.target.id,
        _arg(step, "snapshot"),
        children=bool(step.args.get("children")),
    ),
    look=_look_whether_gone,
    done=lambda step: f"The snapshot `{step.facts['snapshot']}` of `{step.target.name}` is deleted.",
)

SNAPSHOT_REVERT = Change(
    name="snapshot revert",
    summary="Take a VM back to a snapshot; what was written since is lost.",
    params=RevertParams,
    backend=Backend.VSPHERE,
    risk=Risk.DESTRUCTIVE,
    plan=plan_revert,
    apply=REVERT.apply,
    settle=REVERT.settle,
    time_limit=timedelta(hours=1),
    examples=("snapshot revert web-01 current", "snapshot revert web-01 snapshot-12"),
)
SNAPSHOT_DELETE = Change(
    name="snapshot delete",
    summary="Delete a snapshot of a VM; the VM stays as it is, the way back is lost.",
    params=DeleteParams,
    backend=Backend.VSPHERE,
    risk=Risk.DESTRUCTIVE,
    plan=plan_deletion,
    apply=DELETION.apply,
    settle=DELETION.settle,
    time_limit=timedelta(hours=6),
    long=True,
    examples=("snapshot delete web-01 snapshot-12", "snapshot delete web-01 current --children"),
)
