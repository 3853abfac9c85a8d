"""A VM in our words: name, path, addresses and row, out of what vCenter says of it and of what it lies in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from andock.ports.vsphere import PowerState, VmRow
from config.sites import Vcenter
from workers.vsphere.sightings import Node, Sighting, read_time

PLACE = ("name", "parent")
ROW = (
    *PLACE,
    "parentVApp",
    "config.template",
    "config.uuid",
    "runtime.powerState",
    "runtime.host",
    "guest.toolsRunningStatus",
    "guest.toolsVersionStatus2",
    "guest.net",
    "snapshot",
)
CLUSTER = "ClusterComputeResource"
_POWER = {
    "poweredOn": PowerState.ON,
    "poweredOff": PowerState.OFF,
    "suspended": PowerState.SUSPENDED,
}
_TOOLS = {
    "guestToolsNotInstalled": "none",
    "guestToolsTooOld": "old",
    "guestToolsSupportedOld": "old",
    "guestToolsNeedUpgrade": "old",
    "guestToolsBlacklisted": "old",
    "guestToolsCurrent": "current",
    "guestToolsSupportedNew": "current",
    "guestToolsTooNew": "current",
    "guestToolsUnmanaged": "current",  # looked after by the guest's own packages
}
_OWN_CARDS = 4000  # device keys of a VM's own network cards begin here; below are the guest's bridges
_NOT_ITS_OWN = tuple(
    ipaddress.ip_network(network)
    for network in ("172.17.0.0/16", "169.254.0.0/16", "fe80::/10")  # docker0, link-local
)


def is_vm(sighting: Sighting) -> bool:
    """Whether it is a VM, and no template."""
    return sighting.kind == "VirtualMachine" and not sighting.get("config.template", otherwise=False)


def row_of(
    site: str,
    vcenter: Vcenter,
    vm: Sighting,
    places: Mapping[str, Sighting],
    hosts: Mapping[str, Sighting],
    labels: Sequence[str] = (),
) -> VmRow:
    """The row of a condensed VM, by what else is known.

    `places` are what it lies in up to the root, `hosts` has its host and that one's cluster, all by id.
    """
    path = path_of(vm, places)
    host = vm.get("runtime.host", "")
    return VmRow(
        site=site,
        id=vm.id,
        name=plain(vm.get("name", "")),
        path=path,
        power=_POWER.get(vm.get("runtime.powerState", ""), PowerState.OFF),
        environment=vcenter.environment_of(path, labels, cluster_of(host, hosts)),
        host=hosts[host].get("name", "") if host in hosts else "",
        ip=next(iter(addresses_of(vm)), ""),
        tools_running=vm.get("guest.toolsRunningStatus") == "guestToolsRunning",
        uuid=vm.get("config.uuid", "").lower(),
        host_id=host,
        tools_version=_TOOLS.get(vm.get("guest.toolsVersionStatus2", ""), ""),
        labels=tuple(sorted(labels)),
        oldest_snapshot=vm.get("snapshot"),
    )


def cluster_of(host: str, known: Mapping[str, Sighting]) -> str:
    """The name of the cluster that a host is in, if it is in one that is known."""
    cluster = known.get(known[host].get("parent", "")) if host in known else None
    return plain(cluster.get("name", "")) if cluster is not None and cluster.kind == CLUSTER else ""


def plain(name: str) -> str:
    """A name as people see it: vCenter escapes these three."""
    if "%" not in name:
        return name
    return (
        name.replace("%2f", "/")
        .replace("%2F", "/")
        .replace("%5c", "\\")
        .replace("%5C", "\\")
        .replace("%25", "%")
    )


def path_of(vm: Sighting, places: Mapping[str, Sighting]) -> str:
    """The inventory path, `/DC0/vm/prod/web-01`; the root folder has no part in it.

    A slash in a name stays `%2f`, as in vCenter's own paths, so that a path means one thing.
    """
    names = [vm, *_above(vm, places)]
    parts = [plain(one.get("name", "?")).replace("/", "%2f") for one in reversed(names)]
    return "/" + "/".join(parts)


def condense(sighting: Sighting) -> Sighting:
    """The same with the few trees of a VM made into what is needed of them; rows are made of such ones."""
    for path, read in _CONDENSED.items():
        node = sighting.values.get(path)
        if isinstance(node, Node):
            sighting.values[path] = read(node)
    return sighting


def addresses_of(vm: Sighting) -> tuple[str, ...]:
    """Addresses of the VM's own cards, IPv4 first."""
    found: tuple[str, ...] = vm.get("guest.net", ())
    return found


def _read_addresses(cards: Node) -> tuple[str, ...]:
    """Addresses of a VM's own cards.

    `guest.ipAddress` is not asked: with Docker in the guest it may be a bridge's (govmomi#1262).
    """
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for card in cards.all("GuestNicInfo"):
        if int(card.first("deviceConfigId") or 0) < _OWN_CARDS:
            continue
        for written in card.all("ipAddress"):
            try:
                address = ipaddress.ip_address(written.text.partition("%")[0])
            except ValueError:
                continue
            if not any(address.version == net.version and address in net for net in _NOT_ITS_OWN):
                found.append(address)
    return tuple(str(address) for address in sorted(found, key=lambda address: address.version))


def _read_oldest(snapshots: Node) -> datetime | None:
    """When the oldest was taken: one at the root, since none is older than what it is built upon."""
    roots = snapshots.all("rootSnapshotList")
    return min((read_time(root.first("createTime")) for root in roots), default=None)


_CONDENSED: Mapping[str, Callable[[Node], Any]] = {"guest.net": _read_addresses, "snapshot": _read_oldest}


def _above(thing: Sighting, places: Mapping[str, Sighting]) -> Iterator[Sighting]:
    """What it lies in, upwards, without the root; ends where the account may not look."""
    seen = {thing.id}
    while (above := places.get(_parent_of(thing))) is not None:
        if above.id in seen or not _parent_of(above):
            return
        seen.add(above.id)
        yield above
        thing = above


def _parent_of(thing: Sighting) -> str:
    """Where it stands in the tree of VMs and folders; what is in a vApp has a resource pool as its parent."""
    found: Any = thing.get("parentVApp") or thing.get("parentFolder") or thing.get("parent")
    return found or ""
