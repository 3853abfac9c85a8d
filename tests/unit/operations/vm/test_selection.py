from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from andock.errors import (
    BackendUnavailableError,
    InvalidParamsError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operations.vm.guest import VM_RESTART, GuestParams
from andock.operations.vm.inventory import VM_LIST, ListParams
from andock.operations.vm.power import VM_OFF, PowerParams
from andock.operations.vm.selection import MOST, Selection, pick
from andock.ports.vsphere import PowerState


@pytest.fixture(autouse=True)
def _web(bench: Any) -> None:
    """web-1 to web-3 (the last one off), db-1, and web-1 on another site; two tags."""
    for name in ("web-2", "web-1", "db-1"):
        bench.vsphere.add("lab", name, folder="shop")
    bench.vsphere.add("lab", "web-3", power=PowerState.OFF)
    bench.vsphere.add("prod-1", "web-9")
    bench.vsphere.attached = {"env=test": {("lab", "vm-1"), ("lab", "vm-3")}, "tier=db": {("lab", "vm-3")}}


def names(bench: Any, *vm: str, **options: Any) -> list[str]:
    return [one.vm.name for one in pick(Selection(vm=vm, **options), bench.reader)]


def test_a_pattern_means_all_that_it_fits_on_every_site_by_name(bench: Any) -> None:
    assert names(bench, "web-*") == names(bench, "WEB-?") == ["web-1", "web-2", "web-3", "web-9"]


def test_a_pattern_with_brackets_means_what_a_listing_shows_for_it(bench: Any) -> None:
    assert names(bench, "web-[12]") == names(bench, "lab:WEB-[!3]") == ["web-1", "web-2"]
    params = ListParams(name="web-[12]")
    assert [row.name for _, row in VM_LIST.find(params, bench.reader).rows] == ["web-1", "web-2"]


def test_a_name_with_brackets_means_the_vm_that_is_called_so(bench: Any) -> None:
    bench.vsphere.add("lab", "web-[12]")
    assert names(bench, "WEB-[12]") == names(bench, "/DC0/vm/web-[12]") == ["web-[12]"]
    params = ListParams(name="web-[12]")
    found = [row.name for _, row in VM_LIST.find(params, bench.reader).rows]
    assert found == ["web-1", "web-2", "web-[12]"]


def test_a_pattern_may_fit_paths_and_be_of_one_site(bench: Any) -> None:
    assert sorted(names(bench, "*/shop/*")) == ["db-1", "web-1", "web-2"]
    assert names(bench, "prod-1:web-*") == ["web-9"]
    bench.site = "prod-1"
    assert names(bench, "web-*") == ["web-9"]


def test_names_and_patterns_mean_each_vm_once_and_named_ones_come_first(bench: Any) -> None:
    picked = pick(Selection(vm=("web-2", "web-*")), bench.reader)
    assert picked[0].vm.name == "web-2"
    assert len(picked) == 4
    assert [one.named for one in picked] == [True, False, False, False]


def test_tags_alone_mean_all_that_bear_them_all(bench: Any) -> None:
    assert sorted(names(bench, tag=("env=test",))) == ["db-1", "web-2"]
    assert names(bench, tag=("env=test", "tier=db")) == ["db-1"]


def test_tags_narrow_a_pattern(bench: Any) -> None:
    assert names(bench, "web-*", tag=("env=test",)) == ["web-2"]


def test_a_vm_that_is_named_and_lacks_the_tag_is_refused(bench: Any) -> None:
    with pytest.raises(TargetStateError, match="`web-1` is without that tag; it must be env=test"):
        names(bench, "web-1", tag=("env=test",))


@pytest.mark.parametrize(("vm", "tag"), [(("app-*",), ()), ((), ("env=none",)), (("web-*",), ("tier=db",))])
def test_nothing_meant_is_not_found(bench: Any, vm: tuple[str, ...], tag: tuple[str, ...]) -> None:
    with pytest.raises(TargetNotFoundError):
        names(bench, *vm, tag=tag)


def test_neither_names_nor_tags_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValidationError, match=r"say which VMs: names, a pattern such as `web-\*`"):
        Selection()


def test_too_many_are_refused(bench: Any) -> None:
    for number in range(MOST):
        bench.vsphere.add("lab", f"web-x{number}")
    with pytest.raises(InvalidParamsError, match=f"That means {MOST + 4} VMs; one request changes at most"):
        names(bench, "web-*")


def test_a_site_that_is_away_may_have_had_some_too(bench: Any) -> None:
    bench.vsphere.away["prod-1"] = "connection refused"
    for selection in (Selection(vm=("web-*",)), Selection(tag=("env=test",))):
        with pytest.raises(BackendUnavailableError, match="`--site` leaves it out: lab"):
            pick(selection, bench.reader)
    bench.site = "lab"
    assert len(names(bench, "web-*")) == 3


def test_what_a_pattern_means_in_vain_is_left_out_and_told(bench: Any) -> None:
    plan = VM_OFF.plan(PowerParams(vm=("web-*",), at_once=7, max_fail=2), bench.reader)
    assert sorted(step.target.name for step in plan.steps) == ["web-1", "web-2", "web-9"]
    assert plan.warnings == ("1 left out: `web-3` is off; it must be on for this.",)
    assert (plan.at_once, plan.max_fail, len(plan.batches)) == (7, 2, 1)


def test_what_is_named_in_vain_is_refused(bench: Any) -> None:
    with pytest.raises(TargetStateError, match="`web-3` is off"):
        VM_OFF.plan(PowerParams(vm=("web-3", "web-*")), bench.reader)


def test_a_pattern_that_means_only_such_is_refused(bench: Any) -> None:
    with pytest.raises(TargetStateError, match="`web-3` is off"):
        VM_OFF.plan(PowerParams(vm=("web-3*",)), bench.reader)


def test_guests_are_picked_the_same_way(bench: Any) -> None:
    bench.vsphere.change("lab", "vm-1", tools_running=False)
    plan = VM_RESTART.plan(GuestParams(vm=("lab:web-*",)), bench.reader)
    assert [step.target.name for step in plan.steps] == ["web-1"]
    assert "2 left out: `web-2` is on, but VMware Tools do not run in its guest" in plan.warnings[0]
