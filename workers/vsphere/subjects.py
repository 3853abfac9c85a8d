"""Anything in the inventory by name, path or id, and paths of what alarms, events and tasks speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pyVmomi import vim

from andock.ports.sites import Listing
from andock.ports.vsphere import Subject
from config.sites import Vcenter
from workers.vsphere.inventory import PLACES
from workers.vsphere.places import sight
from workers.vsphere.properties import FROM_VM, IN_VIEW, collect, specify, stream, view_all
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import PLACE, cluster_of, path_of, plain
from workers.vsphere.session import Session
from workers.vsphere.sightings import Sighting
from workers.vsphere.tags import TagsClient

Tagged = Callable[[str, Mapping[str, str]], Mapping[str, tuple[str, ...]]]
"""Site and kinds by id give tags by id; see `TagsClient`."""
KINDS: Mapping[str, tuple[str, type]] = {
    "VirtualMachine": ("vm", vim.VirtualMachine),
    "HostSystem": ("host", vim.HostSystem),
    "ClusterComputeResource": ("cluster", vim.ClusterComputeResource),
    "ComputeResource": ("compute", vim.ComputeResource),
    "Datastore": ("datastore", vim.Datastore),
    "Datacenter": ("datacenter", vim.Datacenter),
    "Folder": ("folder", vim.Folder),
}
_TYPES = dict(KINDS.values())
_ASKED_FOR: Mapping[type, Sequence[str]] = {
    **PLACES,
    vim.VirtualMachine: (*PLACE, "parentVApp"),
    vim.HostSystem: PLACE,
    vim.ComputeResource: PLACE,
    vim.Datastore: PLACE,
}


class SubjectsClient(TagsClient):
    """Implements `andock.ports.vsphere.subjects.Subjects`."""

    def find_subjects(self, name: str, site: str | None = None) -> Listing[Subject]:
        """See the port. One page after the other of names, the cheapest properties."""

        def ask(session: Session) -> tuple[Subject, ...]:
            vcenter = self._sessions.vcenter(session.site)
            with view_all(session, list(_ASKED_FOR)) as view:
                specification = specify([view], IN_VIEW, _ASKED_FOR, skip=True)
                known = {one.id: one for one in stream(session, specification)}
            folded = name.casefold()
            like = {
                one.id: subject_of(session.site, vcenter, one, known)
                for one in known.values()
                if "/" in name or folded in (one.id, plain(one.get("name", "")).casefold())
            }
            called = {
                key: one
                for key, one in like.items()
                if one.kind != "compute" and folded in (one.id, one.name.casefold(), one.path.casefold())
            }
            labels = self._labels_of(session.site, {key: known[key].kind for key in called})
            return tuple(
                subject_of(session.site, vcenter, known[key], known, labels.get(key, ())) for key in called
            )

        return self._ask_all(site, lambda session: session.read(ask))


def subject_of(
    site: str,
    vcenter: Vcenter,
    one: Sighting,
    known: Mapping[str, Sighting],
    labels: tuple[str, ...] = (),
) -> Subject:
    """What was seen, with the path that leads to it, and its tags where they decide."""
    path = path_of(one, known)
    kind = KINDS[one.kind][0] if one.kind in KINDS else one.kind
    cluster = plain(one.get("name", "")) if kind == "cluster" else cluster_of(one.id, known)
    environment = vcenter.environment_of(path, labels, cluster)
    return Subject(kind, site, one.id, plain(one.get("name", "")), path, environment, labels)


def read_subjects(
    session: Session, vcenter: Vcenter, things: Iterable[Any], tagged: Tagged
) -> Mapping[str, Subject]:
    """These managed entities by id, with paths: one call, and one for tags. What is gone is left out."""
    start = {id_of(thing): thing for thing in things if thing is not None}
    if not start:
        return {}
    wanted: Mapping[type, Sequence[str]] = {vim.ManagedEntity: PLACE}
    known = {one.id: sight(one) for one in collect(session, list(start.values()), FROM_VM, wanted)}
    there = [one for one in start if known.get(one) is not None]
    labels = tagged(session.site, {one: known[one].kind for one in there})
    return {one: subject_of(session.site, vcenter, known[one], known, labels.get(one, ())) for one in there}


def refer_to(session: Session, subject: Subject) -> Any:
    """The managed object that a subject is."""
    kind: Any = _TYPES.get(subject.kind) or getattr(vim, subject.kind, vim.ManagedEntity)
    return refer(kind, subject.id, session.stub)
