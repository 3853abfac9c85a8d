"""`snapshot list`, `snapshot tree` and `snapshot report`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from pydantic import Field, field_validator

from andock.durations import write_duration
from andock.errors import BackendUnavailableError
from andock.operation import Backend, Found, Offer, Outcome, Params, Read, Reader, Table
from andock.operations.vm.sizes import read_size, write_size
from andock.operations.vm.snapshot_names import is_expired, read_name
from andock.operations.vm.targets import NAMING, resolve_one, target_of
from andock.ports.sites import Listing
from andock.ports.vsphere import Snapshot, VmSnapshots

_COLUMNS = ("vm", "snapshot", "age", "size", "depth", "name", "expires", "site")
_MOST_OFFERS = 5  # a report is no menu


class ListParams(Params):
    """What `snapshot list` takes."""

    name: str = Field(
        default="",
        max_length=200,
        description="Pattern over the VMs' names or paths, such as `web-*`; or a part of the name.",
        json_schema_extra={"positional": True},
    )


class TreeParams(Params):
    """What `snapshot tree` takes."""

    vm: str = Field(min_length=1, max_length=300, description=NAMING)


class ReportParams(Params):
    """What `snapshot report` takes."""

    older_than: timedelta = Field(
        default=timedelta(days=3), ge=timedelta(0), description="Snapshots older than this, such as `3d`."
    )
    bigger_than: str = Field(
        default="10G", description="Snapshots larger than this, such as `500M` or `10G`."
    )
    chain: int = Field(default=3, ge=1, le=32, description="VMs with a longer chain of snapshots than this.")

    @field_validator("bigger_than")
    @classmethod
    def _is_size(cls, text: str) -> str:
        read_size(text)
        return text


def find_listed(params: ListParams, ctx: Reader) -> Found[VmSnapshots]:
    """All VMs with snapshots that the pattern fits.

    Raises:
        BackendUnavailableError: not one vCenter answered.
        UnknownSiteError: no vCenter has the site's name.
    """
    folded = params.name.casefold()
    pattern = folded if any(sign in folded for sign in "*?[") else f"*{folded}*"
    return _found(
        ctx.vsphere.list_snapshots(ctx.site),
        lambda one: any(fnmatchcase(name.casefold(), pattern) for name in (one.vm.name, one.vm.path)),
        empty="No snapshots",
    )


def find_tree(params: TreeParams, ctx: Reader) -> Found[VmSnapshots]:
    """The one VM that is meant; raises as `resolve_one`."""
    vm, _ = resolve_one(params.vm, ctx)
    return Found(rows=((target_of(vm), ctx.vsphere.read_snapshots(vm.site, vm.id)),))


def find_reported(params: ReportParams, ctx: Reader) -> Found[VmSnapshots]:
    """VMs with something to report; raises as `find_listed`."""
    listing = ctx.vsphere.list_snapshots(ctx.site)
    now = _clocks(listing.rows, ctx)
    return _found(
        listing, lambda one: bool(_complaints(one, params, now[one.vm.site])), empty="Nothing to report"
    )


def show_listed(params: ListParams, ctx: Reader, found: Found[VmSnapshots]) -> Outcome:
    """A table of all of them, oldest first."""
    del params
    pairs = [(one, snapshot) for _, one in found.rows for snapshot in one.snapshots]
    pairs.sort(key=lambda pair: pair[1].created)
    now = _clocks((one for _, one in found.rows), ctx)
    rows = tuple(_row(one, snapshot, now[one.vm.site]) for one, snapshot in pairs)
    return Outcome(
        summary=f"{len(rows)} snapshot{'s' * (len(rows) != 1)} of {len(found.rows)} VMs.",
        table=Table(columns=_COLUMNS, rows=rows) if rows else None,
        notes=(*found.notes, *_needy(one for _, one in found.rows)),
    )


def show_tree(params: TreeParams, ctx: Reader, found: Found[VmSnapshots]) -> Outcome:
    """The VM's snapshots as a tree, and what can be done with them."""
    del params
    read = found.rows[0][1]
    now = ctx.vsphere.server_time(read.vm.site)
    lines = [_line(one, now) for one in read.snapshots]
    on = next((one for one in read.snapshots if one.current), None)
    command = f"{read.vm.id} {{}} --site {read.vm.site}".format
    offers = [] if on is None else [
        Offer(label="Back to the current one", command=f"snapshot revert {command(on.id)}", danger=True)
    ]  # fmt: skip
    offers += [
        Offer(label=f"Delete {one.name}", command=f"snapshot delete {command(one.id)}", danger=True)
        for one in read.snapshots
        if is_expired(one, now)
    ]
    count = len(read.snapshots)
    return Outcome(
        summary=f"`{read.vm.name}` has {count or 'no'} snapshot{'s' * (count != 1)}.",
        text="\n".join(lines),
        notes=(*found.notes, *_needy([read])),
        offers=tuple(offers[:_MOST_OFFERS]),
    )


def show_reported(params: ReportParams, ctx: Reader, found: Found[VmSnapshots]) -> Outcome:
    """What is too old, too large, too deep or expired, worst first, with deletion of the expired offered."""
    now = _clocks((one for _, one in found.rows), ctx)
    rows: list[tuple[str, ...]] = []
    offers: list[Offer] = []
    for _, one in sorted(found.rows, key=lambda row: min(_born(row[1]), default=now[row[1].vm.site])):
        rows += [
            (one.vm.name, snapshot, why, one.vm.site)
            for snapshot, why in _complaints(one, params, now[one.vm.site])
        ]
        offers += [
            Offer(
                label=f"Delete {snapshot.id} of {one.vm.name}",
                command=f"snapshot delete {one.vm.id} {snapshot.id} --site {one.vm.site}",
                danger=True,
            )
            for snapshot in one.snapshots
            if is_expired(snapshot, now[one.vm.site])
        ]
    commands = "\n".join(offer.command for offer in offers)
    limits = f"older than {write_duration(params.older_than)}, larger than {params.bigger_than}"
    return Outcome(
        summary=f"{len(found.rows)} VMs with snapshots {limits}, in chains over {params.chain}, or expired.",
        table=Table(columns=("vm", "snapshot", "why", "site"), rows=tuple(rows)),
        text=f"what has expired is deleted by:\n{commands}" if commands else "",
        filename="expired-snapshots.txt",
        notes=found.notes,
        offers=tuple(offers[:_MOST_OFFERS]),
    )


def _found(
    listing: Listing[VmSnapshots], wanted: Callable[[VmSnapshots], bool], *, empty: str
) -> Found[VmSnapshots]:
    if listing.not_reached and not listing.searched:
        away = listing.not_reached[0]
        raise BackendUnavailableError(away.site, away.why)
    return Found(
        rows=tuple((target_of(one.vm), one) for one in listing.rows if wanted(one)),
        notes=tuple(f"{away.site} was not reached: {away.why}" for away in listing.not_reached),
        empty=f"{empty} on {', '.join(listing.searched)}.",
    )


def _complaints(one: VmSnapshots, params: ReportParams, now: datetime) -> list[tuple[str, str]]:
    """What is wrong with the VM's snapshots, each with the snapshot's name."""
    said: list[tuple[str, str]] = []
    for snapshot in one.snapshots:
        why = []
        if is_expired(snapshot, now):
            why.append("expired")
        if now - snapshot.created > params.older_than:
            why.append(f"{_age(snapshot, now)} old")
        if snapshot.size is not None and snapshot.size > read_size(params.bigger_than):
            why.append(write_size(snapshot.size))
        said += [(snapshot.name, ", ".join(why))] if why else []
    depth = max((snapshot.depth for snapshot in one.snapshots), default=0)
    said += [("(chain)", f"{depth} deep")] if depth > params.chain else []
    said += [("(disks)", "consolidation needed")] if one.consolidation_needed else []
    return said


def _born(one: VmSnapshots) -> Iterable[datetime]:
    return (snapshot.created for snapshot in one.snapshots)


def _clocks(read: Iterable[VmSnapshots], ctx: Reader) -> dict[str, datetime]:
    """The time at each of their sites; ages are by vCenter's clock, as the snapshots are."""
    return {site: ctx.vsphere.server_time(site) for site in {one.vm.site for one in read}}


def _row(one: VmSnapshots, snapshot: Snapshot, now: datetime) -> tuple[str, ...]:
    known = read_name(snapshot.name)
    return (
        one.vm.name,
        snapshot.id,
        _age(snapshot, now),
        "" if snapshot.size is None else write_size(snapshot.size),
        str(snapshot.depth),
        known.reason if known else snapshot.name,
        f"{known.until:%Y-%m-%d %H:%M}" if known else "",
        one.vm.site,
    )


def _line(snapshot: Snapshot, now: datetime) -> str:
    size = "" if snapshot.size is None else f", {write_size(snapshot.size)}"
    marks = "  <- the VM stands on it" * snapshot.current + "  expired" * is_expired(snapshot, now)
    indent = "   " * (snapshot.depth - 1)
    return f"{indent}- {snapshot.name} ({snapshot.id}, {_age(snapshot, now)} old{size}){marks}"


def _age(snapshot: Snapshot, now: datetime) -> str:
    span = max(timedelta(0), now - snapshot.created)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if span.total_seconds() >= size:
            return f"{int(span.total_seconds() // size)} {unit}"
    return f"{int(span.total_seconds())} s"


def _needy(read: Iterable[VmSnapshots]) -> list[str]:
    return [
        f"`{one.vm.name}` needs consolidation: `snapshot consolidate {one.vm.id} --site {one.vm.site}`."
        for one in read
        if one.consolidation_needed
    ]


SNAPSHOT_LIST = Read(
    name="snapshot list",
    summary="Every snapshot with its age, size, depth and expiry, oldest first.",
    params=ListParams,
    backend=Backend.VSPHERE,
    find=find_listed,
    run=show_listed,
    many=True,
    examples=("snapshot list", "snapshot list web-*"),
)
SNAPSHOT_TREE = Read(
    name="snapshot tree",
    summary="One VM's snapshots as a tree, with buttons for going back and for what has expired.",
    params=TreeParams,
    backend=Backend.VSPHERE,
    find=find_tree,
    run=show_tree,
    examples=("snapshot tree web-01",),
)
SNAPSHOT_REPORT = Read(
    name="snapshot report",
    summary="Snapshots that are old, large, in long chains or expired; the expired can be deleted from here.",
    params=ReportParams,
    backend=Backend.VSPHERE,
    find=find_reported,
    run=show_reported,
    many=True,
    examples=("snapshot report", "snapshot report --older-than 7d --bigger-than 50G --chain 2"),
)
