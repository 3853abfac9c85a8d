"""Names become VMs by the index, and by vCenter itself where the index is missing, stale or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from andock.errors import BackendRejectedError
from andock.indexing import IndexWriter, RowChange
from andock.inventory import Inventory as Index
from andock.ledger import Ledger
from andock.ports.sites import Age
from andock.ports.vsphere import VmRow
from config.installation import connect
from sandbox.processes import free_port
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import SITE
from workers.vsphere import PyVmomiVSphere, Sessions, inventory, tagging

RETRIEVE, SCAN = "RetrievePropertiesEx", "CreateContainerView"


@pytest.fixture
def port(sessions: Sessions, ledger: Ledger) -> Iterator[PyVmomiVSphere]:
    sessions.ensure(SITE)
    port = PyVmomiVSphere(sessions, Index(ledger))
    yield port
    port.close()


@pytest.fixture
def writer(ledger: Ledger) -> IndexWriter:
    return IndexWriter(ledger, SITE)


def read_rows(sessions: Sessions) -> tuple[VmRow, ...]:
    session = sessions.open(SITE)
    try:
        return session.read(lambda s: inventory.list_rows(s, sessions.vcenter(SITE)))
    finally:
        session.close()


def fill(writer: IndexWriter, rows: Sequence[VmRow], *, lag: float = 0.0) -> None:
    assert writer.hold()
    writer.fill(rows, lag=lag, tagged=True)


def ids(port: PyVmomiVSphere, name: str) -> set[str]:
    return {vm.id for vm in port.find_vms(name).rows}


def test_a_name_in_the_index_costs_two_reads_and_no_scan(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    vm = simulator.control.create_vm("indexed", folder="prod").id
    fill(writer, read_rows(sessions))
    simulator.control.calls()
    (found,) = port.find_vms("INDEXED").rows
    assert (found.id, found.environment) == (vm, "prod")
    assert found == port.read_vm(SITE, vm)
    calls = simulator.control.calls()
    assert calls == {RETRIEVE: 4}


def test_a_vm_in_full_says_how_old_its_tags_are(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    vm = simulator.control.create_vm("labelled").id
    assert port.read_vm(SITE, vm).tags_age is None  # there is no index
    rows = [replace(row, labels=("team=shop",)) for row in read_rows(sessions)]
    assert writer.hold()
    writer.fill(rows, lag=0, tagged=True, tags_lag=5)
    (found,) = port.find_vms("labelled").rows
    assert found.labels == ("team=shop",)
    assert found.tags_age is not None
    assert 5 <= found.tags_age < 15
    writer.change([], lag=0, tagged=False)
    assert port.read_vm(SITE, vm).tags_age is None
    live = PyVmomiVSphere(sessions, by_tags=(SITE,))
    assert live.read_vm(SITE, vm).tags_age == 0
    live.close()


def test_a_change_sees_a_namesake_that_the_index_does_not_know_yet(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    known = simulator.control.create_vm("just-made", folder="prod").id
    fill(writer, read_rows(sessions))
    new = simulator.control.create_vm("just-made", folder="dev").id

    assert {vm.id for vm in port.find_vms("just-made").rows} == {known}
    assert {vm.id for vm in port.find_vms("JUST-MADE", fresh=True).rows} == {known, new}


def test_a_change_by_path_or_id_costs_no_scan(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    vm = simulator.control.create_vm("by-path", folder="prod").id
    fill(writer, read_rows(sessions))
    for name in (vm, "/DC0/vm/prod/by-path"):
        simulator.control.calls()
        (found,) = port.find_vms(name, fresh=True).rows
        assert found.id == vm
        assert simulator.control.calls() == {RETRIEVE: 2}


@pytest.mark.parametrize("state", ["missing", "stale", "redis away"])
def test_without_a_current_index_vcenter_is_looked_through(
    simulator: Simulator, sessions: Sessions, ledger: Ledger, writer: IndexWriter, state: str
) -> None:
    vm = simulator.control.create_vm(f"unindexed-{state}").id
    if state == "stale":
        fill(writer, (), lag=31)
    redis = connect(f"redis://127.0.0.1:{free_port()}") if state == "redis away" else ledger.redis
    port = PyVmomiVSphere(sessions, Index(Ledger(redis, "t")) if state == "redis away" else Index(ledger))
    simulator.control.calls()
    assert ids(port, f"unindexed-{state}") == {vm}
    assert simulator.control.calls()[SCAN] == 1
    listing = port.list_vms()
    assert vm in {row.id for row in listing.rows}
    assert listing.ages == ()
    assert port.similar_names(f"unindexed-{state}x")[0] == f"unindexed-{state}"
    port.close()


def test_two_of_one_name_are_both_found_by_the_index(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    twins = {simulator.control.create_vm("twins", folder=folder).id for folder in ("a", "b")}
    fill(writer, read_rows(sessions))
    simulator.control.calls()
    assert ids(port, "twins") == twins
    assert SCAN not in simulator.control.calls()


def test_who_is_not_called_so_any_more_is_not_found_and_who_is_now_is(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    old = simulator.control.create_vm("renamed-since").id
    new = simulator.control.create_vm("namesake").id
    rows = {row.id: row for row in read_rows(sessions)}
    fill(writer, list(rows.values()))
    wrong = replace(rows[old], name="namesake", path="/DC0/vm/namesake")
    writer.change([RowChange(old, rows[old], wrong), RowChange(new, rows[new], None)], lag=0, tagged=True)
    assert ids(port, "namesake") == {new}
    assert ids(port, "renamed-since") == {old}


def test_a_vm_that_is_newer_than_the_index_is_found_and_one_that_is_gone_is_not(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    rows = read_rows(sessions)
    gone = replace(rows[0], id="vm-99999", name="gone", path="/DC0/vm/gone")
    fill(writer, [*rows, gone])
    vm = simulator.control.create_vm("newer").id
    assert ids(port, "newer") == {vm}
    assert ids(port, "gone") == set()


def test_listing_and_similar_names_come_out_of_the_index_with_its_age(
    simulator: Simulator, sessions: Sessions, port: PyVmomiVSphere, writer: IndexWriter
) -> None:
    row = replace(read_rows(sessions)[0], name="only-in-the-index")
    fill(writer, [row], lag=5)
    simulator.control.calls()
    listing = port.list_vms(SITE)
    assert listing.rows == (row,)
    (age,) = listing.ages
    assert isinstance(age, Age)
    assert 5 <= age.seconds < 15
    assert port.similar_names("only-in-an-index") == ("only-in-the-index",)
    assert simulator.control.calls() == {}
    fresh = port.list_vms(SITE, fresh=True)
    assert fresh.ages == ()
    assert "only-in-the-index" not in {one.name for one in fresh.rows}


def test_where_tags_decide_they_are_read_as_they_are_now(
    simulator: Simulator, sessions: Sessions, ledger: Ledger, writer: IndexWriter
) -> None:
    vm = simulator.control.create_vm("decided").id
    fill(writer, read_rows(sessions))
    simulator.tags.attach(vm, "env=stage")
    by_index, by_tags = (PyVmomiVSphere(sessions, Index(ledger), by_tags=sites) for sites in ((), (SITE,)))
    assert [found.environment for found in by_index.find_vms("decided").rows] == ["dev"]
    (found,) = by_tags.find_vms("decided").rows
    assert (found.environment, found.labels) == ("stage", ("env=stage",))
    assert by_tags.read_vm(SITE, vm) == found
    row = next(row for row in by_tags.list_vms(fresh=True).rows if row.id == vm)
    assert (row.environment, row.labels) == ("stage", ("env=stage",))
    by_index.close()
    by_tags.close()


def test_tags_that_decide_and_are_not_to_be_had_are_no_guess(
    simulator: Simulator, sessions: Sessions, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "_CIS", "/nowhere")
    vm = simulator.control.create_vm("undecided").id
    port = PyVmomiVSphere(sessions, Index(ledger), by_tags=(SITE,))
    for listing in (port.find_vms("undecided"), port.list_vms()):
        assert listing.rows == ()
        assert [(away.site, "offers no tags" in away.why) for away in listing.not_reached] == [(SITE, True)]
    with pytest.raises(BackendRejectedError, match="offers no tags"):
        port.read_vm(SITE, vm)
    port.close()
