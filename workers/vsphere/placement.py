"""What binds VMs to a host: devices of the host's, rules of its cluster, DRS that leaves them alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pyVmomi import vim

from andock.ports.vsphere import HostDevice, PlacementRule, RuleKind
from workers.vsphere.properties import Entity, collect
from workers.vsphere.references import id_of, refer
from workers.vsphere.session import Session

# Any: pyVmomi's data objects have untyped constructors.
_Device: Any = vim.vm.device
# Not these: a shared graphics card (Vmiop), and a stick at a person's own machine, which move with the VM.
_BOUND = (
    _Device.VirtualPCIPassthrough.DeviceBackingInfo,
    _Device.VirtualPCIPassthrough.DynamicBackingInfo,
    _Device.VirtualUSB.USBBackingInfo,
    _Device.VirtualSCSIPassthrough.DeviceBackingInfo,
    _Device.VirtualSerialPort.DeviceBackingInfo,
    _Device.VirtualParallelPort.DeviceBackingInfo,
)
_DRIVES = (
    _Device.VirtualCdrom.AtapiBackingInfo,
    _Device.VirtualCdrom.PassthroughBackingInfo,
    _Device.VirtualFloppy.DeviceBackingInfo,
)
_FILES = (_Device.VirtualCdrom.IsoBackingInfo, _Device.VirtualFloppy.ImageBackingInfo)
_CARDS = (_Device.VirtualSriovEthernetCard,)


def read_devices(session: Session, vms: Sequence[str], local: Collection[str]) -> tuple[HostDevice, ...]:
    """What these VMs use of their host: one call. `local` are ids of datastores that it alone reaches."""
    if not vms:
        return ()
    start = [refer(vim.VirtualMachine, vm, session.stub) for vm in vms]
    found = collect(session, start, (), {vim.VirtualMachine: ("config.hardware.device",)})
    return tuple(
        device
        for vm in sorted(found, key=lambda one: one.id)
        for one in vm.get("config.hardware.device", ())
        if (device := _device(vm.id, one, local)) is not None
    )


def read_rules(
    session: Session, cluster: Entity, host: str, names: Mapping[str, str]
) -> tuple[PlacementRule, ...]:
    """The rules that emptying a host does not break; one call. `names` are those of the cluster's hosts."""
    config = cluster.get("configurationEx")
    rules = [rule for rule in getattr(config, "rule", None) or () if rule.enabled is not False]
    groups = {group.name: group for group in getattr(config, "group", None) or ()}
    homes = _read_homes(session, rules)
    return tuple(rule for one in rules if (rule := _rule(one, groups, homes, host, names)) is not None)


def unmoved_of(cluster: Entity) -> tuple[str, ...]:
    """Ids of the VMs that DRS does not move by itself, by a setting of their own."""
    config = cluster.get("configurationEx")
    drs = getattr(config, "drsConfig", None)
    if drs is None or drs.enableVmBehaviorOverrides is False:
        return ()
    return tuple(
        id_of(one.key)
        for one in config.drsVmConfig or ()
        if one.enabled is False or str(one.behavior or "fullyAutomated") != "fullyAutomated"
    )


def _device(vm: str, device: Any, local: Collection[str]) -> HostDevice | None:
    backing, label = device.backing, getattr(device.deviceInfo, "label", "") or "a device"
    connected = device.connectable is None or device.connectable.connected
    if isinstance(backing, _BOUND) or isinstance(device, _CARDS):
        return HostDevice(vm, label)
    if isinstance(backing, _DRIVES) and connected:
        return HostDevice(vm, label, drive=True)
    if isinstance(backing, _FILES) and connected and id_of(backing.datastore) in local:
        return HostDevice(vm, f"{label} with `{backing.fileName}`", drive=True)
    return None


def _read_homes(session: Session, rules: Sequence[Any]) -> Mapping[str, str]:
    """Where VMs run that are kept apart from others: host ids by VM ids."""
    ids = {
        id_of(vm) for rule in rules if isinstance(rule, vim.cluster.AntiAffinityRuleSpec) for vm in rule.vm
    }
    if not ids:
        return {}
    start = [refer(vim.VirtualMachine, vm, session.stub) for vm in sorted(ids)]
    wanted: dict[type, Sequence[str]] = {vim.VirtualMachine: ("runtime.host", "runtime.powerState")}
    return {
        vm.id: id_of(vm.get("runtime.host"))
        for vm in collect(session, start, (), wanted)
        if str(vm.get("runtime.powerState")) == "poweredOn"
    }


def _rule(
    rule: Any, groups: Mapping[str, Any], homes: Mapping[str, str], host: str, names: Mapping[str, str]
) -> PlacementRule | None:
    name = str(rule.name)
    match rule:
        case vim.cluster.AffinityRuleSpec():
            return PlacementRule(name, RuleKind.TOGETHER, tuple(_ids(rule.vm)))
        case vim.cluster.AntiAffinityRuleSpec():
            vms = tuple(_ids(rule.vm))
            taken = {homes[vm] for vm in vms if vm in homes} - {host}
            return PlacementRule(name, RuleKind.APART, vms, _named(taken, names))
        case vim.cluster.VmHostRuleInfo() if rule.mandatory:
            kind = RuleKind.ON if rule.affineHostGroupName else RuleKind.OFF
            there = groups.get(str(rule.affineHostGroupName or rule.antiAffineHostGroupName))
            own = groups.get(str(rule.vmGroupName))
            hosts = _named(_ids(getattr(there, "host", None)), names)
            return PlacementRule(name, kind, tuple(_ids(getattr(own, "vm", None))), hosts)
        case _:
            return None  # of dependencies between VMs, and what only recommends


def _ids(things: Any) -> Iterator[str]:
    return (id_of(one) for one in things or ())


def _named(hosts: Collection[str] | Iterator[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(names[one] for one in hosts if one in names))
