"""Anything in a vCenter's inventory that alarms, events and tasks speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from andock.ports.sites import Listing


@dataclass(frozen=True, slots=True)
class Subject:
    """A VM, host, cluster, datastore or folder, by everything that it can be asked for by."""

    kind: str  # `vm`, `host`, `cluster`, `datastore`, `datacenter`, `folder`, or vCenter's own word
    site: str
    id: str
    name: str
    path: str  # inventory path, such as `/DC0/host/C0/esx-1`
    environment: str
    labels: tuple[str, ...] = ()  # its tags as category=tag, where they decide


class Subjects(Protocol):
    """The inventory of all vCenters; see `VSphere` for what every method raises."""

    def find_subjects(self, name: str, site: str | None = None) -> Listing[Subject]:
        """What has this name, inventory path or managed object id; names know no case.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        ...
