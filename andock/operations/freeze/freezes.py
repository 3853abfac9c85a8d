"""`freeze add`, `freeze list` and `freeze end`."""

from __future__ import annotations

import difflib
import json

from pydantic import Field, JsonValue

from andock.errors import UserError, nearest_names
from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk, Table
from andock.ports.stops import FreezeDraft, FreezeRow

_TIME: dict[str, JsonValue] = {"metavar": "TIME"}


class AddParams(Params):
    """What `freeze add` takes."""

    name: str = Field(min_length=1, max_length=60, description="What to call it; refusals name it.")
    until: str = Field(
        default="", description="From now until then, such as `2026-12-24T18:00`.", json_schema_extra=_TIME
    )
    from_: str = Field(default="", description="Begin, with `--to`.", json_schema_extra=_TIME)
    to: str = Field(default="", description="End, with `--from`.", json_schema_extra=_TIME)
    zone: str = Field(default="UTC", description="Whose clocks are meant, such as `Europe/Berlin`.")
    environment: tuple[str, ...] = Field(
        default=(), description="Only this one; left out: all.", json_schema_extra={"positional": False}
    )
    reason: str = Field(default="", max_length=300, description="Why; everybody who is refused reads it.")


class ListParams(Params):
    """What `freeze list` takes."""


class EndParams(Params):
    """What `freeze end` takes."""

    name: str = Field(min_length=1, max_length=60, description="The freeze, as `freeze list` calls it.")


def add_freeze(params: AddParams, desk: Desk) -> Outcome:
    """Refuse changes in a window; reads go on, and so does what is under way.

    Raises:
        UserError: the times make no window, the name is taken, or there is no such environment.
    """
    if bool(params.until) == bool(params.to) or bool(params.from_) != bool(params.to):
        raise UserError("Say either `--until TIME`, from now, or `--from TIME --to TIME`.")
    stops = desk.records.stops
    known = stops.environments()
    for name in params.environment:
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=2) or known[:5]
            raise UserError(f"There is no environment `{name}`.{nearest_names(similar)}")
    row = stops.add_freeze(
        FreezeDraft(
            name=params.name,
            begins=params.from_,
            ends=params.until or params.to,
            zone=params.zone,
            environments=tuple(dict.fromkeys(params.environment)),
            reason=params.reason,
        )
    )
    return Outcome(
        summary=f"Freeze `{row.name}` by {desk.name}: changes {_where(row)} are refused {_span(row)}.",
        fields=(("Reason", row.reason),) if row.reason else (),
        notes=("What is under way goes on to its end; reads go on.",),
        offers=(Offer(label="End it", command=f"freeze end {_quoted(row.name)}", danger=True),),
    )


def list_freezes(params: ListParams, desk: Desk) -> Outcome:  # noqa: ARG001  an operation's run
    """All freezes, those of policy.yaml too."""
    rows = desk.records.stops.freezes()
    if not rows:
        return Outcome(summary="There are no freezes.")
    on = sum(row.on for row in rows)
    return Outcome(
        summary=f"{'1 freeze' if len(rows) == 1 else f'{len(rows)} freezes'}, {on or 'none'} in force now.",
        table=Table(
            columns=("name", "where", "when", "why", "from"),
            rows=tuple((row.name, _where(row), _when(row), row.reason, _origin(row)) for row in rows),
        ),
    )


def end_freeze(params: EndParams, desk: Desk) -> Outcome:
    """Let changes go on before the freeze's own end.

    Raises:
        UserError: none was added under this name.
    """
    row = desk.records.stops.end_freeze(params.name)
    return Outcome(
        summary=f"Freeze `{row.name}` is ended by {desk.name}; changes {_where(row)} may go on.",
        fields=(("Added by", row.added_by), ("It would have ended", f"{row.ends} ({row.zone})")),
    )


def _where(row: FreezeRow) -> str:
    return f"in {', '.join(row.environments)}" if row.environments else "everywhere"


def _span(row: FreezeRow) -> str:
    return f"until {row.ends} ({row.zone})" if row.on else f"from {row.begins} until {row.ends} ({row.zone})"


def _when(row: FreezeRow) -> str:
    if not row.ends:
        return "over"
    return f"{'on ' if row.on else ''}{_span(row)}{', recurs' if row.recurs else ''}"


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)  # quotes and backslashes as the command line reads them


def _origin(row: FreezeRow) -> str:
    return row.added_by or row.place.rpartition("(")[2].rstrip(")")


FREEZE_ADD = DeskOperation(
    name="freeze add",
    summary="Refuse changes for a while, everywhere or in some environments.",
    params=AddParams,
    risk=Risk.CHANGE,
    run=add_freeze,
    examples=(
        'freeze add storage --until 2026-12-24T18:00 --environment prod --reason "storage is failing over"',
        "freeze add fair --from 2026-09-01T08:00 --to 2026-09-03T20:00 --zone Europe/Berlin",
    ),
)

FREEZE_LIST = DeskOperation(
    name="freeze list",
    summary="All freezes: what is on now, and what comes.",
    params=ListParams,
    risk=Risk.READ,
    run=list_freezes,
    examples=("freeze list",),
)

FREEZE_END = DeskOperation(
    name="freeze end",
    summary="End a freeze that was added by command.",
    params=EndParams,
    risk=Risk.CHANGE,
    run=end_freeze,
    examples=("freeze end storage",),
)
