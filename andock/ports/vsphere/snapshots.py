"""Snapshots of VMs: what there is, and how it is made, gone back to and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from andock.ports.sites import Listing
from andock.ports.vsphere.machines import PowerState, VmRow
from andock.ports.vsphere.tasks import TaskRef


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of a VM."""

    id: str  # managed object id, such as `snapshot-12`
    name: str
    created: datetime  # aware, UTC
    description: str = ""
    power: PowerState = PowerState.OFF  # what going back to it brings: `off` unless it holds the memory
    parent: str = ""  # the id of the one below it; empty for one that stands on the disk itself
    depth: int = 1  # 1 for one that stands on the disk itself
    size: int | None = None  # bytes of its files and of what was written since; None when not known
    current: bool = False  # the one that the VM's present state stands on


@dataclass(frozen=True, slots=True)
class Space:
    """The room on one datastore, in bytes."""

    name: str
    free: int
    capacity: int


@dataclass(frozen=True, slots=True)
class VmSnapshots:
    """A VM with its snapshots, each after the one that it stands on."""

    vm: VmRow
    snapshots: tuple[Snapshot, ...] = ()
    consolidation_needed: bool = False  # disks of deleted snapshots are still in the chain
    spaces: tuple[Space, ...] = ()  # of the VM's datastores; only where VMs are asked about by id


class Snapshots(Protocol):
    """Snapshots on all vCenters; see `VSphere` for what every method raises."""

    def read_snapshots(self, site: str, vm: str) -> VmSnapshots:
        """The snapshots of one VM, and the room on its datastores.

        Raises:
            TargetNotFoundError: the VM is gone.
        """
        ...

    def read_snapshots_of(self, site: str, vms: Sequence[str]) -> tuple[VmSnapshots, ...]:
        """`read_snapshots` of many, in this order, in as many calls as of one; those gone are left out."""
        ...

    def list_snapshots(self, site: str | None = None) -> Listing[VmSnapshots]:
        """Every VM that has snapshots or needs consolidation; as many calls for ten VMs as for all.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def create_snapshot(
        self, site: str, vm: str, *, name: str, description: str, memory: bool, quiesce: bool
    ) -> TaskRef:
        """Take a snapshot; with the memory of a VM that is on, or with its guest's files at rest."""
        ...

    def revert_to_snapshot(self, site: str, vm: str, snapshot: str) -> TaskRef:
        """Go back to a snapshot; what was written since is lost."""
        ...

    def delete_snapshot(self, site: str, vm: str, snapshot: str, *, children: bool) -> TaskRef:
        """Delete a snapshot, or it and all that stand on it; the VM's present state stays."""
        ...

    def consolidate(self, site: str, vm: str) -> TaskRef:
        """Merge disks of snapshots that are no longer there."""
        ...
