"""Figures over time as a PNG."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from andock.ports.charts import Chart, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT, _DPI = 9.0, 2.6, 110  # inches, inches of one diagram, dots an inch
_IN_LEGEND = 12


class MatplotlibCharts:
    """Implements `Charts`."""

    def draw(self, chart: Chart) -> bytes:
        """The chart as a PNG."""
        # takes a third of a second and 30 MiB: only a job that draws pays for it
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415

        figure = Figure(figsize=(_WIDTH, _HEIGHT * len(chart.panels) + 0.5), dpi=_DPI, layout="constrained")
        figure.suptitle(_plain(chart.title))
        all_axes = figure.subplots(len(chart.panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(all_axes, chart.panels, strict=True):
            _fill(axes, panel, chart.began)
        if chart.began is not None:
            ticks = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]  # matplotlib
            dates = ConciseDateFormatter(ticks, tz=UTC)  # type: ignore[no-untyped-call]  # matplotlib
            all_axes[-1].xaxis.set_major_locator(ticks)
            all_axes[-1].xaxis.set_major_formatter(dates)
        all_axes[-1].set_xlabel("seconds" if chart.began is None else "time (UTC)")
        png = io.BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(png, format="png", metadata={"Software": None})
        return png.getvalue()


def _fill(axes: Axes, panel: Panel, began: datetime | None) -> None:
    times: Any  # matplotlib's types know no moments
    for line in panel.lines:
        seconds = [at for at, _ in line.points]
        times = seconds if began is None else [began + timedelta(seconds=at) for at in seconds]
        axes.plot(times, [value for _, value in line.points], label=_plain(line.name))
    axes.set_ylabel(f"{panel.title}, {panel.unit}")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    if 1 < len(panel.lines) <= _IN_LEGEND:
        axes.legend(loc="upper left", fontsize="small")


def _plain(text: str) -> str:
    """As it stands: a dollar begins a formula."""
    return text.replace("$", r"\$")
