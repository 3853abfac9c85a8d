"""VMs of several vCenters: listed, found by name, read in full."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from urllib.parse import quote

from andock.inventory import Inventory
from andock.ports.sites import Age, Listing
from andock.ports.vsphere import ClientLinks, Vm, VmName, VmRow
from andock.ports.watch import Watch
from workers.vsphere.likeness import look_alike
from workers.vsphere.lookup import Lookup, Part
from workers.vsphere.session import Session, Sessions
from workers.vsphere.tags import TagsClient


class MachinesClient(TagsClient):
    """Implements `andock.ports.vsphere.machines.Machines`."""

    def __init__(
        self,
        sessions: Sessions,
        index: Inventory | None = None,
        *,
        by_tags: Collection[str] = (),
        watch: Watch | None = None,
    ) -> None:
        """Prepare.

        Args:
            sessions: of the vCenters.
            index: what the watchers keep; without it everything is asked of the vCenters.
            by_tags: vCenters where tags decide what may be done: there they are read each time.
            watch: the job's; what is read ends at its deadline.
        """
        super().__init__(sessions, by_tags, watch)
        self._lookup = Lookup(sessions, self._read_tags, self._changed, index, self._by_tags)

    def list_vms(
        self, site: str | None = None, *, fresh: bool = False, tagged: bool = False
    ) -> Listing[VmRow]:
        """See the port."""
        parts: list[Part] = []

        def ask(session: Session) -> tuple[VmRow, ...]:
            part = self._lookup.rows(session, fresh=fresh, tagged=tagged)
            parts.append(part)
            return part.rows

        listing = self._ask_all(site, ask)
        parts.sort(key=lambda part: part.site)
        ages = tuple(Age(part.site, part.age) for part in parts if part.age is not None)
        return replace(listing, ages=ages, untagged=tuple(part.site for part in parts if not part.tagged))

    def vm_names(self, site: str | None = None) -> Listing[VmName]:
        """See the port."""
        return self._ask_all(site, self._lookup.called_now)

    def find_vms(self, name: str, site: str | None = None, *, fresh: bool = False) -> Listing[Vm]:
        """See the port."""
        return self._ask_all(site, lambda session: self._lookup.called(session, name, fresh=fresh))

    def similar_names(self, name: str, site: str | None = None) -> tuple[str, ...]:
        """See the port."""
        return look_alike(name, self._ask_all(site, self._lookup.names).rows)

    def read_vm(self, site: str, vm: str) -> Vm:
        """See the port."""
        return self._lookup.read(self._session(site), vm)

    def read_vms(self, site: str, vms: Sequence[str]) -> tuple[Vm, ...]:
        """See the port."""
        return self._lookup.read_many(self._session(site), vms)

    def environment_of(self, site: str, path: str, labels: Sequence[str] = (), cluster: str = "") -> str:
        """See the port."""
        return self._sessions.vcenter(site).environment_of(path, labels, cluster)

    def client_links(self, site: str, vm: str) -> ClientLinks:
        """See the port."""
        vcenter = self._sessions.vcenter(site)
        host = vcenter.host if vcenter.port == 443 else f"{vcenter.host}:{vcenter.port}"  # noqa: PLR2004  HTTPS
        subject = quote(f"urn:vmomi:VirtualMachine:{vm}:{self._session(site).login.instance}", safe=":")
        return ClientLinks(
            page=f"https://{host}/ui/app/vm;nav=v/{subject}/summary",
            remote_console=f"vmrc://{host}/?moid={quote(vm)}",
        )
