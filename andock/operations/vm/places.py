"""Typed names become templates, folders, hosts, datastores and networks: exactly one each, or an error."""

from __future__ import annotations

import difflib

from andock.errors import AmbiguousTargetError, BackendUnavailableError, TargetNotFoundError
from andock.operation import Reader
from andock.ports.vsphere import Place, PlaceKind

LITTLE_ROOM = 0.1  # of a datastore
_GIB = 1024**3


def resolve_place(kind: PlaceKind, typed: str, site: str | None, ctx: Reader) -> Place:
    """The one that a person means, by name, path, end of the path or id.

    Raises:
        TargetNotFoundError: none is called so; says the nearest.
        AmbiguousTargetError: several are; says how to type each.
        BackendUnavailableError: a site did not answer, so that one found elsewhere may not be the only one.
        UnknownSiteError: no vCenter has the site's name.
    """
    listing = ctx.vsphere.list_places(kind, site)
    if listing.not_reached:
        away = listing.not_reached[0]
        raise BackendUnavailableError(away.site, away.why)
    folded = typed.casefold()
    exact = [
        one for one in listing.rows if one.id == typed or folded in (one.name.casefold(), one.path.casefold())
    ]
    found = exact or [
        one for one in listing.rows if "/" in folded and one.path.casefold().endswith("/" + folded)
    ]
    if len(found) > 1:
        raise AmbiguousTargetError(kind.value, typed, sorted(f"{one.path} ({one.id})" for one in found))
    if not found:
        known = {one.name.casefold(): one.name for one in listing.rows}
        similar = [known[name] for name in difflib.get_close_matches(folded, known, n=3, cutoff=0.5)]
        raise TargetNotFoundError(kind.value, typed, searched=listing.searched, similar=similar)
    return found[0]


def warn_of_room(store: Place, needed: int = 0) -> tuple[str, ...]:
    """A full datastore stops every VM on it."""
    if store.free - needed >= LITTLE_ROOM * store.capacity:
        return ()
    return (f"Datastore `{store.name}` has {store.free / _GIB:.1f} GiB left of {store.capacity / _GIB:.1f}.",)
