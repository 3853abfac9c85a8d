"""Typed names become containers: exactly one each, or an error that says what to type."""

from __future__ import annotations

import re
from collections.abc import Iterable

from andock.belonging import container_target
from andock.naming import is_id, pick, reached, split_site, tell_away
from andock.operation import Found, Reader, Target
from andock.ports.containers import ContainerRow
from andock.ports.sites import Listing

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")  # what an engine takes as a container's name
NAMING = "Name, `engine/name`, or the first 12 or more digits of its id."


def list_reached(ctx: Reader, names: Iterable[str] = ()) -> Listing[ContainerRow]:
    """All containers of the site that the person named, or of all engines.

    Of `names` that are all `engine/name` of one engine, only that engine is asked. When each of them is some
    container's, only containers of these names are listed; else all, so that the nearest can be said.

    Raises:
        BackendUnavailableError: not one engine answered.
        UnknownSiteError: no engine has that name.
    """
    typed = [split_site(name, ctx.containers.sites()) for name in names]
    prefixes = {prefix for prefix, _ in typed}
    only = prefixes.pop() if len(prefixes) == 1 else ""
    site = only if only and ctx.site is None else ctx.site
    wanted = {name for _, name in typed}
    if wanted and all(_NAME.fullmatch(name) and not is_id(name) for name in wanted):
        called = ctx.containers.list_containers(site, wanted)
        if wanted <= {row.name for row in called.rows}:
            return reached(called)
    return reached(ctx.containers.list_containers(site))


def resolve(listing: Listing[ContainerRow], names: Iterable[str]) -> tuple[ContainerRow, ...]:
    """One container for each name, each container once, in the order of the names.

    Raises:
        TargetNotFoundError: no container has the name; says the nearest and the engines searched.
        BackendUnavailableError: the same, but it may be on an engine that did not answer.
        AmbiguousTargetError: several engines have one; says how to name each.
    """
    found = {row.id: row for row in (pick("container", name, listing, _names_of) for name in names)}
    return tuple(found.values())


def find_named(name: str, ctx: Reader) -> Found[ContainerRow]:
    """The one container of that name, for a read. Raises as `list_reached` and `resolve`."""
    listing = list_reached(ctx, [name])
    rows = resolve(listing, [name])
    return Found(rows=tuple((target_of(row), row) for row in rows), notes=tell_away(listing))


def target_of(row: ContainerRow) -> Target:
    """What policy judges."""
    return container_target(row)


def _names_of(row: ContainerRow) -> tuple[str, ...]:
    return (row.name,)
