"""Which module takes which step of a deployment, and settles it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from andock.operation import Done, Mark, Reader, Settled, Step, Writer
from andock.operations.service.assignment import CLEAN, PULL, RESTORE, ROLL
from andock.operations.service.pulling import apply_pull, settle_pull
from andock.operations.service.restoring import apply_clean, apply_restore, settle_clean, settle_restore
from andock.operations.service.rolling import apply_roll, settle_roll

_APPLY: Mapping[str, Callable[[Step, Writer], Done]] = {
    PULL: apply_pull,
    ROLL: apply_roll,
    RESTORE: apply_restore,
    CLEAN: apply_clean,
}
_SETTLE: Mapping[str, Callable[[Step, Reader, Mark], Settled]] = {
    PULL: settle_pull,
    ROLL: settle_roll,
    RESTORE: settle_restore,
    CLEAN: settle_clean,
}


def take_step(step: Step, ctx: Writer) -> Done:
    """Take one step; see the modules for what each raises."""
    return _APPLY[step.action](step, ctx)


def settle_step(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of one step."""
    return _SETTLE[step.action](step, ctx, mark)
