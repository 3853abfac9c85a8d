"""`host list` and `host info`."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase

from pydantic import Field

from andock.operation import Backend, Found, Offer, Outcome, Params, Read, Reader, Table
from andock.operations.vm.listing import say_span
from andock.operations.vm.sizes import write_size
from andock.operations.vm.subjects import choose_one, fields_of, reached, share, target_as
from andock.operations.vm.targets import split_site
from andock.ports.vsphere import Host

NAMING = "Name, inventory path or id (`host-21`); `site:` may stand before it."
_COLUMNS = ("name", "state", "vms", "cpu", "memory", "cluster", "alarms", "environment", "site")


class ListParams(Params):
    """What `host list`, `cluster list` and `datastore list` take."""

    name: str = Field(
        default="",
        max_length=200,
        description="Pattern over name or path, such as `esx-*`; or a part of the name.",
        json_schema_extra={"positional": True},
    )

    def means(self, name: str, path: str) -> bool:
        """Whether the pattern fits, or the name has this part."""
        wanted, folded = self.name.casefold(), name.casefold()
        if "*" in wanted or "?" in wanted:
            return fnmatchcase(folded, wanted) or fnmatchcase(path.casefold(), wanted)
        return wanted in folded


class InfoParams(Params):
    """What `host info` takes."""

    host: str = Field(min_length=1, max_length=300, description=NAMING)


def resolve_host(typed: str, ctx: Reader) -> Host:
    """The host that is meant; raises as `choose_one`."""
    name, site = split_site(typed, ctx)
    return choose_one("host", typed, name, ctx.vsphere.list_hosts(site))


def say_state(host: Host) -> str:
    """Its state in a word."""
    if host.connection != "connected":
        return "not responding" if host.connection == "notResponding" else host.connection
    return "maintenance" if host.maintenance else "connected"


def find_listed(params: ListParams, ctx: Reader) -> Found[Host]:
    """All hosts that the pattern fits; raises as `reached`."""
    listing = ctx.vsphere.list_hosts(ctx.site)
    rows = sorted(listing.rows, key=lambda one: (one.site, one.cluster, one.name))
    return Found(
        rows=tuple((target_as("host", one), one) for one in rows if params.means(one.name, one.path)),
        notes=reached(listing),
        empty=f"No host like that on {', '.join(listing.searched)}.",
    )


def show_listed(params: ListParams, ctx: Reader, found: Found[Host]) -> Outcome:
    """A table of them."""
    del params, ctx
    hosts = [host for _, host in found.rows]
    out = sum(1 for host in hosts if say_state(host) != "connected")
    rows = tuple(
        (
            host.name,
            say_state(host),
            str(host.vms),
            share(host.cpu_used, host.cpu),
            share(host.memory_used, host.memory),
            host.cluster,
            "; ".join(host.alarms),
            host.environment,
            host.site,
        )
        for host in hosts
    )
    summary = f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}, {out} not in service."
    return Outcome(summary=summary, table=Table(columns=_COLUMNS, rows=rows), notes=found.notes)


def find_one(params: InfoParams, ctx: Reader) -> Found[Host]:
    """The host that is meant; raises as `choose_one`."""
    host = resolve_host(params.host, ctx)
    return Found(rows=((target_as("host", host), host),))


def show_one(params: InfoParams, ctx: Reader, found: Found[Host]) -> Outcome:
    """Everything about it, with maintenance mode a click away."""
    del params, ctx
    host = found.rows[0][1]
    mode, label = ("exit", "Leave maintenance mode") if host.maintenance else ("enter", "Maintenance mode")
    fields = fields_of(
        ("Site", host.site),
        ("Environment", host.environment),
        ("State", say_state(host)),
        ("Up for", _say_uptime(host)),
        ("VMs", str(host.vms)),
        ("CPU", _say_use(f"{host.cpu_used} of {host.cpu} MHz", host.cpu_used, host.cpu)),
        ("Memory", _say_use(_say_memory(host), host.memory_used, host.memory)),
        ("Cluster", host.cluster),
        ("Alarms", "\n".join(host.alarms)),
        ("Model", host.model),
        ("ESXi", host.version),
        ("Path", host.path),
        ("Id", host.id),
    )
    return Outcome(
        summary=f"Host `{host.name}` is {say_state(host)}.",
        fields=fields,
        notes=found.notes,
        offers=(
            Offer(label=label, command=f"host maintenance {mode} {host.id} --site {host.site}", danger=True),
        ),
    )


def _say_memory(host: Host) -> str:
    return f"{write_size(host.memory_used)} of {write_size(host.memory)}"


def _say_use(said: str, used: int, whole: int) -> str:
    return f"{said} ({share(used, whole)})" if whole else ""


def _say_uptime(host: Host) -> str:
    if host.boot_time is None:
        return ""
    return f"{say_span(datetime.now(UTC) - host.boot_time)} (since {host.boot_time:%Y-%m-%d %H:%M} UTC)"


HOST_LIST = Read(
    name="host list",
    summary="List hosts with state, load, cluster and alarms.",
    params=ListParams,
    backend=Backend.VSPHERE,
    find=find_listed,
    run=show_listed,
    many=True,
    examples=("host list", "host list esx-1*", "host list --site lab"),
)
HOST_INFO = Read(
    name="host info",
    summary="Everything about one host.",
    params=InfoParams,
    backend=Backend.VSPHERE,
    find=find_one,
    run=show_one,
    examples=("host info esx-12.example.com",),
)
