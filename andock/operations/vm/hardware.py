"""`vm resize`: CPUs and memory, while the VM is on where that is allowed."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from andock.errors import TargetStateError
from andock.operation import Backend, Change, Mark, Plan, Reader, Risk, Step
from andock.operations.vm.power import warn_of_questions
from andock.operations.vm.selection import Selection, pick, sort_out
from andock.operations.vm.sizes import read_size, write_size
from andock.operations.vm.targets import target_of
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import Hardware, PowerState, Vm

_MIB = 1024**2


class ResizeParams(Selection):
    """What `vm resize` takes."""

    cpus: int | None = Field(default=None, ge=1, le=128, description="How many CPUs it has afterwards.")
    memory: str = Field(default="", description="How much memory it has afterwards, such as `8G`.")

    @field_validator("memory")
    @classmethod
    def _is_size(cls, text: str) -> str:
        if text and read_size(text) % (4 * _MIB):
            raise ValueError("must be a multiple of 4 MiB")
        return text

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.cpus is None and not self.memory:
            raise ValueError("say what to resize: `--cpus N`, `--memory 8G` or both")
        return self

    @property
    def memory_mb(self) -> int | None:
        """The memory in MiB, if it is to be changed."""
        return read_size(self.memory) // _MIB if self.memory else None


def plan_resize(params: ResizeParams, ctx: Reader) -> Plan:
    """One step for each VM that is not of that size yet.

    Raises:
        TargetStateError: a VM is on and would have to be off for this, or has that size.
        TargetNotFoundError, AmbiguousTargetError, ...: see `pick`.
    """
    picked = pick(params, ctx)
    known: dict[tuple[str, str], Hardware] = {}
    for site in {one.vm.site for one in picked}:
        ids = [one.vm.id for one in picked if one.vm.site == site]
        known |= {(site, found.id): found for found in ctx.vsphere.read_hardware(site, ids)}

    def refuse(vm: Vm) -> TargetStateError | None:
        return _refuse(vm, known[vm.site, vm.id], params)

    vms, left_out = sort_out((one for one in picked if (one.vm.site, one.vm.id) in known), refuse)
    steps = (_step(vm, known[vm.site, vm.id], params) for vm in vms)
    return params.plan_of(steps, (*left_out, *warn_of_questions(vms)))


def _refuse(vm: Vm, now: Hardware, params: ResizeParams) -> TargetStateError | None:
    cpus, memory = params.cpus or now.cpus, params.memory_mb or now.memory_mb
    if (cpus, memory) == (now.cpus, now.memory_mb):
        return TargetStateError(vm.name, actual="of that size already", wanted="of another")
    if cpus % now.cores_per_socket:
        return TargetStateError(
            vm.name,
            actual=f"made of sockets with {now.cores_per_socket} cores",
            wanted=f"given a multiple of {now.cores_per_socket} CPUs",
        )
    if vm.power is PowerState.OFF:
        return None
    if vm.power is PowerState.SUSPENDED:
        return TargetStateError(vm.name, actual="suspended", wanted="on or off")
    needs = _needs_power_cycle(now, cpus, memory)
    if not needs:
        return None
    return TargetStateError(
        vm.name,
        actual=f"on, and {needs}",
        wanted=f"off (`vm shutdown {vm.id} --site {vm.site}`, then this again, then `vm on`)",
    )


def _needs_power_cycle(now: Hardware, cpus: int, memory_mb: int) -> str:
    """Why a running VM cannot be resized like this; a clause, empty if it can."""
    if cpus < now.cpus or memory_mb < now.memory_mb:
        return "nothing can be taken from it while it is"
    if cpus > now.cpus and not now.cpu_hot_add:
        return "its settings do not let CPUs be added while it is"
    if memory_mb > now.memory_mb and not now.memory_hot_add:
        return "its settings do not let memory be added while it is"
    return ""


def _step(vm: Vm, now: Hardware, params: ResizeParams) -> Step:
    cpus, memory = params.cpus or now.cpus, params.memory_mb or now.memory_mb
    changes = [f"{now.cpus} to {cpus} CPUs"] if cpus != now.cpus else []
    if memory != now.memory_mb:
        changes.append(f"{write_size(now.memory_mb * _MIB)} to {write_size(memory * _MIB)} of memory")
    return Step(
        action="resize",
        target=target_of(vm),
        text=f"resize `{vm.name}` ({vm.power.value}) from {' and from '.join(changes)}",
        facts={"power": vm.power.value, "cpus": str(now.cpus), "memory": str(now.memory_mb)},
        args={"cpus": cpus, "memory": memory},
    )


def _wanted(step: Step) -> tuple[int, int]:
    cpus, memory = step.args.get("cpus"), step.args.get("memory")
    return (cpus if isinstance(cpus, int) else 0, memory if isinstance(memory, int) else 0)


def _look(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    ctx.vsphere.read_vm(step.target.site, step.target.id)  # tells whether it is still there
    (now,) = ctx.vsphere.read_hardware(step.target.site, (step.target.id,))
    return Seen(
        (now.cpus, now.memory_mb) == _wanted(step),
        f"it has {now.cpus} CPUs and {now.memory_mb} MiB of memory",
    )


def _say(step: Step) -> str:
    cpus, memory = _wanted(step)
    return f"`{step.target.name}` has {cpus} CPUs and {write_size(memory * _MIB)} of memory."


RESIZING = TaskStep(
    kind="reconfigure",
    start=lambda step, ctx, _: ctx.vsphere.resize(
        step.target.site, step.target.id, cpus=_wanted(step)[0], memory_mb=_wanted(step)[1]
    ),
    look=_look,
    done=_say,
)

VM_RESIZE = Change(
    name="vm resize",
    summary="Change VMs' CPUs and memory; says when a VM must be off for it.",
    params=ResizeParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_resize,
    apply=RESIZING.apply,
    settle=RESIZING.settle,
    examples=("vm resize web-01 --cpus 4 --memory 8G", "vm resize batch-* --memory 16G"),
)
