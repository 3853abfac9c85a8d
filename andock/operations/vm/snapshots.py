"""`snapshot create` and `snapshot consolidate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import Field

from andock.durations import write_duration
from andock.errors import TargetStateError
from andock.operation import Backend, Change, Mark, Offer, Plan, Reader, Risk, Step, Writer
from andock.operations.vm.power import warn_of_questions
from andock.operations.vm.selection import Selection, pick, sort_out
from andock.operations.vm.snapshot_names import SnapshotName
from andock.operations.vm.targets import target_of
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import PowerState, TaskRef, Vm, VmSnapshots

LONG_CHAIN = 3  # snapshots of one VM from which on VMware advises against more
LITTLE_ROOM = 0.1  # of a datastore
_GIB = 1024**3


class CreateParams(Selection):
    """What `snapshot create` takes."""

    reason: str = Field(
        min_length=1,
        max_length=200,
        description="Why; it stands in the snapshot's name, with who asked and until when.",
        json_schema_extra={"positional": False},
    )
    keep: timedelta = Field(
        default=timedelta(days=3),
        ge=timedelta(hours=1),
        le=timedelta(days=30),
        description="How long it is wanted, such as `12h` or `3d`; then it is offered for deletion.",
    )
    memory: bool = Field(default=False, description="With the memory, so that going back finds it running.")
    quiesce: bool = Field(default=False, description="With the guest's files at rest, by VMware Tools.")


class ConsolidateParams(Selection):
    """What `snapshot consolidate` takes."""


def plan_creation(params: CreateParams, ctx: Reader) -> Plan:
    """One snapshot of each VM, with a warning where a chain gets long or a datastore full.

    Raises:
        TargetStateError: a guest is to be quiesced and its VMware Tools do not run.
        TargetNotFoundError, AmbiguousTargetError, ...: see `pick`.
    """
    vms, left_out = sort_out(pick(params, ctx), lambda vm: _refuse_quiescing(vm, params))
    read = read_all(vms, ctx)
    warnings = (*left_out, *warn_of_questions(vms), *_warn(read, params))
    return params.plan_of((_creation(vm, params) for vm in vms), warnings)


def plan_consolidation(params: ConsolidateParams, ctx: Reader) -> Plan:
    """One step for each VM whose disks need it.

    Raises:
        TargetStateError: a VM's disks do not need it.
        TargetNotFoundError, AmbiguousTargetError, ...: see `pick`.
    """
    picked = pick(params, ctx)
    read = read_all((one.vm for one in picked), ctx)
    needy = {target_of(one.vm).key for one in read if one.consolidation_needed}

    def refuse(vm: Vm) -> TargetStateError | None:
        if target_of(vm).key in needy:
            return None
        return TargetStateError(vm.name, actual="without disks to consolidate", wanted="in need of that")

    vms, left_out = sort_out(picked, refuse)
    steps = (
        Step(action="consolidate", target=target_of(vm), text=f"consolidate the disks of `{vm.name}`")
        for vm in vms
    )
    slow = "Disks are slow while they are merged."
    return params.plan_of(steps, (*left_out, *_warn_of_room(read), slow))


def read_all(vms: Iterable[Vm], ctx: Reader) -> list[VmSnapshots]:
    """The snapshots of all these VMs, site by site."""
    by_site: dict[str, list[str]] = {}
    for vm in vms:
        by_site.setdefault(vm.site, []).append(vm.id)
    return [one for site, ids in by_site.items() for one in ctx.vsphere.read_snapshots_of(site, ids)]


def name_of(step: Step, ctx: Reader, mark: Mark) -> str:
    """The snapshot's name: the same whenever it is asked for, since it is counted from the step's mark."""
    begun = datetime.fromtimestamp(mark.site_time, UTC).replace(second=0, microsecond=0)
    keep = step.args.get("keep")
    until = begun + timedelta(seconds=float(keep) if isinstance(keep, int | float) else 0.0)
    return str(SnapshotName(str(step.args.get("reason", "")), ctx.actor or "andock", until))


def _creation(vm: Vm, params: CreateParams) -> Step:
    kept = f"kept for {write_duration(params.keep)}"
    memory = ", with its memory" if params.memory and vm.power is PowerState.ON else ""
    return Step(
        action="snapshot",
        target=target_of(vm),
        text=f"take a snapshot of `{vm.name}` ({vm.power.value}){memory}, {kept}",
        facts={"power": vm.power.value},
        args={
            "reason": params.reason,
            "keep": params.keep.total_seconds(),
            "memory": params.memory,
            "quiesce": params.quiesce,
        },
    )


def _refuse_quiescing(vm: Vm, params: CreateParams) -> TargetStateError | None:
    if not params.quiesce or vm.tools_running:
        return None
    return TargetStateError(vm.name, actual="without VMware Tools", wanted="running them to be quiesced")


def _start_creation(step: Step, ctx: Writer, mark: Mark) -> TaskRef:
    return ctx.vsphere.create_snapshot(
        step.target.site,
        step.target.id,
        name=name_of(step, ctx, mark),
        description=f"Asked for in chat by {ctx.actor or 'somebody'}: {step.args.get('reason')}",
        memory=bool(step.args.get("memory")),
        quiesce=bool(step.args.get("quiesce")),
    )


def _look_for_snapshot(step: Step, ctx: Reader, mark: Mark) -> Seen:
    wanted, since = name_of(step, ctx, mark), datetime.fromtimestamp(mark.site_time, UTC)
    found = ctx.vsphere.read_snapshots(step.target.site, step.target.id).snapshots
    taken = [one for one in found if one.name == wanted and one.created >= since.replace(microsecond=0)]
    return Seen(bool(taken), f"it has {len(found)} snapshots, and none of this request")


def _look_at_disks(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    read = ctx.vsphere.read_snapshots(step.target.site, step.target.id)
    return Seen(not read.consolidation_needed, "its disks still need consolidation")


def _warn(read: Sequence[VmSnapshots], params: CreateParams) -> list[str]:
    said: list[str] = []
    for one in read:
        depth = max((snapshot.depth for snapshot in one.snapshots), default=0) + 1
        if depth > LONG_CHAIN:
            said.append(
                f"`{one.vm.name}`: this makes a chain of {depth} snapshots; VMware advises "
                f"{LONG_CHAIN} at most, since each slows its disks."
            )
        if one.consolidation_needed:
            said.append(f"`{one.vm.name}` needs `snapshot consolidate` first: its disks are in pieces.")
        if params.memory and isinstance(one.vm, Vm) and _lacks(one, one.vm.memory_mb * 1024**2):
            said.append(f"`{one.vm.name}`: its memory ({one.vm.memory_mb} MiB) may not fit on its datastore.")
    return [*said, *_warn_of_room(read)]


def _lacks(read: VmSnapshots, needed: int) -> bool:
    return any(space.free < needed for space in read.spaces)


def _warn_of_room(read: Iterable[VmSnapshots]) -> list[str]:
    """A full datastore stops every VM on it, and snapshots grow."""
    tight = {
        (one.vm.site, space.name): space
        for one in read
        for space in one.spaces
        if space.capacity and space.free < LITTLE_ROOM * space.capacity
    }
    return [
        f"Datastore `{name}` on {site} has {space.free / _GIB:.1f} GiB left of {space.capacity / _GIB:.1f} "
        f"({100 * space.free // space.capacity} %)."
        for (site, name), space in tight.items()
    ]


CREATION = TaskStep(
    kind="createSnapshot",
    start=_start_creation,
    look=_look_for_snapshot,
    done=lambda step: f"A snapshot of `{step.target.name}` was taken.",
    offers=lambda step: (
        Offer(label=f"Show its snapshots: {step.target.name}", command=_tree_command(step)),
    ),
)
CONSOLIDATION = TaskStep(
    kind="consolidateDisks",
    start=lambda step, ctx, _: ctx.vsphere.consolidate(step.target.site, step.target.id),
    look=_look_at_disks,
    done=lambda step: f"The disks of `{step.target.name}` are consolidated.",
)


def _tree_command(step: Step) -> str:
    return f"snapshot tree {step.target.id} --site {step.target.site}"


SNAPSHOT_CREATE = Change(
    name="snapshot create",
    summary="Take snapshots of VMs; their names say why, by whom and until when.",
    params=CreateParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_creation,
    apply=CREATION.apply,
    settle=CREATION.settle,
    time_limit=timedelta(hours=1),
    examples=(
        'snapshot create web-01 --reason "before the update"',
        "snapshot create web-* --reason CHG-1234 --keep 12h --quiesce",
    ),
)
SNAPSHOT_CONSOLIDATE = Change(
    name="snapshot consolidate",
    summary="Merge disks that deleted snapshots left behind.",
    params=ConsolidateParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_consolidation,
    apply=CONSOLIDATION.apply,
    settle=CONSOLIDATION.settle,
    time_limit=timedelta(hours=6),
    long=True,
    examples=("snapshot consolidate web-01",),
)
