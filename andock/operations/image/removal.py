"""`image remove` and `image prune`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pydantic import Field

from andock.errors import BackendError, Changed, OpsError, TargetNotFoundError, TargetStateError, UserError
from andock.naming import count, list_names, pick, reached, short_id, tell_away
from andock.operation import Backend, Change, Done, Mark, Params, Plan, Reader, Risk, Settled, Step, Writer
from andock.operations.image.targets import NAMING, names_of, target_of, title_of
from andock.ports.images import ImageRow
from andock.removal import is_own, remove, settle_removal, take_largest
from andock.sizes import write_size


class RemoveParams(Params):
    """What `image remove` takes."""

    image: tuple[str, ...] = Field(min_length=1, max_length=50, description=NAMING)


class PruneParams(Params):
    """What `image prune` takes."""

    all: bool = Field(
        default=False,
        description="Those with names too; without it only nameless ones.",
    )
    keep: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="Leave this one; may be repeated.",
        json_schema_extra={"positional": False},
    )


def plan_remove(params: RemoveParams, ctx: Reader) -> Plan:
    """One step for each image: some of its names, or with the last one the image.

    Raises:
        TargetStateError: a container uses it.
    """
    listing = reached(ctx.containers.list_images(ctx.site))
    typed: dict[tuple[str, str], tuple[ImageRow, list[str]]] = {}
    for word in params.image:
        row = pick("image", word, listing, names_of)
        typed.setdefault((row.site, row.id), (row, []))[1].extend(_names_meant(row, word))
    steps = tuple(_step(row, tuple(dict.fromkeys(names))) for row, names in typed.values())
    return Plan(batches=(steps,), warnings=tell_away(listing))


def plan_prune(params: PruneParams, ctx: Reader) -> Plan:
    """One step for each image that no container uses, the largest first.

    Raises:
        UserError: there is none.
    """
    listing = reached(ctx.containers.list_images(ctx.site))
    kept = {(row.site, row.id) for row in (pick("image", word, listing, names_of) for word in params.keep)}
    unused = [row for row in listing.rows if not row.used_by and (params.all or not row.names)]
    own = [row for row in unused if is_own(row.labels)]
    chosen = [row for row in unused if not is_own(row.labels) and (row.site, row.id) not in kept]
    if not chosen:
        where = ", ".join(listing.searched)
        raise UserError(f"No image to prune on {where}: {_why_none(params, listing.rows)}.")
    largest, left = take_largest(chosen, lambda row: row.size)
    warnings = (*tell_away(listing), _tell_freed(largest))
    if own:
        warnings += (f"Left alone, as Andock's own: {list_names([title_of(row) for row in own])}.",)
    if left:
        warnings += (f"{count(left, 'smaller image')} left for the next time.",)
    return Plan(batches=(tuple(_step(row, row.names) for row in largest),), warnings=warnings)


def _why_none(params: PruneParams, rows: Iterable[ImageRow]) -> str:
    unused = sum(not row.used_by for row in rows)
    if unused and not params.all:
        return f"every image has a name; {unused} with names are used by no container, `--all` takes those"
    return "containers use all of them" if not unused else "those that no container uses are kept"


def _tell_freed(rows: Iterable[ImageRow]) -> str:
    return f"Frees at most {write_size(sum(row.size for row in rows))}; layers that other images share stay."


def _names_meant(row: ImageRow, word: str) -> tuple[str, ...]:
    """The names that go with what was typed: one, or all of them when it was an id or a digest."""
    return tuple(name for name in row.names if word in _spellings(row, name)) or row.names


def _spellings(row: ImageRow, name: str) -> set[str]:
    one = ImageRow(row.site, row.id, (name,), (), 0, row.environment)
    return {spelling for known in names_of(one) for spelling in (known, f"{row.site}/{known}")}


def _step(row: ImageRow, names: tuple[str, ...]) -> Step:
    stays = tuple(name for name in row.names if name not in names)
    size = f"{short_id(row.id)}, {write_size(row.size)}"
    if stays:
        text = f"take {list_names(names)} from image {size}. It stays as {list_names(stays)}"
    else:
        if row.used_by:
            users = list_names([use.name for use in row.used_by])
            raise TargetStateError(title_of(row), actual=f"used by {users}", wanted="used by no container")
        again = f"{row.digests[0]} can be pulled again" if row.digests else "it is in no registry"
        text = f"remove image {list_names(names) or '(no name)'} ({size}). Lost: its layers; {again}"
    return Step(
        action="remove",
        target=target_of(row),
        text=text,
        facts={"names": ", ".join(row.names), "used by": ", ".join(use.id for use in row.used_by)},
        args={"names": list(names), "whole": not stays},
    )


def apply_remove(step: Step, ctx: Writer) -> Done:
    """Take the names away, then what is left without a name. Raises as `andock.removal.remove`."""
    return remove(step, ctx, lambda: _call(step, ctx), lambda: _is_there(step, ctx))


def _call(step: Step, ctx: Writer) -> None:
    site, image = step.target.site, step.target.id
    taken = 0
    try:
        for name in _names(step):
            ctx.containers.remove_image(site, name)
            taken += 1
        if step.args["whole"] and _is_there(step, ctx):
            ctx.containers.remove_image(site, image)
    except TargetNotFoundError:
        return  # somebody else was quicker with the last of it
    except OpsError as error:
        if taken and error.changed is Changed.NOTHING:
            raise BackendError(
                f"{error.sentence} {count(taken, 'name')} of it had been taken away.", changed=Changed.PARTLY
            ) from error
        raise


def settle_remove(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """See `andock.removal.settle_removal`."""
    return settle_removal(step, ctx, mark, lambda: _is_there(step, ctx))


def _is_there(step: Step, ctx: Reader) -> bool:
    """Whether the image, or one of the names that were to go, is still there."""
    try:
        image = ctx.containers.read_image(step.target.site, step.target.id)
    except TargetNotFoundError:
        return False
    return bool(step.args["whole"]) or bool(set(image.names) & set(_names(step)))


def _names(step: Step) -> tuple[str, ...]:
    names = step.args["names"]
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


IMAGE_REMOVE = Change(
    name="image remove",
    summary="Take names from images, and with its last name remove an image that no container uses.",
    params=RemoveParams,
    backend=Backend.DOCKER,
    risk=Risk.DESTRUCTIVE,
    plan=plan_remove,
    apply=apply_remove,
    settle=settle_remove,
    examples=("image remove registry.lab:5000/team/web:1.9", "image remove edge-1/web edge-2/web"),
)

IMAGE_PRUNE = Change(
    name="image prune",
    summary="Remove the images that no container uses, each shown before.",
    params=PruneParams,
    backend=Backend.DOCKER,
    risk=Risk.DESTRUCTIVE,
    plan=plan_prune,
    apply=apply_remove,
    settle=settle_remove,
    time_limit=timedelta(minutes=30),
    examples=("image prune --site edge-1", "image prune --all --keep registry.lab:5000/team/web:2.1"),
)
