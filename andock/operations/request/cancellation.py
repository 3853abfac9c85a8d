"""`request cancel`."""

from __future__ import annotations

from pydantic import Field

from andock.errors import TargetNotFoundError, UserError
from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk
from andock.ports.votes import Cancelled

_ASKED = (
    "No more steps are begun, and the task under way is cancelled where that is possible. "
    "Its message says what was done and what was not."
)


class CancelParams(Params):
    """What `request cancel` takes."""

    id: str = Field(
        min_length=1, max_length=60, description="The id that stands under the request's message."
    )


def cancel_request(params: CancelParams, desk: Desk) -> Outcome:
    """Stop a request: nothing more of it is begun, and the vCenter task under way is cancelled.

    Raises:
        TargetNotFoundError: there is none with this id that the person may see.
        NotAllowedError: they neither asked for it nor are let by a rule.
        UserError: it had ended already.
    """
    row = desk.records.show(params.id)
    if row is None or (row.private and row.user != desk.user):
        raise TargetNotFoundError("request", params.id, searched=())
    show = Offer(label="Show it", command=f"request show {row.id}")
    match desk.votes.cancel(row.id):
        case Cancelled.HAD_ENDED:
            raise UserError(f"`{row.command}` had ended already: {row.state}.")
        case Cancelled.UNDONE:
            return Outcome(summary=f"`{row.command}` is cancelled; nothing had been done.", offers=(show,))
        case Cancelled.ASKED:
            return Outcome(
                summary=f"`{row.command}` is asked to stop.",
                notes=(_ASKED,),
                offers=(show,),
            )


REQUEST_CANCEL = DeskOperation(
    name="request cancel",
    summary="Stop a request, also while it runs; says what was done and what was not.",
    params=CancelParams,
    risk=Risk.CHANGE,
    run=cancel_request,
    examples=("request cancel rk3mp8d2qxvw",),
    on_request=True,
)
