"""Which engines an operation is about."""

from __future__ import annotations

from andock.belonging import engine_target
from andock.errors import UnknownSiteError, UserError
from andock.naming import list_names, reached, similar_names
from andock.operation import Reader, Target
from andock.ports.engines import EngineRow
from andock.ports.sites import Listing

NAMING = "Its name in sites.yaml; may be left out where there is one, or with --site."
NAMING_OR_ALL = "Its name in sites.yaml; without one, all."


def target_of(row: EngineRow) -> Target:
    """What policy judges."""
    return engine_target(row.site, row.environment)


def list_engines(ctx: Reader, name: str | None) -> Listing[EngineRow]:
    """One engine by its name or by --site, or all of them.

    Raises:
        UserError: two different ones are named.
        UnknownSiteError: none has the name; says the nearest.
        BackendUnavailableError: not one answered.
    """
    if name and ctx.site and name != ctx.site:
        raise UserError(f"`{name}` and `--site {ctx.site}` name two engines; say one.")
    known = ctx.containers.sites()
    if name and name not in known:
        raise UnknownSiteError(name, similar=similar_names(name, known))
    return reached(ctx.containers.list_engines(name or ctx.site))


def choose(ctx: Reader, name: str | None) -> EngineRow:
    """Exactly one engine. Raises as `list_engines`; UserError where there are several and none was named."""
    known = ctx.containers.sites()
    if not name and not ctx.site and len(known) > 1:
        raise UserError(f"Which engine? Say one of {list_names(known, 20)}.")
    return list_engines(ctx, name).rows[0]
