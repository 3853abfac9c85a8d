"""The VSphere port over pyVmomi: opens sessions as they are needed, asks several vCenters side by side."""

from __future__ import annotations

from workers.vsphere.alarms import AlarmsClient
from workers.vsphere.figures import FiguresClient
from workers.vsphere.hosts import HostsClient
from workers.vsphere.lifecycle import LifecycleClient
from workers.vsphere.moves import MovesClient
from workers.vsphere.power import PowerClient, TasksClient
from workers.vsphere.snapshots import SnapshotsClient
from workers.vsphere.subjects import SubjectsClient


class PyVmomiVSphere(
    SnapshotsClient,
    LifecycleClient,
    MovesClient,
    PowerClient,
    TasksClient,
    HostsClient,
    SubjectsClient,
    AlarmsClient,
    FiguresClient,
):
    """All vCenters of a worker's pool, for one job. Implements `andock.ports.vsphere.VSphere`.

    Made in the horse, after the fork; `close` gives back what it opened.
    """
