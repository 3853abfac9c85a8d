"""Templates, folders, hosts, datastores and networks of one vCenter, each with its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyVmomi import vim

from andock.ports.vsphere import Place, PlaceKind
from workers.vsphere.properties import IN_VIEW, Entity, specify, stream, view_all, walk
from workers.vsphere.references import id_of
from workers.vsphere.rows import PLACE, cluster_of, path_of, plain
from workers.vsphere.session import Session
from workers.vsphere.sightings import Node, Sighting

_FOLDERS = ("vmFolder", "hostFolder", "datastoreFolder", "networkFolder")
TO_PLACES = (
    walk(vim.Folder, "childEntity", name="folder", then=("folder", "compute", *_FOLDERS)),
    *(walk(vim.Datacenter, path, name=path, then=("folder",)) for path in _FOLDERS),
    walk(vim.ComputeResource, "host", name="compute"),
)
ABOVE: Mapping[type, Sequence[str]] = {
    vim.Folder: (*PLACE, "childType"),
    vim.Datacenter: PLACE,
    vim.ComputeResource: PLACE,
}
_TYPES: Mapping[PlaceKind, tuple[type, tuple[str, ...]]] = {
    PlaceKind.TEMPLATE: (vim.VirtualMachine, ("config.template",)),
    PlaceKind.FOLDER: (vim.Folder, ("childType",)),
    PlaceKind.HOST: (vim.HostSystem, ("runtime.inMaintenanceMode", "runtime.connectionState")),
    PlaceKind.DATASTORE: (
        vim.Datastore,
        ("summary.freeSpace", "summary.capacity", "summary.accessible", "summary.maintenanceMode"),
    ),
    PlaceKind.NETWORK: (vim.Network, ()),
}


def list_places(session: Session, kind: PlaceKind) -> tuple[Place, ...]:
    """Everything of this kind: a call for each page, and two for the view."""
    wanted_type, properties = _TYPES[kind]
    wanted: Mapping[type, Sequence[str]] = {**ABOVE, wanted_type: (*PLACE, *properties)}
    with view_all(session, list(wanted)) as view:
        found = list(stream(session, specify([view], IN_VIEW, wanted, skip=True)))
    places = {one.id: one for one in found}
    return tuple(
        Place(
            kind=kind,
            site=session.site,
            id=one.id,
            name=plain(one.get("name", "")),
            path=path_of(one, places),
            free=one.get("summary.freeSpace", 0),
            capacity=one.get("summary.capacity", 0),
            usable=_is_usable(one),
            cluster=cluster_of(one.id, places) if kind is PlaceKind.HOST else "",
        )
        for one in found
        if one.is_a(wanted_type) and (kind not in _COUNTS or _COUNTS[kind](one))
    )


def sight(entity: Entity) -> Sighting:
    """The entity as a listing sees it: what it lies in by its id."""
    values = {**entity.values, "parent": id_of(entity.get("parent"))}
    return Sighting(type(entity.reference).__name__.rpartition(".")[2], entity.id, values)


def _holds_vms(folder: Sighting) -> bool:
    kinds: Node = folder.get("childType", Node(""))
    return "VirtualMachine" in [kind.text for kind in kinds.nodes]


_COUNTS: Mapping[PlaceKind, Callable[[Sighting], bool]] = {
    PlaceKind.TEMPLATE: lambda one: bool(one.get("config.template", otherwise=False)),
    PlaceKind.FOLDER: _holds_vms,
}


def _is_usable(one: Sighting) -> bool:
    return (
        not one.get("runtime.inMaintenanceMode", otherwise=False)
        and one.get("runtime.connectionState", "connected") == "connected"
        and bool(one.get("summary.accessible", otherwise=True))
        and one.get("summary.maintenanceMode", "normal") == "normal"
    )
