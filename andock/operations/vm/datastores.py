"""`datastore list` and `datastore info`."""

from __future__ import annotations

from pydantic import Field

from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table
from andock.operations.vm.hosts import ListParams
from andock.operations.vm.sizes import write_size
from andock.operations.vm.subjects import choose_one, fields_of, reached, share, target_as
from andock.operations.vm.targets import split_site
from andock.ports.vsphere import Store

_COLUMNS = ("name", "level", "free", "capacity", "used", "provisioned", "vms", "kind", "environment", "site")
_LEVELS = ("critical", "warn", "")
MOST = 1000  # VMs of a datastore that are shown


class StoresParams(ListParams):
    """What `datastore list` takes."""

    full: bool = Field(default=False, description="Only those that are over a warning level.")


class InfoParams(Params):
    """What `datastore info` takes."""

    datastore: str = Field(
        min_length=1, max_length=300, description="Name, inventory path or id; `site:` may stand before it."
    )
    top: int = Field(default=10, ge=1, le=MOST, description="So many of the VMs that take the most.")


def find_listed(params: StoresParams, ctx: Reader) -> Found[Store]:
    """All datastores that the pattern fits, the fullest first; raises as `reached`."""
    listing = ctx.vsphere.list_stores(ctx.site)
    rows = sorted(listing.rows, key=lambda one: (_LEVELS.index(one.level), -_used(one), one.site, one.name))
    meant = [one for one in rows if params.means(one.name, one.path) and (one.level or not params.full)]
    return Found(
        rows=tuple((target_as("datastore", one), one) for one in meant),
        notes=reached(listing),
        empty=f"No datastore like that on {', '.join(listing.searched)}.",
    )


def show_listed(params: StoresParams, ctx: Reader, found: Found[Store]) -> Outcome:
    """A table of them."""
    del params, ctx
    stores = [store for _, store in found.rows]
    rows = tuple(
        (
            one.name,
            one.level if one.usable else "not usable",
            write_size(one.free),
            write_size(one.capacity),
            share(one.capacity - one.free, one.capacity),
            share(one.provisioned, one.capacity),
            str(one.vms),
            one.kind,
            one.environment,
            one.site,
        )
        for one in stores
    )
    critical = sum(1 for one in stores if one.level == "critical")
    warned = sum(1 for one in stores if one.level == "warn")
    plural = "" if len(stores) == 1 else "s"
    return Outcome(
        summary=f"{len(stores)} datastore{plural}, {critical} critical, {warned} to watch.",
        table=Table(columns=_COLUMNS, rows=rows),
        notes=found.notes,
    )


def find_one(params: InfoParams, ctx: Reader) -> Found[Store]:
    """The datastore that is meant; raises as `choose_one`."""
    name, site = split_site(params.datastore, ctx)
    store = choose_one("datastore", params.datastore, name, ctx.vsphere.list_stores(site))
    return Found(rows=((target_as("datastore", store), store),))


def show_one(params: InfoParams, ctx: Reader, found: Found[Store]) -> Outcome:
    """Its room, and the VMs that take the most of it."""
    store = found.rows[0][1]
    occupants = ctx.vsphere.read_occupants(store.site, store.id)
    shown = occupants[: params.top]
    left = len(occupants) - len(shown)
    state = f", {store.level}" if store.level else ""
    return Outcome(
        summary=f"Datastore `{store.name}` has {write_size(store.free)} free of {write_size(store.capacity)} "
        f"({share(store.capacity - store.free, store.capacity) or '?'} used{state}).",
        fields=fields_of(
            ("Site", store.site),
            ("Environment", store.environment),
            ("State", "" if store.usable else "not reached, or in maintenance mode"),
            ("Provisioned", f"{write_size(store.provisioned)} ({share(store.provisioned, store.capacity)})"),
            ("Kind", store.kind),
            ("Hosts", str(store.hosts)),
            ("VMs", str(store.vms)),
            ("Path", store.path),
            ("Id", store.id),
        ),
        table=Table(
            columns=("vm", "used", "provisioned"),
            rows=tuple((one.vm, write_size(one.used), write_size(one.provisioned)) for one in shown),
        ),
        notes=(f"{left} more VMs; `--top {min(len(occupants), MOST)}` shows them",) if left > 0 else (),
    )


def _used(store: Store) -> float:
    return 1 - store.free / store.capacity if store.capacity else 0.0


DATASTORE_LIST = Read(
    name="datastore list",
    summary="List datastores, the fullest first, with what is free and provisioned.",
    params=StoresParams,
    backend=Backend.VSPHERE,
    find=find_listed,
    run=show_listed,
    many=True,
    examples=("datastore list", "datastore list --full", "datastore list ssd-*"),
)
DATASTORE_INFO = Read(
    name="datastore info",
    summary="One datastore's room, and the VMs that take the most of it.",
    params=InfoParams,
    backend=Backend.VSPHERE,
    find=find_one,
    run=show_one,
    examples=("datastore info ssd-1", "datastore info ssd-1 --top 30"),
)
