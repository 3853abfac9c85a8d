"""`container remove`."""

from __future__ import annotations

from pydantic import Field

from andock.errors import BackendError, Changed
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
from andock.operations.container.losses import list_mounts, tell_loss
from andock.operations.container.selection import Changing
from andock.operations.container.settling import settle_by, since
from andock.operations.container.steps import UP, begin, plan_each, tell
from andock.ports.containers import Container

_REMOVE_SECONDS = 30  # an engine that was told has removed it by then, unless it hangs
_GOING = frozenset({"removing", "dead"})


class RemoveParams(Changing):
    """What `container remove` takes."""

    force: bool = Field(default=False, description="Those too that run: they are killed.")
    volumes: bool = Field(
        default=False, description="Their anonymous volumes too. Volumes with a name always stay."
    )


def plan_remove(params: RemoveParams, ctx: Reader) -> Plan:
    """One step each, with what is lost; a TargetStateError for one that runs, without --force."""
    plan = plan_each(
        params,
        ctx,
        "remove",
        wanted="stopped (or `--force` given)",
        refused=frozenset() if params.force else UP,
        args={"force": params.force, "volumes": params.volumes},
    )
    steps = tuple(_say_loss(step, ctx, volumes=params.volumes) for step in plan.steps)
    return plan.model_copy(update={"batches": (steps,)})


def _say_loss(step: Step, ctx: Reader, *, volumes: bool) -> Step:
    """The step with names, id and what goes with it; an approval is bound to its volumes, not to sizes."""
    target = step.target
    anatomy = ctx.containers.read_anatomy(target.site, target.id)
    ends = "; it is killed first" if step.facts["state"] in UP else ""
    loss = tell_loss(anatomy, volumes=volumes)
    text = f"remove `{target.name}` ({step.facts['state']}, id {target.id[:12]}){ends}.{loss}"
    return step.model_copy(update={"text": text, "facts": {**step.facts, "volumes": list_mounts(anatomy)}})


def apply_remove(step: Step, ctx: Writer) -> Done:
    """Remove it and look whether it is gone.

    Raises:
        BackendRejectedError: the engine did not.
        BackendError: it is still there.
        OutcomeUnknownError: the engine was told and what became of it cannot be seen.
    """
    target = step.target
    force, volumes = bool(step.args["force"]), bool(step.args["volumes"])
    begin(step, ctx)
    now = tell(step, ctx, lambda: ctx.containers.remove(target.site, target.id, force=force, volumes=volumes))
    if now is not None:
        raise BackendError(
            f"The engine removed `{target.name}`, and it is there and {now.state}.", changed=Changed.UNKNOWN
        )
    return Done(text=f"`{target.name}` is removed.")


def settle_remove(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """Done if it is gone; Unknown if it was stopped since or is half gone; NotDone if it is as before."""

    def judge(now: Container, age: float) -> Settled | None:
        if age <= _REMOVE_SECONDS:
            return None
        if now.state in _GOING or now.state != step.facts["state"] or since(now.started_at, mark):
            return Unknown(f"`{now.name}` was not removed and is {now.state}.")
        return NotDone()

    return settle_by(step, ctx, mark, judge, Done(text=f"`{step.target.name}` is removed."))


CONTAINER_REMOVE = Change(
    name="container remove",
    summary="Remove containers with what they have written.",
    params=RemoveParams,
    backend=Backend.DOCKER,
    risk=Risk.DESTRUCTIVE,
    plan=plan_remove,
    apply=apply_remove,
    settle=settle_remove,
    examples=(
        "container remove web-old",
        "container remove web-old --force --volumes",
        "container remove --label job=nightly",
    ),
)
