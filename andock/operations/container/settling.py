"""After a crash: what became of a start, stop or restart that was begun.

Proof is what the engine itself dates: `started_at` and `finished_at` against its own clock at the checkpoint,
so that no two machines' clocks are compared. An engine may be at it for a while after its client has died, so
what looks untouched counts as untouched only when the time has passed in which the engine would have acted.
(An engine that hung for all of that time and acts afterwards is the one case that this cannot see.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from andock.errors import CancelledError, DeadlineError, TargetNotFoundError
from andock.operation import Done, Mark, NotDone, Reader, Settled, Step, Unknown
from andock.ports.containers import Container

_NAP_SECONDS = 0.5
_KILL_SECONDS = 5  # beyond the grace; a container that then still runs was never told to stop
_START_SECONDS = 30  # beyond that; a container that then is not up again is not being started any more
_UP = frozenset({"running", "restarting", "paused"})


def grace_of(step: Step) -> int:
    """Seconds that the step gives its container to end by itself."""
    grace = step.args.get("grace", 0)
    return grace if isinstance(grace, int) else 0


def settle_start(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of a start.

    Done: it is up. Unknown: it was started since the checkpoint and is not up. NotDone: it was not started,
    and the time for that is over.
    """

    def judge(now: Container, age: float) -> Settled | None:
        if now.state in {"running", "paused"}:
            return Done(text=f"`{now.name}` is {now.state}.")
        if since(now.started_at, mark):
            return Unknown(f"`{now.name}` was started and is {now.state} (exit code {now.exit_code}).")
        return NotDone() if age > _START_SECONDS else None

    return settle_by(step, ctx, mark, judge, Unknown(f"`{step.target.name}` is gone."))


def settle_stop(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of a stop.

    Done: it is down, or gone (made with --rm). Unknown: it was started since the checkpoint and so was down
    in between. NotDone: it is up as before, and the grace is long over.
    """
    kill_by = grace_of(step) + _KILL_SECONDS

    def judge(now: Container, age: float) -> Settled | None:
        if now.state not in _UP:
            return Done(text=f"`{now.name}` is stopped (exit code {now.exit_code}).")
        if since(now.started_at, mark):
            return Unknown(f"`{now.name}` ended and was started again; nobody can say by whom.")
        return NotDone() if age > kill_by else None

    return settle_by(step, ctx, mark, judge, Done(text=f"`{step.target.name}` is stopped and gone."))


def settle_restart(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of a restart.

    Done: it runs, started since the checkpoint. Unknown: it was started since then and does not run, or it
    ended since then and was not started again. NotDone: neither has happened, and the grace is long over.
    """
    kill_by = grace_of(step) + _KILL_SECONDS
    start_by = kill_by + _START_SECONDS

    def judge(now: Container, age: float) -> Settled | None:
        if since(now.started_at, mark):
            if now.state == "running":
                return Done(text=f"`{now.name}` was restarted and is running.")
            return Unknown(f"`{now.name}` was restarted and is {now.state} (exit code {now.exit_code}).")
        if now.state in _UP:
            return NotDone() if age > kill_by else None
        if age <= start_by:
            return None
        if since(now.finished_at, mark):
            return Unknown(f"`{now.name}` was stopped and not started again.")
        return NotDone()

    return settle_by(step, ctx, mark, judge, Unknown(f"`{step.target.name}` is gone."))


def settle_by(
    step: Step,
    ctx: Reader,
    mark: Mark,
    judge: Callable[[Container, float], Settled | None],
    gone: Settled,
) -> Settled:
    """Look at the step's container until `judge` can tell; it gets the seconds since the checkpoint too.

    Raises as `settle_when`.
    """

    def look(age: float) -> Settled | None:
        try:
            now = ctx.containers.read_container(step.target.site, step.target.id)
        except TargetNotFoundError:
            return gone
        return judge(now, age)

    return settle_when(step, ctx, mark, look)


def settle_when(step: Step, ctx: Reader, mark: Mark, look: Callable[[float], Settled | None]) -> Settled:
    """Look until `look`, which gets the seconds since the checkpoint, can tell.

    Raises:
        BackendUnavailableError: the engine does not answer; the runner tries again later.
        LeaseLostError: another attempt settles it.
    """
    began = ctx.containers.server_time(step.target.site).timestamp() - mark.site_time
    watched = time.monotonic()
    name = step.target.name
    while (settled := look(began + time.monotonic() - watched)) is None:
        try:
            ctx.watch.look(text=f"looking what became of `{name}`")
        except (CancelledError, DeadlineError):
            # who stops the looking has not undone what was begun
            return Unknown(f"It was too early to say what becomes of `{name}`.")
        time.sleep(_NAP_SECONDS)
    return settled


def since(moment: datetime | None, mark: Mark) -> bool:
    """Whether it was after the checkpoint, by the engine's own clock."""
    return moment is not None and moment >= datetime.fromtimestamp(mark.site_time, UTC)
