"""Hosts, clusters and datastores: what VMs run in and lie on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from andock.ports.sites import Listing
from andock.ports.vsphere.tasks import TaskRef


@dataclass(frozen=True, slots=True)
class Host:
    """One host; sizes in bytes, CPU in MHz."""

    site: str
    id: str  # managed object id, such as `host-21`
    name: str
    path: str  # inventory path, such as `/DC0/host/C0/esx-1`
    environment: str  # as sites.yaml maps the site, the path, the cluster and the tags
    cluster: str = ""  # empty for a host of its own
    connection: str = "connected"  # vCenter's word: `connected`, `disconnected`, `notResponding`
    maintenance: bool = False
    vms: int = 0  # all that are registered on it
    cpu: int = 0
    cpu_used: int = 0
    memory: int = 0
    memory_used: int = 0
    model: str = ""
    version: str = ""
    boot_time: datetime | None = None  # aware, UTC
    alarms: tuple[str, ...] = ()  # triggered ones, "red: Host connection and power state"
    labels: tuple[str, ...] = ()  # its tags as category=tag, where they decide


@dataclass(frozen=True, slots=True)
class HostDevice:
    """Something of its host that a VM uses, so that it cannot run elsewhere."""

    vm: str  # id
    label: str  # as vCenter names it, such as `PCI device 0`; with the file, if a drive holds one
    drive: bool = False  # it is enough to disconnect it, also while the VM is on


class RuleKind(StrEnum):
    """What a rule of a cluster wants of its VMs."""

    TOGETHER = "together"
    APART = "apart"
    ON = "on"  # they run on these hosts only
    OFF = "off"  # they never run on these hosts


@dataclass(frozen=True, slots=True)
class PlacementRule:
    """A rule about VMs that a cluster does not break to empty a host."""

    name: str
    kind: RuleKind
    vms: tuple[str, ...]  # ids
    hosts: tuple[str, ...] = ()  # names; of `apart`, of the other hosts that run one of its VMs


@dataclass(frozen=True, slots=True)
class Evacuation:
    """What decides whether a host's VMs can leave it."""

    host: Host
    vms: tuple[str, ...]  # ids of those that are registered on it
    others: tuple[str, ...]  # names of the hosts of its cluster that could take them
    mover: str  # who moves them: `automatic`, `manual`, `off`; empty outside of clusters
    local: tuple[str, ...] = ()  # names of the datastores that no other of these hosts reaches
    devices: tuple[HostDevice, ...] = ()
    rules: tuple[PlacementRule, ...] = ()
    unmoved: tuple[str, ...] = ()  # ids of VMs that are not moved by themselves, whatever `mover` says


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster; sizes in bytes, CPU in MHz, used is what its hosts use."""

    site: str
    id: str
    name: str
    path: str
    environment: str
    hosts: tuple[str, ...] = ()  # names
    usable: int = 0  # hosts that are connected and not in maintenance mode
    vms: int = 0
    cpu: int = 0
    cpu_used: int = 0
    memory: int = 0
    memory_used: int = 0
    drs: str = "off"  # who moves VMs: `automatic`, `manual` or `off`
    ha: bool = False
    alarms: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """One datastore; sizes in bytes."""

    site: str
    id: str
    name: str
    path: str
    environment: str
    kind: str = ""  # `VMFS`, `NFS`, `vsan`
    capacity: int = 0
    free: int = 0
    provisioned: int = 0  # what its VMs may grow to, thin disks in full
    hosts: int = 0  # that reach it
    vms: int = 0
    usable: bool = True  # reached, and not in maintenance mode
    level: str = ""  # `warn` or `critical` by what is used, as sites.yaml has it
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Occupant:
    """What one VM takes on a datastore; bytes."""

    vm: str  # name
    used: int
    provisioned: int


class Hosts(Protocol):
    """Hosts, clusters and datastores of all vCenters; see `VSphere` for what every method raises."""

    def list_hosts(self, site: str | None = None) -> Listing[Host]:
        """All hosts; as many calls for one as for a hundred.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def list_clusters(self, site: str | None = None) -> Listing[Cluster]:
        """All clusters; raises as `list_hosts`."""
        ...

    def list_stores(self, site: str | None = None) -> Listing[Store]:
        """All datastores; raises as `list_hosts`."""
        ...

    def read_host(self, site: str, host: str) -> Host:
        """One host.

        Raises:
            TargetNotFoundError: it is gone.
        """
        ...

    def read_evacuation(self, site: str, host: str) -> Evacuation:
        """What decides whether the VMs can leave; raises as `read_host`."""
        ...

    def read_occupants(self, site: str, store: str) -> Sequence[Occupant]:
        """The VMs on a datastore, the largest first; raises as `read_host`."""
        ...

    def enter_maintenance(self, site: str, host: str, *, powered_off: bool) -> TaskRef:
        """Put the host into maintenance mode once no VM runs on it.

        Args:
            site: the vCenter.
            host: managed object id.
            powered_off: whether VMs that are off are moved too.
        """
        ...

    def exit_maintenance(self, site: str, host: str) -> TaskRef:
        """Let the host take VMs again."""
        ...
