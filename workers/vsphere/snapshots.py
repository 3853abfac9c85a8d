"""Snapshots over pyVmomi: trees flattened, sizes added up, tasks started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from pyVmomi import vim

from andock.errors import TargetNotFoundError
from andock.ports.sites import Listing
from andock.ports.vsphere import PowerState, Snapshot, Space, TaskRef, VmSnapshots
from workers.vsphere.machines import MachinesClient
from workers.vsphere.properties import IN_VIEW, Entity, collect, of_kind, specify, stream, view_all, walk
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import plain
from workers.vsphere.session import Session
from workers.vsphere.sightings import Sighting

_POWER = {"poweredOn": PowerState.ON, "suspended": PowerState.SUSPENDED}
_TREE = ("snapshot", "runtime.consolidationNeeded")
_FILES = ("layoutEx.file", "layoutEx.disk", "layoutEx.snapshot")
_STORES = (walk(vim.VirtualMachine, "datastore", name="datastore"),)
_SPACE = ("name", "summary.freeSpace", "summary.capacity")


class SnapshotsClient(MachinesClient):
    """Implements `andock.ports.vsphere.snapshots.Snapshots`."""

    def read_snapshots(self, site: str, vm: str) -> VmSnapshots:
        """See the port."""
        found = self.read_snapshots_of(site, (vm,))
        if not found:
            raise TargetNotFoundError("VM", vm, searched=(site,))
        return found[0]

    def read_snapshots_of(self, site: str, vms: Sequence[str]) -> tuple[VmSnapshots, ...]:
        """See the port. Three calls."""
        wanted: Mapping[type, Sequence[str]] = {
            vim.VirtualMachine: (*_TREE, *_FILES, "datastore"),
            vim.Datastore: _SPACE,
        }

        def ask(session: Session) -> tuple[VmSnapshots, ...]:
            if not vms:
                return ()
            start = [refer(vim.VirtualMachine, vm, session.stub) for vm in vms]
            return self._joined(session, collect(session, start, _STORES, wanted))

        return self._session(site).read(ask)

    def list_snapshots(self, site: str | None = None) -> Listing[VmSnapshots]:
        """See the port. Six calls: who has any in three, their files, and they themselves in two."""
        wanted: Mapping[type, Sequence[str]] = {vim.VirtualMachine: _TREE}

        def ask(session: Session) -> tuple[VmSnapshots, ...]:
            with view_all(session, list(wanted)) as view:
                every = stream(session, specify([view], IN_VIEW, wanted, skip=True))
                some = [vm.id for vm in every if _has_any(vm)]
            if not some:
                return ()
            start = [refer(vim.VirtualMachine, vm, session.stub) for vm in some]
            return self._joined(session, collect(session, start, (), {vim.VirtualMachine: (*_TREE, *_FILES)}))

        return self._ask_all(site, lambda session: session.read(ask))

    def create_snapshot(
        self, site: str, vm: str, *, name: str, description: str, memory: bool, quiesce: bool
    ) -> TaskRef:
        """See the port."""
        return self._start(
            site, vm, "take a snapshot of", "createSnapshot",
            lambda found: found.CreateSnapshot_Task(name, description, memory, quiesce),
        )  # fmt: skip

    def revert_to_snapshot(self, site: str, vm: str, snapshot: str) -> TaskRef:
        """See the port."""
        task = self._send(
            site,
            lambda session: refer(vim.vm.Snapshot, snapshot, session.stub).RevertToSnapshot_Task(),
            target=snapshot,
            what=f"take {vm} back to",
        )
        return TaskRef(site, id_of(task), "revert")

    def delete_snapshot(self, site: str, vm: str, snapshot: str, *, children: bool) -> TaskRef:
        """See the port."""
        task = self._send(
            site,
            lambda session: refer(vim.vm.Snapshot, snapshot, session.stub).RemoveSnapshot_Task(children),
            target=snapshot,
            what=f"delete of {vm}",
        )
        return TaskRef(site, id_of(task), "remove")

    def consolidate(self, site: str, vm: str) -> TaskRef:
        """See the port."""
        return self._start(
            site, vm, "consolidate the disks of", "consolidateDisks",
            lambda found: found.ConsolidateVMDisks_Task(),
        )  # fmt: skip

    def _joined(self, session: Session, entities: Sequence[Entity]) -> tuple[VmSnapshots, ...]:
        """The VMs themselves, each with what was read of its snapshots."""
        read, stores = of_kind(entities, vim.VirtualMachine), of_kind(entities, vim.Datastore)
        return tuple(
            VmSnapshots(
                vm=vm,
                snapshots=snapshots_of(read[vm.id]),
                consolidation_needed=bool(read[vm.id].get("runtime.consolidationNeeded", otherwise=False)),
                spaces=_spaces(read[vm.id], stores),
            )
            for vm in self._lookup.read_many(session, list(read))
        )


def snapshots_of(vm: Entity) -> tuple[Snapshot, ...]:
    """The VM's snapshots, each after the one that it stands on."""
    info = vm.get("snapshot")
    if info is None:
        return ()
    current = id_of(info.currentSnapshot)
    nodes = list(_flatten(info.rootSnapshotList or (), "", 1))
    sizes = sizes_of(vm, {id_of(node.snapshot): parent for node, parent, _ in nodes}, current)
    return tuple(
        Snapshot(
            id=id_of(node.snapshot),
            name=plain(node.name),
            description=node.description or "",
            created=node.createTime.astimezone(UTC),
            power=_POWER.get(str(node.state), PowerState.OFF),
            parent=parent,
            depth=depth,
            size=sizes.get(id_of(node.snapshot)),
            current=id_of(node.snapshot) == current,
        )
        for node, parent, depth in nodes
    )


def sizes_of(vm: Entity, parents: Mapping[str, str], current: str) -> Mapping[str, int]:
    """Bytes of each snapshot's own files: its data, its memory, and the disks written to after it.

    A snapshot's layout lists the disks that it froze; those that its successors add hold what was written
    since. They are counted to it, because they go when it is deleted.
    """
    files = {file.key: file.size for file in vm.get("layoutEx.file", ())}
    layouts = {id_of(one.key): one for one in vm.get("layoutEx.snapshot", ())}
    now = _disk_files(vm.get("layoutEx.disk", ()))
    sizes: dict[str, int] = {}
    for snapshot, layout in layouts.items():
        frozen = _disk_files(layout.disk or ())
        later = set(now) - set(frozen) if snapshot == current else set()
        for child, parent in parents.items():
            if parent == snapshot and child in layouts:
                later |= set(_disk_files(layouts[child].disk or ())) - set(frozen)
        own = {key for key in (layout.dataKey, layout.memoryKey) if key is not None and key >= 0}
        sizes[snapshot] = sum(files.get(key, 0) for key in own | later)
    return sizes


def _disk_files(disks: Iterable[Any]) -> list[int]:
    return [key for disk in disks for unit in disk.chain or () for key in unit.fileKey]


def _flatten(nodes: Iterable[Any], parent: str, depth: int) -> Iterator[tuple[Any, str, int]]:
    for node in nodes:
        yield node, parent, depth
        yield from _flatten(node.childSnapshotList or (), id_of(node.snapshot), depth + 1)


def _has_any(vm: Sighting) -> bool:
    return vm.get("snapshot") is not None or bool(vm.get("runtime.consolidationNeeded", otherwise=False))


def _spaces(vm: Entity, stores: Mapping[str, Entity]) -> tuple[Space, ...]:
    own = (stores[id_of(one)] for one in vm.get("datastore", ()) if id_of(one) in stores)
    return tuple(
        Space(
            plain(store.get("name", "")),
            int(store.get("summary.freeSpace", 0)),
            int(store.get("summary.capacity", 0)),
        )
        for store in own
    )
