"""`service history`: who brought what where, who agreed, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from andock.belonging import service_key
from andock.events import Event
from andock.operation import Desk, DeskOperation, Offer, Outcome, Risk, Table
from andock.operations.service.params import IN, NameParams
from andock.ports.records import AuditQuery, AuditRow

_MOMENT = "%Y-%m-%d %H:%M UTC"
_RECORDS = 12  # of one deployment, at most: asked, votes, started, rolled back, concluded
_MOST = 200
_OLDER = "Older records are on the host: `andock audit export`."


class HistoryParams(NameParams):
    """What `service history` takes."""

    environment: str = Field(
        default="",
        max_length=63,
        description="One of its environments; all without it.",
        json_schema_extra={"positional": True, **IN},
    )
    limit: int = Field(default=10, ge=1, le=50, description="How many, newest first.")


def show_history(params: HistoryParams, desk: Desk) -> Outcome:
    """Out of the audit record: what changed the service, of this and the last 30 days."""
    found = desk.records.audit(
        AuditQuery(target=service_key("*", params.name), limit=min(_MOST, params.limit * _RECORDS))
    )
    fitting = [
        row
        for row in found.rows
        if row.operation.startswith("service ") and params.environment in ("", *row.environments)
    ]
    requests: dict[str, list[AuditRow]] = {}
    for row in fitting:
        requests.setdefault(row.request, []).append(row)
    begun = {
        request: rows for request, rows in requests.items() if _find(rows, Event.STARTED, Event.CONCLUDED)
    }
    shown = list(begun.items())[: params.limit]
    where = f" in {params.environment}" if params.environment else ""
    if not shown:
        return Outcome(summary=f"`{params.name}` has no history{where}.", notes=(_OLDER,))
    return Outcome(
        summary=f"`{params.name}`{where}: the last {len(shown)}, newest first.",
        table=Table(
            columns=("at", "who", "what", "approved by", "result", "took", "request"),
            rows=tuple(_cells(request, rows) for request, rows in shown),
        ),
        filename=f"{params.name}.txt",
        notes=(_OLDER,),
        offers=(Offer(label="Show the newest", command=f"request show {shown[0][0]}"),),
    )


def _cells(request: str, rows: list[AuditRow]) -> tuple[str, ...]:
    ended, started = _find(rows, Event.CONCLUDED, Event.EXPIRED), _find(rows, Event.STARTED)
    said = ended or started or rows[0]
    approvers = dict.fromkeys(row.actor for row in rows if row.event == Event.APPROVED)
    return (
        (started or said).at.strftime(_MOMENT),
        said.actor,
        said.command,
        ", ".join(approvers),
        f"{ended.result}: {ended.text}" if ended else "under way",
        f"{ended.seconds:.0f} s" if ended and ended.seconds is not None else "",
        request,
    )


def _find(rows: Iterable[AuditRow], *events: Event) -> AuditRow | None:
    return next((row for row in rows if row.event in events), None)


SERVICE_HISTORY = DeskOperation(
    name="service history",
    summary="Who brought which version where, who agreed, and how it ended.",
    params=HistoryParams,
    risk=Risk.READ,
    run=show_history,
    examples=("service history api", "service history api in prod"),
)
