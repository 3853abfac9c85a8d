"""`vm list`, `vm find` and `vm info`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field, field_validator

from andock.errors import BackendUnavailableError, UserError
from andock.operation import Backend, Found, Link, Offer, Outcome, Params, Read, Reader
from andock.operations.vm.filters import FilterParams, Fits, by_anything, by_name, chooser
from andock.operations.vm.listing import COLUMNS, SHOWN, make_table, say_span, say_tools, sort_rows, tell_age
from andock.operations.vm.targets import NAMING, resolve_one, target_of, tell_away
from andock.ports.sites import Listing
from andock.ports.vsphere import PowerState, Vm, VmRow


class ShowParams(FilterParams):
    """What `vm list` and `vm find` take alike."""

    sort: str = Field(
        default="name",
        description=f"The column to sort by: {', '.join(COLUMNS)}.",
        json_schema_extra={"metavar": "COLUMN"},
    )
    reverse: bool = Field(default=False, description="The last first.")
    columns: str = Field(
        default=",".join(SHOWN),
        description="What to show, with commas between; the columns are those of `--sort`.",
    )
    fresh: bool = Field(default=False, description="Ask vCenter itself, not the inventory index.")

    @field_validator("sort")
    @classmethod
    def _known_column(cls, column: str) -> str:
        return _check_columns(column)

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: str) -> str:
        return _check_columns(*columns.split(","))

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns, each once."""
        return tuple(dict.fromkeys(self.columns.split(",")))


class ListParams(ShowParams):
    """What `vm list` takes."""

    name: str = Field(
        default="",
        max_length=200,
        description="Pattern over name or path, such as `web-*` or `*/prod/*`; or a part of the name.",
        json_schema_extra={"positional": True},
    )


class FindParams(ShowParams):
    """What `vm find` takes."""

    text: str = Field(
        min_length=1,
        max_length=200,
        description="Part of, or pattern over, a VM's name, path, address, id, uuid, host or tag.",
    )


class InfoParams(Params):
    """What `vm info` takes."""

    vm: str = Field(min_length=1, description=NAMING)


def find_listed(params: ListParams, ctx: Reader) -> Found[VmRow]:
    """All VMs whose name or path the pattern fits, and that fit the options; raises as `_choose`."""
    return _choose(params, ctx, params.name, by_name(params.name))


def find_known(params: FindParams, ctx: Reader) -> Found[VmRow]:
    """All VMs that are known by the text, and that fit the options; raises as `_choose`."""
    return _choose(params, ctx, params.text, by_anything(params.text))


def _choose(params: ShowParams, ctx: Reader, typed: str, is_meant: Fits) -> Found[VmRow]:
    """The rows that fit, in the order that was asked for.

    Raises:
        BackendUnavailableError: not one vCenter answered.
        UserError: not one knows the tags that `--tag` asks about.
        UnknownSiteError: no vCenter has the site's name.
    """
    is_tagged = bool(params.tag) or "=" in typed or "tags" in (params.sort, *params.shown)
    listing = ctx.vsphere.list_vms(ctx.site, fresh=params.fresh, tagged=is_tagged)
    if listing.not_reached and not listing.searched:
        away = listing.not_reached[0]
        raise BackendUnavailableError(away.site, away.why)
    fits = chooser(params, datetime.now(UTC))
    rows = [row for row in listing.rows if is_meant(row) and fits(row)]
    wanted = f" `{typed}`" if typed else ""
    like_that = " like that" if params.is_choosy else ""
    return Found(
        rows=tuple((target_of(row), row) for row in sort_rows(rows, params.sort, reverse=params.reverse)),
        notes=(
            *tell_age(listing),
            *tell_away(listing),
            *(_tell_untagged(listing, params) if is_tagged else ()),
        ),
        empty=f"No VM{wanted}{like_that} on {', '.join(listing.searched)}.",
    )


def _tell_untagged(listing: Listing[VmRow], params: ShowParams) -> tuple[str, ...]:
    """A note about vCenters whose tags are not known, which `--tag` would otherwise pass over in silence."""
    if not listing.untagged:
        return ()
    where = ", ".join(listing.untagged)
    if params.tag and set(listing.untagged) >= set(listing.searched):
        raise UserError(f"The tags of {where} are not known at the moment, so `--tag` finds nothing there.")
    return (f"the tags of {where} are not known at the moment",)


def show_listed(params: ShowParams, ctx: Reader, found: Found[VmRow]) -> Outcome:
    """A table of them."""
    del ctx
    rows = [row for _, row in found.rows]
    count = f"{len(rows)} VM{'' if len(rows) == 1 else 's'}"
    on = sum(1 for row in rows if row.power.value == "on")
    table = make_table(rows, params.shown, datetime.now(UTC))
    return Outcome(summary=f"{count}, {on} on.", table=table, notes=found.notes)


def find_one(params: InfoParams, ctx: Reader) -> Found[Vm]:
    """The VM that is meant; raises as `resolve_one`."""
    vm, away = resolve_one(params.vm, ctx)
    notes = tuple(f"{one.site} was not reached and may have a `{params.vm}` too: {one.why}" for one in away)
    return Found(rows=((target_of(vm), vm),), notes=notes)


def show_one(params: InfoParams, ctx: Reader, found: Found[Vm]) -> Outcome:
    """Everything about it; it was read in full when it was found."""
    del params
    _, vm = found.rows[0]
    links = _find_link(vm, ctx)
    fields = (
        ("Site", vm.site),
        ("Environment", vm.environment),
        ("Power", vm.power.value),
        ("Up for", _say_uptime(vm)),
        ("Addresses", ", ".join(vm.addresses)),
        ("VMware Tools", say_tools(vm)),
        ("Guest", vm.guest),
        ("CPUs", str(vm.cpus)),
        ("Memory", _say_memory(vm.memory_mb)),
        ("Host", vm.host),
        ("Cluster", vm.cluster),
        ("Datastores", ", ".join(vm.datastores)),
        ("Alarms", "\n".join(vm.alarms)),
        ("Waits for an answer", vm.question),
        ("Oldest snapshot", _say_oldest(vm)),
        ("Tags", ", ".join(vm.labels)),
        ("Notes", vm.notes),
        ("Path", vm.path),
        ("Id", vm.id),
    )
    return Outcome(
        summary=f"`{vm.name}` is {vm.power.value}.",
        fields=tuple((name, value) for name, value in fields if value),
        notes=(*found.notes, *_tell_tags(vm)),
        links=links,
        offers=_offer_answer(vm),
    )


def _tell_tags(vm: Vm) -> tuple[str, ...]:
    """A note about tags that are not as vCenter has them now."""
    if vm.tags_age is None:
        return ("its tags are not known at the moment",)
    return (f"its tags as they were {max(1, round(vm.tags_age))} s ago",) if vm.tags_age else ()


def _find_link(vm: Vm, ctx: Reader) -> tuple[Link, ...]:
    """Its page in vCenter's own client; what is known of it is shown without, if vCenter is away by now."""
    try:
        page = ctx.vsphere.client_links(vm.site, vm.id).page
    except BackendUnavailableError:
        return ()
    return (Link(label="Open in the vSphere Client", url=page),)


def _offer_answer(vm: Vm) -> tuple[Offer, ...]:
    if not vm.question:
        return ()
    return (Offer(label="Show its question", command=f"vm question {vm.id} --site {vm.site}"),)


def _check_columns(*columns: str) -> str:
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        raise ValueError(f"knows no column `{unknown[0][:40]}`; there are {', '.join(COLUMNS)}")
    return ",".join(columns)


def _say_uptime(vm: Vm) -> str:
    if vm.boot_time is None or vm.power is not PowerState.ON:
        return ""
    return f"{say_span(timedelta(seconds=vm.uptime))} (since {vm.boot_time:%Y-%m-%d %H:%M} UTC)"


def _say_oldest(vm: Vm) -> str:
    if vm.oldest_snapshot is None:
        return ""
    age = say_span(datetime.now(UTC) - vm.oldest_snapshot)
    return f"{age} ({vm.oldest_snapshot:%Y-%m-%d %H:%M} UTC)"


def _say_memory(megabytes: int) -> str:
    gigabytes = 1024
    return f"{megabytes / gigabytes:g} GiB" if megabytes >= gigabytes else f"{megabytes} MiB"


VM_LIST = Read(
    name="vm list",
    summary="List VMs with power, address, environment and host.",
    params=ListParams,
    backend=Backend.VSPHERE,
    find=find_listed,
    run=show_listed,
    many=True,
    examples=(
        "vm list",
        "vm list web-*",
        "vm list */prod/* --site lab",
        "vm list --power off --folder prod --sort host",
        "vm list --snapshot-older 3d --columns name,snapshot,folder",
        "vm list --tag env=prod --tools old --fresh",
    ),
)
VM_FIND = Read(
    name="vm find",
    summary="Find VMs by a part of anything they are known by.",
    params=FindParams,
    backend=Backend.VSPHERE,
    find=find_known,
    run=show_listed,
    many=True,
    examples=("vm find 10.0.3.7", "vm find esx-12 --power on", "vm find team=shop --columns name,tags"),
)
VM_INFO = Read(
    name="vm info",
    summary="Everything about one VM.",
    params=InfoParams,
    backend=Backend.VSPHERE,
    find=find_one,
    run=show_one,
    examples=("vm info web-01", "vm info vm-57 --site lab"),
)
