"""Figures over time out of vCenter's performance manager, in units that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyVmomi import vim, vmodl

from andock.errors import TargetNotFoundError
from andock.ports.vsphere import Figures, Series
from workers.vsphere.references import id_of, refer
from workers.vsphere.session import Session
from workers.vsphere.subjects import KINDS
from workers.vsphere.vcenters import Vcenters

_HISTORIC = 300  # seconds; the finest that vCenter keeps for a day
_REALTIME_KEPT = timedelta(hours=1)
_KIB = 1024
_VIRTUAL_DISKS = ("virtualDisk.read.average", "virtualDisk.write.average")  # of VMs on NFS or vSAN
# Any: pyVmomi's data objects have untyped constructors.
_Query: Any = vim.PerformanceManager.QuerySpec
_Metric: Any = vim.PerformanceManager.MetricId


@dataclass(frozen=True)
class _Measure:
    """A figure for people, and the counters that it can be had from, the best first; some are sums."""

    name: str
    unit: str
    counters: tuple[tuple[str, ...], ...]
    convert: Callable[[float, int], float]  # a sample and its interval in seconds


_MEASURES = (
    _Measure("CPU", "%", (("cpu.usage.average",),), lambda value, _: value / 100),
    # milliseconds of waiting within the interval, of one CPU's time
    _Measure("ready", "%", (("cpu.ready.summation",),), lambda value, every: value / (10 * every)),
    _Measure(
        "memory", "MiB", (("mem.active.average",), ("mem.consumed.average",)), lambda value, _: value / _KIB
    ),
    _Measure("disk", "KiB/s", (("disk.usage.average",), _VIRTUAL_DISKS), lambda value, _: value),
    _Measure("network", "KiB/s", (("net.usage.average",),), lambda value, _: value),
)


class FiguresClient(Vcenters):
    """Implements `andock.ports.vsphere.figures.Stats`."""

    def read_figures(self, kind: str, site: str, thing: str, span: timedelta) -> Figures:
        """See the port. Five calls: the clock, the counters, the intervals, what there is, the samples."""

        def ask(session: Session) -> Figures:
            instance = refer(vim.ServiceInstance, "ServiceInstance", session.stub)
            manager: Any = instance.RetrieveContent().perfManager
            entity = refer(_type_of(kind), thing, session.stub)
            interval = _choose_interval(site, manager, entity, span)
            keys = {one.key: _name_of(one) for one in manager.perfCounter}
            wanted = _choose_metrics(manager.QueryAvailablePerfMetric(entity, None, None, interval), keys)
            if not wanted:
                return Figures(interval, ())
            now = instance.CurrentTime()
            query = _Query(
                entity=entity,
                metricId=[_Metric(counterId=key, instance=part) for key, part in wanted],
                startTime=now - span,
                endTime=now,
                intervalId=interval,
                maxSample=int(span.total_seconds()) // interval,
                format="normal",
            )
            found = manager.QueryPerf([query])
            return Figures(interval, _series(found, keys, interval))

        return self._session(site).read(ask, target=thing)


def _type_of(kind: str) -> Any:
    return next(type_ for word, type_ in KINDS.values() if word == kind)


def _name_of(counter: Any) -> str:
    return f"{counter.groupInfo.key}.{counter.nameInfo.key}.{counter.rollupType}"


def _choose_interval(site: str, manager: Any, entity: Any, span: timedelta) -> int:
    """The finest that reaches back so far: real-time samples are kept for an hour."""
    try:
        summary = manager.QueryPerfProviderSummary(entity)
    except vmodl.fault.InvalidArgument as error:  # vCenter's word for one that is gone
        raise TargetNotFoundError("VM or host", id_of(entity), searched=(site,)) from error
    if span <= _REALTIME_KEPT and summary.currentSupported and summary.refreshRate > 0:
        return int(summary.refreshRate)
    return _HISTORIC


def _choose_metrics(available: Any, keys: Mapping[int, str]) -> list[tuple[int, str]]:
    """For each measure the first counter that there are samples of: the whole thing's, else its parts'."""
    parts: dict[str, set[tuple[int, str]]] = {}
    for one in available:
        parts.setdefault(keys.get(one.counterId, ""), set()).add((one.counterId, one.instance or ""))
    chosen: list[tuple[int, str]] = []
    for measure in _MEASURES:
        group = next((names for names in measure.counters if names[0] in parts), ())
        for counter in group:
            own = parts.get(counter, set())
            chosen += [one for one in own if not one[1]] or sorted(own)
    return chosen


def _series(found: Any, keys: Mapping[int, str], interval: int) -> tuple[Series, ...]:
    """The samples of each measure; those of parts are added up. vCenter marks a gap by a negative value."""
    groups = {name: names[0] for measure in _MEASURES for names in measure.counters for name in names}
    sums: dict[str, dict[datetime, float]] = {}
    for entity in found:
        times = [sample.timestamp.astimezone(UTC) for sample in entity.sampleInfo]
        for part in entity.value:
            own = sums.setdefault(groups[keys[part.id.counterId]], {})
            for at, value in zip(times, part.value, strict=False):
                if value >= 0:
                    own[at] = own.get(at, 0.0) + value
    series: list[Series] = []
    for measure in _MEASURES:
        samples = next((sums[names[0]] for names in measure.counters if sums.get(names[0])), None)
        if samples is not None:
            points = tuple((at, measure.convert(samples[at], interval)) for at in sorted(samples))
            series.append(Series(measure.name, measure.unit, points))
    return tuple(series)
