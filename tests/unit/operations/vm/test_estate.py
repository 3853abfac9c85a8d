from __future__ import annotations

from typing import Any

import pytest

from andock.errors import BackendUnavailableError, TargetNotFoundError
from andock.operation import Outcome
from andock.operations.vm import clusters, datastores
from andock.operations.vm.clusters import CLUSTER_INFO, CLUSTER_LIST
from andock.operations.vm.datastores import DATASTORE_INFO, DATASTORE_LIST, StoresParams
from andock.operations.vm.hosts import ListParams
from andock.ports.vsphere import Cluster, Occupant, Store

GIB = 1024**3


def ask(bench: Any, operation: Any, params: Any) -> Outcome:
    outcome: Outcome = operation.run(params, bench.reader, operation.find(params, bench.reader))
    return outcome


@pytest.fixture(autouse=True)
def _estate(bench: Any) -> None:
    bench.vsphere.host("lab", "esx-1", memory=40 * GIB, memory_used=30 * GIB)
    bench.vsphere.host("lab", "esx-2", memory=40 * GIB, memory_used=20 * GIB, maintenance=True)
    bench.vsphere.clusters.append(
        Cluster("lab", "domain-c1", "C0", "/DC0/host/C0", "dev", ("esx-1", "esx-2"), 1,
                memory=80 * GIB, memory_used=50 * GIB, drs="automatic")
    )  # fmt: skip
    for number, (name, free, level) in enumerate(
        [("roomy", 90, ""), ("tight", 15, "warn"), ("full", 4, "critical")]
    ):
        bench.vsphere.stores.append(
            Store("lab", f"datastore-{number}", name, f"/DC0/datastore/{name}", "dev", "VMFS", 100 * GIB,
                  free * GIB, provisioned=150 * GIB, hosts=2, vms=3, level=level)
        )  # fmt: skip


def test_clusters_are_listed_with_hosts_in_service(bench: Any) -> None:
    table = ask(bench, CLUSTER_LIST, ListParams()).table
    assert table is not None
    assert table.rows[0][:7] == ("C0", "1 of 2", "0", "", "62 %", "automatic", "off")


def test_a_cluster_says_whether_it_can_lose_a_host(bench: Any) -> None:
    outcome = ask(bench, CLUSTER_INFO, clusters.InfoParams(cluster="c0"))
    assert dict(outcome.fields)["Without its largest host"] == "the memory in use does not fit into 40.0 GiB"
    assert outcome.table is not None
    assert [row[:2] for row in outcome.table.rows] == [("esx-1", "connected"), ("esx-2", "maintenance")]


def test_a_vcenter_that_goes_away_halfway_is_no_cluster_without_hosts(bench: Any) -> None:
    params = clusters.InfoParams(cluster="c0")
    found = CLUSTER_INFO.find(params, bench.reader)
    bench.vsphere.away["lab"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        CLUSTER_INFO.run(params, bench.reader, found)


def test_datastores_are_listed_with_the_fullest_first(bench: Any) -> None:
    outcome = ask(bench, DATASTORE_LIST, StoresParams())
    assert outcome.summary == "3 datastores, 1 critical, 1 to watch."
    assert outcome.table is not None
    assert [row[0] for row in outcome.table.rows] == ["full", "tight", "roomy"]
    assert outcome.table.rows[0][1:6] == ("critical", "4.0 GiB", "100.0 GiB", "96 %", "150 %")


def test_only_the_full_ones_are_listed_on_request(bench: Any) -> None:
    table = ask(bench, DATASTORE_LIST, StoresParams(full=True, name="t")).table
    assert table is not None
    assert [row[0] for row in table.rows] == ["tight"]


def test_a_datastore_names_the_vms_that_take_the_most(bench: Any) -> None:
    occupants = tuple(Occupant(f"web-{number}", (9 - number) * GIB, 20 * GIB) for number in range(5))
    bench.vsphere.occupants["datastore-2"] = occupants
    outcome = ask(bench, DATASTORE_INFO, datastores.InfoParams(datastore="FULL", top=2))
    assert outcome.summary == "Datastore `full` has 4.0 GiB free of 100.0 GiB (96 % used, critical)."
    assert outcome.table is not None
    assert outcome.table.rows == (("web-0", "9.0 GiB", "20.0 GiB"), ("web-1", "8.0 GiB", "20.0 GiB"))
    assert outcome.notes == ("3 more VMs; `--top 5` shows them",)


def test_a_name_that_nothing_has_gets_the_nearest(bench: Any) -> None:
    with pytest.raises(TargetNotFoundError, match="roomy"):
        DATASTORE_INFO.find(datastores.InfoParams(datastore="romy"), bench.reader)
    with pytest.raises(TargetNotFoundError, match="C9"):
        CLUSTER_INFO.find(clusters.InfoParams(cluster="C9"), bench.reader)


def test_no_vcenter_is_an_error_and_one_of_two_is_a_note(bench: Any) -> None:
    bench.vsphere.away["prod-1"] = "connection refused"
    assert ask(bench, DATASTORE_LIST, StoresParams()).notes == ("prod-1 was not reached: connection refused",)
    bench.vsphere.away["lab"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        ask(bench, DATASTORE_LIST, StoresParams())
