"""Bulk reads: many properties of many objects in one call, page by page."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from pyVmomi import vim, vmodl

from workers.vsphere.faults import VENDOR_ERRORS
from workers.vsphere.references import id_of, refer
from workers.vsphere.session import Session
from workers.vsphere.sightings import Sighting
from workers.vsphere.soap import call, serialize
from workers.vsphere.stream import read_pages

_PAGE = 60.0  # seconds for one page of an answer
_ASKED = re.compile(rb"(?P<begin><objectSet><obj [^>]*>)[^<]*(?P<end></obj>.*</objectSet>)", re.DOTALL)
Collector: Any = vmodl.query.PropertyCollector  # its parts have untyped constructors


@dataclass(frozen=True)
class Entity:
    """One object of an answer; what could not be read, or is not set, is missing from `values`."""

    id: str
    reference: Any
    values: Mapping[str, Any]

    def get(self, path: str, otherwise: Any = None) -> Any:
        """One property, or `otherwise`."""
        value = self.values.get(path)
        return otherwise if value is None else value


def walk(kind: type, path: str, *, name: str, then: Sequence[str] = ()) -> Any:
    """One way from an object to others: over this property, then on over the ways named in `then`."""
    onward = [Collector.SelectionSpec(name=other) for other in then]
    return Collector.TraversalSpec(name=name, type=kind, path=path, skip=False, selectSet=onward)


def collect(
    session: Session, start: Sequence[Any], ways: Sequence[Any], wanted: Mapping[type, Sequence[str]]
) -> tuple[Entity, ...]:
    """The wanted properties of the objects at `start` and of all that the ways lead to.

    To be used inside `Session.read`: a token for the next page dies with its session.

    Args:
        session: where to ask.
        start: managed objects; those that are gone are missing from the answer.
        ways: what `walk` gave; each may be taken from the start.
        wanted: leaf properties by type. Whole `summary` or `config` trees are ten times as slow to read.
    """
    specification = specify(start, ways, wanted)
    found: dict[tuple[str, str], Entity] = {}
    page = session.collector.RetrievePropertiesEx([specification], Collector.RetrieveOptions())
    while page is not None:
        for content in page.objects:
            values = {one.name: one.val for one in content.propSet}
            entity = Entity(id_of(content.obj), content.obj, values)
            # an object that two ways lead to is answered once, or once for each
            known = found.get((type(content.obj).__name__, entity.id))
            merged = (
                entity if known is None else Entity(entity.id, entity.reference, {**known.values, **values})
            )
            found[type(content.obj).__name__, entity.id] = merged
        page = session.collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    return tuple(found.values())


def specify(
    start: Sequence[Any], ways: Sequence[Any], wanted: Mapping[type, Sequence[str]], *, skip: bool = False
) -> Any:
    """What is asked of the property collector: see `collect`; with `skip` nothing about the start itself."""
    objects = [Collector.ObjectSpec(obj=one, skip=skip, selectSet=list(ways)) for one in start]
    properties = [
        Collector.PropertySpec(type=kind, all=False, pathSet=list(paths)) for kind, paths in wanted.items()
    ]
    return Collector.FilterSpec(objectSet=objects, propSet=properties, reportMissingObjectsInResults=True)


def stream(session: Session, specification: Any, *, also: Sequence[str] = ()) -> Iterator[Sighting]:
    """What the collector has to say, page by page, while it arrives: for answers about thousands.

    To be used up inside `Session.read`, as `collect`. An object that two ways lead to may come twice. `also`
    are ids of more objects, asked about just as the one at which the specification starts.
    """

    def ask(token: str) -> Iterator[bytes]:
        stub, subject = session.stub, session.retriever
        if token:
            body = serialize(stub, subject, "ContinueRetrievePropertiesEx", token)
        else:
            what = ([specification], Collector.RetrieveOptions())
            body = _ask_also(serialize(stub, subject, "RetrievePropertiesEx", *what), also)
        return call(stub, body, within=min(_PAGE, session.patience.left()))

    return read_pages(ask)


def _ask_also(body: bytes, ids: Sequence[str]) -> bytes:
    """The question with more objects in it: pyVmomi would write out the ways anew for each, 0.2 ms a time."""
    if not ids:
        return body
    asked = _ASKED.search(body)
    if asked is None:  # else the others would be left out as if they were gone
        raise ValueError("the question names no object")
    begin, end = asked["begin"], asked["end"]
    more = b"".join(b"%b%b%b" % (begin, escape(one).encode(), end) for one in ids)
    return body[: asked.end()] + more + body[asked.end() :]


@contextmanager
def view_all(session: Session, kinds: Sequence[type]) -> Iterator[Any]:
    """A view of everything of these types below the root, while the block runs.

    A way over the folders would do too, but vCenter has to walk it; a view it keeps by itself.
    """
    manager = refer(vim.view.ViewManager, session.login.views, session.stub)
    root = refer(vim.Folder, session.login.root, session.stub)
    view = manager.CreateContainerView(root, list(kinds), recursive=True)
    try:
        yield view
    finally:
        with contextlib.suppress(*VENDOR_ERRORS):  # it ends with the session at the latest
            view.DestroyView()


def of_kind(entities: Sequence[Entity], kind: type) -> Mapping[str, Entity]:
    """The entities of this type, by id."""
    return {entity.id: entity for entity in entities if isinstance(entity.reference, kind)}


# From a container view to everything in it.
IN_VIEW = (walk(vim.view.ContainerView, "view", name="view"),)
# From a folder down to all VMs, also those in vApps.
TO_VMS = (
    walk(vim.Folder, "childEntity", name="folder", then=("folder", "datacenter", "vapp", "vapps")),
    walk(vim.Datacenter, "vmFolder", name="datacenter", then=("folder",)),
    walk(vim.VirtualApp, "vm", name="vapp"),
    walk(vim.VirtualApp, "resourcePool", name="vapps", then=("vapp", "vapps")),
)
# From a VM up to the root, and to where it lies. Its host is read by its id: a way over `runtime.host`, a
# property inside a property, is not promised to work.
FROM_VM = (
    walk(vim.VirtualMachine, "parent", name="parent", then=("up",)),
    walk(vim.VirtualMachine, "parentVApp", name="inapp", then=("appfolder", "inapps")),
    walk(vim.VirtualApp, "parentFolder", name="appfolder", then=("up",)),
    walk(vim.VirtualApp, "parentVApp", name="inapps", then=("appfolder", "inapps")),
    walk(vim.ManagedEntity, "parent", name="up", then=("up",)),
    walk(vim.VirtualMachine, "datastore", name="datastore"),
)
FROM_HOST = (walk(vim.HostSystem, "parent", name="cluster"),)
