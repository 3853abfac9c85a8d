"""`container start`, `container stop` and `container restart`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from andock.errors import BackendError, Changed, OutcomeUnknownError
from andock.operation import Backend, Change, Done, Plan, Reader, Risk, Step, Writer
from andock.operations.container.losses import warn_of_end
from andock.operations.container.selection import Changing
from andock.operations.container.settling import grace_of, settle_restart, settle_start, settle_stop, since
from andock.operations.container.steps import DOWN, UP, begin, check_runs, plan_each, tell

_GRACE = Field(
    default=10, ge=0, le=300, description="Seconds to end by itself before it is killed; 0 kills it at once."
)


class StartParams(Changing):
    """What `container start` takes."""


class StopParams(Changing):
    """What `container stop` and `container restart` take."""

    grace: int = _GRACE


# --- planning -------------------------------------------------------------------------------------------


def plan_start(params: StartParams, ctx: Reader) -> Plan:
    """One step for each container; a TargetStateError for one that is up."""
    return plan_each(params, ctx, "start", wanted="stopped", refused=UP)


def plan_stop(params: StopParams, ctx: Reader) -> Plan:
    """One step for each container, with what goes if it was made with --rm; else as `plan_start`."""
    plan = plan_each(params, ctx, "stop", wanted="running", refused=DOWN, args={"grace": params.grace})
    return warn_of_end(plan, ctx)


def plan_restart(params: StopParams, ctx: Reader) -> Plan:
    """One step for each container; one that is stopped is simply started."""
    refused = frozenset({"dead", "removing"})
    args = {"grace": params.grace}
    return plan_each(params, ctx, "restart", wanted="running or stopped", refused=refused, args=args)


# --- doing ----------------------------------------------------------------------------------------------


def apply_start(step: Step, ctx: Writer) -> Done:
    """Start it and look whether it stays up.

    Raises:
        BackendRejectedError: the engine did not start it.
        BackendError: it was started and ended at once with an error.
        OutcomeUnknownError: the engine was told and what became of it cannot be seen.
    """
    begin(step, ctx)
    now = tell(step, ctx, lambda: ctx.containers.start(step.target.site, step.target.id))
    if now is None:
        raise BackendError(f"`{step.target.name}` was started, ended and is gone.", changed=Changed.PARTLY)
    if now.state == "exited" and now.exit_code == 0:
        return Done(text=f"`{step.target.name}` was started, and ended with exit code 0.")
    check_runs(step, now)
    return Done(text=f"`{step.target.name}` is running.")


def apply_stop(step: Step, ctx: Writer) -> Done:
    """Stop it and look whether it has stopped. Raises as `apply_start`."""
    grace = grace_of(step)
    begin(step, ctx, wait=grace)
    now = tell(step, ctx, lambda: ctx.containers.stop(step.target.site, step.target.id, grace))
    if now is None:
        return Done(text=f"`{step.target.name}` is stopped, and removed as it was made to be.")
    if now.state not in DOWN:
        raise BackendError(
            f"`{step.target.name}` was stopped and is {now.state} again.", changed=Changed.UNKNOWN
        )
    return Done(text=f"`{step.target.name}` is stopped (exit code {now.exit_code}).")


def apply_restart(step: Step, ctx: Writer) -> Done:
    """Restart it; done only when it was started anew and stays up. Raises as `apply_start`."""
    grace = grace_of(step)
    mark = begin(step, ctx, wait=grace)
    now = tell(step, ctx, lambda: ctx.containers.restart(step.target.site, step.target.id, grace))
    if now is None:
        raise BackendError(f"`{step.target.name}` was stopped and is gone.", changed=Changed.PARTLY)
    if not since(now.started_at, mark):
        raise OutcomeUnknownError(
            f"Engine `{step.target.site}` says that it restarted `{step.target.name}`, "
            f"but that runs since {now.started_at}. Look at it."
        )
    check_runs(step, now)
    return Done(text=f"`{step.target.name}` was restarted and is running.")


CONTAINER_START = Change(
    name="container start",
    summary="Start stopped containers.",
    params=StartParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_start,
    apply=apply_start,
    settle=settle_start,
    time_limit=timedelta(minutes=10),
    examples=("container start web", "container start web db --site edge-1", "container start web-*"),
)

CONTAINER_STOP = Change(
    name="container stop",
    summary="Stop running containers.",
    params=StopParams,
    backend=Backend.DOCKER,
    risk=Risk.DISRUPTIVE,
    plan=plan_stop,
    apply=apply_stop,
    settle=settle_stop,
    time_limit=timedelta(minutes=30),
    examples=(
        "container stop web",
        "container stop edge-1/web edge-2/web --grace 60",
        "container stop --label app=shop",
    ),
)

CONTAINER_RESTART = Change(
    name="container restart",
    summary="Stop containers and start them again.",
    params=StopParams,
    backend=Backend.DOCKER,
    risk=Risk.DISRUPTIVE,
    plan=plan_restart,
    apply=apply_restart,
    settle=settle_restart,
    time_limit=timedelta(minutes=30),
    examples=(
        "container restart web",
        "container restart web --grace 30",
        "container restart web-* --at-once 2",
    ),
)
