"""`service promote`: what is proven in one environment goes to the next, by its digest."""

from __future__ import annotations

from pydantic import Field

from andock.errors import UserError
from andock.operation import Backend, Change, Plan, Reader, Risk
from andock.operations.service.deploying import LIMIT, UNDO_LIMIT
from andock.operations.service.hindrances import warn_unproven
from andock.operations.service.params import ENVIRONMENT, TO, NameParams, ReasonParams
from andock.operations.service.planning import Wanted, plan_rollout, resolve_held
from andock.operations.service.report import report
from andock.operations.service.standing import doubts, survey_all
from andock.operations.service.taking import settle_step, take_step
from andock.operations.service.targets import place_of


class PromoteParams(ReasonParams, NameParams):
    """What `service promote` takes."""

    environment: str = Field(pattern=ENVIRONMENT, description="Where it is to go to.", json_schema_extra=TO)
    from_: str = Field(
        default="", max_length=63, description="Where it is proven; else the environment in `after`."
    )


def plan_promote(params: PromoteParams, ctx: Reader) -> Plan:
    """The digest that all replicas of the environment before, or of the one that is named, have, healthy.

    Where it skips the environment that this one comes `after`, it warns unless it is proven there too.

    Raises:
        UserError: there is no environment before it, or no version is proven there; says why.
            The others as `plan_rollout`.
    """
    service = ctx.services.read(params.name)
    place = place_of(service, params.environment)
    source = params.from_ or place.after
    if not source:
        raise UserError(
            f"`{service.name}` names nothing that {place.environment} comes `after`; say where it is proven: "
            "`--from ENVIRONMENT`."
        )
    standings = tuple(survey_all(service, place_of(service, source), ctx).values())
    why = doubts(standings)
    if why:
        raise UserError(f"`{service.name}` is not proven in {source}: {'; '.join(why[:3])}.")
    resolved = resolve_held(service, standings[0].versions[0], place, ctx)
    wanted = Wanted(service, place, resolved, service.update, service.replicas)
    plan = plan_rollout(wanted, survey_all(service, place, ctx), ctx)
    if source == place.after:
        return plan
    unproven = warn_unproven(service, place, wanted.version, ctx)
    return plan.model_copy(update={"warnings": (*plan.warnings, *unproven)})


SERVICE_PROMOTE = Change(
    name="service promote",
    summary="Bring the version that is proven in one environment to the next, by its digest.",
    params=PromoteParams,
    backend=Backend.DOCKER,
    risk=Risk.DISRUPTIVE,
    plan=plan_promote,
    apply=take_step,
    settle=settle_step,
    report=report,
    time_limit=LIMIT,
    undo_limit=UNDO_LIMIT,
    long=True,
    examples=("service promote api to prod", "service promote api to prod --from staging"),
)
