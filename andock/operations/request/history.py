"""`request list` and `request show`: the ledger, as far as a person may read it."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from andock.errors import TargetNotFoundError
from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk, Table
from andock.ports.records import RequestRow

_MOMENT = "%Y-%m-%d %H:%M UTC"


class ListParams(Params):
    """What `request list` takes."""

    all: bool = Field(default=False, description="Everybody's requests instead of your own.")
    limit: int = Field(default=10, ge=1, le=100, description="How many, newest first.")


class ShowParams(Params):
    """What `request show` takes."""

    id: str = Field(min_length=1, max_length=40, description="The request's id, as every answer shows it.")


def list_requests(params: ListParams, desk: Desk) -> Outcome:
    """The newest requests; of other people's private ones there is no trace."""
    rows = desk.records.recent(user=None if params.all else desk.user, limit=params.limit)
    visible = tuple(row for row in rows if _may_see(row, desk))
    whose = "Everybody's" if params.all else "Your"
    if not visible:
        return Outcome(summary=f"{whose} requests: none yet.")
    return Outcome(
        summary=f"{whose} last {len(visible)} requests." if len(visible) > 1 else f"{whose} last request.",
        table=Table(
            columns=("id", "age", "state", "who", "command"),
            rows=tuple((row.id, _age(row, desk), row.state, row.actor, row.command) for row in visible),
        ),
        offers=(Offer(label="Show the newest", command=f"request show {visible[0].id}"),),
    )


def show_request(params: ShowParams, desk: Desk) -> Outcome:
    """One request with everything that is recorded of it.

    Raises:
        TargetNotFoundError: there is none with this id that the person may see.
    """
    row = desk.records.show(params.id)
    if row is None or not _may_see(row, desk):
        # the same answer for both, so that nobody learns that a private request exists
        raise TargetNotFoundError("request", params.id, searched=())
    fields = (
        ("State", row.state),
        ("Asked by", row.actor),
        ("Asked at", row.asked_at.strftime(_MOMENT)),
        *row.detail,
    )
    return Outcome(
        summary=f"Request `{row.id}`: `{row.command}`",
        fields=fields,
        notes=(row.summary,) if row.summary else (),
    )


def _may_see(row: RequestRow, desk: Desk) -> bool:
    return not row.private or row.user == desk.user


def _age(row: RequestRow, desk: Desk) -> str:
    seconds = max(0, int((datetime.fromtimestamp(desk.now, UTC) - row.asked_at).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


REQUEST_LIST = DeskOperation(
    name="request list",
    summary="The last requests and what became of them.",
    params=ListParams,
    risk=Risk.READ,
    run=list_requests,
    examples=("request list", "request list --all --limit 20"),
)

REQUEST_SHOW = DeskOperation(
    name="request show",
    summary="One request: who asked, what was planned, what happened.",
    params=ShowParams,
    risk=Risk.READ,
    run=show_request,
    examples=("request show rk3mp8d2qxvw",),
)
