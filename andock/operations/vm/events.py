"""`event list`: what happened to a thing and to what lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field

from andock.durations import write_duration
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table
from andock.operations.vm.alarms import NAMING
from andock.operations.vm.subjects import resolve_subject, targets_of
from andock.ports.vsphere import Event, Subject


class ListParams(Params):
    """What `event list` takes."""

    thing: str = Field(min_length=1, max_length=300, description=NAMING)
    since: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=1),
        le=timedelta(days=30),
        description="How far back, such as `30m` or `1d`.",
    )
    most: int = Field(default=50, ge=1, le=500, description="So many of the newest.")


@dataclass(frozen=True, slots=True)
class History:
    """A thing and what happened to it."""

    subject: Subject
    events: tuple[Event, ...]


def find_history(params: ListParams, ctx: Reader) -> Found[History]:
    """The thing that is meant, with its events; raises as `choose_one`."""
    subject = resolve_subject(params.thing, ctx)
    since = ctx.vsphere.server_time(subject.site) - params.since
    events = ctx.vsphere.read_events(subject, since, params.most)
    return Found(rows=((targets_of([subject], ctx)[subject], History(subject, events)),))


def show_history(params: ListParams, ctx: Reader, found: Found[History]) -> Outcome:
    """A table, the newest first."""
    del ctx
    history = found.rows[0][1]
    span = write_duration(params.since)
    if not history.events:
        return Outcome(summary=f"Nothing happened to `{history.subject.name}` in the last {span}.")
    rows = tuple(
        (f"{one.at:%m-%d %H:%M:%S}", one.text, one.user, one.kind.removesuffix("Event"))
        for one in history.events
    )
    full = len(history.events) == params.most
    return Outcome(
        summary=f"`{history.subject.name}`: {len(rows)} events in the last {span}, the newest first (UTC).",
        table=Table(columns=("at", "what", "by", "kind"), rows=rows),
        notes=("there may be older ones; `--most` shows more",) if full else (),
    )


EVENT_LIST = Read(
    name="event list",
    summary="What happened to a VM, host, cluster, datastore or folder, the newest first.",
    params=ListParams,
    backend=Backend.VSPHERE,
    find=find_history,
    run=show_history,
    examples=("event list web-01", "event list esx-12 --since 1d --most 200"),
)
