"""`service scale` and `service restart`: what runs now, more or fewer of it, or anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from andock.errors import UserError
from andock.operation import Backend, Change, Plan, Reader, Risk
from andock.operations.service.deploying import LIMIT, UNDO_LIMIT
from andock.operations.service.labels import Version
from andock.operations.service.params import TO, PlaceParams, ReasonParams
from andock.operations.service.planning import Wanted, plan_rollout, resolve_held
from andock.operations.service.report import report
from andock.operations.service.standing import Standing, survey_all
from andock.operations.service.taking import settle_step, take_step
from andock.operations.service.targets import place_of
from andock.ports.services import Place, Service


class ScaleParams(ReasonParams, PlaceParams):
    """What `service scale` takes."""

    replicas: str = Field(
        pattern=r"^[1-9][0-9]?$", description="Containers on each engine.", json_schema_extra=TO
    )


class RestartParams(ReasonParams, PlaceParams):
    """What `service restart` takes."""


def plan_scale(params: ScaleParams, ctx: Reader) -> Plan:
    """So many replicas of the version that runs.

    Raises:
        UserError: nothing runs, or several versions. The others as `plan_rollout`.
    """
    service = ctx.services.read(params.name)
    place, replicas = place_of(service, params.environment), int(params.replicas)
    standings = survey_all(service, place, ctx)
    plan = plan_rollout(_as_it_runs(service, place, replicas, standings, ctx), standings, ctx)
    if replicas == service.replicas:
        return plan
    said = f"the next deployment goes back to the {service.replicas} of its file"
    return plan.model_copy(update={"warnings": (*plan.warnings, said)})


def plan_restart(params: PlaceParams, ctx: Reader) -> Plan:
    """New containers of the version that runs, one batch after the other; no new image.

    Raises: as `plan_scale`.
    """
    service = ctx.services.read(params.name)
    place = place_of(service, params.environment)
    standings = survey_all(service, place, ctx)
    replicas = max([len(one.current) for one in standings.values()])
    wanted = _as_it_runs(service, place, replicas, standings, ctx)
    return plan_rollout(replace(wanted, fresh=True), standings, ctx)


def _as_it_runs(
    service: Service, place: Place, replicas: int, standings: Mapping[str, Standing], ctx: Reader
) -> Wanted:
    version = _version_of(service, place, tuple(standings.values()))
    resolved = resolve_held(service, version, place, ctx)
    return Wanted(service, place, resolved, service.update, replicas)


def _version_of(service: Service, place: Place, standings: tuple[Standing, ...]) -> Version:
    found = {version.digest: version for one in standings for version in one.versions}
    if not found:
        raise UserError(f"`{service.name}` runs nowhere in {place.environment}; deploy it first.")
    if len(found) > 1:
        runs = ", ".join(f"{one.site} {one.text}" for one in standings)
        raise UserError(f"`{service.name}` runs in several versions ({runs}); deploy one of them first.")
    return next(iter(found.values()))


SERVICE_SCALE = Change(
    name="service scale",
    summary="Run so many replicas on each engine, until the next deployment.",
    params=ScaleParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_scale,
    apply=take_step,
    settle=settle_step,
    report=report,
    time_limit=LIMIT,
    undo_limit=UNDO_LIMIT,
    long=True,
    examples=("service scale api in prod to 3",),
)

SERVICE_RESTART = Change(
    name="service restart",
    summary="Run new containers of the same version, one batch after the other.",
    params=RestartParams,
    backend=Backend.DOCKER,
    risk=Risk.DISRUPTIVE,
    plan=plan_restart,
    apply=take_step,
    settle=settle_step,
    report=report,
    time_limit=LIMIT,
    undo_limit=UNDO_LIMIT,
    long=True,
    examples=("service restart api in prod",),
)
