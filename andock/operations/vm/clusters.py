"""`cluster list` and `cluster info`."""

from __future__ import annotations

from pydantic import Field

from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table
from andock.operations.vm.hosts import ListParams, say_state
from andock.operations.vm.sizes import write_size
from andock.operations.vm.subjects import choose_one, fields_of, reached, share, target_as
from andock.operations.vm.targets import split_site
from andock.ports.vsphere import Cluster

_COLUMNS = ("name", "hosts", "vms", "cpu", "memory", "DRS", "HA", "alarms", "environment", "site")


class InfoParams(Params):
    """What `cluster info` takes."""

    cluster: str = Field(
        min_length=1, max_length=300, description="Name, inventory path or id; `site:` may stand before it."
    )


def find_listed(params: ListParams, ctx: Reader) -> Found[Cluster]:
    """All clusters that the pattern fits; raises as `reached`."""
    listing = ctx.vsphere.list_clusters(ctx.site)
    rows = sorted(listing.rows, key=lambda one: (one.site, one.name))
    return Found(
        rows=tuple((target_as("cluster", one), one) for one in rows if params.means(one.name, one.path)),
        notes=reached(listing),
        empty=f"No cluster like that on {', '.join(listing.searched)}.",
    )


def show_listed(params: ListParams, ctx: Reader, found: Found[Cluster]) -> Outcome:
    """A table of them."""
    del params, ctx
    rows = tuple(
        (
            one.name,
            _say_hosts(one),
            str(one.vms),
            share(one.cpu_used, one.cpu),
            share(one.memory_used, one.memory),
            one.drs,
            "on" if one.ha else "off",
            "; ".join(one.alarms),
            one.environment,
            one.site,
        )
        for _, one in found.rows
    )
    summary = f"{len(rows)} cluster{'' if len(rows) == 1 else 's'}."
    return Outcome(summary=summary, table=Table(columns=_COLUMNS, rows=rows), notes=found.notes)


def find_one(params: InfoParams, ctx: Reader) -> Found[Cluster]:
    """The cluster that is meant; raises as `choose_one`."""
    name, site = split_site(params.cluster, ctx)
    cluster = choose_one("cluster", params.cluster, name, ctx.vsphere.list_clusters(site))
    return Found(rows=((target_as("cluster", cluster), cluster),))


def show_one(params: InfoParams, ctx: Reader, found: Found[Cluster]) -> Outcome:
    """Everything about it, host by host; raises as `reached`."""
    del params
    one = found.rows[0][1]
    listing = ctx.vsphere.list_hosts(one.site)
    reached(listing)
    hosts = [
        host for host in listing.rows if host.cluster == one.name and host.path.startswith(f"{one.path}/")
    ]
    table = tuple(
        (
            host.name,
            say_state(host),
            str(host.vms),
            share(host.cpu_used, host.cpu),
            share(host.memory_used, host.memory),
        )
        for host in sorted(hosts, key=lambda host: host.name)
    )
    return Outcome(
        summary=f"Cluster `{one.name}`: {_say_hosts(one)} hosts in service, {one.vms} VMs.",
        fields=fields_of(
            ("Site", one.site),
            ("Environment", one.environment),
            ("CPU", f"{one.cpu_used} of {one.cpu} MHz ({share(one.cpu_used, one.cpu)})" if one.cpu else ""),
            ("Memory", _say_memory(one)),
            ("Without its largest host", _say_spare(one, max((host.memory for host in hosts), default=0))),
            ("DRS", one.drs),
            ("HA", "on" if one.ha else "off"),
            ("Alarms", "\n".join(one.alarms)),
            ("Path", one.path),
            ("Id", one.id),
        ),
        table=Table(columns=("host", "state", "vms", "cpu", "memory"), rows=table),
    )


def _say_hosts(one: Cluster) -> str:
    return f"{one.usable} of {len(one.hosts)}"


def _say_memory(one: Cluster) -> str:
    used = share(one.memory_used, one.memory)
    return f"{write_size(one.memory_used)} of {write_size(one.memory)} ({used})" if used else ""


def _say_spare(one: Cluster, largest: int) -> str:
    """Whether the memory in use would fit if the largest host were lost."""
    left = one.memory - largest
    if not largest or left <= 0:
        return ""
    verdict = "fits" if one.memory_used <= left else "does not fit"
    return f"the memory in use {verdict} into {write_size(left)}"


CLUSTER_LIST = Read(
    name="cluster list",
    summary="List clusters with hosts, load, DRS, HA and alarms.",
    params=ListParams,
    backend=Backend.VSPHERE,
    find=find_listed,
    run=show_listed,
    many=True,
    examples=("cluster list", "cluster list prod*"),
)
CLUSTER_INFO = Read(
    name="cluster info",
    summary="Everything about one cluster, host by host, and whether it can lose one.",
    params=InfoParams,
    backend=Backend.VSPHERE,
    find=find_one,
    run=show_one,
    examples=("cluster info prod-1",),
)
