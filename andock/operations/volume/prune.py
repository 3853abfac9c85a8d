"""`volume prune`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from andock.belonging import engine_target
from andock.errors import TargetNotFoundError, UserError
from andock.naming import count, list_names, pick, reached, tell_away
from andock.operation import Backend, Change, Done, Mark, Params, Plan, Reader, Risk, Settled, Step, Writer
from andock.operations.volume.inventory import is_anonymous, target_of
from andock.ports.volumes import VolumeRow
from andock.removal import is_own, remove, settle_removal, take_largest
from andock.sizes import write_size


class PruneParams(Params):
    """What `volume prune` takes."""

    all: bool = Field(
        default=False, description="Those with a name too; without it only those that an engine named."
    )
    keep: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="Leave this one; may be repeated.",
        json_schema_extra={"positional": False},
    )


def plan_prune(params: PruneParams, ctx: Reader) -> Plan:
    """One step for each volume that no container uses, running or not; the largest first.

    Raises:
        UserError: there is none.
    """
    listing = reached(ctx.containers.list_volumes(ctx.site))
    picked = [pick("volume", word, listing, lambda row: (row.name,)) for word in params.keep]
    kept = {(row.site, row.name) for row in picked}
    unused = [row for row in listing.rows if not row.used_by]
    own = [row for row in unused if is_own(row.labels)]
    chosen = [
        row
        for row in unused
        if row not in own and (row.site, row.name) not in kept and (params.all or is_anonymous(row))
    ]
    if not chosen:
        named = 0 if params.all else sum(not is_anonymous(row) for row in unused if row not in own)
        hint = f" With `--all` {count(named, 'volume')} with a name would go." if named else ""
        raise UserError(f"No volume to prune on {', '.join(listing.searched)}.{hint}")
    largest, left = take_largest(chosen, lambda row: row.size)
    freed = write_size(sum(max(0, row.size) for row in largest))
    warnings = (*tell_away(listing), f"Frees {freed}. What is in a volume is lost for good.")
    if own:
        warnings += (f"Left alone, as Andock's own: {list_names([row.name for row in own])}.",)
    if left:
        warnings += (f"{count(left, 'smaller volume')} left for the next time.",)
    # whoever removes volumes prunes their engines, and of Andock's own that is refused
    sites = dict.fromkeys(row.site for row in largest)
    return Plan(
        batches=(tuple(_step(row) for row in largest),),
        warnings=warnings,
        touches=tuple(engine_target(site, ctx.containers.environment_of(site, {})) for site in sites),
    )


def _step(row: VolumeRow) -> Step:
    made = f"made {row.made_at:%Y-%m-%d}, " if row.made_at else ""
    return Step(
        action="remove",
        target=target_of(row),
        text=f"remove volume `{row.name}` ({made}{write_size(row.size)}). Lost: all data in it",
        facts={"made": row.made_at.isoformat() if row.made_at else ""},
    )


def apply_prune(step: Step, ctx: Writer) -> Done:
    """Remove it. Raises as `andock.removal.remove`."""
    site, volume = step.target.site, step.target.id
    return remove(step, ctx, lambda: ctx.containers.remove_volume(site, volume), lambda: _is_there(step, ctx))


def settle_prune(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """See `andock.removal.settle_removal`."""
    return settle_removal(step, ctx, mark, lambda: _is_there(step, ctx))


def _is_there(step: Step, ctx: Reader) -> bool:
    try:
        ctx.containers.read_volume(step.target.site, step.target.id)
    except TargetNotFoundError:
        return False
    return True


VOLUME_PRUNE = Change(
    name="volume prune",
    summary="Remove the volumes that no container uses, with what is in them; each is shown before.",
    params=PruneParams,
    backend=Backend.DOCKER,
    risk=Risk.DESTRUCTIVE,
    plan=plan_prune,
    apply=apply_prune,
    settle=settle_prune,
    time_limit=timedelta(minutes=30),
    examples=("volume prune --site edge-1", "volume prune --all --keep shop-data"),
)
