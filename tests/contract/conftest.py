from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.vcenter import Inventory, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.worlds import DEAD, LIVE, FakeWorld, RealWorld, World, sessions_of
from tests.fakes.vsphere import FakeVSphere
from workers.vsphere import PyVmomiVSphere, Sessions


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One of each module's own: hosts in maintenance and machines that ask something are left behind."""
    simulator = start_vcenter(tmp_path_factory.mktemp("vcenter"), inventory=Inventory(vms=2))
    yield simulator
    simulator.stop()


@pytest.fixture(scope="module")
def sessions(simulator: Simulator) -> Iterator[Sessions]:
    sessions = sessions_of(simulator)
    sessions.ensure(LIVE)
    yield sessions
    sessions.close()


@pytest.fixture
def port(sessions: Sessions) -> Iterator[PyVmomiVSphere]:
    port = PyVmomiVSphere(sessions)
    yield port
    port.close()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld(FakeVSphere({LIVE: "dev", DEAD: "dev"}, away={DEAD: "connection refused"}))
        return
    simulator: Simulator = request.getfixturevalue("simulator")
    sessions = sessions_of(simulator)
    sessions.ensure(LIVE)
    port = PyVmomiVSphere(sessions)
    yield RealWorld(port, simulator)
    simulator.control.set_rules([])
    port.close()
    sessions.close()
