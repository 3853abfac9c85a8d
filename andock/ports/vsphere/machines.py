"""VMs as a vCenter has them: listed, found by name, read in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from andock.ports.sites import Listing


class PowerState(StrEnum):
    """A VM's power state in operators' words."""

    ON = "on"
    OFF = "off"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class VmRow:
    """One VM in a listing: leaf properties only, one bulk read for all of them."""

    site: str
    id: str  # managed object id, such as `vm-57`
    name: str
    path: str  # inventory path, such as `/DC0/vm/prod/web-01`
    power: PowerState
    environment: str  # as sites.yaml maps this site, path, cluster and tags
    host: str
    ip: str  # address of the VM's own card, empty when unknown
    tools_running: bool
    uuid: str = ""  # BIOS UUID in lower case, by which Andock knows its own VMs
    host_id: str = ""
    tools_version: str = ""  # `current`, `old`, `none` where they are not installed; empty when unknown
    labels: tuple[str, ...] = ()  # its tags as category=tag, sorted
    oldest_snapshot: datetime | None = None  # when it was taken, aware, UTC

    @property
    def folder(self) -> str:
        """The inventory path without the VM's own name."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Vm(VmRow):
    """One VM as `vm info` shows it."""

    boot_time: datetime | None = None  # aware, UTC
    uptime: int = 0  # seconds
    cpus: int = 0
    memory_mb: int = 0
    guest: str = ""  # the guest operating system's full name
    cluster: str = ""
    datastores: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()  # triggered ones, "red: Virtual machine CPU usage"
    question: str = ""  # a pending question that blocks the VM's tasks
    notes: str = ""
    # seconds since its tags were like this, 0 when vCenter was asked just now; None when they are not known
    tags_age: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class VmName:
    """What a VM can be asked for by."""

    site: str
    id: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class ClientLinks:
    """A VM in vCenter's own clients; each asks for a login."""

    page: str  # the vSphere Client's page of the VM, from where its web console is opened
    remote_console: str  # for VMware Remote Console


class Machines(Protocol):
    """The VMs of all vCenters of this worker's pool."""

    def sites(self) -> tuple[str, ...]:
        """Names of the vCenters, in the order of sites.yaml."""
        ...

    def list_vms(
        self, site: str | None = None, *, fresh: bool = False, tagged: bool = False
    ) -> Listing[VmRow]:
        """All VMs (no templates) of one site or of all, out of the inventory index where it is current.

        Args:
            site: the one site, or all.
            fresh: ask the vCenters themselves.
            tagged: whether the VMs' tags matter; without, rows may lack them.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def vm_names(self, site: str | None = None) -> Listing[VmName]:
        """What all VMs (no templates) of one site or of all are called, as the vCenters themselves say.

        One job that asks again within three seconds, and has changed nothing meanwhile, gets the same answer.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def find_vms(self, name: str, site: str | None = None, *, fresh: bool = False) -> Listing[Vm]:
        """VMs whose name, inventory path or managed object id equals `name`, read in full.

        Names compare without case, as vCenter does. When nothing matches, `rows` is empty. Where an index
        says which VMs are called so, one that was made within the last second may be missing; with `fresh`
        the vCenters themselves say who bears a bare name.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def similar_names(self, name: str, site: str | None = None) -> tuple[str, ...]:
        """At most three names of VMs that look like `name`."""
        ...

    def read_vm(self, site: str, vm: str) -> Vm:
        """Everything `vm info` shows of the VM with this managed object id.

        Raises:
            TargetNotFoundError: it is gone.
        """
        ...

    def read_vms(self, site: str, vms: Sequence[str]) -> tuple[Vm, ...]:
        """Those of these VMs that are still there, in this order; as many calls for one as for a hundred."""
        ...

    def environment_of(self, site: str, path: str, labels: Sequence[str] = (), cluster: str = "") -> str:
        """The environment that a VM at this path, with these tags, in this cluster, is in or would be in."""
        ...

    def client_links(self, site: str, vm: str) -> ClientLinks:
        """Where a person can look at the VM after a login of their own; no ticket is in them."""
        ...
