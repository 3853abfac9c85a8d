"""`image pull`: the registry is asked what the name stands for, and exactly that is pulled."""

from __future__ import annotations

import time
from datetime import timedelta

from pydantic import Field

from andock.errors import (
    BackendError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    OutcomeUnknownError,
    UserError,
)
from andock.naming import engine_key, list_names, reached, tell_away
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    NotDone,
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
from andock.ports.engines import EngineRow
from andock.ports.images import ImageRow
from andock.ports.registry import ImageName, Resolved
from andock.removal import begin
from andock.sizes import write_size

_CANCELLED_SECONDS = 15  # an engine whose client has gone has stopped pulling by then
_NAP_SECONDS = 0.5
_DIGEST = 19  # characters: `sha256:` and twelve digits


class PullParams(Params):
    """What `image pull` takes."""

    image: str = Field(
        min_length=1,
        max_length=500,
        description="Name with tag or digest: `registry.lab:5000/team/web:2.1`. Only what sites.yaml allows.",
    )
    everywhere: bool = Field(default=False, description="On every engine; needed where there are several.")


def plan_pull(params: PullParams, ctx: Reader) -> Plan:
    """One step for each engine, for the digest that the name stands for now.

    Raises:
        UserError: the name is none, or there are several engines and none was chosen.
        ImageNotAllowedError, TargetNotFoundError, BackendError: from the registry.
    """
    name = ImageName.parse(params.image)
    ctx.registry.check_allowed(name)
    listing = reached(ctx.containers.list_engines(ctx.site))
    if len(listing.rows) > 1 and not params.everywhere:
        sites = list_names([row.site for row in listing.rows])
        raise UserError(f"Several engines could pull it: {sites}. Say one with `--site`, or `--everywhere`.")
    resolved = ctx.registry.resolve(name)
    steps = tuple(_step(row, resolved) for row in listing.rows)
    return Plan(batches=(steps,), warnings=tell_away(listing))


def _step(row: EngineRow, resolved: Resolved) -> Step:
    name = resolved.name
    what = write_size(resolved.size) + " to fetch" if resolved.size else _list_platforms(resolved)
    return Step(
        action="pull",
        target=Target(
            kind="image",
            site=row.site,
            id=name.pinned,
            name=name.at("").familiar if name.tag else name.familiar,
            environment=row.environment,
            parents=(engine_key(row.site),),
        ),
        text=f"pull `{name.familiar}` to {row.site} ({what})",
        facts={"digest": name.digest},
        args={"image": name.familiar},
    )


def _list_platforms(resolved: Resolved) -> str:
    return f"for {', '.join(resolved.platforms)}" if resolved.platforms else "size not told"


def apply_pull(step: Step, ctx: Writer) -> Done:
    """Pull it and look whether it is there, with its name.

    Raises:
        BackendRejectedError: the engine could not.
        BackendError: the engine's answer was lost, and the image is not there.
        OutcomeUnknownError: the engine's answer was lost, and it cannot be asked.
    """
    name, site = ImageName.parse(str(step.args["image"])), step.target.site
    begin(step, ctx)
    lost: OutcomeUnknownError | None = None
    try:
        ctx.containers.pull_image(site, name, ctx.watch)
    except OutcomeUnknownError as error:
        lost = error
    try:
        row = _find(ctx, site, name)
    except BackendUnavailableError as error:
        raise OutcomeUnknownError(
            f"Engine `{site}` was pulling `{name.familiar}` and went away ({error.why}); "
            "nobody knows whether it has the image."
        ) from error
    if row is None:
        sentence = lost.sentence if lost else f"Engine `{site}` says that it pulled `{name.familiar}`."
        raise BackendError(f"{sentence} The image is not there; pull it again.", changed=Changed.NOTHING)
    return _tell(row, name)


def settle_pull(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """Done: it is there with its name. NotDone: it is not, and the engine has given up by now."""
    name, site = ImageName.parse(str(step.args["image"])), step.target.site
    began = ctx.containers.server_time(site).timestamp() - mark.site_time
    watched = time.monotonic()
    while True:
        row = _find(ctx, site, name)
        if row is not None:
            return _tell(row, name)
        if began + time.monotonic() - watched > _CANCELLED_SECONDS:
            return NotDone()
        try:
            ctx.watch.look(text=f"looking whether `{name.familiar}` is there")
        except (CancelledError, DeadlineError):
            return Unknown(f"`{name.familiar}` is not on {site}; it was too early to say whether it comes.")
        time.sleep(_NAP_SECONDS)


def _find(ctx: Reader, site: str, name: ImageName) -> ImageRow | None:
    """The image with this digest and, where one was asked for, this tag.

    Raises:
        BackendUnavailableError: the engine does not answer.
    """
    listing = reached(ctx.containers.list_images(site))
    wanted = name.at("").familiar if name.tag else ""
    for row in listing.rows:
        names = {*row.names, *(f"docker.io/{known}" for known in row.names)}
        digests = {digest.partition("@")[2] for digest in row.digests}
        if name.digest in digests and (not wanted or wanted in names or f"{name.path}:{name.tag}" in names):
            return row
    return None


def _tell(row: ImageRow, name: ImageName) -> Done:
    """The digest comes first and short, since of many engines' words only the first are shown."""
    short = name.digest[:_DIGEST]
    return Done(text=f"{short} is on {row.site}, {write_size(row.size)}: `{name.familiar}`.")


IMAGE_PULL = Change(
    name="image pull",
    summary="Let engines fetch an image that sites.yaml allows, by the digest that its name stands for.",
    params=PullParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_pull,
    apply=apply_pull,
    settle=settle_pull,
    time_limit=timedelta(minutes=30),
    long=True,
    examples=(
        "image pull registry.lab:5000/team/web:2.1 --site edge-1",
        "image pull registry.lab:5000/team/web:2.1 --everywhere",
    ),
)
