"""What operations ask of a vCenter. Implemented in `workers.vsphere`, never imported with an SDK here."""

from __future__ import annotations

from typing import Protocol

from andock.ports.vsphere.alarms import Alarm, Alarms, Event
from andock.ports.vsphere.figures import Figures, Series, Stats
from andock.ports.vsphere.hosts import (
    Cluster,
    Evacuation,
    Host,
    HostDevice,
    Hosts,
    Occupant,
    PlacementRule,
    RuleKind,
    Store,
)
from andock.ports.vsphere.lifecycle import (
    Hardware,
    Lifecycle,
    NewVm,
    Place,
    PlaceKind,
    Question,
    Verdict,
)
from andock.ports.vsphere.machines import ClientLinks, Machines, PowerState, Vm, VmName, VmRow
from andock.ports.vsphere.power import Power
from andock.ports.vsphere.snapshots import Snapshot, Snapshots, Space, VmSnapshots
from andock.ports.vsphere.subjects import Subject, Subjects
from andock.ports.vsphere.tags import Tags
from andock.ports.vsphere.tasks import TaskRef, TaskRow, Tasks

__all__ = [
    "Alarm",
    "ClientLinks",
    "Cluster",
    "Evacuation",
    "Event",
    "Figures",
    "Hardware",
    "Host",
    "HostDevice",
    "NewVm",
    "Occupant",
    "Place",
    "PlaceKind",
    "PlacementRule",
    "PowerState",
    "Question",
    "RuleKind",
    "Series",
    "Snapshot",
    "Space",
    "Store",
    "Subject",
    "TaskRef",
    "TaskRow",
    "VSphere",
    "Verdict",
    "Vm",
    "VmName",
    "VmRow",
    "VmSnapshots",
]


class VSphere(Machines, Lifecycle, Power, Snapshots, Tags, Tasks, Hosts, Subjects, Alarms, Stats, Protocol):
    """All vCenters of this worker's pool.

    Every method raises BackendUnavailableError when the vCenter was not reached and nothing was sent,
    BackendRejectedError when it answered no, and for a change OutcomeUnknownError when the call was sent
    and no answer came. Reads are repeated once after a lost session or connection, changes never.
    """
