"""Tags of the VMs in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from andock.errors import OutcomeUnknownError, TargetNotFoundError
from andock.ports.sites import Listing
from tests.fakes.vsphere.core import FakeVcenters


@dataclass
class FakeTags(FakeVcenters):
    """Implements `Tags`; `attached` has all tags that there are, with the VMs that bear them."""

    attached: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def tags_of(self, site: str, vms: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        self._reach(site)
        return {
            vm: tuple(sorted(tag for tag, bearers in self.attached.items() if (site, vm) in bearers))
            for vm in vms
        }

    def tagged_vms(self, tag: str, site: str | None = None) -> Listing[tuple[str, str]]:
        found = self._listing(site)
        bearers = self.attached.get(tag, set())
        rows = tuple(sorted(one for one in bearers if one[0] in found.searched))
        return Listing(rows, found.searched, found.not_reached)

    def known_tags(self, site: str) -> tuple[str, ...]:
        self._reach(site)
        return tuple(sorted(self.attached))

    def attach_tag(self, site: str, vm: str, tag: str) -> None:
        self._bearers(site, vm, tag, "attach")

    def detach_tag(self, site: str, vm: str, tag: str) -> None:
        self._bearers(site, vm, tag, "detach")

    def _bearers(self, site: str, vm: str, tag: str, effect: str) -> None:
        self.read_vm(site, vm)
        if tag not in self.attached:
            raise TargetNotFoundError("tag", tag, searched=(site,))
        lost, self.lost = self.lost, ""
        if lost != "undone":
            bearers = self.attached[tag]
            (bearers.discard if effect == "detach" else bearers.add)((site, vm))
            self.effects.append((vm, effect))
        if lost:
            raise OutcomeUnknownError(f"{site} gave no answer")
