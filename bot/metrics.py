"""What the bot counts, for Prometheus; figures of the ledger are read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from andock.ledger import Ledger
from andock.messages import State

_ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """The bot's own counters and the ledger's present state."""

    def __init__(self, ledger: Ledger) -> None:
        self._registry = CollectorRegistry()
        self._taken = Counter("andock_commands_total", "Commands received", registry=self._registry)
        self._refused = Counter(
            "andock_commands_refused_total", "Commands refused at the door", ["code"], registry=self._registry
        )
        self._ack = Histogram(
            "andock_ack_seconds",
            "From payload to acknowledgement",
            buckets=_ACK_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_LedgerCollector(ledger))

    def taken(self) -> None:
        """One more command."""
        self._taken.inc()

    def refused(self, code: str) -> None:
        """One refused at the door, by the error's code."""
        self._refused.labels(code).inc()

    def answered(self, seconds: float) -> None:
        """One payload answered after that long."""
        self._ack.observe(seconds)

    def expose(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self._registry)


class _LedgerCollector(Collector):
    """Open requests by state and messages due, as Redis has them now."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("andock_redis_up", "Whether Redis answers")
        try:
            states = [entry.state for entry in self._ledger.open_requests()]
            due = int(self._ledger.redis.zcard(self._ledger.outbox))
        except RedisError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        opened = GaugeMetricFamily("andock_open_requests", "Requests that have not ended", labels=["state"])
        for state in State:
            if not state.ended:
                opened.add_metric([state.value], states.count(state))
        yield opened
        waiting = GaugeMetricFamily("andock_outbox_messages", "Messages that are to go to Slack")
        waiting.add_metric([], due)
        yield waiting
