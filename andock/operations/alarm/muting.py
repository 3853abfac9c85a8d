"""`alarm mute`, `alarm unmute` and `alarm muted`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from pydantic import Field

from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk, Table
from andock.ports.mutes import MuteRow

_CLOCK = "%Y-%m-%d %H:%M UTC"
_ENTITY = "What alarms and events are of, by its name or a pattern such as `web-*`, also as `site:name`."
_NAME = "Only alarms of this name and events of this kind, or of this pattern such as `*CPU*`, `vm-off`."


class MuteParams(Params):
    """What `alarm mute` takes."""

    entity: str = Field(min_length=1, max_length=300, description=_ENTITY)
    name: str = Field(default="", max_length=300, description=_NAME)
    for_: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=1),
        le=timedelta(days=30),
        description="How long, such as `2h`.",
    )


class UnmuteParams(Params):
    """What `alarm unmute` takes."""

    entity: str = Field(min_length=1, max_length=300, description="What was given to `alarm mute`.")
    name: str = Field(default="", max_length=300, description="The `--name` that was given, if any.")


class MutedParams(Params):
    """What `alarm muted` takes: nothing."""


def mute_alarms(params: MuteParams, desk: Desk) -> Outcome:
    """Tell no new alarms and events of it for a while; what is there goes on being edited and closed."""
    until = datetime.fromtimestamp(desk.now, UTC) + params.for_
    row = desk.records.mutes.mute(params.entity, params.name, until)
    named = f" --name {json.dumps(row.alarm, ensure_ascii=False)}" if row.alarm else ""
    command = f"alarm unmute {json.dumps(row.entity, ensure_ascii=False)}{named}"
    return Outcome(
        summary=f"{_said(row)} are muted by {row.name} until {row.until.strftime(_CLOCK)}.",
        notes=("Alarms that are still raised then are told then. Events are muted too, and not told later.",),
        offers=(Offer(label="Unmute", command=command),),
    )


def unmute_alarms(params: UnmuteParams, desk: Desk) -> Outcome:
    """Tell new alarms of it again, and what is raised meanwhile.

    Raises:
        UserError: they are not muted.
    """
    row = desk.records.mutes.unmute(params.entity, params.name)
    return Outcome(
        summary=f"{_said(row)} are told again.",
        fields=(("They were muted by", row.name), ("Until", row.until.strftime(_CLOCK))),
    )


def show_muted(_params: MutedParams, desk: Desk) -> Outcome:
    """What is muted, by whom and until when."""
    rows = desk.records.mutes.standing()
    if not rows:
        return Outcome(summary="No alarms are muted.")
    return Outcome(
        summary="1 mute." if len(rows) == 1 else f"{len(rows)} mutes, the next to end first.",
        table=Table(
            columns=("on", "alarm", "who", "until"),
            rows=tuple(
                (row.entity, row.alarm or "all", row.name, row.until.strftime(_CLOCK)) for row in rows
            ),
        ),
    )


def _said(row: MuteRow) -> str:
    return f"Alarms `{row.alarm}` on `{row.entity}`" if row.alarm else f"Alarms on `{row.entity}`"


ALARM_MUTE = DeskOperation(
    name="alarm mute",
    summary="Tell no new alarms and events of something for a while.",
    params=MuteParams,
    risk=Risk.CHANGE,
    run=mute_alarms,
    examples=("alarm mute web-01 --for 2h", 'alarm mute "esx-*" --name "*connection*" --for 30m'),
)

ALARM_UNMUTE = DeskOperation(
    name="alarm unmute",
    summary="Tell alarms and events again before the end of a mute.",
    params=UnmuteParams,
    risk=Risk.CHANGE,
    run=unmute_alarms,
    examples=("alarm unmute web-01",),
)

ALARM_MUTED = DeskOperation(
    name="alarm muted",
    summary="Which alarms and events are not told, who muted them and until when.",
    params=MutedParams,
    risk=Risk.READ,
    run=show_muted,
    examples=("alarm muted",),
)
