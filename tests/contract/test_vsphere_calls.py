"""No operation on vCenters makes more SOAP calls where there is more: counted on a small and a big one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from andock.operation import Done
from andock.operations.vm.guest import VM_RESTART, VM_SHUTDOWN
from sandbox.vcenter import Inventory, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.fault_table import CHANGES, HOST, READS, ChangeCase, ReadCase, Stage, set_stage
from tests.contract.trials import Trial
from tests.contract.worlds import LIVE, RealWorld, run, sessions_of
from workers.vsphere import PyVmomiVSphere

MORE = 20
BY_NEWS = {
    "WaitForUpdatesEx",
    "ContinueRetrievePropertiesEx",
}  # one for each piece of news, and for each page
LOOKS = 4  # so many times more a guest may be looked at until it obeys, on a busy machine


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A vCenter with twenty VMs more, which have alarms and snapshots and are on."""
    crowded = start_vcenter(tmp_path_factory.mktemp("crowded"), inventory=Inventory(vms=2))
    with port_of(crowded) as port:
        world = RealWorld(port, crowded)
        for number in range(MORE):
            vm = world.create(f"crowd-{number}")
            world.raise_alarm(vm, "red")
            run(world, port.create_snapshot(LIVE, vm, name="s", description="", memory=False, quiesce=False))
    yield crowded
    crowded.stop()


@contextmanager
def port_of(simulator: Simulator) -> Iterator[PyVmomiVSphere]:
    sessions = sessions_of(simulator)
    sessions.ensure(LIVE)
    port = PyVmomiVSphere(sessions)
    try:
        yield port
    finally:
        port.close()
        sessions.close()


def count(simulator: Simulator, case: ChangeCase | ReadCase) -> Mapping[str, int]:
    """How often each method is called from the typed command to the answer."""
    with port_of(simulator) as port:
        stage = set_stage(simulator, port, case)
        simulator.control.calls()
        if isinstance(case, ChangeCase):
            _change(case, stage)
        else:
            params = case.params(stage)
            outcome = case.operation.run(params, stage.reader, case.operation.find(params, stage.reader))
            assert case.shows(stage) in outcome.model_dump_json()
        simulator.control.set_maintenance(HOST, on=False)
        return {name: n for name, n in simulator.control.calls().items() if name not in BY_NEWS}


def _change(case: ChangeCase, stage: Stage) -> None:
    """Plan it and take its steps."""
    steps = case.operation.plan(case.params(stage), stage.reader).steps
    for number, step in enumerate(steps[: case.number + 1]):
        args = {**step.args, **case.args} if number == case.number else step.args
        trial = Trial(case, stage, step.model_copy(update={"args": args}))
        assert isinstance(case.operation.apply(trial.step, trial.writer), Done)


@pytest.mark.parametrize("case", [*CHANGES, *READS], ids=lambda case: case.name)
def test_twenty_more_vms_cost_no_more_calls(
    simulator: Simulator, crowded: Simulator, case: ChangeCase | ReadCase
) -> None:
    few, many = count(simulator, case), count(crowded, case)
    if case.operation not in (VM_SHUTDOWN, VM_RESTART):
        assert many == few
        return
    assert many.keys() == few.keys()
    assert all(abs(many[method] - few[method]) <= LOOKS for method in few)
