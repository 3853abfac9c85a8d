"""What a watcher knows of one vCenter, and which rows of the index that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from andock.indexing import RowChange
from andock.ports.vsphere import VmRow
from config.sites import Vcenter
from workers.vsphere.rows import condense, is_vm, row_of
from workers.vsphere.sightings import Sighting

Labels = Mapping[str, Sequence[str]]  # VM's id -> its tags as category=tag


class Mirror:
    """Takes what vCenter says, piece by piece, and tells what became of the VMs' rows."""

    def __init__(self, site: str, vcenter: Vcenter) -> None:
        self._site = site
        self._vcenter = vcenter
        self._vms: dict[str, Sighting] = {}
        self._around: dict[str, Sighting] = {}  # hosts, and what VMs lie in
        self._rows: dict[str, VmRow] = {}  # as they were told last
        self._labels: Labels = {}
        self._touched: set[str] = set()
        self._all_touched = False

    def take(self, seen: Sighting) -> None:
        """Something came, changed or went."""
        is_machine = seen.kind == "VirtualMachine"
        kept = self._vms if is_machine else self._around
        if seen.change == "leave":
            kept.pop(seen.id, None)
        elif seen.change == "modify" and seen.id in kept:
            kept[seen.id].values.update(condense(seen).values)
        else:
            kept[seen.id] = condense(seen)
        if is_machine:
            self._touched.add(seen.id)
        else:
            self._all_touched = True  # a host or a folder: which VMs it concerns is found out by looking

    def tag(self, labels: Labels) -> None:
        """Tags were read; VMs that are not named have none."""
        ids = labels.keys() | self._labels.keys()
        self._touched.update(vm for vm in ids if labels.get(vm) != self._labels.get(vm))
        self._labels = labels

    def changes(self) -> list[RowChange]:
        """The rows that are other than they were told last; they count as told now."""
        looked_at = self._vms.keys() | self._rows.keys() if self._all_touched else self._touched
        changes = []
        for identifier in looked_at:
            old, new = self._rows.get(identifier), self._row(identifier)
            if old == new:
                continue
            changes.append(RowChange(identifier, old, new))
            if new is None:
                del self._rows[identifier]
            else:
                self._rows[identifier] = new
        self._touched, self._all_touched = set(), False
        return changes

    def rows(self) -> tuple[VmRow, ...]:
        """All rows as they are now; they count as told."""
        self.changes()
        return tuple(self._rows.values())

    def _row(self, identifier: str) -> VmRow | None:
        vm = self._vms.get(identifier)
        if vm is None or not is_vm(vm):
            return None
        around = self._around
        return row_of(self._site, self._vcenter, vm, around, around, self._labels.get(identifier, ()))
