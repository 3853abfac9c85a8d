"""`vm rename` and `vm note`: what a VM is called, and what is written of it."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from andock.errors import InvalidParamsError, TargetStateError
from andock.operation import Backend, Change, Mark, Params, Plan, Reader, Risk, Step
from andock.operations.vm.targets import NAMING, resolve_all, target_of
from andock.operations.vm.tasks import Seen, TaskStep

_LONGEST_NAME = 80  # characters that vCenter takes


class RenameParams(Params):
    """What `vm rename` takes."""

    vm: str = Field(min_length=1, max_length=300, description=NAMING)
    name: str = Field(min_length=1, max_length=_LONGEST_NAME, description="Its new name.")


class NoteParams(Params):
    """What `vm note` takes."""

    vm: str = Field(min_length=1, max_length=300, description=NAMING)
    text: str = Field(max_length=2000, description="The notes; empty in quotes takes them away.")
    append: bool = Field(default=False, description="As another line, with the day and who says so.")


def plan_rename(params: RenameParams, ctx: Reader) -> Plan:
    """One step; policy judges the VM by its old name and by its new one.

    Raises:
        TargetStateError: it is called so already.
        InvalidParamsError: another one in its folder is called so.
        TargetNotFoundError, AmbiguousTargetError, ...: see `resolve_all`.
    """
    (vm,) = resolve_all((params.vm,), ctx)
    if vm.name == params.name:
        raise TargetStateError(vm.name, actual="called so already", wanted="called otherwise")
    path = f"{vm.folder}/{params.name.replace('/', '%2f')}"
    others = [one for one in ctx.vsphere.find_vms(path, vm.site).rows if one.id != vm.id]
    if others:
        raise InvalidParamsError(f"There is a VM `{path}` already.")
    target = target_of(vm)
    environment = ctx.vsphere.environment_of(vm.site, path, vm.labels, vm.cluster)
    becomes = target.model_copy(update={"name": params.name, "path": path, "environment": environment})
    moves = f", which makes it {environment} instead of {vm.environment}"
    step = Step(
        action="rename",
        target=target,
        text=f"rename `{vm.name}` to `{params.name}`" + moves * (environment != vm.environment),
        facts={"name": vm.name},
        args={"name": params.name},
        becomes=becomes,
    )
    return Plan(batches=((step,),), warnings=("Its files on the datastore keep their old names.",))


def plan_note(params: NoteParams, ctx: Reader) -> Plan:
    """One step, bound to the notes that are there now, so that nobody's are lost.

    Raises:
        TargetStateError: that is what its notes say already.
        TargetNotFoundError, AmbiguousTargetError, ...: see `resolve_all`.
    """
    (vm,) = resolve_all((params.vm,), ctx)
    notes = params.text
    if params.append:
        day = datetime.now(UTC).date()
        notes = "\n".join(part for part in (vm.notes, f"{day} {ctx.actor}: {params.text}".strip()) if part)
    if notes == vm.notes:
        raise TargetStateError(vm.name, actual="noted like this already", wanted="noted otherwise")
    action = "add to" if params.append else "replace" if notes else "take away"
    step = Step(
        action="note",
        target=target_of(vm),
        text=f"{action} the notes of `{vm.name}`" + (f": {params.text}" if params.text else ""),
        facts={"notes": vm.notes},
        args={"notes": notes},
    )
    lost = (f"They say now: {vm.notes}",) if vm.notes and not params.append else ()
    return Plan(batches=((step,),), warnings=lost)


def _arg(step: Step, name: str) -> str:
    return str(step.args.get(name, ""))


def _look_at_name(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    vm = ctx.vsphere.read_vm(step.target.site, step.target.id)
    return Seen(vm.name == _arg(step, "name"), f"it is called `{vm.name}`")


def _look_at_notes(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    vm = ctx.vsphere.read_vm(step.target.site, step.target.id)
    return Seen(vm.notes == _arg(step, "notes"), "its notes say something else")


RENAMING = TaskStep(
    kind="rename",
    start=lambda step, ctx, _: ctx.vsphere.rename(step.target.site, step.target.id, _arg(step, "name")),
    look=_look_at_name,
    done=lambda step: f"`{step.target.name}` is called `{_arg(step, 'name')}` now.",
)
NOTING = TaskStep(
    kind="reconfigure",
    start=lambda step, ctx, _: ctx.vsphere.annotate(step.target.site, step.target.id, _arg(step, "notes")),
    look=_look_at_notes,
    done=lambda step: f"The notes of `{step.target.name}` are changed.",
)

VM_RENAME = Change(
    name="vm rename",
    summary="Give a VM another name.",
    params=RenameParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_rename,
    apply=RENAMING.apply,
    settle=RENAMING.settle,
    examples=("vm rename web-01 shop-web-01",),
)
VM_NOTE = Change(
    name="vm note",
    summary="Change what stands in a VM's notes.",
    params=NoteParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_note,
    apply=NOTING.apply,
    settle=NOTING.settle,
    examples=('vm note web-01 "owner: shop team"', 'vm note web-01 "disk replaced" --append'),
)
