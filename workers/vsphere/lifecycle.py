"""Making, changing, asking and destroying VMs over pyVmomi."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from andock.errors import TargetNotFoundError
from andock.ports.sites import Listing
from andock.ports.vsphere import Hardware, NewVm, Place, PlaceKind, Question, TaskRef
from workers.vsphere.places import list_places
from workers.vsphere.properties import collect, of_kind, walk
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import plain
from workers.vsphere.session import Session
from workers.vsphere.vcenters import Vcenters

_HARDWARE = (
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.numCoresPerSocket",
    "config.cpuHotAddEnabled",
    "config.memoryHotAddEnabled",
)
# Any: pyVmomi's data objects have untyped constructors.
_ConfigSpec: Any = vim.vm.ConfigSpec
_CloneSpec: Any = vim.vm.CloneSpec
_RelocateSpec: Any = vim.vm.RelocateSpec
_DeviceSpec: Any = vim.vm.device.VirtualDeviceSpec
_Card: Any = vim.vm.device.VirtualEthernetCard
_Connection: Any = vim.dvs.PortConnection


class LifecycleClient(Vcenters):
    """Implements `andock.ports.vsphere.lifecycle.Lifecycle`, but for moves."""

    def list_places(self, kind: PlaceKind, site: str | None = None) -> Listing[Place]:
        """See the port."""
        return self._ask_all(site, lambda session: session.read(lambda session: list_places(session, kind)))

    def customizations(self, site: str) -> tuple[str, ...]:
        """See the port."""

        def ask(session: Session) -> tuple[str, ...]:
            content = refer(vim.ServiceInstance, "ServiceInstance", session.stub).RetrieveContent()
            manager = content.customizationSpecManager
            return tuple(sorted(spec.name for spec in manager.info)) if manager is not None else ()

        return self._session(site).read(ask)

    def read_hardware(self, site: str, vms: Sequence[str]) -> tuple[Hardware, ...]:
        """See the port."""

        def ask(session: Session) -> tuple[Hardware, ...]:
            start = [refer(vim.VirtualMachine, vm, session.stub) for vm in vms]
            found = of_kind(collect(session, start, (), {vim.VirtualMachine: _HARDWARE}), vim.VirtualMachine)
            return tuple(
                Hardware(
                    id=vm,
                    cpus=int(found[vm].get("config.hardware.numCPU", 0)),
                    memory_mb=int(found[vm].get("config.hardware.memoryMB", 0)),
                    cpu_hot_add=bool(found[vm].get("config.cpuHotAddEnabled", otherwise=False)),
                    memory_hot_add=bool(found[vm].get("config.memoryHotAddEnabled", otherwise=False)),
                    cores_per_socket=int(found[vm].get("config.hardware.numCoresPerSocket", 1) or 1),
                )
                for vm in vms
                if vm in found
            )

        return self._session(site).read(ask) if vms else ()

    def clone(self, site: str, template: str, new: NewVm) -> TaskRef:
        """See the port. What it is made from is read first; only the last call changes anything."""
        session = self._session(site)
        spec = session.read(lambda session: _clone_spec(session, template, new), target=template)
        task = self._send(
            site,
            lambda session: refer(vim.VirtualMachine, template, session.stub).CloneVM_Task(
                refer(vim.Folder, new.folder, session.stub), _escaped(new.name), spec
            ),
            target=new.name,
            what="clone",
        )
        return TaskRef(site, id_of(task), "clone")

    def resize(self, site: str, vm: str, *, cpus: int | None, memory_mb: int | None) -> TaskRef:
        """See the port."""
        spec = _ConfigSpec(numCPUs=cpus, memoryMB=memory_mb)
        return self._start(site, vm, "resize", "reconfigure", lambda found: found.ReconfigVM_Task(spec))

    def annotate(self, site: str, vm: str, notes: str) -> TaskRef:
        """See the port."""
        spec = _ConfigSpec(annotation=notes)
        return self._start(
            site, vm, "change the notes of", "reconfigure", lambda found: found.ReconfigVM_Task(spec)
        )

    def rename(self, site: str, vm: str, name: str) -> TaskRef:
        """See the port."""
        return self._start(site, vm, "rename", "rename", lambda found: found.Rename_Task(_escaped(name)))

    def destroy(self, site: str, vm: str) -> TaskRef:
        """See the port."""
        return self._start(site, vm, "destroy", "destroy", lambda found: found.Destroy_Task())

    def read_question(self, site: str, vm: str) -> Question | None:
        """See the port."""

        def ask(session: Session) -> Any:
            start = [refer(vim.VirtualMachine, vm, session.stub)]
            found = of_kind(
                collect(session, start, (), {vim.VirtualMachine: ("name", "runtime.question")}),
                vim.VirtualMachine,
            )
            if vm not in found:
                raise TargetNotFoundError("VM", vm, searched=(site,))
            return found[vm].get("runtime.question")

        asked = self._session(site).read(ask, target=vm)
        if asked is None:
            return None
        choices = tuple((choice.key, choice.label) for choice in asked.choice.choiceInfo)
        default = asked.choice.defaultIndex
        known = default is not None and 0 <= default < len(choices)
        return Question(asked.id, asked.text, choices, choices[default][0] if known else "")

    def answer(self, site: str, vm: str, question: str, choice: str) -> None:
        """See the port."""
        self._change(site, vm, "answer", lambda found: found.AnswerVM(question, choice))


def pool_of(session: Session, host: str) -> Any:
    """The root resource pool of what a host belongs to: its cluster, or itself."""
    start = [refer(vim.HostSystem, host, session.stub)]
    ways = (walk(vim.HostSystem, "parent", name="parent"),)
    entities = collect(session, start, ways, {vim.ComputeResource: ("resourcePool",)})
    return next((one.get("resourcePool") for one in of_kind(entities, vim.ComputeResource).values()), None)


def _clone_spec(session: Session, template: str, new: NewVm) -> Any:
    start = [refer(vim.VirtualMachine, template, session.stub)]
    properties = ("runtime.host", "config.hardware.device") if new.network else ("runtime.host",)
    found = of_kind(collect(session, start, (), {vim.VirtualMachine: properties}), vim.VirtualMachine)
    if template not in found:
        raise TargetNotFoundError("template", template, searched=(session.site,))
    host = new.host or id_of(found[template].get("runtime.host"))
    location = _RelocateSpec(pool=pool_of(session, host))
    if new.host:
        location.host = refer(vim.HostSystem, new.host, session.stub)
    if new.datastore:
        location.datastore = refer(vim.Datastore, new.datastore, session.stub)
    config = _ConfigSpec(numCPUs=new.cpus, memoryMB=new.memory_mb, annotation=new.notes or None)
    if new.network:
        config.deviceChange = _connect(
            session, found[template].get("config.hardware.device", ()), new.network
        )
    return _CloneSpec(
        location=location,
        config=config,
        template=False,
        powerOn=False,
        customization=_customization(session, new.customization) if new.customization else None,
    )


def _connect(session: Session, devices: Sequence[Any], network: str) -> list[Any]:
    """The change that connects the first network card to the network."""
    card = next((device for device in devices if isinstance(device, _Card)), None)
    if card is None:
        return []
    wanted: dict[type, Sequence[str]] = {
        vim.Network: ("name",),
        vim.dvs.DistributedVirtualPortgroup: ("name", "key", "config.distributedVirtualSwitch"),
        vim.DistributedVirtualSwitch: ("uuid",),
    }
    kind = vim.dvs.DistributedVirtualPortgroup if network.startswith("dvportgroup-") else vim.Network
    ways = (walk(vim.dvs.DistributedVirtualPortgroup, "config.distributedVirtualSwitch", name="switch"),)
    entities = collect(session, [refer(kind, network, session.stub)], ways, wanted)
    found = next(iter(of_kind(entities, vim.Network).values()), None)
    if found is None:
        raise TargetNotFoundError("network", network, searched=(session.site,))
    switch = found.get("config.distributedVirtualSwitch")
    if switch is None:
        card.backing = _Card.NetworkBackingInfo(network=found.reference, deviceName=plain(found.get("name")))
    else:
        port = _Connection(portgroupKey=found.get("key"), switchUuid=switch.uuid)
        card.backing = _Card.DistributedVirtualPortBackingInfo(port=port)
    return [_DeviceSpec(operation="edit", device=card)]


def _customization(session: Session, name: str) -> Any:
    content = refer(vim.ServiceInstance, "ServiceInstance", session.stub).RetrieveContent()
    manager = content.customizationSpecManager
    if manager is None:
        raise TargetNotFoundError("customization specification", name, searched=(session.site,))
    return manager.GetCustomizationSpec(name).spec


def _escaped(name: str) -> str:
    """A name as vCenter wants it: these three mean something in a path."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")
