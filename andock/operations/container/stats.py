"""`container stats`: what containers use now, or over a while, with a chart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import Field

from andock.drawing import keep_chart
from andock.durations import write_duration
from andock.operation import Attachment, Backend, Found, Outcome, Read, Reader, Table
from andock.operations.container.looks import Looks
from andock.operations.container.reading import Reading, find_running
from andock.ports.charts import Chart, Line, Panel
from andock.ports.container_insight import Counters
from andock.ports.containers import ContainerRow
from andock.sizes import write_size

_LONGEST = timedelta(minutes=5)
_APART = 1.0  # seconds between two looks, for a rate
_MOST_LOOKS = 120
_LOOK_SECONDS = 0.5
_MIB = 1024 * 1024


class StatsParams(Reading):
    """What `container stats` takes."""

    for_: timedelta | None = Field(
        default=None,
        ge=timedelta(seconds=2),
        le=_LONGEST,
        description="Look for so long, such as `1m`, and draw a chart.",
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """What a container used between two looks."""

    at: float  # seconds since the first look
    cpu: float  # percent of one CPU
    memory: int  # bytes


@dataclass
class Track:
    """One container over the looks at it."""

    row: ContainerRow
    limit: int  # of memory, bytes; 0 for none
    first: Counters
    newest: Counters
    samples: list[Sample] = field(default_factory=list)

    def add(self, now: Counters) -> None:
        """The next look. The engine's clock counts: its answers come late, and not all equally so."""
        seconds = (now.at - self.newest.at).total_seconds()
        if seconds <= 0:
            return
        cpu = max(now.cpu_seconds - self.newest.cpu_seconds, 0.0) / seconds * 100
        self.samples.append(Sample((now.at - self.first.at).total_seconds(), cpu, now.memory))
        self.newest = now


def show_stats(params: StatsParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """A line for each; over a while, means and peaks, and the chart as a file.

    Raises:
        BackendUnavailableError: no engine answered long enough for anything to be said.
    """
    rows = [row for _, row in found.rows]
    span = params.for_.total_seconds() if params.for_ else _APART
    every = max(_APART, span / _MOST_LOOKS)
    looks = Looks()
    tracks = _watch(ctx, looks, rows, span, every)
    looks.require(tracks)
    seen = {track.row.id for track in tracks}
    gone = [row.name for row in rows if row.id not in seen and not looks.is_away(row)]
    notes = (*found.notes, *looks.away, *(f"`{name}` has ended meanwhile" for name in gone))
    if params.for_ is None:
        return Outcome(summary=_count(tracks), table=_table_now(tracks), notes=notes)
    attachment = _draw(ctx, tracks, params.for_)
    summary = f"{_count(tracks)[:-1]} over {write_duration(params.for_)}."
    return Outcome(summary=summary, table=_table_over(tracks), notes=notes, attachment=attachment)


def _watch(ctx: Reader, looks: Looks, rows: Sequence[ContainerRow], span: float, every: float) -> list[Track]:
    began = time.monotonic()
    tracks: list[Track] = []
    for row in rows:
        counted = looks.at(row, ctx.containers.count)
        limits = looks.at(row, ctx.containers.read_limits)
        if counted is not None and limits is not None:
            tracks.append(Track(row, limits.memory, counted, counted))
    for number in range(1, max(1, round(span / every)) + 1):
        _pause(ctx, began + number * every)
        for track in tracks:
            counted = looks.at(track.row, ctx.containers.count)
            if counted is not None:
                track.add(counted)
    return [track for track in tracks if track.samples]


def _pause(ctx: Reader, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        ctx.watch.look()
        time.sleep(min(left, _LOOK_SECONDS))


def _count(tracks: Sequence[Track]) -> str:
    return f"{len(tracks)} container{'' if len(tracks) == 1 else 's'}."


def _table_now(tracks: Sequence[Track]) -> Table:
    return Table(
        columns=("name", "cpu", "memory", "of", "pids", "received", "sent", "read", "written", "engine"),
        rows=tuple(
            (
                track.row.name,
                f"{track.samples[-1].cpu:.1f} %",
                write_size(track.newest.memory),
                write_size(track.limit) if track.limit else "no limit",
                str(track.newest.pids),
                write_size(track.newest.received),
                write_size(track.newest.sent),
                write_size(track.newest.read),
                write_size(track.newest.written),
                track.row.site,
            )
            for track in tracks
        ),
    )


def _table_over(tracks: Sequence[Track]) -> Table:
    def spread(values: Sequence[float], write: Callable[[float], str]) -> tuple[str, str]:
        return write(sum(values) / len(values)), write(max(values))

    def percent(value: float) -> str:
        return f"{value:.1f} %"

    return Table(
        columns=(
            "name",
            "cpu mean",
            "cpu peak",
            "memory mean",
            "memory peak",
            "of",
            "received",
            "sent",
            "engine",
        ),
        rows=tuple(
            (
                track.row.name,
                *spread([sample.cpu for sample in track.samples], percent),
                *spread([sample.memory for sample in track.samples], write_size),
                write_size(track.limit) if track.limit else "no limit",
                write_size(track.newest.received - track.first.received),
                write_size(track.newest.sent - track.first.sent),
                track.row.site,
            )
            for track in tracks
        ),
    )


def _draw(ctx: Reader, tracks: Sequence[Track], over: timedelta) -> Attachment | None:
    """The chart, kept for its upload."""
    if not tracks:
        return None
    names = _names(tracks)
    cpu = tuple(
        Line(name, tuple((s.at, s.cpu) for s in track.samples))
        for name, track in zip(names, tracks, strict=True)
    )
    memory = tuple(
        Line(name, tuple((s.at, s.memory / _MIB) for s in track.samples))
        for name, track in zip(names, tracks, strict=True)
    )
    title = names[0] if len(names) == 1 else f"{len(names)} containers"
    panels = (Panel("CPU", "% of one", cpu), Panel("memory", "MiB", memory))
    return keep_chart(ctx, Chart(f"{title}, {write_duration(over)}", panels), title)


def _names(tracks: Sequence[Track]) -> list[str]:
    sites = {track.row.site for track in tracks}
    return [track.row.name if len(sites) == 1 else f"{track.row.site}/{track.row.name}" for track in tracks]


CONTAINER_STATS = Read(
    name="container stats",
    summary="What containers use: CPU, memory, processes, network, disk; over a while as a chart.",
    params=StatsParams,
    backend=Backend.DOCKER,
    find=find_running,
    run=show_stats,
    many=True,
    time_limit=_LONGEST + timedelta(minutes=1),
    examples=(
        "container stats web",
        "container stats web-* --for 1m",
        "container stats --engine edge-1",
        "container stats --label app=shop",
    ),
)
