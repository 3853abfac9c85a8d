"""Typed names become VMs: exactly one each, or an error that says what to type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from andock.errors import (
    AmbiguousTargetError,
    BackendUnavailableError,
    InvalidParamsError,
    TargetNotFoundError,
)
from andock.operation import Reader, Target
from andock.ports.sites import Listing, NotReached
from andock.ports.vsphere import Vm, VmRow

NAMING = "Name, inventory path (`/DC0/vm/prod/web-01`) or id (`vm-57`); `site:` may stand before it."


def resolve_all(names: Iterable[str], ctx: Reader) -> tuple[Vm, ...]:
    """One VM for each name, each VM once, in the order of the names; for operations that change them.

    Raises:
        TargetNotFoundError: no VM has the name; says the nearest and the sites searched.
        AmbiguousTargetError: several VMs have it; says how to type each.
        BackendUnavailableError: a site did not answer, so that one found elsewhere may not be the only one.
        UnknownSiteError: no vCenter has the site's name.
    """
    found: dict[str, Vm] = {}
    for name in names:
        vm, away = resolve_one(name, ctx, fresh=True)
        if away:
            raise BackendUnavailableError(
                away[0].site,
                f"{away[0].why}; it may have a `{name}` too: if you mean the one on {vm.site}, "
                f"say `{vm.site}:{name}`",
            )
        found[target_of(vm).key] = vm
    return tuple(found.values())


def resolve_one(typed: str, ctx: Reader, *, fresh: bool = False) -> tuple[Vm, tuple[NotReached, ...]]:
    """The VM that a person means, and the sites that might have had another of that name.

    Without `fresh` a VM made within the last second may not count yet, which is enough for a read.

    Raises: as `resolve_all`, but a site that did not answer only matters when nothing was found.
    """
    name, site = split_site(typed, ctx)
    listing = ctx.vsphere.find_vms(name, site, fresh=fresh)
    if len(listing.rows) > 1:
        raise AmbiguousTargetError("VM", typed, _candidates(listing.rows))
    if listing.rows:
        return listing.rows[0], listing.not_reached
    if listing.not_reached:
        away = listing.not_reached[0]
        elsewhere = f", and no `{name}` on {', '.join(listing.searched)}" if listing.searched else ""
        raise BackendUnavailableError(away.site, away.why + elsewhere)
    similar = ctx.vsphere.similar_names(name.rpartition("/")[2], site)
    raise TargetNotFoundError("VM", name, searched=listing.searched, similar=similar)


def target_of(vm: VmRow) -> Target:
    """What policy judges, and what leases are taken on: its host's cover it."""
    return Target(
        kind="vm",
        site=vm.site,
        id=vm.id,
        name=vm.name,
        environment=vm.environment,
        path=vm.path,
        labels=vm.labels,
        parents=(f"host:{vm.site}/{vm.host_id}",) if vm.host_id else (),
        uuid=vm.uuid,
    )


def tell_away(listing: Listing[VmRow]) -> tuple[str, ...]:
    """One note for each vCenter that did not answer."""
    return tuple(f"{away.site} was not reached: {away.why}" for away in listing.not_reached)


def split_site(typed: str, ctx: Reader) -> tuple[str, str | None]:
    """`lab:web-01` is web-01 on lab, if lab is a site; else the colon belongs to the name."""
    site, colon, name = typed.partition(":")
    if not colon or not name or site not in ctx.vsphere.sites():
        return typed, ctx.site
    if ctx.site not in (None, site):
        raise InvalidParamsError(f"`{typed}` is on {site}, and `--site {ctx.site}` says otherwise.")
    return name, site


def _candidates(vms: Iterable[Vm]) -> list[str]:
    """How each can be typed so that it alone is meant; vApps may hold two of one path."""
    rows = list(vms)
    paths = Counter((vm.site, vm.path) for vm in rows)
    return sorted(f"{vm.site}:{vm.path if paths[vm.site, vm.path] == 1 else vm.id}" for vm in rows)
