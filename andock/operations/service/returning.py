"""`service rollback`."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from andock.errors import UserError
from andock.naming import list_names
from andock.operation import Backend, Change, Plan, Reader, Risk
from andock.operations.service.deploying import LIMIT, UNDO_LIMIT
from andock.operations.service.labels import Version
from andock.operations.service.params import PlaceParams, ReasonParams
from andock.operations.service.planning import Wanted, plan_rollout, resolve_held
from andock.operations.service.report import report
from andock.operations.service.standing import Standing, survey_all
from andock.operations.service.taking import settle_step, take_step
from andock.operations.service.targets import place_of


class RollbackParams(ReasonParams, PlaceParams):
    """What `service rollback` takes."""

    to: str = Field(
        default="",
        max_length=128,
        description="One of the versions that were healthy; else the last of them.",
    )


def plan_rollback(params: RollbackParams, ctx: Reader) -> Plan:
    """The last version that was healthy before what runs now, by the rules of `rollback_config`.

    Raises:
        UserError: no version was healthy here before, or not the one that is named. Others as `plan_rollout`.
    """
    service = ctx.services.read(params.name)
    place = place_of(service, params.environment)
    standings = survey_all(service, place, ctx)
    version = _choose(params, standings.values())
    resolved = resolve_held(service, version, place, ctx)
    wanted = Wanted(service, place, resolved, service.rollback, service.replicas, back=True)
    return plan_rollout(wanted, standings, ctx)


def _choose(params: RollbackParams, standings: Iterable[Standing]) -> Version:
    """What the first engine remembers counts: it is the one that a deployment comes to first."""
    for standing in standings:
        known = _remembered(standing)
        found = [one for one in known if params.to in ("", one.tag, one.digest)]
        if found:
            return found[0]
        if known:
            has = list_names([one.title for one in known])
            raise UserError(
                f"`{params.name}` was not healthy as `{params.to}` on {standing.site}; it was as {has}."
            )
    raise UserError(
        f"`{params.name}` has no version in {params.environment} that was healthy before this one."
    )


def _remembered(standing: Standing) -> list[Version]:
    current = {version.digest for version in standing.versions}
    found = {one.digest: one for replica in standing.current.values() for one in replica.healthy}
    return [one for one in found.values() if one.digest not in current]


SERVICE_ROLLBACK = Change(
    name="service rollback",
    summary="Go back to the last version that was healthy before the one that runs.",
    params=RollbackParams,
    backend=Backend.DOCKER,
    risk=Risk.DISRUPTIVE,
    plan=plan_rollback,
    apply=take_step,
    settle=settle_step,
    report=report,
    time_limit=LIMIT,
    undo_limit=UNDO_LIMIT,
    long=True,
    examples=("service rollback api in prod", "service rollback api in prod --to v1.2.2"),
)
