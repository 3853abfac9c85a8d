"""`vm stats` and `host stats`: CPU, ready, memory, disk and network over the last hour or day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field

from andock.drawing import keep_chart
from andock.durations import write_duration
from andock.errors import TargetStateError
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table, Target
from andock.operations.vm import hosts
from andock.operations.vm.subjects import target_as
from andock.operations.vm.targets import NAMING, resolve_one, target_of
from andock.ports.charts import Chart, Line, Panel
from andock.ports.vsphere import Figures, Series

_GAP = 1.5  # intervals between two samples, from which on one is missing


class StatsParams(Params):
    """What both take alike."""

    last: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=5),
        le=timedelta(days=1),
        description="How far back, at most a day; an hour has a sample each 20 s, more each 5 min.",
    )
    csv: bool = Field(default=False, description="The numbers themselves too; a file where they are many.")


class VmStatsParams(StatsParams):
    """What `vm stats` takes."""

    vm: str = Field(min_length=1, max_length=300, description=NAMING)


class HostStatsParams(StatsParams):
    """What `host stats` takes."""

    host: str = Field(min_length=1, max_length=300, description=hosts.NAMING)


def find_vm(params: VmStatsParams, ctx: Reader) -> Found[Target]:
    """The VM that is meant; raises as `resolve_one`."""
    target = target_of(resolve_one(params.vm, ctx)[0])
    return Found(rows=((target, target),))


def find_host(params: HostStatsParams, ctx: Reader) -> Found[Target]:
    """The host that is meant; raises as `choose_one`."""
    target = target_as("host", hosts.resolve_host(params.host, ctx))
    return Found(rows=((target, target),))


def show_stats(params: StatsParams, ctx: Reader, found: Found[Target]) -> Outcome:
    """The last, mean and highest of each figure, a chart, and with `--csv` all of them.

    Raises:
        TargetStateError: vCenter has no samples of it, as of a VM that has been off.
    """
    target = found.rows[0][0]
    figures = ctx.vsphere.read_figures(target.kind, target.site, target.id, params.last)
    if not any(series.points for series in figures.series):
        raise TargetStateError(target.name, actual="without samples in that time", wanted="on and measured")
    rows = tuple(_row(series) for series in figures.series if series.points)
    span = write_duration(params.last)
    chart = draw_figures(f"{target.name}, the last {span}", figures)
    return Outcome(
        summary=f"`{target.name}` over the last {span}, a sample each {figures.interval} s.",
        table=Table(columns=("figure", "last", "mean", "highest", "at (UTC)"), rows=rows),
        text=write_csv(figures.series) if params.csv else "",
        filename=f"{target.name}-stats.csv",
        attachment=keep_chart(ctx, chart, f"{target.name}-stats"),
    )


def draw_figures(title: str, figures: Figures) -> Chart:
    """A diagram for each figure that there are samples of."""
    measured = [series for series in figures.series if series.points]
    began = min(series.points[0][0] for series in measured)
    panels = tuple(
        Panel(one.name, one.unit, (Line(one.name, _line(one, began, figures.interval)),)) for one in measured
    )
    return Chart(title, panels, began)


def write_csv(series: Sequence[Series]) -> str:
    """One line for each time, one column for each figure; what was not measured is empty."""
    times = sorted({at for one in series for at, _ in one.points})
    values = [dict(one.points) for one in series]
    lines = [",".join(["time", *(f"{one.name} ({one.unit})" for one in series)])]
    lines += [",".join([f"{at:%Y-%m-%dT%H:%M:%SZ}", *(_cell(own, at) for own in values)]) for at in times]
    return "\n".join(lines) + "\n"


def _line(series: Series, began: datetime, interval: int) -> tuple[tuple[float, float], ...]:
    """Its points in seconds; no line is drawn over a time in which nothing was measured."""
    drawn: list[tuple[float, float]] = []
    for at, value in series.points:
        seconds = (at - began).total_seconds()
        if drawn and seconds - drawn[-1][0] > _GAP * interval:
            drawn.append((drawn[-1][0] + interval, math.nan))
        drawn.append((seconds, value))
    return tuple(drawn)


def _cell(values: dict[datetime, float], at: datetime) -> str:
    return f"{values[at]:.2f}" if at in values else ""


def _row(series: Series) -> tuple[str, ...]:
    numbers = [value for _, value in series.points]
    at, highest = max(series.points, key=lambda point: point[1])
    mean = math.fsum(numbers) / len(numbers)
    said = (f"{number:.1f} {series.unit}" for number in (numbers[-1], mean, highest))
    return (series.name, *said, f"{at:%m-%d %H:%M}")


VM_STATS = Read(
    name="vm stats",
    summary="A VM's CPU, ready, memory, disk and network over the last hour or day, as a chart.",
    params=VmStatsParams,
    backend=Backend.VSPHERE,
    find=find_vm,
    run=show_stats,
    examples=("vm stats web-01", "vm stats web-01 --last 1d --csv"),
)
HOST_STATS = Read(
    name="host stats",
    summary="A host's CPU, ready, memory, disk and network over the last hour or day, as a chart.",
    params=HostStatsParams,
    backend=Backend.VSPHERE,
    find=find_host,
    run=show_stats,
    examples=("host stats esx-12", "host stats esx-12 --last 6h --csv"),
)
