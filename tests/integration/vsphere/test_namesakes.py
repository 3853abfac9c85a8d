"""Two vCenters with VMs of one name and of one id: asked about, never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from andock.errors import AmbiguousTargetError
from andock.operation import Ports, Reader
from andock.operations.vm.inventory import VM_INFO, InfoParams
from andock.operations.vm.power import VM_OFF, PowerParams
from sandbox.vcenter import Inventory, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from tests.fakes.vsphere import TinyWatch
from tests.integration.vsphere.conftest import entry_of
from workers.vsphere import PyVmomiVSphere, Sessions

SITES = ("left", "right")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Simulator]]:
    """Two vCenters that give the same ids, as two that were just installed do."""
    started = {
        site: start_vcenter(tmp_path_factory.mktemp(site), inventory=Inventory(vms=1)) for site in SITES
    }
    yield started
    for simulator in started.values():
        simulator.stop()


@pytest.fixture
def reader(pair: dict[str, Simulator]) -> Iterator[Reader]:
    entries = {site: entry_of(simulator, ()) for site, simulator in pair.items()}
    passwords = {site: SecretStr(simulator.password) for site, simulator in pair.items()}
    sessions = Sessions(entries, passwords, Path("/"))
    port = PyVmomiVSphere(sessions)
    yield Reader(watch=TinyWatch(), site=None, actor="ops-1", ports=Ports(vsphere=port))
    port.close()
    sessions.close()


@pytest.fixture(scope="module")
def twins(pair: dict[str, Simulator]) -> dict[str, str]:
    """The ids of two VMs of one name, by site; they are the same."""
    return {site: simulator.control.create_vm("twin", power_on=True).id for site, simulator in pair.items()}


def test_a_name_that_two_vcenters_have_is_asked_about(reader: Reader, twins: dict[str, str]) -> None:
    for ask in (
        lambda: VM_INFO.find(InfoParams(vm="TWIN"), reader),
        lambda: VM_OFF.plan(PowerParams(vm=("twin",)), reader),
    ):
        with pytest.raises(AmbiguousTargetError) as several:
            ask()
        assert "`left:/DC0/vm/twin`" in several.value.sentence
        assert "`right:/DC0/vm/twin`" in several.value.sentence


def test_an_id_that_two_vcenters_have_is_asked_about(reader: Reader, twins: dict[str, str]) -> None:
    assert twins["left"] == twins["right"]
    with pytest.raises(AmbiguousTargetError):
        VM_OFF.plan(PowerParams(vm=(twins["left"],)), reader)


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("typed", ["twin", "id", "/DC0/vm/twin"])
def test_with_the_site_before_it_that_ones_is_meant(
    reader: Reader, twins: dict[str, str], site: str, typed: str
) -> None:
    name = twins[site] if typed == "id" else typed
    ((target, vm),) = VM_INFO.find(InfoParams(vm=f"{site}:{name}"), reader).rows
    assert (vm.site, vm.id, vm.name) == (site, twins[site], "twin")
    (step,) = VM_OFF.plan(PowerParams(vm=(f"{site}:{name}",)), reader).steps
    assert step.target.key == target.key


def test_what_only_one_has_is_found_without(pair: dict[str, Simulator], reader: Reader) -> None:
    alone = pair["right"].control.create_vm("alone")
    ((_, vm),) = VM_INFO.find(InfoParams(vm="alone"), reader).rows
    assert (vm.site, vm.id) == ("right", alone.id)
