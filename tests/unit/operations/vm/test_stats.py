from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from andock.errors import TargetStateError
from andock.operations.vm.stats import HOST_STATS, VM_STATS, HostStatsParams, VmStatsParams
from andock.ports.vsphere import Figures


def test_each_figure_is_shown_with_its_last_mean_and_highest(bench: Any) -> None:
    vm = bench.vsphere.add("lab", "web-01")
    bench.vsphere.figures[vm] = {("CPU", "%"): 42.0, ("memory", "MiB"): 512.0}
    params = VmStatsParams(vm="web-01")
    outcome = VM_STATS.run(params, bench.reader, VM_STATS.find(params, bench.reader))
    assert outcome.summary == "`web-01` over the last 1h, a sample each 20 s."
    assert outcome.table is not None
    assert outcome.table.rows[0][:4] == ("CPU", "42.0 %", "42.0 %", "42.0 %")
    assert outcome.text == ""


def test_every_figure_is_a_diagram_over_the_time_of_day(bench: Any) -> None:
    vm = bench.vsphere.add("lab", "web-01")
    bench.vsphere.figures[vm] = {("CPU", "%"): 42.0, ("memory", "MiB"): 512.0}
    params = VmStatsParams(vm="web-01")
    outcome = VM_STATS.run(params, bench.reader, VM_STATS.find(params, bench.reader))
    (chart,) = bench.pen.drawn
    assert chart.title == "web-01, the last 1h"
    assert [(panel.title, panel.unit) for panel in chart.panels] == [("CPU", "%"), ("memory", "MiB")]
    points = chart.panels[0].lines[0].points
    assert (points[0], points[-1]) == ((0.0, 42.0), (179 * 20.0, 42.0))
    assert chart.began == bench.vsphere.now - timedelta(seconds=179 * 20)
    assert outcome.attachment is not None
    assert outcome.attachment.name == "web-01-stats.png"
    assert bench.paper.kept == [b"a picture"]


def test_no_line_is_drawn_over_a_time_without_samples(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = bench.vsphere.add("lab", "web-01")
    bench.vsphere.figures[vm] = {("CPU", "%"): 42.0}
    read = bench.vsphere.read_figures

    def with_gap(*asked: Any) -> Figures:
        whole = read(*asked)
        (cpu,) = whole.series
        return Figures(whole.interval, (replace(cpu, points=(*cpu.points[:2], *cpu.points[5:])),))

    monkeypatch.setattr(bench.vsphere, "read_figures", with_gap)
    params = VmStatsParams(vm="web-01")
    VM_STATS.run(params, bench.reader, VM_STATS.find(params, bench.reader))
    points = bench.pen.drawn[0].panels[0].lines[0].points
    assert [at for at, _ in points[:4]] == [0.0, 20.0, 40.0, 100.0]
    assert [at for at, value in points if math.isnan(value)] == [40.0]


def test_the_numbers_come_as_a_file(bench: Any) -> None:
    host = bench.vsphere.host("lab", "esx-1")
    bench.vsphere.figures[host] = {("CPU", "%"): 7.5, ("network", "KiB/s"): 12.0}
    params = HostStatsParams(host="esx-1", last=timedelta(hours=6), csv=True)
    outcome = HOST_STATS.run(params, bench.reader, HOST_STATS.find(params, bench.reader))
    lines = outcome.text.splitlines()
    assert lines[0] == "time,CPU (%),network (KiB/s)"
    assert lines[1].endswith("Z,7.50,12.00")
    assert len(lines) == 1 + 6 * 12
    assert outcome.filename == "esx-1-stats.csv"


def test_without_samples_it_says_so(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    params = VmStatsParams(vm="web-01")
    with pytest.raises(TargetStateError, match="without samples"):
        VM_STATS.run(params, bench.reader, VM_STATS.find(params, bench.reader))
