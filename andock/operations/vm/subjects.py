"""Typed names become hosts, clusters, datastores or anything else: exactly one each, or an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from andock.errors import AmbiguousTargetError, BackendUnavailableError, TargetNotFoundError
from andock.operation import Reader, Target
from andock.operations.vm.targets import split_site, target_of
from andock.ports.sites import Listing
from andock.ports.vsphere import Subject


class Named(Protocol):
    """What hosts, clusters, datastores and subjects have in common."""

    @property
    def site(self) -> str: ...  # noqa: D102  a field

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def path(self) -> str: ...  # noqa: D102

    @property
    def environment(self) -> str: ...  # noqa: D102

    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102


N = TypeVar("N", bound=Named)
T = TypeVar("T")


def choose_one(kind: str, typed: str, name: str, listing: Listing[N]) -> N:
    """The one that a person means, by name, path or id.

    Raises:
        TargetNotFoundError: none is called so; says the nearest.
        AmbiguousTargetError: several are; says how to type each.
        BackendUnavailableError: a site did not answer, so that one found elsewhere may not be the only one.
    """
    folded = name.casefold()
    found = [
        one for one in listing.rows if one.id == name or folded in (one.name.casefold(), one.path.casefold())
    ]
    if listing.not_reached:
        away = listing.not_reached[0]
        raise BackendUnavailableError(away.site, away.why)
    if len(found) > 1:
        said = sorted(f"{one.site}:{one.path} ({one.id})" for one in found)
        raise AmbiguousTargetError(kind, typed, said)
    if not found:
        known = {one.name.casefold(): one.name for one in listing.rows}
        similar = [known[one] for one in difflib.get_close_matches(folded, known, n=3, cutoff=0.5)]
        raise TargetNotFoundError(kind, name, searched=listing.searched, similar=similar)
    return found[0]


def resolve_subject(typed: str, ctx: Reader) -> Subject:
    """The one thing in the inventory that a person means; raises as `choose_one`."""
    name, site = split_site(typed, ctx)
    return choose_one("thing", typed, name, ctx.vsphere.find_subjects(name, site))


def target_as(kind: str, one: Named) -> Target:
    """What policy judges of a host, cluster or datastore, and what leases are taken on."""
    return Target(
        kind=kind,
        site=one.site,
        id=one.id,
        name=one.name,
        environment=one.environment,
        path=one.path,
        labels=one.labels,
    )


def targets_of(subjects: Sequence[Subject], ctx: Reader) -> Mapping[Subject, Target]:
    """What policy judges of each; VMs are read, because their tags and hosts count."""
    targets = {one: target_as(one.kind, one) for one in subjects}
    for site in {one.site for one in subjects if one.kind == "vm"}:
        own = {one.id: one for one in subjects if one.site == site and one.kind == "vm"}
        targets |= {own[vm.id]: target_of(vm) for vm in ctx.vsphere.read_vms(site, list(own))}
    return targets


def reached(listing: Listing[T]) -> tuple[str, ...]:
    """One note for each vCenter that did not answer.

    Raises:
        BackendUnavailableError: none did.
    """
    if listing.not_reached and not listing.searched:
        away = listing.not_reached[0]
        raise BackendUnavailableError(away.site, away.why)
    return tuple(f"{away.site} was not reached: {away.why}" for away in listing.not_reached)


def share(used: int, whole: int) -> str:
    """How much of it is used: `42 %`; empty when it is not known."""
    return f"{100 * used // whole} %" if whole else ""


def fields_of(*pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Those that have something to say."""
    return tuple((name, value) for name, value in pairs if value)


def some(names: Iterable[str], most: int = 10) -> str:
    """The first of them, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
