from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from andock.errors import (
    AmbiguousTargetError,
    BackendUnavailableError,
    InvalidParamsError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Done, Mark, NotDone
from andock.operations.vm.cloning import VM_CLONE, CloneParams
from andock.ports.vsphere import PlaceKind, PowerState


@pytest.fixture(autouse=True)
def _places(bench: Any) -> None:
    place = bench.vsphere.place
    place(PlaceKind.TEMPLATE, "lab", "debian")
    place(PlaceKind.FOLDER, "lab", "vm", path="/DC0/vm")
    place(PlaceKind.FOLDER, "lab", "shop", path="/DC0/vm/prod/shop")
    place(PlaceKind.HOST, "lab", "esx-2")
    place(PlaceKind.DATASTORE, "lab", "ssd", free=50, capacity=100)
    place(PlaceKind.NETWORK, "lab", "VLAN-20")


def plan(bench: Any, **params: Any) -> Any:
    return VM_CLONE.plan(CloneParams(**({"template": "debian", "name": "web-04"} | params)), bench.reader)


def test_a_clone_lies_beside_its_template_and_is_as_that_is(bench: Any) -> None:
    (step,) = plan(bench).steps
    assert step.text == "clone `debian` to `web-04` in /DC0/vm"
    assert (step.target.name, step.target.path, step.target.environment) == (
        "web-04",
        "/DC0/vm/web-04",
        "dev",
    )
    assert step.target.parents == ("vm:lab/template-1",)
    done = VM_CLONE.apply(step, bench.writer)
    assert done.text == "`web-04` was cloned from `/DC0/vm/debian`."
    assert [offer.command for offer in done.offers] == [
        "vm info /DC0/vm/web-04 --site lab",
        "vm on /DC0/vm/web-04 --site lab",
    ]
    (made,) = bench.vsphere.find_vms("web-04", "lab").rows
    assert (made.cpus, made.memory_mb, made.power) == (2, 2048, PowerState.OFF)


def test_everything_that_is_asked_for_is_said_and_done(bench: Any) -> None:
    step, power, wait = plan(
        bench,
        folder="prod/shop",
        host="ESX-2",
        datastore="ssd",
        network="VLAN-20",
        spec="linux",
        cpus=4,
        memory="8G",
        note="shop",
        on=True,
    ).steps
    assert step.text == (
        "clone `debian` to `web-04` in /DC0/vm/prod/shop (4 CPUs, 8.0 GiB, on host `ESX-2`, on datastore "
        "`ssd`, network `VLAN-20`, customized by `linux`)"
    )
    assert power.text == "power on `web-04`"
    assert wait.text == "wait until `web-04` is customized and has an address, at most 15m"
    assert step.target.environment == "prod"
    assert "host:lab/host-4" in step.target.parents
    VM_CLONE.apply(step, bench.writer)
    (new,) = bench.vsphere.clones
    assert (new.host, new.datastore, new.network) == ("host-4", "datastore-5", "network-6")
    assert (new.cpus, new.memory_mb, new.customization, new.notes) == (4, 8192, "linux", "shop")


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"template": "debain"}, "No template `debain` on `lab`, `prod-1`. Did you mean `debian`"),
        ({"folder": "shp"}, "No folder `shp` on `lab`. Did you mean `shop`"),
        ({"host": "esx-9"}, "No host `esx-9` on `lab`. Did you mean `esx-2`"),
        ({"spec": "linus"}, "No customization specification `linus` on `lab`. Did you mean `linux`"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest(
    bench: Any, params: dict[str, str], sentence: str
) -> None:
    with pytest.raises(TargetNotFoundError) as refused:
        plan(bench, **params)
    assert refused.value.sentence.startswith(sentence)


def test_two_of_one_name_are_asked_about(bench: Any) -> None:
    bench.vsphere.place(PlaceKind.TEMPLATE, "lab", "debian", path="/DC0/vm/old/debian")
    with pytest.raises(AmbiguousTargetError, match="/DC0/vm/old/debian"):
        plan(bench)
    assert plan(bench, template="old/debian", folder="/DC0/vm").steps


def test_a_name_that_is_taken_there_is_refused(bench: Any) -> None:
    bench.vsphere.add("lab", "WEB-04")
    with pytest.raises(InvalidParamsError, match="There is a VM `/DC0/vm/web-04` already"):
        plan(bench)
    assert plan(bench, folder="shop").steps


def test_a_host_in_maintenance_is_refused_and_a_full_datastore_warned_of(bench: Any) -> None:
    places = bench.vsphere.places
    places[:] = [replace(one, usable=False) if one.name == "esx-2" else one for one in places]
    with pytest.raises(TargetStateError, match="`esx-2` is in maintenance mode or not connected"):
        plan(bench, host="esx-2")
    places[:] = [replace(one, free=1) if one.name == "ssd" else one for one in places]
    assert "Datastore `ssd` has 0.0 GiB left" in plan(bench, datastore="ssd").warnings[0]


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValidationError, match="is no size"):
        CloneParams(template="t", name="n", memory="lots")


def test_a_site_that_is_away_may_have_another_template_of_that_name(bench: Any) -> None:
    bench.vsphere.away["prod-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        plan(bench)
    bench.site = "lab"
    assert plan(bench).steps


def test_after_a_crash_the_task_of_the_template_is_found_or_the_clone_itself(bench: Any) -> None:
    (step,) = plan(bench).steps
    mark = Mark(begun_at=1.0, site_time=bench.vsphere.server_time("lab").timestamp())
    assert VM_CLONE.settle(step, bench.reader, mark) == NotDone()
    bench.vsphere.lost = "done"
    assert isinstance(VM_CLONE.apply(step, bench.writer), Done)
    bench.vsphere.tasks.clear()
    assert isinstance(VM_CLONE.settle(step, bench.reader, mark), Done)
    assert bench.done == ["clone"]


def test_a_vcenter_that_is_away_does_not_prove_that_there_is_no_clone(bench: Any) -> None:
    (step,) = plan(bench).steps
    mark = Mark(begun_at=1.0, task="task-long-gone")
    bench.vsphere.away["lab"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        VM_CLONE.settle(step, bench.reader, mark)


def test_a_clone_without_a_sign_stays_unknown(bench: Any) -> None:
    (step,) = plan(bench).steps
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError):
        VM_CLONE.apply(step, bench.writer)
    assert bench.vsphere.find_vms("web-04").rows == ()


def test_a_clone_is_judged_by_the_cluster_that_it_will_run_in(bench: Any) -> None:
    bench.vsphere.place(PlaceKind.HOST, "lab", "esx-7", cluster="staging")
    (step,) = plan(bench, host="esx-7").steps
    assert step.target.environment == "stage"
    bench.vsphere.change("lab", "template-1", cluster="staging")
    (step,) = plan(bench).steps
    assert step.target.environment == "stage"
