"""Two engines and a registry, and the contexts of one request, for operations on all but containers."""

from __future__ import annotations

from dataclasses import dataclass, field

from andock.operation import (
    Change,
    Done,
    Mark,
    Outcome,
    Params,
    Plan,
    Ports,
    Read,
    Reader,
    Settled,
    Step,
    Writer,
)
from tests.fakes.registry import FakeRegistry
from tests.unit.operations.container.chat import Chat


@dataclass
class Fleet(Chat):
    """`Chat` with a registry, and what the runner would do with an operation."""

    registry: FakeRegistry = field(default_factory=FakeRegistry)

    def reader(self, site: str | None = None) -> Reader:
        return Reader(watch=self.eye, site=site, ports=self._ports)

    def writer(self, site: str | None = None) -> Writer:
        return Writer(
            watch=self.eye, site=site, ports=self._ports, checkpoint=self.checkpoint, mark=Mark(begun_at=0.0)
        )

    def ask(self, operation: Read[Params, object], params: Params, site: str | None = None) -> Outcome:
        """As the runner performs a read that policy lets through."""
        found = operation.find(params, self.reader(site))
        if not found.rows:
            return Outcome(summary=found.empty, notes=found.notes)
        return operation.run(params, self.reader(site), found)

    def plan(self, operation: Change[Params], params: Params, site: str | None = None) -> Plan:
        return operation.plan(params, self.reader(site))

    def do(self, operation: Change[Params], params: Params, site: str | None = None) -> list[Done]:
        """As the runner performs a change: every step, in order."""
        return [operation.apply(step, self.writer()) for step in self.plan(operation, params, site).steps]

    def settle(self, operation: Change[Params], step: Step, seconds_ago: float = 0.0) -> Settled:
        """What became of a step whose mark was left so many seconds ago."""
        began = self.containers.now.timestamp() - seconds_ago
        return operation.settle(step, self.reader(), Mark(begun_at=0.0, site_time=began))

    @property
    def _ports(self) -> Ports:
        return Ports(containers=self.containers, registry=self.registry)
