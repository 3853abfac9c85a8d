"""Lets one engine fetch the image of a deployment, before anything is touched."""

from __future__ import annotations

import time

from andock.errors import (
    BackendError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
)
from andock.operation import Done, Mark, NotDone, Reader, Settled, Step, Unknown, Writer
from andock.operations.service.assignment import assignment_of
from andock.ports.container_changes import LocalImage
from andock.sizes import write_size

_CANCELLED_SECONDS = 15  # an engine whose client has gone has stopped pulling by then
_NAP_SECONDS = 0.5


def apply_pull(step: Step, ctx: Writer) -> Done:
    """Pull it and look whether it is there.

    Raises:
        BackendError: it is not; says why.
        OutcomeUnknownError: the engine's answer was lost, and it cannot be asked.
    """
    name, site = assignment_of(step).name, step.target.site
    ctx.checkpoint(Mark(begun_at=time.time()))
    lost: OutcomeUnknownError | None = None
    try:
        ctx.containers.pull_image(site, name, ctx.watch)
    except OutcomeUnknownError as error:
        lost = error
    try:
        image = ctx.containers.local_image(site, name.pinned)
    except BackendUnavailableError as error:
        raise OutcomeUnknownError(
            f"Engine `{site}` was pulling `{name.familiar}` and went away ({error.why})."
        ) from error
    if image is None:
        sentence = lost.sentence if lost else f"Engine `{site}` says that it pulled `{name.familiar}`."
        raise BackendError(f"{sentence} The image is not there.", changed=Changed.NOTHING)
    return _tell(step, image)


def settle_pull(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """Done: it is there. NotDone: it is not, and the engine has given up by now."""
    name, site = assignment_of(step).name, step.target.site
    began = time.time() - mark.begun_at  # by another clock, maybe; to pull it once more does no harm
    watched = time.monotonic()
    while True:
        image = ctx.containers.local_image(site, name.pinned)
        if image is not None:
            return _tell(step, image)
        if began + time.monotonic() - watched > _CANCELLED_SECONDS:
            return NotDone()
        try:
            ctx.watch.look(text=f"looking whether `{name.familiar}` is there")
        except (CancelledError, DeadlineError):
            return Unknown(f"`{name.familiar}` is not on {site}; it was too early to say whether it comes.")
        time.sleep(_NAP_SECONDS)


def _tell(step: Step, image: LocalImage) -> Done:
    version = assignment_of(step).version
    return Done(text=f"{version.full} is on {step.target.site}, {write_size(image.size)}.")
