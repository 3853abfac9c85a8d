"""`container update`."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from andock.errors import BackendRejectedError, OutcomeUnknownError, UserError
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    NotDone,
    Plan,
    Reader,
    Risk,
    Settled,
    Step,
    Unknown,
    Writer,
)
from andock.operations.container.quantities import CPUS, MEMORY, read_cpus, read_memory
from andock.operations.container.selection import Changing
from andock.operations.container.settling import settle_by
from andock.operations.container.steps import begin, plan_each, tell
from andock.ports.container_insight import Limits
from andock.ports.containers import Container
from andock.sizes import write_size

RestartPolicy: TypeAlias = Literal["no", "always", "unless-stopped", "on-failure"]
_ACT_SECONDS = 5  # in which an engine that was told has acted


class UpdateParams(Changing):
    """What `container update` takes."""

    memory: str | None = Field(default=None, pattern=MEMORY, description="Most memory, `256m` or `1.5g`.")
    cpus: str | None = Field(default=None, pattern=CPUS, description="Most CPUs, `0.5` or `2`.")
    pids: int | None = Field(default=None, ge=1, le=4_000_000, description="Most processes and threads.")
    restart: RestartPolicy | None = Field(default=None, description="When the engine starts it again.")

    @field_validator("cpus")
    @classmethod
    def _enough(cls, cpus: str | None) -> str | None:
        if cpus is not None:
            read_cpus(cpus)
        return cpus

    @model_validator(mode="after")
    def _something_new(self) -> Self:
        if not self.model_fields_set & {"memory", "cpus", "pids", "restart"}:
            raise ValueError("say what to set: `--memory`, `--cpus`, `--pids` or `--restart`")
        return self


def plan_update(params: UpdateParams, ctx: Reader) -> Plan:
    """One step for each container whose limits differ, with before and after.

    Raises:
        UserError: all have these limits already.
    """
    plan = plan_each(params, ctx, "update", wanted="alive", refused=frozenset({"dead", "removing"}))
    steps: list[Step] = []
    warnings = list(plan.warnings)
    for step in plan.steps:
        old = ctx.containers.read_limits(step.target.site, step.target.id)
        new = _wanted(params, old)
        if _fits(old, new):
            warnings.append(f"`{step.target.name}` has these limits already")
            continue
        text = f"update `{step.target.name}` ({step.facts['state']}): {_difference(old, new)}"
        facts = {"image": step.facts["image"], "limits": _describe(old)}
        steps.append(step.model_copy(update={"text": text, "facts": facts, "args": _args(new)}))
        warnings += _warn_of_use(step, ctx, new)
    if not steps:
        raise UserError(f"Nothing to do: {'; '.join(warnings)}.")
    return params.plan_of(steps, warnings)


def _wanted(params: UpdateParams, old: Limits) -> Limits:
    memory = read_memory(params.memory) if params.memory else 0
    return Limits(
        memory=memory,
        memory_with_swap=_with_swap(memory, old) if memory else 0,
        cpus=read_cpus(params.cpus) if params.cpus else 0.0,
        pids=params.pids or 0,
        restart=params.restart or "",
    )


def _with_swap(memory: int, old: Limits) -> int:
    """The limit of memory and swap together, with as much swap as before; an engine left alone may refuse.

    Without a limit on swap there is none afterwards; without one on memory so far, the engine says.
    """
    if old.memory_with_swap <= 0:
        return old.memory_with_swap
    return memory + max(0, old.memory_with_swap - old.memory)


def _fits(now: Limits, new: Limits) -> bool:
    """Whether it has everything that was asked for."""
    return (
        (not new.memory or now.memory == new.memory)
        and (not new.memory_with_swap or now.memory_with_swap == new.memory_with_swap)
        and (not new.cpus or abs(now.cpus - new.cpus) < 0.001)  # noqa: PLR2004  the finest that can be typed
        and (not new.pids or now.pids == new.pids)
        and (not new.restart or now.restart == new.restart)
    )


def _difference(old: Limits, new: Limits) -> str:
    """`memory 64 MiB -> 128 MiB, with swap 128 MiB -> 192 MiB, cpus none -> 0.5`."""
    before, after = _parts(old), _parts(new)
    asked = {
        "memory": new.memory,
        "with swap": new.memory_with_swap if new.memory_with_swap != old.memory_with_swap else 0,
        "cpus": new.cpus,
        "pids": new.pids,
        "restart": new.restart,
    }
    return ", ".join(f"{name} {before[name]} -> {after[name]}" for name, value in asked.items() if value)


def _parts(limits: Limits) -> dict[str, str]:
    return {
        "memory": write_size(limits.memory) if limits.memory else "none",
        "with swap": write_size(limits.memory_with_swap) if limits.memory_with_swap > 0 else "none",
        "cpus": f"{limits.cpus:g}" if limits.cpus else "none",
        "pids": str(limits.pids) if limits.pids else "none",
        "restart": limits.restart or "no",
    }


def _describe(limits: Limits) -> str:
    return ", ".join(f"{name} {value}" for name, value in _parts(limits).items())


def _warn_of_use(step: Step, ctx: Reader, new: Limits) -> list[str]:
    """What it uses now may be more than it is to have."""
    if not new.memory:
        return []
    try:
        used = ctx.containers.count(step.target.site, step.target.id).memory
    except BackendRejectedError:  # it does not run
        return []
    if used < new.memory:
        return []
    return [f"`{step.target.name}` uses {write_size(used)} now: it may be refused, or killed for it"]


def apply_update(step: Step, ctx: Writer) -> Done:
    """Set the limits and read them back.

    Raises:
        BackendRejectedError: the engine did not.
        OutcomeUnknownError: the engine says that it did, and they are others.
    """
    target, new = step.target, _limits_of(step)
    old = ctx.containers.read_limits(target.site, target.id)
    begin(step, ctx)
    tell(step, ctx, lambda: ctx.containers.update(target.site, target.id, new))
    now = ctx.containers.read_limits(target.site, target.id)
    if not _fits(now, new):
        raise OutcomeUnknownError(f"`{target.name}` was updated and has {_describe(now)}. Look at it.")
    return Done(text=f"`{target.name}` is updated: {_difference(old, new)}.")


def settle_update(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """Done if it has the new limits, NotDone if it has the old ones, Unknown with any others."""

    def judge(now: Container, age: float) -> Settled | None:
        limits = ctx.containers.read_limits(step.target.site, step.target.id)
        if _fits(limits, _limits_of(step)):
            return Done(text=f"`{now.name}` is updated: {_describe(limits)}.")
        if _describe(limits) != step.facts["limits"]:
            return Unknown(f"`{now.name}` has other limits than before: {_describe(limits)}.")
        return NotDone() if age > _ACT_SECONDS else None

    return settle_by(step, ctx, mark, judge, Unknown(f"`{step.target.name}` is gone."))


def _args(new: Limits) -> dict[str, int | float | str]:
    return {
        "memory": new.memory,
        "memory_with_swap": new.memory_with_swap,
        "cpus": new.cpus,
        "pids": new.pids,
        "restart": new.restart,
    }


def _limits_of(step: Step) -> Limits:
    args = step.args
    return Limits(
        memory=int(str(args["memory"])),
        memory_with_swap=int(str(args["memory_with_swap"])),
        cpus=float(str(args["cpus"])),
        pids=int(str(args["pids"])),
        restart=str(args["restart"]),
    )


CONTAINER_UPDATE = Change(
    name="container update",
    summary="Set limits and restart policy of containers, while they run.",
    params=UpdateParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_update,
    apply=apply_update,
    settle=settle_update,
    examples=(
        "container update web --memory 256m",
        "container update web-* --cpus 0.5 --restart unless-stopped",
    ),
)
