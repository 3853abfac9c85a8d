"""What became of a step that an earlier attempt began: its backend is asked, and nothing is changed."""

from __future__ import annotations

from typing import assert_never

from andock.entries import StepMark
from andock.errors import BackendUnavailableError, Changed, LeaseLostError, OpsError
from andock.operation import Change, Done, Mark, NotDone, Params, Phase, Reader, Step, Unknown


def settle_step(
    operation: Change[Params], step: Step, reader: Reader, mark: Mark | None, *, may_wait: bool
) -> StepMark | None:
    """The mark of what became of it; None when its site is away and it `may_wait` to be looked at later.

    Raises:
        LeaseLostError: another attempt owns the request.
    """
    if mark is None:  # nothing was sent: `apply` marks before it calls
        return StepMark(phase=Phase.NOT_DONE)
    try:
        settled = operation.settle(step, reader, mark)
    except LeaseLostError:
        raise
    except OpsError as error:
        if isinstance(error, BackendUnavailableError) and may_wait:
            return None
        return _unknown(f"{step.target.name}: {error.sentence}")
    match settled:
        case Done():
            return StepMark(phase=Phase.DONE, mark=mark, text=settled.text, offers=settled.offers)
        case NotDone():
            return StepMark(phase=Phase.NOT_DONE)
        case Unknown():
            return _unknown(settled.text)
        case _:
            assert_never(settled)


def _unknown(text: str) -> StepMark:
    return StepMark(phase=Phase.UNKNOWN, text=text, changed=Changed.UNKNOWN)
