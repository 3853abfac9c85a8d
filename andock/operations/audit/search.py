"""`audit search`: what was asked, decided and done in the last 30 days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field

from andock.events import Event
from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk, Table
from andock.ports.records import AuditQuery, AuditRow

_MOMENT = "%Y-%m-%d %H:%M:%S"
_OLDER = "Older records are on the host: `andock audit export`."


class SearchParams(Params):
    """What `audit search` takes."""

    text: tuple[str, ...] = Field(default=(), description="Words that all must occur in a record.")
    by: str = Field(default="", max_length=100, description="Who did it: a name, a mention or a user id.")
    target: str = Field(default="", max_length=300, description="What it was done to, with * and ?: `web-*`.")
    operation: str = Field(default="", max_length=60, description="The operation, with * and ?: `vm *`.")
    event: Event | None = Field(
        default=None,
        description="What happened, such as asked, approved, started, concluded or refused.",
        json_schema_extra={"metavar": "EVENT"},
    )
    since: timedelta | None = Field(default=None, description="How long ago at most: `2h`, `7d`.")
    limit: int = Field(default=20, ge=1, le=200, description="How many, newest first.")


def search_record(params: SearchParams, desk: Desk) -> Outcome:
    """The newest records that fit; of other people's private requests there is no trace."""
    since = datetime.fromtimestamp(desk.now, UTC) - params.since if params.since is not None else None
    query = AuditQuery(
        words=params.text,
        by=params.by,
        target=params.target,
        operation=params.operation,
        event=params.event,
        since=since,
        limit=params.limit,
    )
    found = desk.records.audit(query)
    notes = [_OLDER]
    if found.back_to is not None:
        back = found.back_to.strftime(_MOMENT)
        notes.insert(0, f"There was time to look back to {back} UTC only.")
    if not found.rows:
        return Outcome(summary="No record fits.", notes=tuple(notes))
    requests = tuple(dict.fromkeys(row.request for row in found.rows if row.request))
    return Outcome(
        summary=f"{len(found.rows)} records, newest first." if len(found.rows) > 1 else "One record.",
        table=Table(
            columns=("at (UTC)", "event", "who", "what", "result", "request", "on disk"),
            rows=tuple(_cells(row) for row in found.rows),
        ),
        filename="audit.txt",
        notes=tuple(notes),
        offers=(Offer(label="Show the newest request", command=f"request show {requests[0]}"),)
        if requests
        else (),
    )


def _cells(row: AuditRow) -> tuple[str, ...]:
    what = row.command or row.operation or row.text
    result = row.result or (row.text if what != row.text else "") or row.rule
    return (
        row.at.strftime(_MOMENT),
        row.event,
        row.actor,
        what,
        result,
        row.request,
        "yes" if row.on_disk else "not yet",
    )


AUDIT_SEARCH = DeskOperation(
    name="audit search",
    summary="The audit record: what was asked, decided and done, and whether it is on disk.",
    params=SearchParams,
    risk=Risk.READ,
    run=search_record,
    examples=(
        "audit search --target prod-db-1 --since 7d",
        "audit search --event refused",
        'audit search "storage move" --by ops-1',
    ),
)
