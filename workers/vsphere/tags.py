"""The port's tags: of the VMs of several vCenters, and of what VMs run in where tags decide."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from andock.errors import TargetNotFoundError
from andock.ports.sites import Listing
from workers.vsphere.faults import VENDOR_ERRORS, translate_change
from workers.vsphere.likeness import look_alike
from workers.vsphere.session import Session, Sessions
from workers.vsphere.tagging import TagNames, TagService, read_tags
from workers.vsphere.vcenters import Vcenters

T = TypeVar("T")


class TagsClient(Vcenters):
    """Implements `andock.ports.vsphere.tags.Tags`."""

    def __init__(self, sessions: Sessions, by_tags: Collection[str] = ()) -> None:
        """Prepare.

        Args:
            sessions: of the vCenters.
            by_tags: vCenters where tags decide what may be done: there they are read each time.
        """
        super().__init__(sessions)
        self._by_tags = frozenset(by_tags)
        self._services: dict[tuple[int, str], TagService] = {}
        self._tag_names: dict[str, TagNames] = {}  # by site, for all threads

    def close(self) -> None:
        """See `Vcenters`."""
        for service in self._services.values():
            service.close()
        self._services.clear()
        super().close()

    def tags_of(self, site: str, vms: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """See the port."""
        return self._read_tags(site, lambda service: service.tags_of(vms))

    def tagged_vms(self, tag: str, site: str | None = None) -> Listing[tuple[str, str]]:
        """See the port."""

        def ask(session: Session) -> tuple[tuple[str, str], ...]:
            found = self._read_tags(session.site, lambda service: service.vms_with(tag))
            return tuple((session.site, vm) for vm in found)

        return self._ask_all(site, ask)

    def known_tags(self, site: str) -> tuple[str, ...]:
        """See the port."""
        return self._read_tags(site, lambda service: tuple(service.ids()))

    def attach_tag(self, site: str, vm: str, tag: str) -> None:
        """See the port."""
        self._change_tags(site, vm, tag, away=False)

    def detach_tag(self, site: str, vm: str, tag: str) -> None:
        """See the port."""
        self._change_tags(site, vm, tag, away=True)

    def _labels_of(self, site: str, things: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
        """The tags of these things, by id; none where tags decide nothing. `things` has the kind of each.

        Raises:
            BackendError: they decide, and cannot be read.
        """
        if site not in self._by_tags or not things:
            return {}
        return self._read_tags(site, lambda service: service.tags_of_things(things))

    def _read_tags(self, site: str, call: Callable[[TagService], T]) -> T:
        """Ask this thread's own service; see `read_tags`."""
        key = (threading.get_ident(), site)
        if key not in self._services:
            names = self._tag_names.setdefault(site, TagNames())
            self._services[key] = TagService(self._sessions.account(site), names=names)
        return read_tags(self._services[key], call)

    def _change_tags(self, site: str, vm: str, tag: str, *, away: bool) -> None:
        known = self._read_tags(site, lambda service: service.ids())
        if tag not in known:
            raise TargetNotFoundError("tag", tag, searched=(site,), similar=look_alike(tag, list(known)))
        service = self._services[threading.get_ident(), site]
        try:
            service.attach(vm, known[tag], away=away)
        except VENDOR_ERRORS as error:
            what = f"take the tag `{tag}` from" if away else f"attach the tag `{tag}` to"
            raise translate_change(error, site=site, target=vm, what=what) from error
