"""Tags of VMs, written `category=tag`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from andock.ports.sites import Listing


class Tags(Protocol):
    """Tags of all vCenters; see `VSphere` for what every method raises."""

    def tags_of(self, site: str, vms: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The tags of each of these VMs, in alphabetical order; as many calls for one as for a hundred."""
        ...

    def tagged_vms(self, tag: str, site: str | None = None) -> Listing[tuple[str, str]]:
        """Site and id of every VM with this tag; none where a site does not know the tag.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...

    def known_tags(self, site: str) -> tuple[str, ...]:
        """Every tag that can be attached to a VM there, in alphabetical order."""
        ...

    def attach_tag(self, site: str, vm: str, tag: str) -> None:
        """Attach a tag; one that is attached already stays.

        Raises:
            TargetNotFoundError: the site does not know the tag, or the VM is gone.
        """
        ...

    def detach_tag(self, site: str, vm: str, tag: str) -> None:
        """Take a tag away; one that is not attached is no error. Raises as `attach_tag`."""
        ...
