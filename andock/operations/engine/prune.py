"""`engine prune`: stopped containers, empty networks, unused images and what builds have left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from pydantic import Field

from andock.errors import TargetNotFoundError, UserError
from andock.naming import count, engine_key, list_names, short_id
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    Params,
    Plan,
    Reader,
    Risk,
    Settled,
    Step,
    Target,
    Unknown,
    Writer,
)
from andock.operations.engine.disk import is_pruned
from andock.operations.engine.targets import NAMING, choose, target_of
from andock.ports.engines import Disk, EngineRow, Held
from andock.ports.networks import NetworkRow
from andock.removal import begin, is_own, remove, settle_removal, take_largest
from andock.sizes import write_size

_CACHE = "prune cache"
_ORDER = {"container": 0, "network": 1, "image": 2, "engine": 3}


class PruneParams(Params):
    """What `engine prune` takes."""

    name: str | None = Field(
        default=None, max_length=100, description=NAMING, json_schema_extra={"positional": True}
    )
    all: bool = Field(default=False, description="Images with names too that no container uses.")
    keep: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="Leave what has this name or id; may be repeated.",
        json_schema_extra={"positional": False},
    )


def plan_prune(params: PruneParams, ctx: Reader) -> Plan:
    """One step for each thing that nothing uses, containers first; volumes are not among them.

    Raises:
        UserError: there is nothing to remove.
    """
    engine = choose(ctx, params.name)
    disk = ctx.containers.read_disk(engine.site)
    networks = ctx.containers.list_networks(engine.site).rows
    held = [one for one in disk.held if is_pruned(one, everything=params.all) and one.kind != "cache"]
    empty = [row for row in networks if not row.used_by and not row.builtin]
    own = [one.name for one in held if is_own(one.labels)]
    own += [row.name for row in empty if is_own(row.labels)]
    chosen, left = take_largest(
        [one for one in held if not is_own(one.labels) and not _is_kept(one, params.keep)],
        lambda one: one.size,
    )
    steps = [_step(engine, one) for one in chosen]
    steps += [
        _network_step(engine, row)
        for row in empty
        if not is_own(row.labels) and not {row.name, row.id, short_id(row.id)} & set(params.keep)
    ]
    cache = sum(one.size for one in disk.held if one.kind == "cache" and is_pruned(one))
    steps += [_cache_step(engine, cache)] if cache else []
    if not steps:
        raise UserError(f"Nothing to prune on {engine.site}: everything there is used, kept or Andock's own.")
    freed = sum(one.size for one in chosen) + cache
    steps.sort(key=lambda step: _ORDER[step.target.kind])
    # whoever removes what lies on an engine prunes the engine, and of Andock's own that is refused
    touches = (target_of(engine),)
    return Plan(batches=_batches(steps), warnings=_warnings(engine, freed, own, left), touches=touches)


def _is_kept(one: Held, keep: Iterable[str]) -> bool:
    return bool({one.name, one.id, short_id(one.id)} & set(keep))


def _warnings(engine: EngineRow, freed: int, own: list[str], left: int) -> tuple[str, ...]:
    said = [f"Frees up to {write_size(freed)} on {engine.site}. Volumes stay; `volume prune` is for them."]
    said += [f"Left alone, as Andock's own: {list_names(own)}."] if own else []
    said += [f"{count(left, 'smaller thing')} left for the next time."] if left else []
    return tuple(said)


def _batches(steps: list[Step]) -> tuple[tuple[Step, ...], ...]:
    kinds = dict.fromkeys(step.target.kind for step in steps)
    return tuple(tuple(step for step in steps if step.target.kind == kind) for kind in kinds)


def _step(engine: EngineRow, one: Held) -> Step:
    if one.kind == "container":
        lost = f"its writable layer, {write_size(one.size)}; volumes stay"
        text = f"remove container `{one.name}` ({short_id(one.id)}, {one.detail}). Lost: {lost}"
    else:
        known = f"{one.detail}, {one.digest}" if one.detail else one.digest
        text = f"remove image `{one.name}` ({known}). Lost: {write_size(one.size)} of layers"
    return Step(
        action="remove",
        target=_target(engine, one, one.kind),
        text=text,
        # who starts it, or gives it a name, in between wants to keep it
        facts={"name": one.name, "used": "yes" if one.used else "no"},
    )


def _network_step(engine: EngineRow, row: NetworkRow) -> Step:
    subnets = f", {', '.join(row.subnets)}" if row.subnets else ""
    return Step(
        action="remove",
        target=_target(engine, row, "network"),
        text=f"remove network `{row.name}` ({short_id(row.id)}{subnets}), which no container belongs to",
        facts={"name": row.name},
    )


def _cache_step(engine: EngineRow, size: int) -> Step:
    return Step(
        action=_CACHE,
        target=target_of(engine),
        text=f"remove what builds have left on {engine.site}. Lost: {write_size(size)} of build cache",
    )


def _target(engine: EngineRow, thing: Held | NetworkRow, kind: str) -> Target:
    return Target(
        kind=kind,
        site=engine.site,
        id=thing.id,
        name=thing.name,
        environment=thing.environment,
        labels=tuple(f"{key}={value}" for key, value in sorted(thing.labels.items())),
        parents=(engine_key(engine.site),),
    )


def apply_prune(step: Step, ctx: Writer) -> Done:
    """Remove one thing. Raises as `andock.removal.remove`."""
    site = step.target.site
    if step.action == _CACHE:
        begin(step, ctx)
        freed = ctx.containers.prune_cache(site)
        return Done(text=f"What builds had left on {site} is removed, {write_size(freed)}.")
    return remove(step, ctx, _call(step, ctx), lambda: _is_there(step, ctx))


def _call(step: Step, ctx: Writer) -> Callable[[], None]:
    site, thing = step.target.site, step.target.id
    match step.target.kind:
        case "container":
            return lambda: ctx.containers.remove_stopped(site, thing)
        case "network":
            return lambda: ctx.containers.remove_network(site, thing)
        case _:
            return lambda: _remove_image(site, thing, ctx)


def _remove_image(site: str, image: str, ctx: Writer) -> None:
    """Its names one by one, and what is then left: by its id, an image with two names would be refused."""
    for name in ctx.containers.read_image(site, image).names:
        ctx.containers.remove_image(site, name)
    try:
        ctx.containers.read_image(site, image)
    except TargetNotFoundError:
        return
    ctx.containers.remove_image(site, image)


def _is_there(step: Step, ctx: Reader) -> bool:
    site, thing = step.target.site, step.target.id
    read: dict[str, Callable[[str, str], object]] = {
        "container": ctx.containers.read_container,
        "network": ctx.containers.read_network,
        "image": ctx.containers.read_image,
    }
    try:
        read[step.target.kind](site, thing)
    except TargetNotFoundError:
        return False
    return True


def settle_prune(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """See `andock.removal.settle_removal`; of what builds have left, nobody can say when it went."""
    if step.action == _CACHE:
        left = _cache_of(ctx.containers.read_disk(step.target.site))
        return Unknown(f"A prune of what builds left was begun; {write_size(left)} of it are there now.")
    return settle_removal(step, ctx, mark, lambda: _is_there(step, ctx))


def _cache_of(disk: Disk) -> int:
    return sum(one.size for one in disk.held if one.kind == "cache")


ENGINE_PRUNE = Change(
    name="engine prune",
    summary="Remove stopped containers, empty networks, unused images and build cache, each shown before.",
    params=PruneParams,
    backend=Backend.DOCKER,
    risk=Risk.DESTRUCTIVE,
    plan=plan_prune,
    apply=apply_prune,
    settle=settle_prune,
    time_limit=timedelta(minutes=30),
    examples=("engine prune edge-1", "engine prune edge-1 --all --keep build-cache-db"),
)
