"""Which VMs there are on a vCenter: out of the inventory index what it knows, else from vCenter itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import structlog
from redis.exceptions import RedisError

from andock.errors import BackendError
from andock.inventory import Aged, Inventory
from andock.ports.vsphere import Vm, VmName, VmRow
from workers.vsphere import inventory
from workers.vsphere.mirror import Labels
from workers.vsphere.session import Session, Sessions
from workers.vsphere.tagging import TagService

log = structlog.get_logger()
T = TypeVar("T")
_ID = re.compile(r"vm-\d+")
_NAMES_KEPT = 3.0  # seconds; a job that resolves fifty names looks through the inventory once


@dataclass(frozen=True, slots=True)
class Part:
    """One vCenter's part of a listing; `age` in seconds is None when vCenter was asked just now."""

    site: str
    rows: tuple[VmRow, ...]
    age: float | None
    tagged: bool


@dataclass
class _Names:
    """All names of one vCenter, as they were a moment ago."""

    rows: tuple[inventory.Named, ...] = ()
    at: float = field(default=float("-inf"))


@dataclass(frozen=True, slots=True)
class _Known:
    """Tags of VMs, and how many seconds old those are that are known; by id."""

    labels: Labels
    ages: Mapping[str, float]


def _borne(found: Aged) -> _Known:
    """The tags of what the index found."""
    ages = {} if found.tags_age is None else dict.fromkeys((row.id for row in found.rows), found.tags_age)
    return _Known({row.id: row.labels for row in found.rows}, ages)


class ReadTags(Protocol):
    """Asks the tag service of a vCenter; see `tagging.read_tags`."""

    def __call__(self, site: str, call: Callable[[TagService], Labels]) -> Labels:
        """What the call says."""
        ...


class Lookup:
    """What one job asks about VMs by name, and about all of them.

    Raises what `Session.read` raises, and the same for tags where they decide.
    """

    def __init__(
        self,
        sessions: Sessions,
        read_tags: ReadTags,
        changed: Mapping[str, float],
        index: Inventory | None,
        by_tags: Collection[str],
    ) -> None:
        """`changed` says when this job last sent a change to a vCenter, monotonic."""
        self._sessions = sessions
        self._read_tags = read_tags
        self._changed = changed
        self._index = index
        self._by_tags = by_tags
        self._names: dict[str, _Names] = {}

    def rows(self, session: Session, *, fresh: bool, tagged: bool) -> Part:
        """All VMs; see the port's `list_vms`."""
        site, vcenter = session.site, self._sessions.vcenter(session.site)
        known = None if fresh else self._look(lambda index: index.rows(site))
        if known is not None:
            return Part(site, known.rows, known.age, known.tagged)
        labels = self._read_all_labels(site) if tagged or site in self._by_tags else {}
        rows = session.read(lambda session: inventory.list_rows(session, vcenter, labels))
        return Part(site, rows, None, labels is not None)

    def called(self, session: Session, name: str, *, fresh: bool) -> tuple[Vm, ...]:
        """The VMs of this name, path or id, in full. Ids come out of the index, the VMs from vCenter.

        When the index has none, or none that is called so still, it is not believed, and all names are
        looked through; with `fresh` also for a bare name, which a VM that it does not know yet may share.
        """
        believed = not fresh or "/" in name or _ID.fullmatch(name)
        known = self._look(lambda index: index.named(session.site, name)) if believed else None
        if known is not None:
            labels = None if session.site in self._by_tags else _borne(known)
            found = self._read_called(session, name, [row.id for row in known.rows], labels)
            if found:
                return found
        return self._read_called(session, name, [vm.id for vm in self._scan(session) if vm.is_called(name)])

    def called_now(self, session: Session) -> tuple[VmName, ...]:
        """What all VMs are called, as vCenter says."""
        return tuple(VmName(session.site, vm.id, vm.name, vm.path) for vm in self._scan(session))

    def names(self, session: Session) -> tuple[str, ...]:
        """The names of all VMs. What this job read itself is newer than the index."""
        read = session.site in self._names
        known = None if read else self._look(lambda index: index.names(session.site))
        return known if known is not None else tuple(vm.name for vm in self._scan(session))

    def read(self, session: Session, vm: str) -> Vm:
        """One VM in full; raises TargetNotFoundError when it is gone."""
        known = self._labels_of(session.site, [vm])
        found = inventory.read_vm(session, self._sessions.vcenter(session.site), vm, known.labels)
        return replace(found, tags_age=known.ages.get(vm))

    def read_many(self, session: Session, vms: Sequence[str]) -> tuple[Vm, ...]:
        """Those of these VMs that are still there, in full, in this order."""
        return self._read_known(session, vms, self._labels_of(session.site, vms))

    def _read_known(self, session: Session, vms: Sequence[str], known: _Known) -> tuple[Vm, ...]:
        vcenter = self._sessions.vcenter(session.site)
        found = session.read(lambda session: inventory.read_vms(session, vcenter, vms, known.labels))
        return tuple(replace(vm, tags_age=known.ages.get(vm.id)) for vm in found)

    def _read_called(
        self, session: Session, name: str, ids: Sequence[str], known: _Known | None = None
    ) -> tuple[Vm, ...]:
        """Those of these VMs that are called so now; `known` are their tags, if they were read just now."""
        found = self._read_known(session, ids, known or self._labels_of(session.site, ids))
        return tuple(vm for vm in found if inventory.Named(vm.id, vm.name, vm.path).is_called(name))

    def _scan(self, session: Session) -> tuple[inventory.Named, ...]:
        names = self._names.get(session.site, _Names())
        if time.monotonic() - names.at > _NAMES_KEPT or names.at < self._changed.get(session.site, 0.0):
            names = _Names(session.read(inventory.scan_names), time.monotonic())
            self._names[session.site] = names
        return names.rows

    def _look(self, ask: Callable[[Inventory], T | None]) -> T | None:
        """What the index says; None where it has nothing to say."""
        if self._index is None:
            return None
        try:
            return ask(self._index)
        except RedisError as error:
            log.warning("index_not_read", error=type(error).__name__)
            return None

    def _labels_of(self, site: str, ids: Sequence[str]) -> _Known:
        """The VMs' tags: as they are now where they decide, else as they are in the index."""
        if site in self._by_tags and ids:
            return _Known(
                self._read_tags(site, lambda service: service.tags_of(ids)), dict.fromkeys(ids, 0.0)
            )
        known = self._look(lambda index: index.borne(site, ids)) if ids else None
        return _Known({}, {}) if known is None else _borne(known)

    def _read_all_labels(self, site: str) -> Labels | None:
        """The tags of all VMs; None where they are not known and decide nothing."""
        try:
            return self._read_tags(site, lambda service: service.all_tags())
        except BackendError as error:
            if site in self._by_tags:
                raise
            log.warning("tags_not_read", site=site, error=error.sentence)
            return None
