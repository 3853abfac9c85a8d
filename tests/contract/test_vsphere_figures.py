"""Figures over time, on the fake and on a simulated vCenter."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from andock.errors import BackendUnavailableError, TargetNotFoundError
from tests.contract.worlds import DEAD, LIVE, World


@pytest.mark.parametrize(("span", "interval"), [(timedelta(hours=1), 20), (timedelta(days=1), 300)])
def test_figures_are_in_units_that_people_read_and_in_order(
    world: World, span: timedelta, interval: int
) -> None:
    vm = world.create("figures")
    world.measure(vm)
    figures = world.port.read_figures("vm", LIVE, vm, span)
    assert figures.interval == interval
    found = {series.name: series for series in figures.series}
    assert (found["CPU"].unit, found["ready"].unit, found["memory"].unit) == ("%", "%", "MiB")
    assert {value for _, value in found["CPU"].points} == {42.0}
    assert {value for _, value in found["memory"].points} == {512.0}
    times = [at for at, _ in found["CPU"].points]
    assert times == sorted(times)
    assert times[0].tzinfo is UTC
    assert len(times) == span.total_seconds() // interval
    assert world.port.server_time(LIVE) - times[-1] < timedelta(minutes=1)


def test_ready_is_a_share_of_the_interval(world: World) -> None:
    vm = world.create("figures-ready")
    world.measure(vm)
    figures = world.port.read_figures("vm", LIVE, vm, timedelta(hours=1))
    (ready,) = (series for series in figures.series if series.name == "ready")
    assert {value for _, value in ready.points} == {5.0}


def test_what_is_gone_and_who_is_away_is_said(world: World) -> None:
    with pytest.raises(TargetNotFoundError):
        world.port.read_figures("vm", LIVE, "vm-99999", timedelta(hours=1))
    with pytest.raises(BackendUnavailableError, match="connection refused"):
        world.port.read_figures("vm", DEAD, "vm-1", timedelta(hours=1))
