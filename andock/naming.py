"""Typed names become things on engines: exactly one each, or an error that says what to type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol, TypeVar

from andock.errors import AmbiguousTargetError, BackendUnavailableError, TargetNotFoundError
from andock.ports.sites import Listing

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")
_SHORT_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,11})")
_SHORT = 12
_NEAREST = 3


class Thing(Protocol):
    """What a listing has rows of."""

    @property
    def site(self) -> str:
        """The engine's name."""
        ...

    @property
    def id(self) -> str:
        """What the engine knows it by."""
        ...


R = TypeVar("R")
T = TypeVar("T", bound=Thing)


def reached(listing: Listing[R]) -> Listing[R]:
    """The listing, if anybody answered.

    Raises:
        BackendUnavailableError: not one engine did.
    """
    if listing.not_reached and not listing.searched:
        first = listing.not_reached[0]
        raise BackendUnavailableError(f"Engine `{first.site}`", first.why)
    return listing


def tell_away(listing: Listing[R]) -> tuple[str, ...]:
    """One note for each engine that did not answer."""
    return tuple(f"{site.site} not reached: {site.why}" for site in listing.not_reached)


def pick(kind: str, typed: str, listing: Listing[T], names: Callable[[T], Iterable[str]]) -> T:
    """The one thing of that name, `engine/name`, or beginning of an id.

    Raises:
        TargetNotFoundError: nothing has the name; says the nearest and the engines searched.
        BackendUnavailableError: the same, but it may be on an engine that did not answer.
        AmbiguousTargetError: several engines have one; says how to name each.
    """
    engines = {*listing.searched, *(away.site for away in listing.not_reached)}
    site, name = split_site(typed, engines)
    rows = [row for row in listing.rows if site in ("", row.site)]
    found = [row for row in rows if name in names(row)]
    digits = _ID.fullmatch(name)
    if not found and digits is not None:
        found = [row for row in rows if row.id.removeprefix("sha256:").startswith(digits.group(1))]
    if len(found) > 1:
        raise AmbiguousTargetError(kind, typed, [f"{row.site}/{_title(row, names)}" for row in found])
    if found:
        return found[0]
    for away in listing.not_reached:
        if site in ("", away.site):
            elsewhere = f", and no `{name}` on {', '.join(listing.searched)}" if not site else ""
            raise BackendUnavailableError(f"Engine `{away.site}`", away.why + elsewhere)
    _refuse_short_id(kind, typed, name, [(row, _title(row, names)) for row in rows])
    known = [known for row in rows for known in names(row)]
    searched = (site,) if site else listing.searched
    raise TargetNotFoundError(kind, typed, searched=searched, similar=similar_names(name, known))


def similar_names(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """At most three of the known names that look like it, or have it in them."""
    by_lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=_NEAREST, cutoff=0.6)
    near += sorted(other for other in by_lower if name.lower() in other)
    return tuple(by_lower[other] for other in dict.fromkeys(near))[:_NEAREST]


def is_id(typed: str) -> bool:
    """Whether it may be the beginning of an id, long enough to choose by."""
    return _ID.fullmatch(typed) is not None


def short_id(id_: str) -> str:
    """The first twelve digits, by which people know it."""
    return id_.removeprefix("sha256:")[:_SHORT]


def list_names(names: Sequence[str], most: int = 5) -> str:
    """`a`, `b` and 3 more."""
    said = ", ".join(f"`{name}`" for name in names[:most])
    return said + (f" and {len(names) - most} more" if len(names) > most else "")


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def split_site(typed: str, engines: Collection[str]) -> tuple[str, str]:
    """An engine's name in front, if there is one, and the rest: names of images have slashes of their own."""
    typed = typed.strip("/")
    first, slash, rest = typed.partition("/")
    return (first, rest) if slash and first in engines else ("", typed)


def engine_key(site: str) -> str:
    """The key of an engine as a target: what lies on it names it as its parent."""
    return f"engine:{site}/{site}"


def _refuse_short_id(kind: str, typed: str, name: str, rows: Sequence[tuple[Thing, str]]) -> None:
    """The first few digits of an id choose nothing, but it is said whose they are."""
    digits = _SHORT_ID.fullmatch(name)
    if digits is None:
        return
    found = [(row, title) for row, title in rows if short_id(row.id).startswith(digits.group(1))]
    if len(found) > 1:
        raise AmbiguousTargetError(kind, typed, [f"{row.site}/{title}" for row, title in found])
    for row, title in found:
        similar = (short_id(row.id), f"{row.site}/{title}")
        raise TargetNotFoundError(kind, typed, searched=(row.site,), similar=similar)


def _title(row: T, names: Callable[[T], Iterable[str]]) -> str:
    return next(iter(names(row)), short_id(row.id))
