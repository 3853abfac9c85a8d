"""A VM's life: where it can lie, how it is made, changed, moved, asked and destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from andock.ports.sites import Listing
from andock.ports.vsphere.tasks import TaskRef
from andock.ports.watch import Watch


class PlaceKind(StrEnum):
    """What a VM comes from, lies in or is connected to."""

    TEMPLATE = "template"
    FOLDER = "folder"
    HOST = "host"
    DATASTORE = "datastore"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Place:
    """One template, folder, host, datastore or network."""

    kind: PlaceKind
    site: str
    id: str
    name: str
    path: str  # inventory path, such as `/DC0/vm/prod`
    free: int = 0  # bytes; of a datastore
    capacity: int = 0
    usable: bool = True  # a host: connected and not in maintenance mode; a datastore: the same
    cluster: str = ""  # name; of a host


@dataclass(frozen=True, slots=True)
class Hardware:
    """What can be resized of a VM, and what of it while the VM is on."""

    id: str
    cpus: int
    memory_mb: int
    cpu_hot_add: bool = False
    memory_hot_add: bool = False
    cores_per_socket: int = 1


@dataclass(frozen=True, slots=True)
class NewVm:
    """A VM to be cloned, off; what is empty or None is as in the template."""

    name: str
    folder: str  # ids, here and below
    host: str = ""
    datastore: str = ""
    network: str = ""
    customization: str = ""  # a customization specification's name
    cpus: int | None = None
    memory_mb: int | None = None
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What vCenter says of a move before it is made; clauses without a full stop."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What a VM wants to know before its task goes on."""

    id: str
    text: str
    choices: tuple[tuple[str, str], ...]  # key and label
    default: str = ""  # a key


class Lifecycle(Protocol):
    """Making, changing and ending VMs; see `VSphere` for what every method raises."""

    def list_places(self, kind: PlaceKind, site: str | None = None) -> Listing[Place]:
        """Everything of this kind; one call for each site.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def customizations(self, site: str) -> tuple[str, ...]:
        """Names of the customization specifications that a vCenter has."""
        ...

    def read_hardware(self, site: str, vms: Sequence[str]) -> tuple[Hardware, ...]:
        """Of those of these VMs that are still there, in this order."""
        ...

    def clone(self, site: str, template: str, new: NewVm) -> TaskRef:
        """Make a VM out of a template."""
        ...

    def resize(self, site: str, vm: str, *, cpus: int | None, memory_mb: int | None) -> TaskRef:
        """Give the VM so many CPUs and so much memory; None leaves it."""
        ...

    def annotate(self, site: str, vm: str, notes: str) -> TaskRef:
        """Replace the VM's notes."""
        ...

    def rename(self, site: str, vm: str, name: str) -> TaskRef:
        """Give the VM another name; its files keep theirs."""
        ...

    def check_move(self, site: str, vm: str, *, host: str, datastore: str, watch: Watch) -> Verdict:
        """Ask vCenter whether the VM could be moved; empty ids are where it is. Changes nothing."""
        ...

    def move(self, site: str, vm: str, *, host: str, datastore: str) -> TaskRef:
        """Move the VM to a host, a datastore or both; empty ids are where it is."""
        ...

    def destroy(self, site: str, vm: str) -> TaskRef:
        """Delete the VM and its disks."""
        ...

    def read_question(self, site: str, vm: str) -> Question | None:
        """What the VM waits for an answer to, if it does.

        Raises:
            TargetNotFoundError: the VM is gone.
        """
        ...

    def answer(self, site: str, vm: str, question: str, choice: str) -> None:
        """Answer a question by one of its choices' keys.

        Raises:
            BackendRejectedError: it is no longer asked, or has no such choice.
        """
        ...
