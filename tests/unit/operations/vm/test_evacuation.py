from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from andock.operations.vm.evacuation import what_blocks
from andock.ports.vsphere import Evacuation, HostDevice, PlacementRule, PowerState, RuleKind, Vm


@pytest.fixture
def vms(bench: Any) -> tuple[Vm, ...]:
    """Three that are on, and one that is off, on the first of three hosts."""
    for name in ("esx-1", "esx-2", "esx-3"):
        bench.vsphere.host("lab", name)
    ids = [bench.vsphere.add("lab", f"web-0{number}") for number in (1, 2, 3)]
    ids.append(bench.vsphere.add("lab", "web-04", power=PowerState.OFF))
    found: tuple[Vm, ...] = bench.vsphere.read_vms("lab", ids)
    return found


@pytest.fixture
def evacuation(bench: Any, vms: tuple[Vm, ...]) -> Evacuation:
    found: Evacuation = bench.vsphere.read_evacuation("lab", vms[0].host_id)
    return found


def rule(kind: RuleKind, *vms: Vm, hosts: tuple[str, ...] = ()) -> PlacementRule:
    return PlacementRule("keep", kind, tuple(vm.id for vm in vms), hosts)


def test_nothing_is_said_where_nothing_keeps_a_vm(vms: tuple[Vm, ...], evacuation: Evacuation) -> None:
    rules = (
        rule(RuleKind.TOGETHER, *vms),
        rule(RuleKind.APART, *vms, hosts=("esx-2",)),
        rule(RuleKind.ON, *vms, hosts=("esx-1", "esx-3")),
        rule(RuleKind.OFF, *vms, hosts=("esx-2",)),
    )
    off = vms[3]
    there = (HostDevice(off.id, "PCI device 0"),)
    assert what_blocks(replace(evacuation, rules=rules, devices=there, unmoved=(off.id,)), vms) == ()


def test_a_device_of_the_host_is_named_with_the_way_out(vms: tuple[Vm, ...], evacuation: Evacuation) -> None:
    devices = (
        HostDevice(vms[0].id, "PCI device 0"),
        HostDevice(vms[1].id, "CD/DVD drive 1 with `[s] a.iso`", drive=True),
    )
    assert what_blocks(replace(evacuation, devices=devices), vms) == (
        (
            "`web-01` uses PCI device 0 of the host and cannot move: take it out of the VM, or "
            "`vm shutdown web-01`."
        ),
        "`web-02` uses CD/DVD drive 1 with `[s] a.iso` of the host and cannot move: disconnect it.",
    )


def test_a_vm_that_drs_leaves_alone_is_to_be_moved_by_somebody(
    vms: tuple[Vm, ...], evacuation: Evacuation
) -> None:
    alone = replace(evacuation, unmoved=(vms[1].id,))
    assert what_blocks(alone, vms) == (
        "DRS is set to leave `web-02` alone: `vm migrate web-02 --host esx-2`.",
    )
    (cluster,) = what_blocks(replace(alone, mover="manual"), vms)
    assert cluster.startswith("DRS is not fully automated in `C0`: 3 VMs stay")


@pytest.mark.parametrize(
    ("kind", "hosts", "why"),
    [
        (RuleKind.ON, ("esx-1",), "runs only on `esx-1` (rule `keep`)"),
        (RuleKind.ON, (), "runs only on no host (rule `keep`)"),
        (RuleKind.OFF, ("esx-2", "esx-3"), "never runs on `esx-2`, `esx-3` (rule `keep`)"),
        (RuleKind.APART, ("esx-2", "esx-3"), "is kept apart from VMs on `esx-2`, `esx-3` (rule `keep`)"),
    ],
)
def test_a_rule_that_leaves_no_host_is_named(
    vms: tuple[Vm, ...], evacuation: Evacuation, kind: RuleKind, hosts: tuple[str, ...], why: str
) -> None:
    ruled = replace(evacuation, rules=(rule(kind, vms[0], hosts=hosts),))
    assert what_blocks(ruled, vms) == (
        (
            f"No other host may take `web-01`: it {why}. Put another host in service, change the rule, or "
            "`vm shutdown web-01`."
        ),
    )


def test_two_rules_that_leave_no_host_together_are_both_named(
    vms: tuple[Vm, ...], evacuation: Evacuation
) -> None:
    rules = (
        rule(RuleKind.ON, vms[0], hosts=("esx-1", "esx-2")),
        rule(RuleKind.APART, vms[0], hosts=("esx-2",)),
    )
    (said,) = what_blocks(replace(evacuation, rules=rules), vms)
    assert "it runs only on `esx-1`, `esx-2` (rule `keep`), and it is kept apart from VMs on `esx-2`" in said


def test_a_vm_that_must_stay_with_one_that_cannot_leave_cannot_either(
    vms: tuple[Vm, ...], evacuation: Evacuation
) -> None:
    bound = replace(
        evacuation,
        devices=(HostDevice(vms[1].id, "USB 1"),),
        rules=(rule(RuleKind.TOGETHER, vms[0], vms[1], vms[3]),),
    )
    said = what_blocks(bound, vms)
    assert said[1:] == ("`web-01` stays with `web-02` (rule `keep`), which cannot leave.",)


def test_vms_that_must_stay_together_need_one_host_that_may_take_all(
    vms: tuple[Vm, ...], evacuation: Evacuation
) -> None:
    rules = (
        rule(RuleKind.TOGETHER, vms[0], vms[1]),
        rule(RuleKind.ON, vms[0], hosts=("esx-2",)),
        rule(RuleKind.ON, vms[1], hosts=("esx-3",)),
    )
    assert what_blocks(replace(evacuation, rules=rules), vms) == (
        "No other host may take `web-01`, `web-02` together, as rule `keep` wants it: change the rule.",
    )


def test_a_vm_that_is_off_is_held_by_its_datastore_alone(vms: tuple[Vm, ...], evacuation: Evacuation) -> None:
    off = replace(vms[3], datastores=("scratch",), question="Copied or moved?")
    bound = replace(evacuation, local=("scratch",), devices=(HostDevice(off.id, "PCI device 0"),))
    (said,) = what_blocks(bound, (off,), with_off=True)
    assert said.startswith("`web-04` lies on `scratch`, which no other host of the cluster reaches")
    assert what_blocks(bound, (off,)) == ()


def test_a_hundred_reasons_are_counted_after_the_first(vms: tuple[Vm, ...], evacuation: Evacuation) -> None:
    devices = tuple(HostDevice(vms[0].id, f"PCI device {number}") for number in range(30))
    said = what_blocks(replace(evacuation, devices=devices), vms)
    assert len(said) == 21
    assert said[-1] == "And 10 more reasons."
