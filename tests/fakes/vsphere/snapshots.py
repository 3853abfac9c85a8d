"""Snapshots of the VMs in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from andock.errors import TargetNotFoundError
from andock.ports.sites import Listing
from andock.ports.vsphere import PowerState, Snapshot, Space, TaskRef, VmSnapshots
from tests.fakes.vsphere.core import FakeVcenters


@dataclass
class FakeSnapshots(FakeVcenters):
    """Implements `Snapshots`."""

    snapshots: dict[tuple[str, str], list[Snapshot]] = field(default_factory=dict)
    unconsolidated: set[tuple[str, str]] = field(default_factory=set)
    spaces: tuple[Space, ...] = (Space("ds-1", 900 * 1024**3, 1000 * 1024**3),)
    made: int = 0

    def plant(self, site: str, vm: str, **fields: object) -> str:
        """A snapshot on the current one, with these fields; its id."""
        kept = self.snapshots.setdefault((site, vm), [])
        below = next((one for one in kept if one.current), None)
        self.made += 1
        new = Snapshot(
            id=f"snapshot-{self.made}",
            name="before",
            created=self._tick(),
            parent=below.id if below else "",
            depth=below.depth + 1 if below else 1,
            size=0,
            current=True,
        )
        kept[:] = [replace(one, current=False) for one in kept] + [replace(new, **fields)]  # type: ignore[arg-type]
        return new.id

    def read_snapshots(self, site: str, vm: str) -> VmSnapshots:
        known = self.read_vm(site, vm)
        kept = tuple(self.snapshots.get((site, vm), ()))
        return VmSnapshots(known, kept, (site, vm) in self.unconsolidated, self.spaces)

    def read_snapshots_of(self, site: str, vms: Sequence[str]) -> tuple[VmSnapshots, ...]:
        self._reach(site)
        return tuple(self.read_snapshots(site, vm) for vm in vms if (site, vm) in self.vms)

    def list_snapshots(self, site: str | None = None) -> Listing[VmSnapshots]:
        found = self._listing(site)
        every = (replace(self.read_snapshots(vm.site, vm.id), spaces=()) for vm in found.rows)
        some = tuple(one for one in every if one.snapshots or one.consolidation_needed)
        return Listing(some, found.searched, found.not_reached)

    def create_snapshot(
        self, site: str, vm: str, *, name: str, description: str, memory: bool, quiesce: bool
    ) -> TaskRef:
        del quiesce
        power = self.read_vm(site, vm).power
        power = PowerState.OFF if power is PowerState.ON and not memory else power

        def effect() -> None:
            self.plant(site, vm, name=name, description=description, power=power)
            self.effects.append((vm, "createSnapshot"))

        return self._begin(site, vm, "createSnapshot", effect)

    def revert_to_snapshot(self, site: str, vm: str, snapshot: str) -> TaskRef:
        wanted = self._of(site, vm, snapshot)

        def effect() -> None:
            kept = self.snapshots[site, vm]
            kept[:] = [replace(one, current=one.id == snapshot) for one in kept]
            self.change(site, vm, power=wanted.power)
            self.effects.append((vm, "revert"))

        return self._begin(site, vm, "revert", effect)

    def delete_snapshot(self, site: str, vm: str, snapshot: str, *, children: bool) -> TaskRef:
        self._of(site, vm, snapshot)

        def effect() -> None:
            kept = self.snapshots[site, vm]
            gone = {snapshot}
            if children:
                for one in kept:
                    gone |= {one.id} if one.parent in gone else set()
            kept[:] = list(_without(kept, gone))
            self.effects.append((vm, "remove"))

        return self._begin(site, vm, "remove", effect)

    def consolidate(self, site: str, vm: str) -> TaskRef:
        def effect() -> None:
            self.unconsolidated.discard((site, vm))
            self.effects.append((vm, "consolidateDisks"))

        return self._begin(site, vm, "consolidateDisks", effect)

    def _of(self, site: str, vm: str, snapshot: str) -> Snapshot:
        self._reach(site)
        for one in self.snapshots.get((site, vm), ()):
            if one.id == snapshot:
                return one
        raise TargetNotFoundError("snapshot", snapshot, searched=(site,))


def _without(kept: Iterable[Snapshot], gone: set[str]) -> Iterable[Snapshot]:
    """The others, standing on what is left."""
    parents = {one.id: one.parent for one in kept}
    depths = {one.id: one.depth for one in kept}
    was_current = next((one.id for one in kept if one.current), "")
    while was_current in gone:
        was_current = parents[was_current]
    for one in kept:
        if one.id in gone:
            continue
        parent = one.parent
        while parent in gone:
            parent = parents[parent]
        yield replace(one, parent=parent, depth=depths.get(parent, 0) + 1, current=one.id == was_current)
