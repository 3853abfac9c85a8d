"""One step as its backend shows it while it runs, if it shows anything."""

from __future__ import annotations

import time

from andock.entries import StepMark
from andock.operation import Phase, Step
from andock.ports.trace import Trace, Traced

TELL = 2.0  # seconds between two tellings of how far a step is


class StepTrace:
    """From the step's beginning to its end; used by the thread that takes the step."""

    def __init__(self, trace: Trace | None, step: Step) -> None:
        self._trace = trace
        self._step = step
        self._percent: int | None = None
        self._told = time.monotonic()
        self.name = ""  # of what shows it; empty while nothing does

    def begin(self, *, operation: str, actor: str, request: str) -> None:
        """Let it be shown."""
        if self._trace is None:
            return
        target = self._step.target
        self.name = self._trace.begin(
            Traced(target.site, target.kind, target.id, operation, actor, request, self._step.text)
        )

    def tell(self, percent: int | None) -> None:
        """Show how far it is, now and then."""
        if self._trace is None or not self.name or percent in (None, self._percent):
            return
        if time.monotonic() - self._told >= TELL:
            self._percent, self._told = percent, time.monotonic()
            self._trace.tell(self._step.target.site, self.name, percent or 0)

    def end(self, problem: str = "") -> None:
        """Show how it ended."""
        if self._trace is not None and self.name:
            self._trace.end(self._step.target.site, self.name, problem)


def end_interrupted(trace: Trace | None, step: Step, before: StepMark, settled: StepMark) -> None:
    """Show how a step ended that an earlier attempt had begun."""
    if trace is None or not before.trace:
        return
    said = {Phase.DONE: "", Phase.NOT_DONE: "interrupted before it had an effect"}
    trace.end(step.target.site, before.trace, said.get(settled.phase, settled.text or settled.phase.value))
