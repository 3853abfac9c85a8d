"""`engine events`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from andock.naming import count, reached, tell_away
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table
from andock.operations.engine.targets import NAMING_OR_ALL, list_engines, target_of
from andock.ports.engines import EngineRow, Event

_EXEC = "exec_"  # health checks make three of these each time, and hide all else
_MOST = 200  # lines of the answer; an engine itself keeps the last 256


class EventsParams(Params):
    """What `engine events` takes."""

    name: str | None = Field(
        default=None,
        max_length=100,
        description=NAMING_OR_ALL,
        json_schema_extra={"positional": True},
    )
    since: timedelta = Field(
        default=timedelta(hours=1), gt=timedelta(0), le=timedelta(days=30), description="How far back."
    )
    grep: str = Field(
        default="", max_length=100, description="Only lines with this in kind, action, name or detail."
    )


def find_engines(params: EventsParams, ctx: Reader) -> Found[EngineRow]:
    """The engine that is named, or all."""
    listing = list_engines(ctx, params.name)
    rows = tuple((target_of(row), row) for row in listing.rows)
    return Found(rows=rows, notes=tell_away(listing), empty="No engine.")


def show_events(params: EventsParams, ctx: Reader, found: Found[EngineRow]) -> Outcome:
    """What happened, newest last, on all of them together.

    Raises:
        BackendUnavailableError: not one engine answered.
    """
    sites = [row.site for _, row in found.rows]
    listing = reached(ctx.containers.list_events(sites, params.since, most=1000))
    events = listing.rows
    fitting = sorted((event for event in events if _fits(event, params.grep)), key=lambda event: event.at)
    execs = sum(event.action.startswith(_EXEC) for event in events)
    shown = fitting[-_MOST:]
    like = f" with `{params.grep}`" if params.grep else ""
    notes = [*found.notes, *tell_away(listing)]
    if len(fitting) > _MOST:
        notes.append(f"The newest {_MOST} of {len(fitting)}.")
    if execs and not _asks_for_execs(params.grep):
        said = f"Left out: {execs} of health checks and commands in containers; `--grep exec` has them."
        notes.append(said)
    return Outcome(
        summary=f"{count(len(fitting), 'event')}{like} on {count(len(listing.searched), 'engine')} "
        f"in the last {_span(params.since)}.",
        table=Table(
            columns=("time", "kind", "action", "name", "detail", "engine"),
            rows=tuple(
                (f"{event.at:%m-%d %H:%M:%S}", event.kind, event.action, event.name, event.detail, event.site)
                for event in shown
            ),
        )
        if shown
        else None,
        notes=tuple(notes),
    )


def _fits(event: Event, wanted: str) -> bool:
    if event.action.startswith(_EXEC) and not _asks_for_execs(wanted):
        return False
    return wanted.lower() in f"{event.kind} {event.action} {event.name} {event.detail}".lower()


def _asks_for_execs(wanted: str) -> bool:
    return "exec" in wanted.lower()


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{max(1, minutes)} min"


ENGINE_EVENTS = Read(
    name="engine events",
    summary="What happened on engines: containers started and died, images pulled, networks made.",
    params=EventsParams,
    backend=Backend.DOCKER,
    find=find_engines,
    run=show_events,
    many=True,
    examples=("engine events edge-1", "engine events --since 10m --grep die"),
)
