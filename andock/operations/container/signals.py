"""`container kill`, `container pause` and `container unpause`."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import Literal, TypeAlias

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
from andock.operations.container.losses import warn_of_end
from andock.operations.container.selection import Changing
from andock.operations.container.settling import settle_by, since
from andock.operations.container.steps import DOWN, UP, begin, plan_each, tell
from andock.ports.containers import Container

Signal: TypeAlias = Literal["KILL", "TERM", "INT", "QUIT", "HUP", "USR1", "USR2"]
_ACT_SECONDS = 5  # in which an engine that was told has acted
_KILL = "KILL"


class KillParams(Changing):
    """What `container kill` takes."""

    signal: Signal = Field(default="KILL", description="The signal that it gets.")


class PauseParams(Changing):
    """What `container pause` and `container unpause` take."""


# --- planning -------------------------------------------------------------------------------------------


def plan_kill(params: KillParams, ctx: Reader) -> Plan:
    """One step for each container; a TargetStateError for one that is down."""
    plan = plan_each(params, ctx, "kill", wanted="running", refused=DOWN, args={"signal": params.signal})
    steps = tuple(_say_signal(step, params.signal) for step in plan.steps)
    return warn_of_end(plan.model_copy(update={"batches": (steps,)}), ctx)


def _say_signal(step: Step, name: str) -> Step:
    """The step with its signal, and what is lost by a KILL: what it has in memory."""
    target = step.target
    said = f"send {name} to `{target.name}` ({step.facts['state']}, id {target.id[:12]})"
    if name == _KILL:
        said += "; it has no time to save anything"
    return step.model_copy(update={"text": said})


def plan_pause(params: PauseParams, ctx: Reader) -> Plan:
    """One step for each container; a TargetStateError for one that does not run."""
    return plan_each(params, ctx, "pause", wanted="running", refused=DOWN | {"paused", "restarting"})


def plan_unpause(params: PauseParams, ctx: Reader) -> Plan:
    """One step for each container; a TargetStateError for one that is not paused."""
    return plan_each(params, ctx, "unpause", wanted="paused", refused=DOWN | UP - {"paused"})


# --- doing ----------------------------------------------------------------------------------------------


def apply_kill(step: Step, ctx: Writer) -> Done:
    """Send the signal and look at the container; after a KILL it must have ended.

    Raises:
        BackendRejectedError: the engine did not send it.
        BackendError: it is up after a KILL.
        OutcomeUnknownError: the engine was told and what became of it cannot be seen.
    """
    target, name = step.target, _signal_of(step)
    begin(step, ctx)
    now = tell(step, ctx, lambda: ctx.containers.kill(target.site, target.id, name))
    if now is None:
        return Done(text=f"`{target.name}` got {name}, ended, and is removed as it was made to be.")
    if name != _KILL:
        return Done(text=f"`{target.name}` got {name} and is {now.state}.")
    if now.state not in DOWN:
        raise BackendError(f"`{target.name}` got KILL and is {now.state}.", changed=Changed.UNKNOWN)
    return Done(text=f"`{target.name}` was killed (exit code {now.exit_code}).")


def apply_pause(step: Step, ctx: Writer) -> Done:
    """Freeze it and look whether it is frozen. Raises as `apply_kill`."""
    target = step.target
    begin(step, ctx)
    now = tell(step, ctx, lambda: ctx.containers.pause(target.site, target.id))
    return _reached(step, now, "paused")


def apply_unpause(step: Step, ctx: Writer) -> Done:
    """Let it go on and look whether it runs. Raises as `apply_kill`."""
    target = step.target
    begin(step, ctx)
    now = tell(step, ctx, lambda: ctx.containers.unpause(target.site, target.id))
    return _reached(step, now, "running")


def _reached(step: Step, now: Container | None, wanted: str) -> Done:
    state = "gone" if now is None else now.state
    if state != wanted:
        raise BackendError(
            f"The {step.action} of `{step.target.name}` was taken, and it is {state}.",
            changed=Changed.UNKNOWN,
        )
    return Done(text=f"`{step.target.name}` is {state}.")


# --- after a crash --------------------------------------------------------------------------------------


def settle_kill(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of a signal.

    Done: after a KILL it is down, or the engine remembers the signal. Unknown: it was up again since, or the
    engine remembers nothing of a signal that leaves no trace. NotDone: a KILL, and it is up as before.
    """
    name = _signal_of(step)

    def judge(now: Container, age: float) -> Settled | None:
        is_down = now.state in DOWN
        if name == _KILL and is_down:
            return Done(text=f"`{now.name}` was killed (exit code {now.exit_code}).")
        if _remembers(step, ctx, mark, "kill", name):
            if name == _KILL:
                return Unknown(f"`{now.name}` got KILL and is {now.state}.")
            return Done(text=f"`{now.name}` got {name} and is {now.state}.")
        if age <= _ACT_SECONDS:
            return None
        if name == _KILL and not since(now.started_at, mark):
            return NotDone()
        return Unknown(f"Nobody can say whether `{now.name}` got {name}; it is {now.state}.")

    return settle_by(step, ctx, mark, judge, Done(text=f"`{step.target.name}` has ended and is gone."))


def settle_pause(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of a pause: Done if it is paused, NotDone if it runs and never was since."""
    return _settle_state(step, ctx, mark, "paused", "running")


def settle_unpause(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of an unpause: Done if it runs, NotDone if it is paused and never ran since."""
    return _settle_state(step, ctx, mark, "running", "paused")


def _settle_state(step: Step, ctx: Reader, mark: Mark, wanted: str, before: str) -> Settled:
    def judge(now: Container, age: float) -> Settled | None:
        if now.state == wanted:
            return Done(text=f"`{now.name}` is {wanted}.")
        if now.state != before or _remembers(step, ctx, mark, step.action):
            return Unknown(f"`{now.name}` is {now.state}; whether it was {wanted} cannot be told.")
        return NotDone() if age > _ACT_SECONDS else None

    return settle_by(step, ctx, mark, judge, Unknown(f"`{step.target.name}` is gone."))


def _remembers(step: Step, ctx: Reader, mark: Mark, action: str, name: str = "") -> bool:
    """Whether the engine remembers to have done it since the checkpoint."""
    begun = datetime.fromtimestamp(mark.site_time, UTC)
    wanted = {"", f"SIG{name}", str(signal.Signals[f"SIG{name}"].value)} if name else {""}
    deeds = ctx.containers.deeds(step.target.site, step.target.id, begun)
    return any(deed.action == action and deed.signal in wanted for deed in deeds)


def _signal_of(step: Step) -> str:
    return str(step.args["signal"])


CONTAINER_KILL = Change(
    name="container kill",
    summary="End containers at once, or send them another signal.",
    params=KillParams,
    backend=Backend.DOCKER,
    risk=Risk.DESTRUCTIVE,
    plan=plan_kill,
    apply=apply_kill,
    settle=settle_kill,
    examples=("container kill web", "container kill web --signal HUP", "container kill --label app=shop"),
)

CONTAINER_PAUSE = Change(
    name="container pause",
    summary="Freeze all processes of containers; they keep their memory.",
    params=PauseParams,
    backend=Backend.DOCKER,
    risk=Risk.DISRUPTIVE,
    plan=plan_pause,
    apply=apply_pause,
    settle=settle_pause,
    examples=("container pause web", "container pause batch-*"),
)

CONTAINER_UNPAUSE = Change(
    name="container unpause",
    summary="Let paused containers go on.",
    params=PauseParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_unpause,
    apply=apply_unpause,
    settle=settle_unpause,
    examples=("container unpause web", "container unpause batch-*"),
)
