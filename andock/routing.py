"""Which pool's workers perform a request: those that hold the credentials of its site."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from andock.errors import UnknownSiteError, UserError
from andock.operation import Backend, Operation, Params

_THINGS = ("container", "image", "network", "vm", "host", "thing")  # parameters that name what it is about
_ENGINE = "engine"  # the noun whose `name` is a site's
_ON_SERVICES = ("service", "deploy")  # nouns whose required `name` is a service's


@dataclass(frozen=True, slots=True)
class Route:
    """One site's backend and pool."""

    backend: Backend
    pool: str


@dataclass(frozen=True)
class Routing:
    """Every site's route, by the site's name."""

    sites: Mapping[str, Route]

    def pool(self, operation: Operation, site: str | None, pool: str | None = None) -> str:
        """The pool that performs an operation on this site, or on all sites of this pool or of its backend.

        Raises:
            UnknownSiteError: no site of the operation's backend has that name; says the nearest.
            UserError: there is no such pool, or the site is in another; or neither was named, and there are
                several.
        """
        pools = sorted({route.pool for route in self.sites.values() if route.backend is operation.backend})
        if pool is not None and pool not in pools:
            listed = ", ".join(f"`{name}`" for name in pools) or "none"
            raise UserError(f"There is no pool `{pool}` for `{operation.name}`; there are: {listed}.")
        if site is not None:
            route = self.sites.get(site)
            if route is None or route.backend is not operation.backend:
                names = [name for name, known in self.sites.items() if known.backend is operation.backend]
                raise UnknownSiteError(site, similar=difflib.get_close_matches(site, names, n=2) or names[:3])
            if pool not in (None, route.pool):
                raise UserError(f"`{site}` is in pool `{route.pool}`, not in `{pool}`.")
            return route.pool
        if pool is not None:
            return pool
        if not pools:
            raise UserError(
                f"No {operation.backend.value} site is configured, so there is no `{operation.name}`."
            )
        if len(pools) > 1:
            listed = ", ".join(
                f"`{name}`" for name, known in self.sites.items() if known.backend is operation.backend
            )
            raise UserError(
                f"Several pools of workers hold these sites; say which with `--pool` "
                f"({', '.join(f'`{name}`' for name in pools)}) or `--site` ({listed})."
            )
        return pools[0]

    def find_pool(self, operation: Operation, params: Params) -> str | None:
        """The pool of the sites that stand before all of the names, as in `edge-1/web`; None if they do not.

        Raises:
            UserError: they are in several pools.
        """
        typed = tuple(_names(operation, params))
        sites = [self._site_of(operation.backend, name) for name in typed]
        pools = {site: self.sites[site].pool for site in sites if site}
        if not typed or not all(sites):
            return None
        if len(set(pools.values())) > 1:
            listed = ", ".join(f"`{site}` in pool `{pool}`" for site, pool in pools.items())
            raise UserError(f"One command goes to one pool of workers, and these are in several: {listed}.")
        return pools[sites[0]]

    def _site_of(self, backend: Backend, name: str) -> str:
        """The site that stands before a name, or is it; empty if none does."""
        site = name.strip("/").partition("/" if backend is Backend.DOCKER else ":")[0]
        route = self.sites.get(site)
        return site if route is not None and route.backend is backend else ""


def _names(operation: Operation, params: Params) -> Iterator[str]:
    """Of the things that an operation is about, as they were typed."""
    noun = operation.name.split()[0]
    for field in (*_THINGS, "name") if noun == _ENGINE else _THINGS:
        match getattr(params, field, None):
            case str() as name:
                yield name
            case tuple() as names:
                yield from names


def find_service(operation: Operation, params: Params) -> str | None:
    """The one service that an operation on engines is about, whose engines say which pool performs it."""
    if operation.backend is not Backend.DOCKER:
        return None
    fields = operation.params.model_fields
    field = "service"
    if field not in fields and operation.name.split()[0] in _ON_SERVICES:
        field = "name"
    if field not in fields or not fields[field].is_required():
        return None
    return str(getattr(params, field))
