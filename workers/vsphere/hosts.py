"""Hosts, clusters and datastores over pyVmomi: read in bulk; maintenance mode entered and left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from pyVmomi import vim

from andock.errors import TargetNotFoundError
from andock.ports.sites import Listing
from andock.ports.vsphere import Cluster, Evacuation, Host, Occupant, Store, TaskRef
from config.sites import Vcenter
from workers.vsphere.placement import read_devices, read_rules, unmoved_of
from workers.vsphere.places import ABOVE, TO_PLACES, sight
from workers.vsphere.properties import Entity, collect, of_kind, walk
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import PLACE, path_of, plain
from workers.vsphere.session import Session
from workers.vsphere.sightings import Sighting
from workers.vsphere.tags import TagsClient

_MIB = 1024**2
_HOST = (
    *PLACE,
    "vm",
    "datastore",
    "runtime.connectionState",
    "runtime.inMaintenanceMode",
    "runtime.bootTime",
    "summary.hardware.cpuMhz",
    "summary.hardware.numCpuCores",
    "summary.hardware.memorySize",
    "summary.hardware.model",
    "summary.quickStats.overallCpuUsage",
    "summary.quickStats.overallMemoryUsage",
    "summary.config.product.version",
    "triggeredAlarmState",
)
_STORE = (
    *PLACE,
    "vm",
    "host",
    "summary.type",
    "summary.capacity",
    "summary.freeSpace",
    "summary.uncommitted",
    "summary.accessible",
    "summary.maintenanceMode",
)
_MOVERS = {"fullyAutomated": "automatic"}


@dataclass(frozen=True)
class _Estate:
    """Hosts and clusters of one vCenter, with what they lie in and the names of their alarms."""

    site: str
    vcenter: Vcenter
    hosts: Mapping[str, Entity]
    clusters: Mapping[str, Entity]
    places: Mapping[str, Sighting]
    alarms: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]]  # tags by id, where they decide

    def path(self, entity: Entity) -> str:
        return path_of(self.places[entity.id], self.places)

    def alarms_of(self, entity: Entity) -> tuple[str, ...]:
        """Those of its own; a cluster also shows those of its hosts."""
        own = (one for one in entity.get("triggeredAlarmState", ()) if id_of(one.entity) == entity.id)
        return tuple(
            f"{one.overallStatus}: {self.alarms.get(id_of(one.alarm)) or 'an alarm'}"
            for one in own
            if str(one.overallStatus) in {"red", "yellow"}
        )


class HostsClient(TagsClient):
    """Implements `andock.ports.vsphere.hosts.Hosts`."""

    def list_hosts(self, site: str | None = None) -> Listing[Host]:
        """See the port. Two calls."""

        def ask(session: Session) -> tuple[Host, ...]:
            estate = self._survey(session)
            return tuple(_host(estate, one) for one in estate.hosts.values())

        return self._ask_all(site, lambda session: session.read(ask))

    def list_clusters(self, site: str | None = None) -> Listing[Cluster]:
        """See the port. Two calls."""

        def ask(session: Session) -> tuple[Cluster, ...]:
            estate = self._survey(session)
            return tuple(_cluster(estate, one) for one in estate.clusters.values())

        return self._ask_all(site, lambda session: session.read(ask))

    def list_stores(self, site: str | None = None) -> Listing[Store]:
        """See the port. One call."""

        def ask(session: Session) -> tuple[Store, ...]:
            root = refer(vim.Folder, session.login.root, session.stub)
            entities = collect(session, [root], TO_PLACES, {**ABOVE, vim.Datastore: _STORE})
            places = {one.id: sight(one) for one in entities}
            vcenter = self._sessions.vcenter(session.site)
            stores = of_kind(entities, vim.Datastore)
            labels = self._labels_of(session.site, dict.fromkeys(stores, "Datastore"))
            return tuple(
                _store(session.site, vcenter, one, path_of(places[one.id], places), labels.get(one.id, ()))
                for one in stores.values()
            )

        return self._ask_all(site, lambda session: session.read(ask))

    def read_host(self, site: str, host: str) -> Host:
        """See the port."""
        estate = self._session(site).read(self._survey, target=host)
        return _host(estate, _one_of(estate.hosts, host, site))

    def read_evacuation(self, site: str, host: str) -> Evacuation:
        """See the port."""
        estate = self._session(site).read(self._survey, target=host)
        found = _one_of(estate.hosts, host, site)
        home = id_of(found.get("parent"))
        cluster = estate.clusters.get(home)
        others = [
            one
            for one in estate.hosts.values()
            if one.id != host and cluster is not None and id_of(one.get("parent")) == home and _usable(one)
        ]
        shared = {id_of(store) for one in others for store in one.get("datastore", ())}
        alone = [store for store in found.get("datastore", ()) if id_of(store) not in shared]
        vms = tuple(id_of(vm) for vm in found.get("vm", ()))
        named = {one.id: plain(one.get("name", "")) for one in estate.hosts.values()}
        session, local = self._session(site), {id_of(store) for store in alone}
        devices = session.read(lambda session: read_devices(session, vms, local))
        rules = () if cluster is None else session.read(lambda one: read_rules(one, cluster, host, named))
        return Evacuation(
            host=_host(estate, found),
            vms=vms,
            others=tuple(sorted(named[one.id] for one in others)),
            mover="" if cluster is None else _drs(cluster),
            local=self._names(site, alone),
            devices=devices,
            rules=rules,
            unmoved=() if cluster is None else unmoved_of(cluster),
        )

    def read_occupants(self, site: str, store: str) -> Sequence[Occupant]:
        """See the port. One call: what each VM has on each of its datastores."""

        def ask(session: Session) -> tuple[Occupant, ...]:
            start = [refer(vim.Datastore, store, session.stub)]
            ways = (walk(vim.Datastore, "vm", name="vm"),)
            wanted: Mapping[type, Sequence[str]] = {
                vim.Datastore: ("name",),
                vim.VirtualMachine: ("name", "storage.perDatastoreUsage"),
            }
            entities = collect(session, start, ways, wanted)
            _one_of(of_kind(entities, vim.Datastore), store, site, kind="datastore")
            found = (
                Occupant(plain(vm.get("name", "")), used.committed, used.committed + used.uncommitted)
                for vm in of_kind(entities, vim.VirtualMachine).values()
                for used in vm.get("storage.perDatastoreUsage", ())
                if id_of(used.datastore) == store
            )
            return tuple(sorted(found, key=lambda one: (-one.used, one.vm)))

        return self._session(site).read(ask, target=store)

    def enter_maintenance(self, site: str, host: str, *, powered_off: bool) -> TaskRef:
        """See the port."""
        task = self._send(
            site,
            lambda session: refer(vim.HostSystem, host, session.stub).EnterMaintenanceMode_Task(
                0, powered_off, None
            ),
            target=host,
            what="evacuate",
        )
        return TaskRef(site, id_of(task), "enterMaintenanceMode")

    def exit_maintenance(self, site: str, host: str) -> TaskRef:
        """See the port."""
        task = self._send(
            site,
            lambda session: refer(vim.HostSystem, host, session.stub).ExitMaintenanceMode_Task(0),
            target=host,
            what="take out of maintenance mode",
        )
        return TaskRef(site, id_of(task), "exitMaintenanceMode")

    def _survey(self, session: Session) -> _Estate:
        root = refer(vim.Folder, session.login.root, session.stub)
        cluster = (*PLACE, "configurationEx", "triggeredAlarmState")
        wanted = {**ABOVE, vim.HostSystem: _HOST, vim.ClusterComputeResource: cluster}
        entities = collect(session, [root], TO_PLACES, wanted)
        hosts, clusters = of_kind(entities, vim.HostSystem), of_kind(entities, vim.ClusterComputeResource)
        return _Estate(
            site=session.site,
            vcenter=self._sessions.vcenter(session.site),
            hosts=hosts,
            clusters=clusters,
            places={one.id: sight(one) for one in entities},
            alarms=name_alarms(session, (*hosts.values(), *clusters.values())),
            labels=self._labels_of(
                session.site,
                dict.fromkeys(hosts, "HostSystem") | dict.fromkeys(clusters, "ClusterComputeResource"),
            ),
        )

    def _names(self, site: str, things: Sequence[Any]) -> tuple[str, ...]:
        if not things:
            return ()

        def ask(session: Session) -> tuple[str, ...]:
            start = [refer(vim.Datastore, id_of(one), session.stub) for one in things]
            found = collect(session, start, (), {vim.Datastore: ("name",)})
            return tuple(sorted(plain(one.get("name", "")) for one in found))

        return self._session(site).read(ask)


def name_alarms(session: Session, entities: Iterable[Entity]) -> Mapping[str, str]:
    """The names of the alarms that are triggered on these, by id: one call, or none."""
    alarms = {id_of(one.alarm) for entity in entities for one in entity.get("triggeredAlarmState", ())}
    if not alarms:
        return {}
    start = [refer(vim.alarm.Alarm, one, session.stub) for one in sorted(alarms)]
    found = collect(session, start, (), {vim.alarm.Alarm: ("info.name",)})
    return {one.id: str(one.get("info.name", "")) for one in found}


def _one_of(known: Mapping[str, Entity], wanted: str, site: str, *, kind: str = "host") -> Entity:
    if wanted not in known:
        raise TargetNotFoundError(kind, wanted, searched=(site,))
    return known[wanted]


def _host(estate: _Estate, host: Entity) -> Host:
    path, boot, labels = estate.path(host), host.get("runtime.bootTime"), estate.labels.get(host.id, ())
    cluster = estate.clusters.get(id_of(host.get("parent")))
    within = "" if cluster is None else plain(cluster.get("name", ""))
    return Host(
        site=estate.site,
        id=host.id,
        name=plain(host.get("name", "")),
        path=path,
        environment=estate.vcenter.environment_of(path, labels, within),
        labels=labels,
        cluster=within,
        connection=str(host.get("runtime.connectionState", "connected")),
        maintenance=bool(host.get("runtime.inMaintenanceMode", otherwise=False)),
        vms=len(host.get("vm", ())),
        cpu=host.get("summary.hardware.cpuMhz", 0) * host.get("summary.hardware.numCpuCores", 0),
        cpu_used=host.get("summary.quickStats.overallCpuUsage", 0),
        memory=host.get("summary.hardware.memorySize", 0),
        memory_used=host.get("summary.quickStats.overallMemoryUsage", 0) * _MIB,
        model=host.get("summary.hardware.model", ""),
        version=host.get("summary.config.product.version", ""),
        boot_time=None if boot is None else boot.astimezone(UTC),
        alarms=estate.alarms_of(host),
    )


def _cluster(estate: _Estate, cluster: Entity) -> Cluster:
    path, labels = estate.path(cluster), estate.labels.get(cluster.id, ())
    own = [one for one in estate.hosts.values() if id_of(one.get("parent")) == cluster.id]
    hosts = [_host(estate, one) for one in own]
    high = getattr(cluster.get("configurationEx"), "dasConfig", None)
    return Cluster(
        site=estate.site,
        id=cluster.id,
        name=plain(cluster.get("name", "")),
        path=path,
        environment=estate.vcenter.environment_of(path, labels, plain(cluster.get("name", ""))),
        labels=labels,
        hosts=tuple(sorted(one.name for one in hosts)),
        usable=sum(1 for one in own if _usable(one)),
        vms=sum(one.vms for one in hosts),
        cpu=sum(one.cpu for one in hosts),
        cpu_used=sum(one.cpu_used for one in hosts),
        memory=sum(one.memory for one in hosts),
        memory_used=sum(one.memory_used for one in hosts),
        drs=_drs(cluster),
        ha=bool(high is not None and high.enabled),
        alarms=estate.alarms_of(cluster),
    )


def _drs(cluster: Entity) -> str:
    config = getattr(cluster.get("configurationEx"), "drsConfig", None)
    if config is None or not config.enabled:
        return "off"
    return _MOVERS.get(str(config.defaultVmBehavior or "fullyAutomated"), "manual")


def _usable(host: Entity) -> bool:
    return str(host.get("runtime.connectionState", "connected")) == "connected" and not host.get(
        "runtime.inMaintenanceMode", otherwise=False
    )


def _store(site: str, vcenter: Vcenter, store: Entity, path: str, labels: tuple[str, ...]) -> Store:
    capacity, free = int(store.get("summary.capacity", 0)), int(store.get("summary.freeSpace", 0))
    return Store(
        site=site,
        id=store.id,
        name=plain(store.get("name", "")),
        path=path,
        environment=vcenter.environment_of(path, labels),
        labels=labels,
        kind=str(store.get("summary.type", "")),
        capacity=capacity,
        free=free,
        provisioned=capacity - free + int(store.get("summary.uncommitted", 0)),
        hosts=len(store.get("host", ())),
        vms=len(store.get("vm", ())),
        usable=bool(store.get("summary.accessible", otherwise=True))
        and str(store.get("summary.maintenanceMode", "normal")) == "normal",
        level=vcenter.datastores.level_of(free, capacity),
    )
