"""`lock take`, `lock show` and `lock release`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from pydantic import Field

from andock.errors import UserError
from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk, Table
from andock.ports.stops import LockRow

_CLOCK = "%Y-%m-%d %H:%M UTC"
_SCOPE = "An environment, or a target by its name, path or id, or as `site:name`."


class TakeParams(Params):
    """What `lock take` takes."""

    scope: str = Field(min_length=1, max_length=300, description=_SCOPE)
    for_: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=1),
        le=timedelta(days=7),
        description="How long, such as `2h`.",
    )
    reason: str = Field(default="", max_length=300, description="Why; everybody who is refused reads it.")


class ShowParams(Params):
    """What `lock show` takes."""

    scope: str = Field(
        default="",
        max_length=300,
        description="Only the lock on this.",
        json_schema_extra={"positional": True},
    )


class ReleaseParams(Params):
    """What `lock release` takes."""

    scope: str = Field(min_length=1, max_length=300, description="What was given to `lock take`.")
    force: bool = Field(default=False, description="Also if somebody else took it.")


def take_lock(params: TakeParams, desk: Desk) -> Outcome:
    """Keep others' changes off; the owner's own go on, and so does what is under way.

    Raises:
        LockedError: somebody else has it.
        UserError: it can be neither a target nor an environment.
    """
    _check(params.scope, desk)
    until = datetime.fromtimestamp(desk.now, UTC) + params.for_
    row = desk.records.stops.take_lock(params.scope, until, params.reason)
    is_environment = row.scope in desk.records.stops.environments()
    return Outcome(
        summary=f"{_said(row, is_environment)} is locked by {row.name} until {row.until.strftime(_CLOCK)}.",
        fields=(("Reason", row.reason),) if row.reason else (),
        notes=("Changes by others are refused, or wait with `--wait`; yours go on. It ends by itself.",),
        offers=(Offer(label="Release it", command=f"lock release {_quoted(row.scope)}"),),
    )


def show_locks(params: ShowParams, desk: Desk) -> Outcome:
    """Who has locked what, why and until when."""
    rows = desk.records.stops.locks()
    if params.scope:
        rows = tuple(row for row in rows if row.scope.casefold() == params.scope.casefold())
    if not rows:
        return Outcome(summary=f"`{params.scope}` is not locked." if params.scope else "Nothing is locked.")
    return Outcome(
        summary="1 lock." if len(rows) == 1 else f"{len(rows)} locks, the next to end first.",
        table=Table(
            columns=("lock on", "who", "since", "until", "why"),
            rows=tuple(
                (row.scope, row.name, row.since.strftime(_CLOCK), row.until.strftime(_CLOCK), row.reason)
                for row in rows
            ),
        ),
    )


def release_lock(params: ReleaseParams, desk: Desk) -> Outcome:
    """Let others' changes go on; what waits for it does so at once.

    Raises:
        UserError: there is no lock on this.
        NotAllowedError: it is somebody else's.
    """
    row = desk.records.stops.release_lock(params.scope, force=params.force)
    return Outcome(
        summary=f"`{row.scope}` is released by {desk.name}.",
        fields=(("It was locked by", row.name), ("Until", row.until.strftime(_CLOCK))),
    )


def _check(scope: str, desk: Desk) -> None:
    """Refuse what would look like a lock and keep nobody off."""
    if scope in desk.records.sites():
        raise UserError(
            f"`{scope}` is a site, and a lock is on a target or an environment. "
            f"`halt {scope}` stops all changes there."
        )
    if any(mark in scope for mark in "*?"):
        raise UserError(f"`{scope}`: a lock is on one target by its name, or on a whole environment.")


def _quoted(scope: str) -> str:
    return json.dumps(scope, ensure_ascii=False)  # quotes and backslashes as the command line reads them


def _said(row: LockRow, is_environment: bool) -> str:
    return f"Everything in `{row.scope}`" if is_environment else f"`{row.scope}`"


LOCK_TAKE = DeskOperation(
    name="lock take",
    summary="Keep others' changes off a target or an environment for a while.",
    params=TakeParams,
    risk=Risk.CHANGE,
    run=take_lock,
    examples=('lock take web-01 --for 2h --reason "looking into its disk"', "lock take stage"),
)

LOCK_SHOW = DeskOperation(
    name="lock show",
    summary="Who has locked what, why and until when.",
    params=ShowParams,
    risk=Risk.READ,
    run=show_locks,
    examples=("lock show", "lock show web-01"),
)

LOCK_RELEASE = DeskOperation(
    name="lock release",
    summary="End a lock before its time.",
    params=ReleaseParams,
    risk=Risk.CHANGE,
    run=release_lock,
    examples=("lock release web-01", "lock release web-01 --force"),
)
