"""One change tried out on a thing of its own, while something goes wrong with its vCenter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from andock.errors import OpsError
from andock.operation import Done, Mark, Ports, Step, Writer
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.fault_table import ChangeCase, Stage, check_sentence, set_stage
from tests.contract.worlds import LIVE
from tests.fakes.vsphere import TinyWatch
from workers.vsphere import PyVmomiVSphere

LIMIT = 10.0  # seconds that each step has here


@dataclass
class Trial:
    """One change of one thing of its own."""

    case: ChangeCase
    stage: Stage
    step: Step
    marks: list[Mark] = field(default_factory=list)
    on_mark: Callable[[Mark], object] = lambda _: None
    watch: TinyWatch | None = None  # None: one of LIMIT seconds

    def apply(self, *others: Rule, **fault: Any) -> Done | OpsError:
        """Take the step while the fault holds for its changing call; at most LIMIT seconds."""
        control = self.stage.simulator.control
        control.calls()
        control.set_rules([*([Rule(self.case.method, count=1, **fault)] if fault else []), *others])
        started = time.monotonic()
        try:
            return self.case.operation.apply(self.step, self.writer)
        except OpsError as error:
            check_sentence(error.sentence)
            return error
        finally:
            assert time.monotonic() - started < (self.watch.seconds if self.watch else LIMIT) + 5
            control.set_rules([])

    @property
    def writer(self) -> Writer:
        def checkpoint(mark: Mark) -> None:
            self.marks.append(mark)
            self.on_mark(mark)

        return Writer(
            watch=self.watch or TinyWatch(seconds=LIMIT),
            site=LIVE,
            actor="ops-1",
            ports=Ports(vsphere=self.stage.port),
            checkpoint=checkpoint,
            mark=Mark(begun_at=time.time()),
        )

    @property
    def asked(self) -> int:
        """How often the changing call was sent."""
        return self.stage.simulator.control.calls().get(self.case.method, 0)

    @property
    def has_changed(self) -> bool:
        """Whether the effect shows, or planning it anew finds other facts or nothing left to do."""
        if self.case.shows is not None:
            return self.case.shows(self.stage)
        try:
            plan = self.case.operation.plan(self.case.params(self.stage), self.stage.reader)
        except OpsError:
            return True
        return plan.steps[0].facts != self.step.facts


def try_out(simulator: Simulator, port: PyVmomiVSphere, case: ChangeCase) -> Trial:
    """The trial of a case, as far as just before the step that makes its call."""
    stage = set_stage(simulator, port, case)
    steps: Sequence[Step] = case.operation.plan(case.params(stage), stage.reader).steps
    step = steps[case.number]
    trial = Trial(case, stage, step.model_copy(update={"args": {**step.args, **case.args}}))
    for before in steps[: case.number]:
        assert isinstance(case.operation.apply(before, trial.writer), Done)
    trial.marks.clear()
    return trial
