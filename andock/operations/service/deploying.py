"""`service deploy` and `service plan`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from andock.errors import NoChangeError
from andock.operation import Backend, Change, Found, Outcome, Plan, Read, Reader, Risk, Table
from andock.operations.service.hindrances import warn_unproven
from andock.operations.service.params import DeployParams, VersionParams
from andock.operations.service.planning import Wanted, name_version, plan_rollout
from andock.operations.service.report import report
from andock.operations.service.standing import survey_all
from andock.operations.service.taking import settle_step, take_step
from andock.operations.service.targets import place_of, target_of

LIMIT = timedelta(minutes=30)
UNDO_LIMIT = timedelta(minutes=10)


def plan_deploy(params: VersionParams, ctx: Reader) -> Plan:
    """The digest that the version stands for now, brought to every engine of the environment.

    Raises:
        TargetNotFoundError: there is no such service, or the registry has no such version.
        ImageNotAllowedError, BackendError: from the registry. The others as `plan_rollout`.
    """
    service = ctx.services.read(params.name)
    place = place_of(service, params.environment)
    name = name_version(service, params.version)
    with ThreadPoolExecutor(1, thread_name_prefix="survey") as threads:  # while the registry is asked
        survey = threads.submit(survey_all, service, place, ctx)
        resolved = ctx.registry.resolve(name)
    wanted = Wanted(service, place, resolved, service.update, service.replicas)
    plan = plan_rollout(wanted, survey.result(), ctx)
    unproven = warn_unproven(service, place, wanted.version, ctx)
    return plan.model_copy(update={"warnings": (*plan.warnings, *unproven)})


def find_engines(params: VersionParams, ctx: Reader) -> Found[str]:
    """The service on each engine of the environment."""
    service = ctx.services.read(params.name)
    place = place_of(service, params.environment)
    return Found(rows=tuple((target_of(service, place, site), site) for site in place.engines))


def show_plan(params: VersionParams, ctx: Reader, found: Found[str]) -> Outcome:  # noqa: ARG001  a Read's run
    """What a deployment would do, with what stands in its way, and nothing of it done."""
    try:
        plan = ctx.warn(plan_deploy(params, ctx))
    except NoChangeError as error:
        return Outcome(summary=error.sentence)
    rows = tuple(
        (step.target.site, step.action, step.text)
        for steps in (*plan.batches, plan.closing)
        for step in steps
    )
    said = f"`{params.name}` {params.version} to {params.environment} would take {len(rows)} steps"
    return Outcome(
        summary=f"{said} in {len(plan.batches)} batches.",
        table=Table(columns=("engine", "step", "what"), rows=rows),
        notes=plan.warnings,
    )


SERVICE_DEPLOY = Change(
    name="service deploy",
    summary="Bring a version to every engine of an environment, or the old one back.",
    params=DeployParams,
    backend=Backend.DOCKER,
    risk=Risk.DISRUPTIVE,
    plan=plan_deploy,
    apply=take_step,
    settle=settle_step,
    report=report,
    time_limit=LIMIT,
    undo_limit=UNDO_LIMIT,
    long=True,
    short="deploy",
    examples=("service deploy api v1.2.3 to prod", "service deploy api v1.2.3 to staging --plan"),
)

SERVICE_PLAN = Read(
    name="service plan",
    summary="What a deployment would do.",
    params=VersionParams,
    backend=Backend.DOCKER,
    find=find_engines,
    run=show_plan,
    examples=("service plan api v1.2.3 to prod",),
)
