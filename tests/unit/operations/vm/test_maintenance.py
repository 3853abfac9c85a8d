from __future__ import annotations

from typing import Any

import pytest

from andock.errors import (
    BackendRejectedError,
    CancelledError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Done, Mark, NotDone, Plan, Unknown
from andock.operations.vm import maintenance
from andock.operations.vm.hosts import HOST_INFO, HOST_LIST, InfoParams, ListParams
from andock.operations.vm.maintenance import HOST_MAINTENANCE, MaintenanceParams
from andock.ports.vsphere import PowerState


@pytest.fixture(autouse=True)
def _two_hosts(bench: Any) -> None:
    bench.vsphere.host("lab", "esx-1", memory=1000, memory_used=420, cpu_used=4000)
    bench.vsphere.host("lab", "esx-2")
    bench.vsphere.add("lab", "web-01")
    bench.vsphere.add("lab", "web-02", power=PowerState.OFF)


def planned(bench: Any, mode: str = "enter", host: str = "esx-1", **params: Any) -> Plan:
    plan: Plan = HOST_MAINTENANCE.plan(MaintenanceParams(mode=mode, host=host, **params), bench.reader)
    return plan


def mark_now(bench: Any, task: str = "") -> Mark:
    return Mark(begun_at=1.0, site_time=bench.vsphere.server_time("lab").timestamp(), task=task)


def test_a_host_is_emptied_and_taken_out_of_service_and_put_back(bench: Any) -> None:
    plan = planned(bench)
    assert plan.steps[0].text == "put host `esx-1` into maintenance mode; 1 VMs move to `esx-2`"
    assert plan.steps[0].target.key == "host:lab/host-1"
    done = HOST_MAINTENANCE.apply(plan.steps[0], bench.writer)
    assert done == Done(text="Host `esx-1` is in maintenance mode.")
    assert bench.vsphere.read_vm("lab", "vm-1").host == "esx-2"
    back = HOST_MAINTENANCE.apply(planned(bench, "exit").steps[0], bench.writer)
    assert back.text == "Host `esx-1` is in service again."
    assert not bench.vsphere.read_host("lab", "host-1").maintenance


def test_policy_judges_the_vms_that_move_with_the_host(bench: Any) -> None:
    bench.vsphere.add("lab", "prod-db-1", folder="prod")
    judged = {(target.kind, target.name, target.environment) for target in planned(bench).judged}
    assert judged == {("host", "esx-1", "dev"), ("vm", "web-01", "dev"), ("vm", "prod-db-1", "prod")}


def test_vms_that_are_off_stay_unless_asked_for(bench: Any) -> None:
    assert planned(bench).warnings == ("1 VMs that are off stay on it; `--with-off` moves them too.",)
    plan = planned(bench, with_off=True)
    assert plan.warnings == ()
    HOST_MAINTENANCE.apply(plan.steps[0], bench.writer)
    assert bench.vsphere.read_vm("lab", "vm-2").host == "esx-2"


def test_what_keeps_vms_from_leaving_is_said_with_the_reason(bench: Any) -> None:
    bench.vsphere.mover = "off"
    bench.vsphere.local_stores["host-1"] = ("scratch",)
    bench.vsphere.change("lab", "vm-1", datastores=("scratch",), question="Copied or moved?")
    said = "\n".join(planned(bench, with_off=True).warnings)
    assert "DRS is off in `C0`: 1 VMs stay until somebody moves them (`vm migrate`): `web-01`" in said
    assert "`web-01` lies on `scratch`, which no other host of the cluster reaches: `vm migrate" in said
    assert "`web-01` waits for an answer (`vm question web-01`) and cannot move." in said


def test_a_last_host_says_that_no_other_can_take_its_vms(bench: Any) -> None:
    HOST_MAINTENANCE.apply(planned(bench, host="esx-2").steps[0], bench.writer)
    plan = planned(bench, with_off=True)
    assert plan.warnings == (
        "1 VMs are on and cannot leave: no other host of cluster `C0` can take them. `web-01`",
    )
    with pytest.raises(BackendRejectedError, match="ran out of time"):
        HOST_MAINTENANCE.apply(plan.steps[0], bench.writer)


@pytest.mark.parametrize(
    ("mode", "host", "error", "said"),
    [
        ("exit", "esx-1", TargetStateError, "in service"),
        ("enter", "esx-9", TargetNotFoundError, "esx-"),
        ("enter", "gone:esx-1", TargetNotFoundError, "gone"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    bench: Any, mode: str, host: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        planned(bench, mode, host)


def test_a_host_that_does_not_respond_is_refused(bench: Any) -> None:
    bench.vsphere.host("lab", "esx-3", connection="notResponding")
    with pytest.raises(TargetStateError, match="not responding"):
        planned(bench, host="esx-3")


def test_it_says_how_many_vms_are_left_while_it_runs(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "COUNT_EVERY", 0.0)
    bench.vsphere.slow = 3
    HOST_MAINTENANCE.apply(planned(bench).steps[0], bench.writer)
    assert bench.watch.texts == ["1 VM is still on `esx-1`"]


def test_it_is_cancelled_in_vcenter(bench: Any) -> None:
    bench.vsphere.slow, bench.watch.cancel_after = 50, 2
    with pytest.raises(CancelledError, match="`esx-1` was left as it was"):
        HOST_MAINTENANCE.apply(planned(bench).steps[0], bench.writer)
    assert not bench.vsphere.read_host("lab", "host-1").maintenance


def test_an_evacuation_that_ends_half_way_says_how_many_vms_have_left(bench: Any) -> None:
    bench.vsphere.add("lab", "web-03")
    step = planned(bench).steps[0]
    bench.vsphere.fault = "it ran out of time"
    bench.on_mark = lambda _: bench.vsphere.change("lab", "vm-1", host="esx-2", host_id="host-2")
    with pytest.raises(BackendRejectedError, match=r"ran out of time; .* and 1 of its 3 VMs have") as half:
        HOST_MAINTENANCE.apply(step, bench.writer)
    assert half.value.changed is Changed.PARTLY
    bench.vsphere.change("lab", "vm-1", host="esx-1", host_id="host-1")
    bench.vsphere.slow, bench.watch.cancel_after = 50, bench.watch.looks + 2
    with pytest.raises(CancelledError, match="and 1 of its 3 VMs have left it") as cancelled:
        HOST_MAINTENANCE.apply(step, bench.writer)
    assert cancelled.value.changed is Changed.PARTLY


def test_a_lost_answer_is_looked_after_and_never_asked_again(bench: Any) -> None:
    bench.vsphere.lost = "done"
    assert HOST_MAINTENANCE.apply(planned(bench).steps[0], bench.writer).text.endswith("maintenance mode.")
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError):
        HOST_MAINTENANCE.apply(planned(bench, "exit").steps[0], bench.writer)
    assert bench.done == ["enterMaintenanceMode"]


def test_after_a_crash_the_task_or_the_mode_says_what_became_of_it(bench: Any) -> None:
    step = planned(bench).steps[0]
    mark = mark_now(bench)
    assert HOST_MAINTENANCE.settle(step, bench.reader, mark) == NotDone()
    task = bench.vsphere.enter_maintenance("lab", "host-1", powered_off=False)
    assert isinstance(HOST_MAINTENANCE.settle(step, bench.reader, mark), Done)
    back = planned(bench, "exit").steps[0]
    del bench.vsphere.tasks[task.id]
    assert isinstance(HOST_MAINTENANCE.settle(step, bench.reader, mark), Done)
    bench.vsphere.fault = "it ran out of time"
    failed = bench.vsphere.exit_maintenance("lab", "host-1")
    settled = HOST_MAINTENANCE.settle(back, bench.reader, mark_now(bench, failed.id))
    assert settled == Unknown(
        "`esx-1`: its task ended without success (it ran out of time); it is in maintenance mode."
    )


def test_hosts_are_listed_with_load_and_state(bench: Any) -> None:
    params = ListParams()
    outcome = HOST_LIST.run(params, bench.reader, HOST_LIST.find(params, bench.reader))
    assert outcome.summary == "2 hosts, 0 not in service."
    assert outcome.table is not None
    assert outcome.table.rows[0][:6] == ("esx-1", "connected", "2", "50 %", "42 %", "C0")


def test_a_host_is_shown_in_full_with_its_maintenance_a_click_away(bench: Any) -> None:
    params = InfoParams(host="ESX-1")
    outcome = HOST_INFO.run(params, bench.reader, HOST_INFO.find(params, bench.reader))
    assert dict(outcome.fields)["CPU"] == "4000 of 8000 MHz (50 %)"
    assert outcome.offers[0].command == "host maintenance enter host-1 --site lab"


def test_a_host_of_no_cluster_says_that_its_vms_have_nowhere_to_go(bench: Any) -> None:
    bench.vsphere.host("lab", "lone-1", cluster="")
    bench.vsphere.change("lab", "vm-1", host="lone-1", host_id="host-3")
    assert planned(bench, host="lone-1").warnings == (
        "1 VMs are on and cannot leave: it is in no cluster. `web-01`",
    )
