"""`container rename`."""

from __future__ import annotations

from pydantic import Field

from andock.errors import NameTakenError, OutcomeUnknownError
from andock.naming import tell_away
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
    Unknown,
    Writer,
)
from andock.operations.container.settling import settle_by
from andock.operations.container.steps import begin, step_of, tell
from andock.operations.container.targets import NAMING, list_reached, resolve
from andock.ports.containers import Container

NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}$"
_ACT_SECONDS = 5  # in which an engine that was told has acted


class RenameParams(Params):
    """What `container rename` takes."""

    container: str = Field(min_length=1, max_length=300, description=NAMING)
    name: str = Field(pattern=NAME, description="Its new name: letters, digits, dots, dashes, underscores.")


def plan_rename(params: RenameParams, ctx: Reader) -> Plan:
    """One step; policy judges the container by both names.

    Raises:
        NameTakenError: another container of this engine has the name.
    """
    listing = list_reached(ctx, [params.container])
    row = resolve(listing, [params.container])[0]
    for other in ctx.containers.list_containers(row.site, {params.name}).rows:
        raise NameTakenError(params.name, row.site, other.id)
    text = f"rename `{row.name}` ({row.state}) to `{params.name}`"
    step = step_of(row, "rename", text, {"name": params.name})
    facts = {"name": row.name, "image": row.image_id}
    becomes = step.target.model_copy(update={"name": params.name})
    step = step.model_copy(update={"facts": facts, "becomes": becomes})
    return Plan(batches=((step,),), warnings=tell_away(listing))


def apply_rename(step: Step, ctx: Writer) -> Done:
    """Rename it and look how it is named.

    Raises:
        BackendRejectedError: the engine did not.
        OutcomeUnknownError: the engine says that it did, and it is not named so.
    """
    target, name = step.target, str(step.args["name"])
    begin(step, ctx)
    now = tell(step, ctx, lambda: ctx.containers.rename(target.site, target.id, name))
    if now is None or now.name != name:
        raise OutcomeUnknownError(f"`{target.name}` was renamed and is not named `{name}`. Look at it.")
    return Done(text=f"`{target.name}` is named `{name}` now.")


def settle_rename(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """Done if it has the new name, NotDone if it has the old one, Unknown with any other."""
    name = str(step.args["name"])

    def judge(now: Container, age: float) -> Settled | None:
        if now.name == name:
            return Done(text=f"`{step.target.name}` is named `{name}` now.")
        if now.name != step.target.name:
            return Unknown(f"`{step.target.name}` is named `{now.name}`; nobody can say by whom.")
        return NotDone() if age > _ACT_SECONDS else None

    return settle_by(step, ctx, mark, judge, Unknown(f"`{step.target.name}` is gone."))


CONTAINER_RENAME = Change(
    name="container rename",
    summary="Give a container another name.",
    params=RenameParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_rename,
    apply=apply_rename,
    settle=settle_rename,
    examples=("container rename web web-old", "container rename edge-1/web web-old"),
)
