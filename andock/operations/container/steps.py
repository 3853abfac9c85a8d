"""What changes of containers share: a plan of one step each, marks before calls, a look at it afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from andock.errors import (
    BackendError,
    BackendRejectedError,
    BackendUnavailableError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Mark, Plan, Reader, Step, Writer
from andock.operations.container.replicas import ENDING, warn_of_last
from andock.operations.container.selection import Changing, select
from andock.operations.container.targets import target_of
from andock.ports.containers import Container, ContainerRow

UP = frozenset({"running", "restarting", "paused"})
DOWN = frozenset({"created", "exited", "dead"})
LOOK_SECONDS = 0.15  # what cannot be started at all has died by then
_STARTING = frozenset({"start", "restart", "run"})
_ANSWER_SECONDS = 15  # on top of the grace; less than what is left for it is not begun


def plan_each(
    params: Changing,
    ctx: Reader,
    action: str,
    *,
    wanted: str,
    refused: frozenset[str],
    args: Mapping[str, JsonValue] | None = None,
) -> Plan:
    """One step for each container that is meant.

    Raises:
        TargetStateError: one that was named, or all that a pattern means, are in a refused state.
    """
    selected = select(params, ctx)
    rows = [row for row in selected.rows if row.state not in refused]
    idle = [row for row in selected.rows if row.state in refused]
    for row in idle:
        if row.id in selected.named or not rows:
            raise TargetStateError(row.name, actual=row.state, wanted=wanted)
    steps = tuple(step_of(row, action, f"{action} `{row.name}` ({row.state})", args or {}) for row in rows)
    last = warn_of_last(rows, ctx) if action in ENDING else ()
    return params.plan_of(steps, (*selected.warnings, *_tell_idle(idle), *last))


def step_of(row: ContainerRow, action: str, text: str, args: Mapping[str, JsonValue]) -> Step:
    """One change to one container, bound to its state and image."""
    facts = {"state": row.state, "image": row.image_id}
    return Step(action=action, target=target_of(row), text=text, facts=facts, args=args)


def _tell_idle(idle: list[ContainerRow]) -> tuple[str, ...]:
    if not idle:
        return ()
    names = ", ".join(f"`{row.name}` ({row.state})" for row in idle[:10])
    more = f" and {len(idle) - 10} more" if len(idle) > 10 else ""  # noqa: PLR2004  as many as are named above
    return (f"Left out, for nothing is to be done: {names}{more}",)


def begin(step: Step, ctx: Writer, *, wait: int = 0, task: str = "") -> Mark:
    """Leave the mark that settling needs; nothing was sent before it.

    Raises:
        DeadlineError: less than `wait` seconds, and some for the answer, are left.
    """
    wait += _ANSWER_SECONDS
    if ctx.watch.remaining() < wait:
        raise DeadlineError(
            f"Too little time left to {step.action} `{step.target.name}` (needs up to {wait} s).",
            changed=Changed.NOTHING,
        )
    site_time = ctx.containers.server_time(step.target.site).timestamp()
    mark = Mark(begun_at=time.time(), site_time=site_time, task=task)
    ctx.checkpoint(mark)
    return mark


def tell(step: Step, ctx: Writer, call: Callable[[], None]) -> Container | None:
    """Make the call, wait a moment, and read the container back; None when it is gone.

    From here on nothing may end this quietly: a cancel or a deadline would hide what was done.
    """
    refused: BackendRejectedError | None = None
    try:
        call()
    except BackendRejectedError as error:
        refused = error
    except OutcomeUnknownError as error:
        raise OutcomeUnknownError(
            f"{error.sentence} Look at `container info {step.target.site}/{step.target.name}` "
            f"before you {step.action} it again."
        ) from error
    if step.action in _STARTING:
        time.sleep(LOOK_SECONDS)
    try:
        now = ctx.containers.read_container(step.target.site, step.target.id)
    except TargetNotFoundError:
        now = None
    except BackendUnavailableError as error:
        raise OutcomeUnknownError(
            f"Engine `{step.target.site}` took the {step.action} of `{step.target.name}` "
            f"and could not be asked what became of it ({error.why})."
        ) from error
    if refused is not None:
        raise _with_what_is_true(step, refused, now) from refused
    return now


def _with_what_is_true(
    step: Step, refused: BackendRejectedError, now: Container | None
) -> BackendRejectedError:
    """The refusal, and the state that it left the container in: a restart may fail after its stop."""
    state = "gone" if now is None else now.state
    if state == step.facts["state"]:
        return BackendRejectedError(refused.backend, refused.why, changed=refused.changed)
    return BackendRejectedError(
        refused.backend, f"{refused.why}; `{step.target.name}` is {state} now", changed=Changed.PARTLY
    )


def check_runs(step: Step, now: Container) -> None:
    """Raises BackendError when it has died again, with its exit code."""
    if now.state != "running":
        raise BackendError(
            f"`{step.target.name}` was started and is {now.state} again (exit code {now.exit_code}). "
            f"See `container logs {step.target.site}/{step.target.name}`.",
            changed=Changed.PARTLY,
        )
