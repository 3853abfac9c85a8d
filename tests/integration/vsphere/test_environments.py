"""Tags and clusters decide the environment of whatever they are of, wherever it is met."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from andock.errors import BackendRejectedError
from andock.ledger import Ledger
from andock.operation import Ports, Reader
from andock.operations.vm.maintenance import HOST_MAINTENANCE, MaintenanceParams
from config.sites import EnvironmentRule
from sandbox.vcenter import Vcenter as Simulator
from tests.fakes.vsphere import TinyWatch
from tests.integration.vsphere.conftest import SITE, entry_of, until, watching
from workers.vsphere import PyVmomiVSphere, Sessions, tagging

HOST, TAG = "DC0_C0_H1", "env=stage"
BY_CLUSTER = (EnvironmentRule(cluster="DC0_C*", **{"is": "stage"}),)


@pytest.fixture
def port(sessions: Sessions) -> Iterator[PyVmomiVSphere]:
    """Where tags decide."""
    port = PyVmomiVSphere(sessions, by_tags=(SITE,))
    yield port
    port.close()


@pytest.fixture
def ids(simulator: Simulator, port: PyVmomiVSphere) -> dict[str, str]:
    """A host, its cluster and a datastore, all tagged, by vCenter's word for their kind."""
    found = {
        "HostSystem": next(one.id for one in port.list_hosts(SITE).rows if one.name == HOST),
        "ClusterComputeResource": port.list_clusters(SITE).rows[0].id,
        "Datastore": port.list_stores(SITE).rows[0].id,
    }
    for kind, identifier in found.items():
        simulator.tags.attach(identifier, TAG, kind=kind)
    return found


def test_tagged_ones_are_in_the_environment_of_the_tag_and_others_are_not(
    port: PyVmomiVSphere, ids: dict[str, str]
) -> None:
    hosts = {one.name: (one.environment, one.labels) for one in port.list_hosts(SITE).rows}
    assert hosts[HOST] == ("stage", (TAG,))
    assert {found for name, found in hosts.items() if name != HOST} == {("dev", ())}
    assert port.read_host(SITE, ids["HostSystem"]).environment == "stage"
    assert port.read_evacuation(SITE, ids["HostSystem"]).host.environment == "stage"
    (cluster,) = port.list_clusters(SITE).rows
    assert (cluster.environment, cluster.labels) == ("stage", (TAG,))
    (store,) = port.list_stores(SITE).rows
    assert (store.environment, store.labels) == ("stage", (TAG,))


def test_what_alarms_and_tasks_are_about_is_in_it_too(
    simulator: Simulator, port: PyVmomiVSphere, ids: dict[str, str]
) -> None:
    host = ids["HostSystem"]
    (subject,) = port.find_subjects(HOST, SITE).rows
    assert (subject.environment, subject.labels) == ("stage", (TAG,))
    simulator.control.set_alarm("HostSystem", host, "alarm.HostConnectionStateAlarm", "red")
    (alarm,) = (one for one in port.list_alarms(SITE).rows if one.subject.id == host)
    assert alarm.subject == subject
    port.await_task(port.enter_maintenance(SITE, host, powered_off=True), TinyWatch())
    port.await_task(port.exit_maintenance(SITE, host), TinyWatch())
    rows = [one for one in port.list_tasks(SITE).rows if one.subject.id == host]
    assert rows
    assert {row.subject for row in rows} == {subject}
    simulator.control.set_alarm("HostSystem", host, "alarm.HostConnectionStateAlarm", "green")


def test_policy_judges_a_host_by_its_tags(port: PyVmomiVSphere, ids: dict[str, str]) -> None:
    reader = Reader(watch=TinyWatch(), site=SITE, actor="ops-1", ports=Ports(vsphere=port))
    plan = HOST_MAINTENANCE.plan(MaintenanceParams(mode="enter", host=HOST), reader)
    target = plan.targets[0]
    assert (target.id, target.environment, target.labels) == (ids["HostSystem"], "stage", (TAG,))


def test_tags_cost_a_call_for_all_and_none_where_they_decide_nothing(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, ids: dict[str, str]
) -> None:
    indifferent = PyVmomiVSphere(sessions)
    for asked, calls in ((port, 1), (indifferent, 0)):
        simulator.control.calls()
        asked.list_hosts(SITE)
        assert simulator.control.calls().get("rest:list-attached-tags-on-objects", 0) == calls
    assert {one.environment for one in indifferent.list_hosts(SITE).rows} == {"dev"}
    assert ids
    indifferent.close()


def test_tags_that_decide_and_are_not_to_be_had_are_no_guess(
    port: PyVmomiVSphere, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port.close()
    monkeypatch.setattr(tagging, "_CIS", "/nowhere")
    assert [away.site for away in port.list_hosts(SITE).not_reached] == [SITE]
    with pytest.raises(BackendRejectedError, match="offers no tags"):
        port.read_host(SITE, ids["HostSystem"])


def test_a_cluster_decides_for_its_vms_its_hosts_and_itself(simulator: Simulator) -> None:
    secret = SecretStr(simulator.password)
    sessions = Sessions({SITE: entry_of(simulator, BY_CLUSTER)}, {SITE: secret}, Path("/"))
    port = PyVmomiVSphere(sessions)
    vm = simulator.control.create_vm("in-a-cluster", power_on=True)
    assert port.read_vm(SITE, vm.id).environment == "stage"
    assert {one.environment for one in port.list_vms(SITE, fresh=True).rows} == {"stage"}
    assert {one.environment for one in port.list_hosts(SITE).rows} == {"stage"}
    assert {one.environment for one in port.list_clusters(SITE).rows} == {"stage"}
    assert {one.environment for one in port.list_stores(SITE).rows} == {"dev"}
    for name in (HOST, "DC0_C0"):
        assert [one.environment for one in port.find_subjects(name, SITE).rows] == ["stage"]
    port.close()
    sessions.close()


def test_the_index_knows_the_environment_by_the_cluster_too(simulator: Simulator, ledger: Ledger) -> None:
    with watching(simulator, ledger, rules=BY_CLUSTER) as running:
        assert until(running.is_filled)
        vm = simulator.control.create_vm("watched-in-a-cluster").id
        assert until(lambda: running.row(vm))
        row = running.row(vm)
        assert row is not None
        assert row.environment == "stage"
