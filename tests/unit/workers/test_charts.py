from __future__ import annotations

import math
import struct
import subprocess
import sys
from datetime import UTC, datetime

from andock.ports.charts import Chart, Line, Panel
from workers.charts import MatplotlibCharts


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def panel(*names: str) -> Panel:
    return Panel("CPU", "%", tuple(Line(name, ((0.0, 1.0), (1.0, 3.0))) for name in names))


def test_a_picture_grows_with_its_diagrams() -> None:
    one = size_of(MatplotlibCharts().draw(Chart("web", (panel("web"),))))
    two = size_of(MatplotlibCharts().draw(Chart("web", (panel("web"), panel("web")))))
    assert one[0] == two[0] > 600
    assert two[1] > one[1] > 200


def test_names_are_no_formulas() -> None:
    MatplotlibCharts().draw(Chart(r"$\frac{", (panel("$x", "_hidden", r"\alpha$"),)))


def test_different_figures_are_different_pictures() -> None:
    charts = MatplotlibCharts()
    low = charts.draw(Chart("web", (Panel("CPU", "%", (Line("web", ((0, 1), (1, 1))),)),)))
    high = charts.draw(Chart("web", (Panel("CPU", "%", (Line("web", ((0, 1), (1, 99))),)),)))
    assert low != high


def test_with_a_beginning_the_axis_shows_the_time_of_day_and_a_gap_stays_open() -> None:
    charts, began = MatplotlibCharts(), datetime(2026, 11, 24, 23, 30, tzinfo=UTC)

    def draw(value: float, began: datetime | None) -> bytes:
        line = Line("web", ((0.0, 1.0), (1800.0, value), (3600.0, 1.0)))
        return charts.draw(Chart("web", (Panel("CPU", "%", (line,)),), began))

    whole, seconds, gap = draw(1.0, began), draw(1.0, None), draw(math.nan, began)
    assert size_of(whole) == size_of(seconds) == size_of(gap)
    assert len({whole, seconds, gap}) == 3


def test_a_worker_that_draws_nothing_does_not_pay_for_it() -> None:
    script = "import sys, workers.charts; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
