from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from andock.errors import BackendUnavailableError
from andock.operation import Outcome
from andock.operations.vm.sizes import read_size, write_size
from andock.operations.vm.snapshot_names import SnapshotName
from andock.operations.vm.snapshot_reads import (
    SNAPSHOT_LIST,
    SNAPSHOT_REPORT,
    SNAPSHOT_TREE,
    ListParams,
    ReportParams,
    TreeParams,
)

GIB = 1024**3


@pytest.fixture(autouse=True)
def _snapshots(bench: Any) -> None:
    """web-01 with an old one below a large, expired one; web-02 with a fresh one; db-01 with none."""
    for name in ("web-01", "web-02", "db-01"):
        bench.vsphere.add("lab", name)
    now = bench.vsphere.now
    bench.vsphere.plant("lab", "vm-1", name="base", created=now - timedelta(days=9), size=2 * GIB)
    ours = SnapshotName("upgrade", "ops-1", now - timedelta(hours=1))
    bench.vsphere.plant("lab", "vm-1", name=str(ours), created=now - timedelta(days=1), size=20 * GIB)
    bench.vsphere.plant("lab", "vm-2", name="fresh")


def ask(bench: Any, operation: Any, params: Any) -> Outcome:
    found = operation.find(params, bench.reader)
    if not found.rows:
        return Outcome(summary=found.empty, notes=found.notes)
    outcome = operation.run(params, bench.reader, found)
    assert isinstance(outcome, Outcome)
    return outcome


def rows(outcome: Outcome) -> list[tuple[str, ...]]:
    assert outcome.table is not None
    return list(outcome.table.rows)


def test_all_are_listed_oldest_first_with_what_their_names_say(bench: Any) -> None:
    outcome = ask(bench, SNAPSHOT_LIST, ListParams())
    assert outcome.summary == "3 snapshots of 2 VMs."
    base, upgrade, fresh = rows(outcome)
    assert base[:5] == ("web-01", "snapshot-1", "9 d", "2.0 GiB", "1")
    assert upgrade[:6] == ("web-01", "snapshot-2", "1 d", "20.0 GiB", "2", "upgrade")
    assert upgrade[6] == "2026-01-01 11:00"
    assert (fresh[0], fresh[5], fresh[6]) == ("web-02", "fresh", "")


@pytest.mark.parametrize(("name", "vms"), [("web-02", {"web-02"}), ("*-01", {"web-01"}), ("db", set())])
def test_a_list_is_of_what_the_pattern_fits(bench: Any, name: str, vms: set[str]) -> None:
    outcome = ask(bench, SNAPSHOT_LIST, ListParams(name=name))
    assert {row[0] for row in (outcome.table.rows if outcome.table else ())} == vms


def test_a_tree_shows_where_the_vm_stands_and_offers_what_can_be_done(bench: Any) -> None:
    outcome = ask(bench, SNAPSHOT_TREE, TreeParams(vm="web-01"))
    first, second = outcome.text.splitlines()
    assert first == "- base (snapshot-1, 9 d old, 2.0 GiB)"
    assert second.startswith("   - upgrade [ops-1 until ")
    assert second.endswith("  <- the VM stands on it  expired")
    assert [offer.command for offer in outcome.offers] == [
        "snapshot revert vm-1 snapshot-2 --site lab",
        "snapshot delete vm-1 snapshot-2 --site lab",
    ]
    assert all(offer.danger for offer in outcome.offers)


def test_a_vm_without_snapshots_is_said_so(bench: Any) -> None:
    outcome = ask(bench, SNAPSHOT_TREE, TreeParams(vm="db-01"))
    assert (outcome.summary, outcome.text, outcome.offers) == ("`db-01` has no snapshots.", "", ())


def test_a_report_says_why_and_offers_to_delete_what_has_expired(bench: Any) -> None:
    bench.vsphere.unconsolidated.add(("lab", "vm-3"))
    outcome = ask(bench, SNAPSHOT_REPORT, ReportParams(chain=1))
    said = [(row[0], row[2]) for row in rows(outcome)]
    assert said == [
        ("web-01", "9 d old"),
        ("web-01", "expired, 20.0 GiB"),
        ("web-01", "2 deep"),
        ("db-01", "consolidation needed"),
    ]
    assert [offer.command for offer in outcome.offers] == ["snapshot delete vm-1 snapshot-2 --site lab"]


def test_a_reports_limits_are_the_askers(bench: Any) -> None:
    bench.vsphere.snapshots["lab", "vm-1"].pop()
    limits = ReportParams(older_than=timedelta(days=30), bigger_than="3G")
    assert ask(bench, SNAPSHOT_REPORT, limits).summary == "Nothing to report on lab, prod-1."
    assert len(rows(ask(bench, SNAPSHOT_REPORT, ReportParams(bigger_than="1G")))) == 1


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="is no size; write it like"):
        ReportParams(bigger_than="much")
    assert (read_size("500M"), read_size("1.5t"), read_size("10 GiB")) == (
        500 * 1024**2,
        1536 * GIB,
        10 * GIB,
    )
    assert (write_size(0), write_size(3 * GIB), write_size(2048 * GIB)) == ("0 MiB", "3.0 GiB", "2.0 TiB")


def test_a_site_that_is_away_is_a_note_and_all_away_an_error(bench: Any) -> None:
    bench.vsphere.away["prod-1"] = "connection refused"
    outcome = ask(bench, SNAPSHOT_LIST, ListParams())
    assert outcome.notes == ("prod-1 was not reached: connection refused",)
    bench.vsphere.away["lab"] = "no answer"
    with pytest.raises(BackendUnavailableError):
        ask(bench, SNAPSHOT_LIST, ListParams())
