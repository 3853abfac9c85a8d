"""`container wait`."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Literal

from pydantic import Field

from andock.durations import write_duration
from andock.errors import Changed, DeadlineError, TargetNotFoundError
from andock.operation import Backend, Found, Outcome, Params, Read, Reader
from andock.operations.container.steps import UP
from andock.operations.container.targets import NAMING, find_named
from andock.ports.containers import Container, ContainerRow

_POLL_SECONDS = 0.5
_LONGEST = timedelta(minutes=5)


class WaitParams(Params):
    """What `container wait` takes."""

    container: str = Field(min_length=1, max_length=300, description=NAMING)
    until: Literal["ended", "running", "healthy"] = Field(default="ended", description="What to wait for.")
    within: timedelta = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        le=_LONGEST,
        description="How long to wait at most, such as `90s`.",
    )


def find_one(params: WaitParams, ctx: Reader) -> Found[ContainerRow]:
    """The one container of that name."""
    return find_named(params.container, ctx)


def await_state(params: WaitParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """Look at it until it is so.

    Raises:
        DeadlineError: it is not so when the time is over.
    """
    row = found.rows[0][1]
    began = time.monotonic()
    while True:
        try:
            now = ctx.containers.read_container(row.site, row.id)
        except TargetNotFoundError:
            if params.until != "ended":
                raise
            return Outcome(summary=f"`{row.name}` on {row.site} has ended and is gone.", notes=found.notes)
        waited = time.monotonic() - began
        if _is_so(now, params.until):
            return Outcome(summary=_said(now, params.until, waited), notes=found.notes)
        if waited >= params.within.total_seconds():
            health = f", {now.health}" if now.health else ""
            raise DeadlineError(
                f"`{now.name}` on {now.site} is {now.state}{health} after {write_duration(params.within)}.",
                changed=Changed.NOTHING,
            )
        ctx.watch.look()
        time.sleep(_POLL_SECONDS)


def _is_so(now: Container, wanted: str) -> bool:
    match wanted:
        case "ended":
            return now.state not in UP
        case "healthy":
            return now.state == "running" and now.health == "healthy"
        case _:
            return now.state == wanted


def _said(now: Container, wanted: str, waited: float) -> str:
    how = f"ended with exit code {now.exit_code}" if wanted == "ended" else f"is {wanted}"
    return f"`{now.name}` on {now.site} {how} ({waited:.0f} s)."


CONTAINER_WAIT = Read(
    name="container wait",
    summary="Wait until a container has ended, runs, or is healthy; says its exit code.",
    params=WaitParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=await_state,
    time_limit=_LONGEST + timedelta(seconds=30),
    examples=("container wait nightly", "container wait web --until healthy --within 2m"),
)
