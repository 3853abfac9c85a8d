"""A step that removes one thing from an engine: told once, looked at afterwards, settled after a crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from andock.errors import (
    BackendError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    TargetNotFoundError,
)
from andock.operation import OWN_LABEL, Done, Mark, NotDone, Reader, Settled, Step, Unknown, Writer

MOST_STEPS = 100  # of one request; more can neither be read nor agreed to
_ANSWER_SECONDS = 15  # less than what is left for it is not begun
_REMOVE_SECONDS = 30  # an engine that still has it then was never told to remove it
_NAP_SECONDS = 0.5
T = TypeVar("T")


def begin(step: Step, ctx: Writer) -> None:
    """Leave the mark that settling needs; nothing was sent before it.

    Raises:
        DeadlineError: too little time is left.
    """
    if ctx.watch.remaining() < _ANSWER_SECONDS:
        raise DeadlineError(
            f"Too little time left to {step.action} `{step.target.name}`.", changed=Changed.NOTHING
        )
    site_time = ctx.containers.server_time(step.target.site).timestamp()
    ctx.checkpoint(Mark(begun_at=time.time(), site_time=site_time))


def remove(step: Step, ctx: Writer, call: Callable[[], None], is_there: Callable[[], bool]) -> Done:
    """Make the call and look whether the thing is gone.

    Raises:
        BackendRejectedError: the engine did not remove it.
        BackendError: it says that it did, and the thing is still there.
        OutcomeUnknownError: what became of it cannot be seen.
    """
    name, site = step.target.name, step.target.site
    begin(step, ctx)
    lost: OutcomeUnknownError | None = None
    try:
        call()
    except TargetNotFoundError:
        return Done(text=f"`{name}` was gone already.")
    except OutcomeUnknownError as error:
        lost = error
    try:
        there = is_there()
    except BackendUnavailableError as error:
        why = f"Engine `{site}` took the removal of `{name}` and could not be asked what became of it"
        raise OutcomeUnknownError(f"{why} ({error.why}).") from error
    if there and lost is not None:
        raise OutcomeUnknownError(f"{lost.sentence} `{name}` is still there; look again later.") from lost
    if there:
        raise BackendError(f"`{name}` was removed and is there again.", changed=Changed.UNKNOWN)
    return Done(text=f"`{name}` is removed.")


def settle_removal(step: Step, ctx: Reader, mark: Mark, is_there: Callable[[], bool]) -> Settled:
    """What became of a removal. Done: it is gone. NotDone: it is there, and the time for it is over."""
    began = ctx.containers.server_time(step.target.site).timestamp() - mark.site_time
    watched = time.monotonic()
    while True:
        if not is_there():
            return Done(text=f"`{step.target.name}` is removed.")
        if began + time.monotonic() - watched > _REMOVE_SECONDS:
            return NotDone()
        try:
            ctx.watch.look(text=f"looking what became of `{step.target.name}`")
        except (CancelledError, DeadlineError):
            return Unknown(f"`{step.target.name}` is still there; it was too early to say whether it goes.")
        time.sleep(_NAP_SECONDS)


def is_own(labels: Mapping[str, str]) -> bool:
    """Whether it is one of Andock's own, which a prune leaves alone."""
    return OWN_LABEL in labels


def take_largest(things: Iterable[T], size: Callable[[T], int]) -> tuple[tuple[T, ...], int]:
    """At most MOST_STEPS of them, the largest, and how many that leaves for another request."""
    ordered = sorted(things, key=size, reverse=True)
    return tuple(ordered[:MOST_STEPS]), max(0, len(ordered) - MOST_STEPS)
