"""`halt` and `resume`: one command stops all changes, another lets them go on."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime

from pydantic import Field

from andock.errors import UnknownSiteError
from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk, Table
from andock.ports.records import Halt

ALL = "all"
EVERYWHERE = "*"  # how a halt of all sites is recorded
_SHOWN = 20  # held requests that are listed


class HaltParams(Params):
    """What `halt` takes."""

    scope: str = Field(
        default=ALL,
        description="A site's name, or `all`.",
        json_schema_extra={"positional": True},
    )
    reason: str = Field(default="", max_length=300, description="Why; everybody who is held reads it.")


class ResumeParams(Params):
    """What `resume` takes."""

    scope: str = Field(
        default=ALL,
        description="A site's name, or `all`: what was given to `halt`.",
        json_schema_extra={"positional": True},
    )
    yes: bool = Field(default=False, description="Resume now; without it you see first what is held.")


def halt_changes(params: HaltParams, desk: Desk) -> Outcome:
    """Hold changes, and refuse new ones if it is everywhere; what runs goes on to its end.

    Raises:
        UnknownSiteError: the scope is no site.
    """
    scope = _checked(params.scope, desk)
    before = next((halt for halt in desk.records.halts() if halt.scope == scope), None)
    since = datetime.fromtimestamp(desk.now, UTC)
    desk.records.halt(Halt(scope=scope, by=desk.name, reason=params.reason, since=since))
    # on which site a change works is known only when its worker has looked
    fate = "refused" if scope == EVERYWHERE else "held too"
    earlier = (f"It was already halted by {before.by}{_because(before)}.",) if before else ()
    return Outcome(
        summary=f"Changes on {_said(scope)} are halted by {desk.name}.",
        fields=(("Reason", params.reason),) if params.reason else (),
        notes=(
            *earlier,
            (
                f"New changes are {fate}; queued ones, and steps not begun, are held. "
                "A step under way goes on to its end; reads go on."
            ),
        ),
        offers=(Offer(label="What is held?", command=_resume_command(scope)),),
    )


def resume_changes(params: ResumeParams, desk: Desk) -> Outcome:
    """Show what is held; with `yes`, let it go on.

    Raises:
        UnknownSiteError: the scope is no site and nothing is halted under that name.
    """
    halts = desk.records.halts()
    scope = EVERYWHERE if params.scope == ALL else params.scope
    halt = next((one for one in halts if one.scope == scope), None)
    if halt is None:
        return _not_halted(_checked(params.scope, desk), halts)
    if params.yes:
        released = desk.records.resume(scope)
        return Outcome(
            summary=f"Changes on {_said(scope)} may go on: resumed by {desk.name}.",
            fields=(("Held requests let go", str(len(released))),),
            notes=("A held change whose time to start has passed expires instead of running late.",),
        )
    held = desk.records.held(scope)
    rows = tuple((row.id, row.actor, row.command) for row in held[:_SHOWN])
    more = (f"{len(held) - _SHOWN} more are held.",) if len(held) > _SHOWN else ()
    return Outcome(
        summary=f"Changes on {_said(scope)} are halted; {_counted(len(held))} held.",
        fields=(
            ("Halted by", halt.by),
            ("Since", halt.since.strftime("%Y-%m-%d %H:%M UTC")),
            ("Reason", halt.reason or "none given"),
        ),
        table=Table(columns=("request", "who", "command"), rows=rows) if rows else None,
        notes=(*more, "Nothing is resumed yet."),
        offers=(
            Offer(label=f"Resume {_said(scope)}", command=f"{_resume_command(scope)} --yes", danger=True),
        ),
    )


def _not_halted(scope: str, halts: tuple[Halt, ...]) -> Outcome:
    return Outcome(
        summary=f"There is no halt of {_said(scope)}.",
        notes=tuple(f"Halted: {_said(halt.scope)}, by {halt.by}{_because(halt)}" for halt in halts),
        offers=tuple(
            Offer(label=f"What is held on {_said(halt.scope)}?", command=_resume_command(halt.scope))
            for halt in halts[:5]
        ),
    )


def _checked(scope: str, desk: Desk) -> str:
    if scope in (ALL, EVERYWHERE):
        return EVERYWHERE
    sites = desk.records.sites()
    if scope not in sites:
        raise UnknownSiteError(scope, similar=difflib.get_close_matches(scope, (*sites, ALL), n=2))
    return scope


def _said(scope: str) -> str:
    return "all sites" if scope == EVERYWHERE else f"`{scope}`"


def _because(halt: Halt) -> str:
    return f": {halt.reason}" if halt.reason else ""


def _counted(count: int) -> str:
    return "1 request is" if count == 1 else f"{count or 'no'} requests are"


def _resume_command(scope: str) -> str:
    return f"resume {ALL if scope == EVERYWHERE else scope}"


HALT = DeskOperation(
    name="halt",
    summary="Stop all changes, on one site or on all.",
    params=HaltParams,
    risk=Risk.CHANGE,
    run=halt_changes,
    examples=("halt", 'halt lab --reason "storage is failing over"'),
)

RESUME = DeskOperation(
    name="resume",
    summary="Show what a halt holds and let it go on.",
    params=ResumeParams,
    risk=Risk.CHANGE,
    run=resume_changes,
    examples=("resume", "resume lab --yes"),
)
