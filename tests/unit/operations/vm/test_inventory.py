from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from andock.catalogue import load_catalogue
from andock.errors import BackendUnavailableError, InvalidParamsError, UserError
from andock.operations.vm.inventory import VM_FIND, VM_INFO, VM_LIST, FindParams, InfoParams, ListParams
from andock.ports.vsphere import PowerState
from bot.parsing import parse, unparse


def listed(bench: Any, name: str = "", **options: Any) -> Any:
    params = ListParams(name=name, **options)
    found = VM_LIST.find(params, bench.reader)
    return VM_LIST.run(params, bench.reader, found), found


def names(bench: Any, **options: Any) -> list[str]:
    _, found = listed(bench, **options)
    return [row.name for _, row in found.rows]


def test_a_listing_is_a_table_in_alphabetical_order(bench: Any) -> None:
    bench.vsphere.add("lab", "web-02", folder="shop", power=PowerState.OFF)
    bench.vsphere.add("prod-1", "Web-01")
    outcome, found = listed(bench)
    assert outcome.summary == "2 VMs, 1 on."
    assert outcome.table.columns[0] == "name"
    assert outcome.table.rows == (
        ("Web-01", "on", "10.0.0.1", "prod", "esx-1", "/DC0/vm", "prod-1"),
        ("web-02", "off", "10.0.0.1", "dev", "esx-1", "/DC0/vm/shop", "lab"),
    )
    assert [target.environment for target, _ in found.rows] == ["prod", "dev"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web-*", ["web-01", "web-02"]),
        ("WEB-0?", ["web-01", "web-02"]),
        ("eb-01", ["web-01"]),
        ("*/shop/*", ["web-02"]),
        ("nothing", []),
    ],
)
def test_a_pattern_chooses(bench: Any, pattern: str, names: list[str]) -> None:
    bench.vsphere.add("lab", "web-01")
    bench.vsphere.add("lab", "web-02", folder="shop")
    bench.vsphere.add("lab", "db-01")
    _, found = listed(bench, pattern)
    assert [row.name for _, row in found.rows] == names
    assert found.empty == f"No VM `{pattern}` on lab, prod-1."


def many(bench: Any) -> None:
    """One VM for each thing that can be asked for."""
    now = datetime.now(UTC)
    for name, folder, changes in (
        ("plain", "", {}),
        ("off", "", {"power": PowerState.OFF, "tools_running": False}),
        ("deep", "prod/shop", {}),
        ("prodigal", "", {}),
        ("hosted", "", {"host": "ESX-7", "ip": "10.0.9.1"}),
        ("tagged", "", {"labels": ("env=prod", "team=shop")}),
        ("old-tools", "", {"tools_version": "old"}),
        ("no-tools", "", {"tools_version": "none", "tools_running": False, "ip": ""}),
        ("silent", "", {"tools_running": False, "tools_version": "current"}),
        ("snap-2d", "", {"oldest_snapshot": now - timedelta(days=2)}),
        ("snap-5d", "", {"oldest_snapshot": now - timedelta(days=5)}),
    ):
        bench.vsphere.change("lab", bench.vsphere.add("lab", name, folder=folder), **changes)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"power": "off"}, ["off"]),
        ({"folder": "prod"}, ["deep"]),
        ({"folder": "SHOP"}, ["deep"]),
        ({"folder": "/DC0/vm/prod"}, ["deep"]),
        ({"folder": "*/prod/*"}, ["deep"]),
        ({"folder": "pro"}, []),
        ({"host": "esx-7"}, ["hosted"]),
        ({"host": "esx-[5-9]"}, ["hosted"]),
        ({"host": "esx"}, []),
        ({"tag": ("env=prod",)}, ["tagged"]),
        ({"tag": ("ENV",)}, ["tagged"]),
        ({"tag": ("env=prod", "team=shop")}, ["tagged"]),
        ({"tag": ("env=prod", "team=other")}, []),
        ({"tag": ("team=s*",)}, ["tagged"]),
        ({"tag": ("prod",)}, []),
        ({"ip": "10.0.9.1"}, ["hosted"]),
        ({"ip": "10.0.9.*"}, ["hosted"]),
        ({"ip": "10.0.9.0/24"}, ["hosted"]),
        ({"tools": "old"}, ["old-tools"]),
        ({"tools": "none"}, ["no-tools"]),
        ({"tools": "stopped"}, ["silent"]),
        ({"snapshot_older": timedelta(days=3)}, ["snap-5d"]),
        ({"snapshot_older": timedelta(days=1), "sort": "snapshot"}, ["snap-5d", "snap-2d"]),
        ({"snapshot_older": timedelta(days=1), "name": "*2d"}, ["snap-2d"]),
        ({"power": "suspended"}, []),
    ],
)
def test_options_choose_and_all_of_them_must_fit(bench: Any, options: Any, wanted: list[str]) -> None:
    many(bench)
    assert names(bench, **options) == wanted


def test_nothing_that_fits_is_said_without_a_claim_about_the_name(bench: Any) -> None:
    many(bench)
    _, found = listed(bench, "plain", power="off")
    assert found.empty == "No VM `plain` like that on lab, prod-1."


def test_columns_and_their_order_are_the_askers(bench: Any) -> None:
    many(bench)
    outcome, _ = listed(bench, columns="name,tags,snapshot,tools", sort="snapshot")
    assert outcome.table.columns == ("name", "tags", "snapshot", "tools")
    assert outcome.table.rows[:2] == (("snap-5d", "", "5 d", "running"), ("snap-2d", "", "2 d", "running"))
    assert ("tagged", "env=prod, team=shop", "", "running") in outcome.table.rows
    assert ("old-tools", "", "", "running, old") in outcome.table.rows
    assert ("no-tools", "", "", "none") in outcome.table.rows


def test_addresses_are_sorted_by_number_and_backwards(bench: Any) -> None:
    for number in (10, 9, 100):
        vm = bench.vsphere.add("lab", f"m-{number}")
        bench.vsphere.change("lab", vm, ip=f"10.0.0.{number}")
    bench.vsphere.change("lab", bench.vsphere.add("lab", "nowhere"), ip="")
    assert names(bench, sort="address") == ["m-9", "m-10", "m-100", "nowhere"]
    assert names(bench, sort="address", reverse=True) == ["nowhere", "m-100", "m-10", "m-9"]


def test_a_network_has_addresses_of_its_own_family_alone(bench: Any) -> None:
    for name, ip in (("four", "10.0.9.255"), ("near", "10.0.10.0"), ("six", "fd00:9::1"), ("nowhere", "")):
        bench.vsphere.change("lab", bench.vsphere.add("lab", name), ip=ip)
    assert names(bench, ip="10.0.8.7/23") == ["four"]
    assert names(bench, ip="0.0.0.0/0") == ["four", "near"]
    assert names(bench, ip="FD00:9::/64") == ["six"]


def test_the_age_of_what_an_index_says_is_said(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    bench.vsphere.ages = {"lab": 2.4, "prod-1": 0.1}
    outcome, _ = listed(bench)
    assert outcome.notes == (
        "lab as it was 2 s ago, prod-1 as it was 1 s ago; `--fresh` asks vCenter itself",
    )
    outcome, _ = listed(bench, fresh=True)
    assert outcome.notes == ()


def test_tags_that_nobody_knows_are_no_answer(bench: Any) -> None:
    bench.vsphere.change("lab", bench.vsphere.add("lab", "web-01"), labels=("env=prod",))
    bench.vsphere.untagged = {"prod-1"}
    outcome, _ = listed(bench, tag=("env=prod",))
    assert outcome.notes == ("the tags of prod-1 are not known at the moment",)
    outcome, _ = listed(bench)
    assert outcome.notes == ()
    bench.vsphere.untagged = {"prod-1", "lab"}
    with pytest.raises(
        UserError, match=r"The tags of .* are not known at the moment, so `--tag` finds nothing"
    ):
        listed(bench, tag=("env=prod",))


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("10.0.9.1", ["hosted"]),
        ("10.0.9.*", ["hosted"]),
        ("esx-7", ["hosted"]),
        ("team=shop", ["tagged"]),
        ("shop", ["deep", "tagged"]),
        ("UUID-vm-1", ["plain", "snap-2d", "snap-5d"]),
        ("vm-2", ["off"]),
        ("prod-", []),
    ],
)
def test_vms_are_found_by_anything_they_are_known_by(bench: Any, typed: str, wanted: list[str]) -> None:
    many(bench)
    params = FindParams(text=typed)
    assert [row.name for _, row in VM_FIND.find(params, bench.reader).rows] == wanted


def test_options_are_typed_as_they_read() -> None:
    catalogue = load_catalogue()
    typed = (
        "vm list web-* --power off --folder prod --host esx-1 --tag env=prod --tag team=shop --ip 10.0.0.0/8 "
        "--tools old --snapshot-older 3d --sort host --reverse --columns name,host --fresh"
    )
    parsed = parse(typed, catalogue)
    assert unparse(parsed) == typed
    assert parsed.params == ListParams(
        name="web-*",
        power=PowerState.OFF,
        folder="prod",
        host="esx-1",
        tag=("env=prod", "team=shop"),
        ip="10.0.0.0/8",
        tools="old",
        snapshot_older=timedelta(days=3),
        sort="host",
        reverse=True,
        columns="name,host",
        fresh=True,
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("vm list --sort size", "`--sort` knows no column `size`; there are name, power,"),
        ("vm list --columns name,,host", "`--columns` knows no column ``"),
        ("vm list --power up", "`--power` must be 'on', 'off' or 'suspended'"),
        ("vm list --tools new", "`--tools` must be 'running', 'stopped', 'old' or 'none'"),
        ("vm list --ip 10.0.0/x", "`--ip` is no network; write it like `10.0.0.0/24`"),
        ("vm list --snapshot-older soon", "`--snapshot-older`: `soon` is no time"),
        ("vm find", "`TEXT` is missing"),
    ],
)
def test_what_is_typed_wrongly_gets_the_way_out(typed: str, said: str) -> None:
    with pytest.raises(InvalidParamsError) as refused:
        parse(typed, load_catalogue())
    assert said in refused.value.sentence


def test_a_site_that_is_away_is_a_note_and_all_away_is_an_error(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    bench.vsphere.away["prod-1"] = "connection refused"
    outcome, _ = listed(bench)
    assert outcome.notes == ("prod-1 was not reached: connection refused",)
    bench.site = "prod-1"
    with pytest.raises(BackendUnavailableError, match="prod-1 was not reached"):
        listed(bench)


def test_info_shows_everything_that_is_known(bench: Any) -> None:
    vm = bench.vsphere.add("lab", "web-01", folder="shop")
    bench.vsphere.change(
        "lab",
        vm,
        alarms=("red: CPU",),
        question="Copied?",
        uptime=90061,
        datastores=("ds1", "ds2"),
        labels=("env=dev", "team=shop"),
        oldest_snapshot=datetime(2026, 1, 1, 8, 30, tzinfo=UTC),
        notes="Ann's",
    )
    params = InfoParams(vm="web-01")
    found = VM_INFO.find(params, bench.reader)
    outcome = VM_INFO.run(params, bench.reader, found)
    fields = dict(outcome.fields)
    assert outcome.summary == "`web-01` is on."
    assert fields.pop("Up for").startswith("1 d 1 h (since 2026-01-01 12:00")
    assert fields.pop("Oldest snapshot").endswith("(2026-01-01 08:30 UTC)")
    assert fields == {
        "Tags": "env=dev, team=shop",
        "Site": "lab",
        "Environment": "dev",
        "Power": "on",
        "Addresses": "10.0.0.1",
        "VMware Tools": "running",
        "CPUs": "2",
        "Memory": "2 GiB",
        "Host": "esx-1",
        "Cluster": "C0",
        "Datastores": "ds1, ds2",
        "Alarms": "red: CPU",
        "Waits for an answer": "Copied?",
        "Notes": "Ann's",
        "Path": "/DC0/vm/shop/web-01",
        "Id": vm,
    }


@pytest.mark.parametrize(
    ("power", "said"),
    [(PowerState.ON, "less than a minute (since 2026-01-01 12:00 UTC)"), (PowerState.OFF, None)],
)
def test_a_vm_that_is_on_says_since_when_though_vcenter_counts_no_second_yet(
    bench: Any, power: PowerState, said: str | None
) -> None:
    bench.vsphere.change("lab", bench.vsphere.add("lab", "web-01"), power=power, uptime=0)
    params = InfoParams(vm="web-01")
    outcome = VM_INFO.run(params, bench.reader, VM_INFO.find(params, bench.reader))
    assert dict(outcome.fields).get("Up for") == said


@pytest.mark.parametrize(
    ("version", "running", "said"),
    [("old", True, "running, old"), ("current", False, "stopped"), ("none", False, "none")],
)
def test_info_says_how_vmware_tools_are(bench: Any, version: str, running: bool, said: str) -> None:
    bench.vsphere.change(
        "lab", bench.vsphere.add("lab", "web-01"), tools_version=version, tools_running=running
    )
    params = InfoParams(vm="web-01")
    outcome = VM_INFO.run(params, bench.reader, VM_INFO.find(params, bench.reader))
    assert dict(outcome.fields)["VMware Tools"] == said


@pytest.mark.parametrize(
    ("age", "notes"),
    [
        (0.0, ()),
        (7.4, ("its tags as they were 7 s ago",)),
        (None, ("its tags are not known at the moment",)),
    ],
)
def test_info_says_how_old_the_tags_are(bench: Any, age: float | None, notes: tuple[str, ...]) -> None:
    bench.vsphere.change("lab", bench.vsphere.add("lab", "web-01"), tags_age=age)
    params = InfoParams(vm="web-01")
    assert VM_INFO.run(params, bench.reader, VM_INFO.find(params, bench.reader)).notes == notes


def test_info_goes_on_when_another_site_is_away_and_says_so(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    bench.vsphere.away["prod-1"] = "connection refused"
    found = VM_INFO.find(InfoParams(vm="web-01"), bench.reader)
    assert found.notes == ("prod-1 was not reached and may have a `web-01` too: connection refused",)
