"""Hosts, clusters, datastores, alarms and events in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from andock.errors import BackendRejectedError, OutcomeUnknownError, TargetNotFoundError
from andock.ports.sites import Listing
from andock.ports.vsphere import (
    Alarm,
    Cluster,
    Evacuation,
    Event,
    Host,
    HostDevice,
    Occupant,
    PlacementRule,
    PowerState,
    Store,
    Subject,
    TaskRef,
    TaskRow,
    Vm,
)
from tests.fakes.vsphere.core import FakeTask, FakeVcenters


@dataclass
class FakeEstate(FakeVcenters):
    """Implements `Hosts`, `Subjects`, `Alarms` and the listing of tasks."""

    hosts: dict[tuple[str, str], Host] = field(default_factory=dict)
    clusters: list[Cluster] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    occupants: dict[str, tuple[Occupant, ...]] = field(default_factory=dict)  # by the datastore's id
    local_stores: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by the host's id
    mover: str = "automatic"
    devices: list[HostDevice] = field(default_factory=list)
    rules: list[PlacementRule] = field(default_factory=list)
    unmoved: list[str] = field(default_factory=list)  # ids of VMs that DRS leaves alone
    alarms: list[Alarm] = field(default_factory=list)
    happened: list[tuple[str, Event]] = field(default_factory=list)  # id of the thing, and the event
    others_tasks: list[TaskRow] = field(default_factory=list)

    def host(self, site: str, name: str, **fields: object) -> str:
        """A host; its id. VMs run on it by their `host_id`."""
        made = f"host-{len(self.hosts) + 1}"
        path = f"/DC0/host/C0/{name}"
        one = Host(site, made, name, path, self.environment_of(site, path), cluster="C0", cpu=8000)
        self.hosts[site, made] = replace(one, **fields)  # type: ignore[arg-type]  # a test's own fields
        return made

    def list_hosts(self, site: str | None = None) -> Listing[Host]:
        found = self._listing(site)
        rows = tuple(self._counted(one) for one in self.hosts.values() if one.site in found.searched)
        return Listing(rows, found.searched, found.not_reached)

    def list_clusters(self, site: str | None = None) -> Listing[Cluster]:
        found = self._listing(site)
        rows = tuple(one for one in self.clusters if one.site in found.searched)
        return Listing(rows, found.searched, found.not_reached)

    def list_stores(self, site: str | None = None) -> Listing[Store]:
        found = self._listing(site)
        rows = tuple(one for one in self.stores if one.site in found.searched)
        return Listing(rows, found.searched, found.not_reached)

    def read_host(self, site: str, host: str) -> Host:
        self._reach(site)
        if (site, host) not in self.hosts:
            raise TargetNotFoundError("host", host, searched=(site,))
        return self._counted(self.hosts[site, host])

    def read_evacuation(self, site: str, host: str) -> Evacuation:
        found = self.read_host(site, host)
        others = [
            one.name
            for one in self.hosts.values()
            if one.site == site and one.cluster == found.cluster and one.id != host and not one.maintenance
        ]
        vms = tuple(vm.id for vm in self._on(site, host))
        return Evacuation(
            found,
            vms,
            tuple(sorted(others)) if found.cluster else (),
            self.mover if found.cluster else "",
            self.local_stores.get(host, ()),
            tuple(device for device in self.devices if device.vm in vms),
            tuple(self.rules),
            tuple(self.unmoved),
        )

    def read_occupants(self, site: str, store: str) -> Sequence[Occupant]:
        self._reach(site)
        if store not in {one.id for one in self.stores}:
            raise TargetNotFoundError("datastore", store, searched=(site,))
        return self.occupants.get(store, ())

    def enter_maintenance(self, site: str, host: str, *, powered_off: bool) -> TaskRef:
        found = self.read_evacuation(site, host)
        moved = [vm for vm in self._on(site, host) if powered_off or vm.power is PowerState.ON]
        bound = {device.vm for device in found.devices} | set(found.unmoved)
        stuck = moved and (not found.others or any(vm.question or vm.id in bound for vm in moved))

        def effect() -> None:
            target = next((one for one in self.hosts.values() if one.name in found.others), None)
            for vm in moved:
                if target is not None:
                    self.change(site, vm.id, host=target.name, host_id=target.id)
            self._maintain(site, host, "enterMaintenanceMode", on=True)

        return self._begin_on(
            site, host, "enterMaintenanceMode", effect, "it ran out of time" if stuck else ""
        )

    def exit_maintenance(self, site: str, host: str) -> TaskRef:
        self.read_host(site, host)
        kind = "exitMaintenanceMode"
        return self._begin_on(site, host, kind, lambda: self._maintain(site, host, kind, on=False), "")

    def find_subjects(self, name: str, site: str | None = None) -> Listing[Subject]:
        found = self._listing(site)
        folded = name.casefold()
        known = [
            *(self._as("vm", one) for one in found.rows),
            *(self._as("host", one) for one in self.hosts.values()),
            *(self._as("cluster", one) for one in self.clusters),
            *(self._as("datastore", one) for one in self.stores),
        ]
        rows = tuple(
            one
            for one in known
            if one.site in found.searched and folded in (one.name.casefold(), one.path.casefold(), one.id)
        )
        return Listing(rows, found.searched, found.not_reached)

    def list_alarms(self, site: str | None = None) -> Listing[Alarm]:
        found = self._listing(site)
        rows = tuple(one for one in self.alarms if one.subject.site in found.searched)
        return Listing(rows, found.searched, found.not_reached)

    def acknowledge(self, subject: Subject, alarm: str) -> None:
        self._reach(subject.site)
        lost, self.lost = self.lost, ""
        for number, one in enumerate(self.alarms):
            if one.subject == subject and one.id == alarm and lost != "undone":
                self.alarms[number] = replace(one, acknowledged=True, acknowledged_by="andock")
                self.effects.append((subject.id, "acknowledge"))
        if lost:
            raise OutcomeUnknownError(f"{subject.site} gave no answer")

    def read_events(self, subject: Subject, since: datetime, most: int) -> tuple[Event, ...]:
        self._reach(subject.site)
        own = [event for thing, event in self.happened if thing == subject.id and event.at >= since]
        return tuple(sorted(own, key=lambda event: event.at, reverse=True)[:most])

    def list_tasks(self, site: str | None = None) -> Listing[TaskRow]:
        found = self._listing(site)
        own = [self._task_row(one) for one in self.tasks.values()]
        rows = [one for one in (*own, *self.others_tasks) if one.ref.site in found.searched]
        rows.sort(key=lambda row: row.queued, reverse=True)
        return Listing(tuple(rows), found.searched, found.not_reached)

    def _task_row(self, known: FakeTask) -> TaskRow:
        site, thing = known.ref.site, known.vm
        vm, host = self.vms.get((site, thing)), self.hosts.get((site, thing))
        if vm is not None:
            subject = self._as("vm", vm)
        elif host is not None:
            subject = self._as("host", host)
        else:
            subject = Subject("thing", site, thing, thing, "", self.environment_of(site, ""))
        state = ("error" if known.fault else "success") if known.ended else "running"
        return TaskRow(
            known.ref, subject, state, known.queued, user="andock",
            cancelable=not known.ended and not self.uncancelable, error=known.fault if known.ended else "",
        )  # fmt: skip

    def _maintain(self, site: str, host: str, effect: str, *, on: bool) -> None:
        if self.hosts[site, host].maintenance is on:
            raise BackendRejectedError(site, "it is in a state that does not allow this")
        self.hosts[site, host] = replace(self.hosts[site, host], maintenance=on)
        self.effects.append((host, effect))

    def _on(self, site: str, host: str) -> list[Vm]:
        return [vm for (where, _), vm in self.vms.items() if where == site and vm.host_id == host]

    def _counted(self, host: Host) -> Host:
        return replace(host, vms=len(self._on(host.site, host.id)))

    @staticmethod
    def _as(kind: str, one: Vm | Host | Cluster | Store) -> Subject:
        return Subject(kind, one.site, one.id, one.name, one.path, one.environment)
