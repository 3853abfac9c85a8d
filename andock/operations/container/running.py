"""`container run`."""

from __future__ import annotations

import secrets
import time

from andock.errors import (
    BackendError,
    BackendRejectedError,
    Changed,
    NameTakenError,
    OutcomeUnknownError,
    UserError,
)
from andock.naming import engine_key
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    NotDone,
    Offer,
    Plan,
    Reader,
    Risk,
    Settled,
    Step,
    Target,
    Unknown,
    Writer,
)
from andock.operations.container.making import MARK_LABEL, RunParams
from andock.operations.container.settling import settle_when
from andock.operations.container.steps import LOOK_SECONDS, begin
from andock.ports.container_changes import LocalImage, NewContainer
from andock.ports.registry import ImageName
from andock.powers import check_powers
from andock.sizes import write_size

_MAKE_SECONDS = 30  # an engine that was told has made it by then, unless it hangs


# --- planning -------------------------------------------------------------------------------------------


def plan_run(params: RunParams, ctx: Reader) -> Plan:
    """One step: make it and start it.

    Raises:
        UserError: no engine is named where there are several, or it does not have the image.
        ImageNotAllowedError: `registries:` in sites.yaml does not allow the image.
        NotListedError: `powers:` does not allow a power that is asked for.
        NameTakenError: the engine has a container of that name.
    """
    site = _site(ctx)
    name = ImageName.parse(params.image)
    ctx.registry.check_allowed(name)
    given = check_powers(params.image, params.powers, ctx.containers.allowances)
    # with its tag: alone, an engine would take it for an id, and that for any image
    image = ctx.containers.local_image(site, name.familiar)
    if image is None:
        raise UserError(
            f"Engine `{site}` has no image `{name.familiar}`; pull it first: "
            f"`image pull {name.familiar} --site {site}`."
        )
    listing = ctx.containers.list_containers(site)
    for other in listing.rows:
        if other.name == params.name:
            raise NameTakenError(params.name, site, other.id)
    labels = params.new().labels
    target = Target(
        kind="container",
        site=site,
        id=params.name,
        name=params.name,
        environment=ctx.containers.environment_of(site, labels),
        labels=tuple(f"{key}={value}" for key, value in sorted(labels.items())),
        parents=(engine_key(site),),
    )
    step = Step(
        action="run",
        target=target,
        text=_text(params, image),
        facts={"image": image.id},
        args=params.model_dump(mode="json"),
    )
    return Plan(batches=((step,),), warnings=given)


def _site(ctx: Reader) -> str:
    if ctx.site is not None:
        return ctx.site
    sites = ctx.containers.sites()
    if len(sites) != 1:
        raise UserError(f"Say on which engine, with `--engine`: {', '.join(f'`{site}`' for site in sites)}.")
    return sites[0]


def _text(params: RunParams, image: LocalImage) -> str:
    limits = params.new().limits
    command = f", running `{' '.join(params.command)}`" if params.command else ""
    return (
        f"run `{params.name}` from `{params.image}` "
        f"({image.id.removeprefix('sha256:')[:12]}){command}; at most "
        f"{write_size(limits.memory)} of memory, {limits.cpus:g} CPUs, {limits.pids} processes; "
        f"restart policy {params.restart}"
    )


# --- doing ----------------------------------------------------------------------------------------------


def apply_run(step: Step, ctx: Writer) -> Done:
    """Make it, start it, and look whether it stays up.

    Raises:
        BackendRejectedError: the engine did not make it.
        BackendError: it was made, and not started or ended at once with an error.
        OutcomeUnknownError: the engine was told and did not answer.
    """
    target, params = step.target, RunParams.model_validate(step.args)
    token = secrets.token_hex(8)
    begin(step, ctx, task=token)
    made = _make(step, ctx, params.new(token))
    where = f"{target.site}/{target.name}"
    try:
        ctx.containers.start(target.site, made)
    except BackendRejectedError as error:
        raise BackendError(
            f"`{target.name}` was made and could not be started: {error.why}. "
            f"`container remove {where}` takes it away.",
            changed=Changed.PARTLY,
        ) from error
    time.sleep(LOOK_SECONDS)
    now = ctx.containers.read_container(target.site, made)
    if now.state == "exited" and now.exit_code == 0:
        return Done(text=f"`{target.name}` ran and ended with exit code 0.", offers=_offers(where))
    if now.state != "running":
        raise BackendError(
            f"`{target.name}` was started and is {now.state} (exit code {now.exit_code}). "
            f"See `container logs {where}`.",
            changed=Changed.PARTLY,
        )
    return Done(text=f"`{target.name}` is running on {target.site} (id {made[:12]}).", offers=_offers(where))


def _make(step: Step, ctx: Writer, new: NewContainer) -> str:
    """Its id. An engine that fails inside may have made it all the same, so that is looked at."""
    target = step.target
    try:
        return ctx.containers.create(target.site, new)
    except BackendRejectedError as error:
        if error.changed is Changed.NOTHING:
            raise
        made = ctx.containers.find_labelled(target.site, f"{MARK_LABEL}={new.labels[MARK_LABEL]}")
        changed = Changed.PARTLY if made else Changed.NOTHING
        raise BackendRejectedError(error.backend, error.why, changed=changed) from error
    except OutcomeUnknownError as error:
        raise OutcomeUnknownError(
            f"{error.sentence} Look at `container info {target.site}/{target.name}` before you run it again."
        ) from error


def _offers(where: str) -> tuple[Offer, ...]:
    return (
        Offer(label="Info", command=f"container info {where}"),
        Offer(label="Logs", command=f"container logs {where}"),
    )


def settle_run(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """Done if what was made runs; Unknown if it was made and does not; NotDone if it was not made."""
    site, name = step.target.site, step.target.name

    def look(age: float) -> Settled | None:
        made = ctx.containers.find_labelled(site, f"{MARK_LABEL}={mark.task}")
        if not made:
            return NotDone() if age > _MAKE_SECONDS else None
        now = ctx.containers.read_container(site, made[0])
        if now.state == "running":
            return Done(text=f"`{name}` is running on {site} (id {now.id[:12]}).")
        if now.state != "created":
            return Unknown(f"`{name}` was started and is {now.state} (exit code {now.exit_code}).")
        if age <= _MAKE_SECONDS:
            return None
        return Unknown(f"`{name}` was made and not started; `container remove {site}/{name}` takes it away.")

    return settle_when(step, ctx, mark, look)


CONTAINER_RUN = Change(
    name="container run",
    summary="Make a container of an allowed image, with limits, and start it.",
    params=RunParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_run,
    apply=apply_run,
    settle=settle_run,
    examples=(
        "container run registry.lab:5000/team/web:1 --name web-2 --memory 256m --cpus 0.5",
        "container run busybox --name once --memory 32m --cpus 0.1 --engine edge-1 -- sh -c 'date; id'",
    ),
)
