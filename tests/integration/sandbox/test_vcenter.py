from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from sandbox.vcenter import NEVER, ControlError, Inventory, Rule, Vcenter, VmState, start_vcenter
from sandbox.vcenter.control import Control

Eventually = Callable[..., bool]


@pytest.fixture(scope="module")
def vcenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vcenter]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ANDOCK_SANDBOX_VCENTER_URL", raising=False)
        vcenter = start_vcenter(tmp_path_factory.mktemp("vcenter"), inventory=Inventory(datacenters=2, vms=1))
    yield vcenter
    vcenter.stop()


@pytest.fixture
def control(vcenter: Vcenter) -> Iterator[Control]:
    yield vcenter.control
    vcenter.control.set_rules([])


def connect(vcenter: Vcenter) -> Any:
    return SmartConnect(
        host=vcenter.host,
        port=vcenter.port,
        user=vcenter.user,
        pwd=vcenter.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=10,
    )


@pytest.fixture
def service(vcenter: Vcenter, control: Control) -> Iterator[Any]:
    service = connect(vcenter)
    yield service
    control.set_rules([])
    with contextlib.suppress(vim.fault.NotAuthenticated):
        Disconnect(service)


@pytest.fixture
def state(control: Control, request: pytest.FixtureRequest) -> VmState:
    return control.create_vm(request.node.name, power_on=True)


@pytest.fixture
def vm(service: Any, state: VmState) -> Any:
    return vim.VirtualMachine(state.id, service._stub)


def ended(task: Any) -> Any:
    deadline = time.monotonic() + 10
    while task.info.state in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return task.info


def test_only_its_own_password_opens_it(vcenter: Vcenter) -> None:
    with pytest.raises(vim.fault.InvalidLogin):
        SmartConnect(
            host=vcenter.host,
            port=vcenter.port,
            user=vcenter.user,
            pwd="wrong",
            disableSslCertValidation=True,
        )
    stranger = Control(vcenter.host, vcenter.port, vcenter.user, "wrong")
    with pytest.raises(ControlError, match="wrong user or password"):
        stranger.calls()


def test_boot_time_follows_power_as_in_vcenter(vm: Any) -> None:
    first = vm.runtime.bootTime
    assert first is not None
    ended(vm.SuspendVM_Task())
    assert vm.runtime.bootTime == first
    ended(vm.PowerOnVM_Task())
    assert vm.runtime.bootTime == first
    ended(vm.PowerOffVM_Task())
    assert vm.runtime.bootTime is None
    ended(vm.PowerOnVM_Task())
    assert vm.runtime.bootTime > first
    assert vm.summary.runtime.bootTime == vm.runtime.bootTime


def test_reboot_and_reset_change_boot_time_and_are_counted(control: Control, state: VmState, vm: Any) -> None:
    vm.RebootGuest()
    rebooted = vm.runtime.bootTime
    assert rebooted > state.boot_time
    assert ended(vm.ResetVM_Task()).state == "success"
    assert vm.runtime.bootTime > rebooted
    assert control.vm(state.id).effects == {"powerOn": 1, "guestReboot": 1, "reset": 1}


def test_a_guest_without_tools_obeys_nobody(control: Control, state: VmState, vm: Any) -> None:
    control.set_guest(state.id, tools="guestToolsNotRunning")
    assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"
    for ask in (vm.RebootGuest, vm.ShutdownGuest, vm.StandbyGuest):
        with pytest.raises(vim.fault.ToolsUnavailable):
            ask()
    assert control.vm(state.id).power == "poweredOn"
    control.set_guest(state.id, tools="")
    assert vm.guest.toolsRunningStatus == "guestToolsRunning"


def test_a_machine_that_is_off_refuses(vm: Any) -> None:
    ended(vm.PowerOffVM_Task())
    for ask in (vm.RebootGuest, vm.ShutdownGuest):
        with pytest.raises(vim.fault.InvalidPowerState):
            ask()
    for task in (vm.ResetVM_Task(), vm.SuspendVM_Task(), vm.PowerOffVM_Task()):
        assert isinstance(ended(task).error, vim.fault.InvalidPowerState)


def test_a_guest_may_take_its_time_or_ignore_people(
    control: Control, state: VmState, vm: Any, eventually: Eventually
) -> None:
    control.set_guest(state.id, shutdown=NEVER, reboot=0.2)
    vm.ShutdownGuest()
    vm.RebootGuest()
    assert vm.runtime.bootTime == state.boot_time
    assert eventually(lambda: control.vm(state.id).effects.get("guestReboot") == 1)
    assert control.vm(state.id).power == "poweredOn"

    control.set_guest(state.id, shutdown=0.2)
    vm.ShutdownGuest()
    assert control.vm(state.id).power == "poweredOn"
    assert eventually(lambda: control.vm(state.id).power == "poweredOff")
    assert control.vm(state.id).effects["guestShutdown"] == 1


def test_a_reset_overtakes_a_slow_shutdown(control: Control, state: VmState, vm: Any) -> None:
    control.set_guest(state.id, shutdown=0.2)
    vm.ShutdownGuest()
    ended(vm.ResetVM_Task())
    time.sleep(0.3)
    assert control.vm(state.id).power == "poweredOn"


def test_a_guest_has_an_address_while_it_runs(vm: Any) -> None:
    (nic,) = vm.guest.net
    assert nic.deviceConfigId == 4000
    assert list(nic.ipAddress) == [vm.guest.ipAddress]
    assert vm.guest.ipAddress.startswith("10.77.")
    assert vm.guest.hostName == vm.name.replace("_", "-").lower()
    ended(vm.PowerOffVM_Task())
    assert vm.guest.ipAddress is None
    assert list(vm.guest.net[0].ipAddress) == []


def test_uptime_counts_from_the_boot(vm: Any, eventually: Eventually) -> None:
    assert eventually(lambda: (vm.summary.quickStats.uptimeSeconds or 0) >= 1)


def test_a_slow_task_shows_progress_and_is_one_task(
    control: Control, state: VmState, service: Any, vm: Any, eventually: Eventually
) -> None:
    control.set_rules([Rule("PowerOffVM_Task", this=state.id, count=1, delay=0.4)])
    task = vm.PowerOffVM_Task()
    assert task.info.state == "running"
    assert control.vm(state.id).power == "poweredOn"
    assert eventually(lambda: 0 < (task.info.progress or 0) < 100)
    info = ended(task)
    assert (info.state, info.entityName, info.reason.userName) == (
        "success",
        state.name,
        "andock@vsphere.local",
    )
    assert control.vm(state.id).power == "poweredOff"
    assert control.vm(state.id).effects == {"powerOn": 1, "powerOff": 1}
    recent = [other.info for other in service.content.taskManager.recentTask]
    assert [
        other.key for other in recent if other.entity == vm and other.descriptionId.endswith("powerOff")
    ] == [info.key]


def test_a_slow_task_can_be_cancelled_and_changes_nothing(control: Control, state: VmState, vm: Any) -> None:
    control.set_rules([Rule("PowerOffVM_Task", count=1, delay=30)])
    task = vm.PowerOffVM_Task()
    task.CancelTask()
    info = ended(task)
    assert isinstance(info.error, vmodl.fault.RequestCanceled)
    assert info.cancelled
    assert control.vm(state.id).effects == {"powerOn": 1}
    with pytest.raises(vim.fault.InvalidState):
        task.CancelTask()


def test_a_slow_task_outlives_its_session(
    control: Control, state: VmState, vm: Any, eventually: Eventually
) -> None:
    control.set_rules([Rule("PowerOffVM_Task", count=1, delay=0.2)])
    vm.PowerOffVM_Task()
    assert control.expire_sessions() >= 1
    assert eventually(lambda: control.vm(state.id).power == "poweredOff")


def test_a_slow_clone_gives_the_new_machine(control: Control, vm: Any) -> None:
    control.set_rules([Rule("CloneVM_Task", count=1, delay=0.1)])
    spec = vim.vm.CloneSpec(
        location=vim.vm.RelocateSpec(pool=vm.resourcePool),
        powerOn=True,
        template=False,
        config=vim.vm.ConfigSpec(numCPUs=4, memoryMB=4096),
    )
    before = [
        disk.backing.fileName for disk in vm.config.hardware.device if hasattr(disk.backing, "fileName")
    ]
    clone = ended(vm.CloneVM_Task(folder=vm.parent, name="a-clone", spec=spec)).result
    hardware = clone.config.hardware
    assert (hardware.numCPU, hardware.memoryMB, clone.runtime.powerState) == (4, 4096, "poweredOn")
    after = [disk.backing.fileName for disk in vm.config.hardware.device if hasattr(disk.backing, "fileName")]
    assert after == before
    assert all(before)


def test_faults_are_injected_in_calls_and_tasks(
    control: Control, state: VmState, service: Any, vm: Any
) -> None:
    control.set_rules(
        [
            Rule("CurrentTime", count=1, fault="NotAuthenticated"),
            Rule("PowerOffVM_Task", count=1, fault="TaskInProgress"),
            Rule("PowerOffVM_Task", count=1, task_fault="InsufficientResourcesFault"),
        ]
    )
    with pytest.raises(vim.fault.NotAuthenticated):
        service.CurrentTime()
    assert service.CurrentTime() is not None
    with pytest.raises(vim.fault.TaskInProgress) as busy:
        vm.PowerOffVM_Task()
    assert isinstance(busy.value.task, vim.Task)
    assert isinstance(ended(vm.PowerOffVM_Task()).error, vim.fault.InsufficientResourcesFault)
    assert control.vm(state.id).effects == {"powerOn": 1}


def test_a_fault_says_what_its_rule_wants(control: Control, vm: Any) -> None:
    control.set_rules(
        [
            Rule("PowerOffVM_Task", count=1, fault="TaskInProgress", message="busy with it"),
            Rule("PowerOffVM_Task", count=1, task_fault="SystemError", message="broken by it"),
        ]
    )

    with pytest.raises(vim.fault.TaskInProgress) as busy:
        vm.PowerOffVM_Task()

    assert busy.value.msg == "busy with it"
    assert ended(vm.PowerOffVM_Task()).error.msg == "broken by it"


def test_an_unknown_fault_is_refused(control: Control) -> None:
    with pytest.raises(ControlError, match="NoSuchFault"):
        control.set_rules([Rule("CurrentTime", fault="NoSuchFault")])


def test_http_errors_and_dropped_connections_have_no_effect(
    control: Control, state: VmState, vm: Any
) -> None:
    control.set_rules(
        [Rule("PowerOffVM_Task", count=1, http=503), Rule("PowerOffVM_Task", count=1, drop=True)]
    )
    with pytest.raises(http.client.HTTPException, match="503"):
        vm.PowerOffVM_Task()
    with pytest.raises(http.client.RemoteDisconnected):
        vm.PowerOffVM_Task()
    assert control.vm(state.id).effects == {"powerOn": 1}
    assert ended(vm.PowerOffVM_Task()).state == "success"


def test_an_answer_can_be_lost_after_the_effect(control: Control, state: VmState, vm: Any) -> None:
    control.set_rules([Rule("PowerOffVM_Task", count=1, lose_answer=True)])
    with pytest.raises(http.client.RemoteDisconnected):
        vm.PowerOffVM_Task()
    assert control.vm(state.id).effects == {"powerOn": 1, "powerOff": 1}


def test_a_slow_call_waits(control: Control, service: Any) -> None:
    control.set_rules([Rule("CurrentTime", count=1, delay=0.3)])
    started = time.monotonic()
    service.CurrentTime()
    assert 0.3 <= time.monotonic() - started < 1


def test_expired_sessions_ask_for_a_login_and_references_stay_good(
    vcenter: Vcenter, control: Control, service: Any, vm: Any
) -> None:
    assert control.expire_sessions() >= 1
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = vm.runtime.powerState
    service.content.sessionManager.Login(vcenter.user, vcenter.password)
    assert vm.runtime.powerState == "poweredOn"


def test_calls_are_counted_since_the_last_look(control: Control, service: Any) -> None:
    control.calls()
    service.CurrentTime()
    service.CurrentTime()
    assert control.calls() == {"CurrentTime": 2}
    assert control.calls() == {}


def test_two_machines_may_share_a_name(control: Control, service: Any) -> None:
    first = control.create_vm("twin", folder="web/blue")
    second = control.create_vm("twin", datacenter="DC1")
    assert {found.folder for found in control.vms("twin")} == {"/DC0/vm/web/blue", "/DC1/vm"}
    assert first.id != second.id
    assert first.bios_uuid != second.bios_uuid
    assert first.instance_uuid != second.instance_uuid
    with pytest.raises(ControlError, match="2 machines"):
        control.vm("twin")
    view = service.content.viewManager.CreateContainerView(
        service.content.rootFolder, [vim.VirtualMachine], True
    )
    assert [vm.name for vm in view.view].count("twin") == 2


def test_a_bios_uuid_can_be_chosen(control: Control, state: VmState, service: Any, vm: Any) -> None:
    uuid = "42000000-0000-4000-8000-000000000042"
    control.set_bios_uuid(state.id, uuid)
    assert service.content.searchIndex.FindByUuid(None, uuid, True) == vm
    assert control.vm(state.id).bios_uuid == uuid


def test_migration_moves_the_machine(control: Control, state: VmState, vm: Any) -> None:
    source = vm.runtime.host
    target = next(host for host in source.parent.host if host != source)
    assert ended(vm.MigrateVM_Task(host=target, priority="defaultPriority")).state == "success"
    assert vm.runtime.host == target
    assert vm in target.vm
    assert vm not in source.vm
    assert control.vm(state.id).effects["migrate"] == 1


def test_alarms_are_raised_acknowledged_and_cleared(
    control: Control, state: VmState, service: Any, vm: Any
) -> None:
    control.set_alarm("VirtualMachine", state.id, "alarm.VmCPUUsageAlarm", "red")
    (alarm,) = vm.triggeredAlarmState
    assert (alarm.alarm.info.name, vm.overallStatus) == ("Virtual machine CPU usage", "red")
    service.content.alarmManager.AcknowledgeAlarm(alarm.alarm, vm)
    assert vm.triggeredAlarmState[0].acknowledgedByUser == "andock@vsphere.local"
    control.set_alarm("VirtualMachine", state.id, "alarm.VmCPUUsageAlarm", "green")
    assert (list(vm.triggeredAlarmState), vm.overallStatus) == ([], "green")


def test_what_vcenter_keeps_of_its_clients(service: Any, vm: Any) -> None:
    content = service.content
    content.eventManager.LogUserEvent(vm, "restarted for U1")
    by_entity = vim.event.EventFilterSpec.ByEntity(entity=vm, recursion="self")
    events = content.eventManager.QueryEvents(vim.event.EventFilterSpec(entity=by_entity))
    assert "User logged event: restarted for U1" in [event.fullFormattedMessage for event in events]

    task = content.taskManager.CreateTask(vm, "andock.restart", "U1", True).task
    task.SetTaskState("running")
    task.UpdateProgress(40)
    assert (task.info.state, task.info.progress) == ("running", 40)
    task.SetTaskState("success")

    description = vim.Description(label="Andock", summary="ChatOps")
    stamp = service.CurrentTime()
    extension = vim.Extension(key="andock", version="1", description=description, lastHeartbeatTime=stamp)
    content.extensionManager.RegisterExtension(extension)
    assert content.extensionManager.FindExtension("andock").version == "1"
    content.extensionManager.UnregisterExtension("andock")
    assert content.extensionManager.FindExtension("andock") is None
    assert vm.AcquireTicket("webmks").ticket
    assert ended(vm.CreateScreenshot_Task()).result.endswith(".png")


def test_a_property_that_is_not_set_is_none(service: Any) -> None:
    assert service.content.guestOperationsManager.authManager is None


def test_two_run_side_by_side_and_put_everything_away(tmp_path: Path, vcenter: Vcenter) -> None:
    small = Inventory(hosts=1, vms=1)
    left = start_vcenter(tmp_path, name="left", inventory=small)
    right = start_vcenter(tmp_path, name="right", inventory=small)
    uuids = {one.control.vm("DC0_C0_RP0_VM0").bios_uuid for one in (left, right, vcenter)}
    instances = set()
    for one in (left, right):
        service = connect(one)
        instances.add(service.content.about.instanceUuid)
        Disconnect(service)
    assert len(uuids) == 3
    assert len(instances) == 2
    assert list((tmp_path / "left" / "tmp").iterdir())
    left.stop()
    right.stop()
    assert not list((tmp_path / "left" / "tmp").iterdir())
    with pytest.raises(ControlError, match="does not answer"):
        left.control.calls()


def test_an_idle_session_ends(tmp_path: Path) -> None:
    impatient = start_vcenter(tmp_path, inventory=Inventory(hosts=1, vms=1), idle=0.2)
    service = connect(impatient)
    time.sleep(0.6)
    with pytest.raises(vim.fault.NotAuthenticated):
        service.CurrentTime()
    impatient.stop()


def test_one_that_is_named_cannot_be_steered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDOCK_SANDBOX_VCENTER_URL", "https://me%40corp:p%2Fw@vc.example")
    named = start_vcenter(tmp_path)
    assert (named.host, named.port, named.user, named.password) == ("vc.example", 443, "me@corp", "p/w")
    assert "p/w" not in repr(named)
    named.stop()
    with pytest.raises(ControlError, match="not the sandbox's own"):
        named.control.calls()


def follow(service: Any, *properties: str) -> Any:
    """A collector with a filter on all machines, its first update taken."""
    collector = vmodl.query.PropertyCollector
    content = service.content
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    way = collector.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
    subject = collector.ObjectSpec(obj=view, skip=True, selectSet=[way])
    wanted = collector.PropertySpec(type=vim.VirtualMachine, pathSet=list(properties))
    own = content.propertyCollector.CreatePropertyCollector()
    own.CreateFilter(collector.FilterSpec(objectSet=[subject], propSet=[wanted]), False)
    return own


def test_long_answers_come_in_pages(service: Any, control: Control) -> None:
    collector = vmodl.query.PropertyCollector
    wanted = collector.PropertySpec(type=vim.Folder, pathSet=["name"])
    way = collector.TraversalSpec(name="way", type=vim.Folder, path="childEntity", skip=False)
    start = collector.ObjectSpec(obj=service.content.rootFolder, skip=False, selectSet=[way])
    data = collector.PropertySpec(type=vim.Datacenter, pathSet=["name"])
    specification = collector.FilterSpec(objectSet=[start], propSet=[wanted, data])
    control.set_page(2)
    try:
        first = service.content.propertyCollector.RetrievePropertiesEx(
            [specification], collector.RetrieveOptions()
        )
        assert len(first.objects) == 2
        second = service.content.propertyCollector.ContinueRetrievePropertiesEx(first.token)
        assert (len(second.objects), second.token) == (1, None)
        with pytest.raises(vmodl.fault.InvalidArgument):
            service.content.propertyCollector.ContinueRetrievePropertiesEx(first.token)
    finally:
        control.set_page(0)


def test_long_updates_are_cut_and_their_times_are_known(service: Any, control: Control, vm: Any) -> None:
    own = follow(service, "name")
    control.notices()
    options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=0, maxObjectUpdates=2)
    ids: list[str] = []
    version, more = "", True
    while more:
        update = own.WaitForUpdatesEx(version, options)
        assert len(update.filterSet[0].objectSet) <= 2
        ids += [one.obj._moId for one in update.filterSet[0].objectSet]
        version, more = update.version, update.truncated
    assert len(ids) == len(set(ids)) == len(control.vms())
    assert vm._moId in ids
    notices = control.notices()
    assert len(notices) > 1
    assert control.notices() == ()
    own.DestroyPropertyCollector()


def test_a_moved_machine_is_a_changed_machine(service: Any, vm: Any, state: VmState) -> None:
    own = follow(service, "parent")
    version = own.WaitForUpdatesEx("", None).version
    folder = service.content.rootFolder.childEntity[0].vmFolder.CreateFolder("moved-here")
    assert ended(folder.MoveIntoFolder_Task([vm])).state == "success"
    update = own.WaitForUpdatesEx(version, vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=5))
    (change,) = update.filterSet[0].objectSet
    assert (change.kind, change.obj._moId) == ("modify", state.id)
    assert change.changeSet[0].val._moId == folder._moId
    own.DestroyPropertyCollector()
