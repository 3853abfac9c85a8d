"""VMs as vCenter has them: a quick look at all names, rows for a listing, and one or a few in full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from andock.errors import TargetNotFoundError
from andock.ports.vsphere import Vm, VmRow
from config.sites import Vcenter
from workers.vsphere.properties import FROM_HOST, FROM_VM, IN_VIEW, specify, stream, view_all
from workers.vsphere.references import refer
from workers.vsphere.rows import PLACE, ROW, addresses_of, cluster_of, condense, is_vm, path_of, plain, row_of
from workers.vsphere.session import Session
from workers.vsphere.sightings import Node, Sighting

_FULL = (
    *ROW,
    "runtime.bootTime",
    "runtime.question",
    "summary.quickStats.uptimeSeconds",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.guestFullName",
    "config.annotation",
    "datastore",
    "triggeredAlarmState",
)
PLACES: Mapping[type, Sequence[str]] = {
    vim.Folder: PLACE,
    vim.Datacenter: PLACE,
    vim.VirtualApp: ("name", "parentFolder", "parentVApp"),
}
ROWS: Mapping[type, Sequence[str]] = {
    vim.VirtualMachine: ROW,
    **PLACES,
    vim.HostSystem: PLACE,
    vim.ClusterComputeResource: ("name",),
}


@dataclass(frozen=True, slots=True)
class Named:
    """A VM by everything that it can be asked for by."""

    id: str
    name: str
    path: str

    def is_called(self, wanted: str) -> bool:
        """Whether its name, path or id is this; vCenter's names know no case."""
        folded = wanted.casefold()
        return self.id == wanted or folded in (self.name.casefold(), self.path.casefold())


def scan_names(session: Session) -> tuple[Named, ...]:
    """Name, path and id of every VM, no templates; the cheapest properties."""
    known = _look_at_all(session, {vim.VirtualMachine: (*PLACE, "parentVApp", "config.template"), **PLACES})
    return tuple(
        Named(vm.id, plain(vm.get("name", "")), path_of(vm, known)) for vm in known.values() if is_vm(vm)
    )


def list_rows(
    session: Session, vcenter: Vcenter, labels: Mapping[str, Sequence[str]] | None = None
) -> tuple[VmRow, ...]:
    """Every VM, no templates, with its host's name; `labels` are the VMs' tags, by id."""
    known = _look_at_all(session, ROWS)
    return tuple(
        row_of(session.site, vcenter, vm, known, known, (labels or {}).get(vm.id, ()))
        for vm in known.values()
        if is_vm(vm)
    )


def read_vms(
    session: Session,
    vcenter: Vcenter,
    ids: Sequence[str],
    labels: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Vm, ...]:
    """These VMs in full, in this order: two calls however many. Those that are gone are left out."""
    if not ids:
        return ()
    first, *others = ids
    wanted = {vim.VirtualMachine: _FULL, **PLACES, vim.Datastore: ("name",)}
    specification = specify([refer(vim.VirtualMachine, first, session.stub)], FROM_VM, wanted)
    known = _merge(stream(session, specification, also=others))
    found = [known[vm] for vm in ids if vm in known]
    related = _read_related(session, found)
    return tuple(
        _full(session.site, vcenter, vm, {**known, **related}, (labels or {}).get(vm.id, ())) for vm in found
    )


def read_vm(
    session: Session, vcenter: Vcenter, vm: str, labels: Mapping[str, Sequence[str]] | None = None
) -> Vm:
    """One VM in full.

    Raises:
        TargetNotFoundError: it is gone.
    """
    found = session.read(lambda session: read_vms(session, vcenter, (vm,), labels), target=vm)
    if not found:
        raise TargetNotFoundError("VM", vm, searched=(session.site,))
    return found[0]


def _look_at_all(session: Session, wanted: Mapping[type, Sequence[str]]) -> dict[str, Sighting]:
    """Everything of the wanted types, by id; a call for each page, and two for the view."""
    with view_all(session, list(wanted)) as view:
        return _merge(stream(session, specify([view], IN_VIEW, wanted, skip=True)))


def _merge(sightings: Iterable[Sighting]) -> dict[str, Sighting]:
    """The objects by id, condensed; what came in two parts is one."""
    known: dict[str, Sighting] = {}
    for sighting in sightings:
        first = known.setdefault(sighting.id, condense(sighting))
        if first is not sighting:
            first.values.update(sighting.values)
    return known


def _read_related(session: Session, vms: Sequence[Sighting]) -> Mapping[str, Sighting]:
    """What VMs point to: their hosts and clusters, and their alarms with names."""
    hosts = dict.fromkeys(host for vm in vms if (host := vm.get("runtime.host")))
    alarms = dict.fromkeys(state.first("alarm") for vm in vms for state in _alarm_states(vm))
    start = [
        *(refer(vim.HostSystem, host, session.stub) for host in hosts),
        *(refer(vim.alarm.Alarm, alarm, session.stub) for alarm in alarms),
    ]
    if not start:
        return {}
    wanted: dict[type, Sequence[str]] = {
        vim.HostSystem: PLACE,
        vim.ClusterComputeResource: ("name",),
        vim.alarm.Alarm: ("info.name",),
    }
    return _merge(stream(session, specify(start, FROM_HOST, wanted)))


def _full(
    site: str, vcenter: Vcenter, vm: Sighting, known: Mapping[str, Sighting], labels: Sequence[str]
) -> Vm:
    row = row_of(site, vcenter, vm, known, known, labels)
    question: Node | None = vm.get("runtime.question")
    stores: Any = vm.get("datastore", Node(""))
    return Vm(
        **{name: getattr(row, name) for name in VmRow.__slots__},
        boot_time=vm.get("runtime.bootTime"),
        uptime=vm.get("summary.quickStats.uptimeSeconds", 0),
        cpus=vm.get("config.hardware.numCPU", 0),
        memory_mb=vm.get("config.hardware.memoryMB", 0),
        guest=vm.get("config.guestFullName", ""),
        cluster=cluster_of(row.host_id, known),
        datastores=tuple(
            plain(known[store.text].get("name", "")) for store in stores.nodes if store.text in known
        ),
        addresses=addresses_of(vm),
        alarms=tuple(_say_alarm(state, known) for state in _alarm_states(vm)),
        question=question.first("text") if question is not None else "",
        notes=vm.get("config.annotation", ""),
    )


def _alarm_states(vm: Sighting) -> Sequence[Node]:
    states: Node | None = vm.get("triggeredAlarmState")
    return () if states is None else states.nodes


def _say_alarm(state: Node, known: Mapping[str, Sighting]) -> str:
    alarm = known.get(state.first("alarm"))
    name = alarm.get("info.name", "") if alarm is not None else ""
    return f"{state.first('overallStatus')}: {name or 'an alarm'}"
