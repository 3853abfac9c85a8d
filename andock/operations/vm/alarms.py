"""`alarm list` and `alarm ack`."""

from __future__ import annotations

from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from pydantic import Field

from andock.errors import InvalidParamsError, TargetNotFoundError
from andock.operation import (
    Backend,
    Change,
    Found,
    Offer,
    Outcome,
    Params,
    Plan,
    Read,
    Reader,
    Risk,
    Step,
    Table,
)
from andock.operations.vm.listing import say_span
from andock.operations.vm.subjects import reached, resolve_subject, targets_of
from andock.operations.vm.tasks import CallStep, Seen
from andock.ports.vsphere import Alarm, Subject

_COLUMNS = ("thing", "status", "alarm", "since", "acknowledged", "environment", "site")
_MOST_OFFERS = 5
NAMING = "Name, inventory path or id of a VM, host, cluster or datastore; `site:` may stand before it."


class ListParams(Params):
    """What `alarm list` takes."""

    thing: str = Field(
        default="",
        max_length=300,
        description="Pattern over the name or path of what has the alarm, such as `web-*` or `*/prod/*`.",
        json_schema_extra={"positional": True},
    )
    red: bool = Field(default=False, description="Only red ones.")
    open: bool = Field(default=False, description="Only those that nobody has acknowledged.")


class AckParams(Params):
    """What `alarm ack` takes."""

    thing: str = Field(min_length=1, max_length=300, description=NAMING)
    alarm: str = Field(
        default="",
        max_length=200,
        description="The alarm's name or id, where the thing has several.",
        json_schema_extra={"positional": True},
    )


def find_listed(params: ListParams, ctx: Reader) -> Found[Alarm]:
    """What is triggered, red first and the newest first; raises as `reached`."""
    listing = ctx.vsphere.list_alarms(ctx.site)
    notes = reached(listing)
    wanted = [one for one in listing.rows if _is_meant(params, one)]
    wanted.sort(key=lambda one: (one.status != "red", one.acknowledged, -one.since.timestamp()))
    targets = targets_of([one.subject for one in wanted], ctx)
    return Found(
        rows=tuple((targets[one.subject], one) for one in wanted),
        notes=notes,
        empty=f"No alarm like that on {', '.join(listing.searched)}.",
    )


def show_listed(params: ListParams, ctx: Reader, found: Found[Alarm]) -> Outcome:
    """A table of them; the first that nobody has acknowledged can be from here."""
    del params
    alarms = [alarm for _, alarm in found.rows]
    now = {site: ctx.vsphere.server_time(site) for site in {one.subject.site for one in alarms}}
    red = sum(1 for one in alarms if one.status == "red")
    offers = tuple(
        Offer(
            label=f"Acknowledge: {one.name} on {one.subject.name}"[:75],
            command=f'alarm ack "{one.subject.id}" "{one.id}" --site {one.subject.site}',
        )
        for one in alarms
        if not one.acknowledged
    )
    return Outcome(
        summary=f"{len(alarms)} alarm{'' if len(alarms) == 1 else 's'}, {red} red.",
        table=Table(
            columns=_COLUMNS,
            rows=tuple(_row(one, now[target.site], target.environment) for target, one in found.rows),
        ),
        notes=found.notes,
        offers=offers[:_MOST_OFFERS],
    )


def plan_acknowledgement(params: AckParams, ctx: Reader) -> Plan:
    """One step on what has the alarm.

    Raises:
        TargetNotFoundError: it has no such alarm; says which it has.
        InvalidParamsError: it has several, and none is named; or it is acknowledged already.
        AmbiguousTargetError, BackendUnavailableError, ...: see `choose_one`.
    """
    subject = resolve_subject(params.thing, ctx)
    every = [one for one in ctx.vsphere.list_alarms(subject.site).rows if one.subject.id == subject.id]
    typed = params.alarm.casefold()
    found = [one for one in every if not typed or typed in (one.id.casefold(), one.name.casefold())]
    if not found:
        similar = [one.name for one in every]
        raise TargetNotFoundError(
            "alarm", params.alarm or f"on {subject.name}", searched=(subject.site,), similar=similar
        )
    if len(found) > 1:
        known = ", ".join(f'"{one.name}"' for one in found)
        raise InvalidParamsError(f"`{subject.name}` has {len(found)} alarms; name one: {known}.")
    (alarm,) = found
    if alarm.acknowledged:
        by = f" by {alarm.acknowledged_by}" if alarm.acknowledged_by else ""
        raise InvalidParamsError(f'"{alarm.name}" on `{subject.name}` is acknowledged already{by}.')
    step = Step(
        action="acknowledge",
        target=targets_of([subject], ctx)[subject],
        text=f'acknowledge "{alarm.name}" ({alarm.status}) on `{subject.name}`',
        facts={"alarm": alarm.name},
        args={"alarm": alarm.id},
    )
    return Plan(batches=((step,),))


def _is_meant(params: ListParams, alarm: Alarm) -> bool:
    wanted, subject = params.thing.casefold(), alarm.subject
    if (params.red and alarm.status != "red") or (params.open and alarm.acknowledged):
        return False
    if not wanted:
        return True
    return any(fnmatchcase(one.casefold(), wanted) for one in (subject.name, subject.path, subject.id))


def _row(alarm: Alarm, now: datetime, environment: str) -> tuple[str, ...]:
    return (
        alarm.subject.name,
        alarm.status,
        alarm.name,
        say_span(max(now - alarm.since, timedelta(0))),
        (alarm.acknowledged_by or "yes") if alarm.acknowledged else "",
        environment,
        alarm.subject.site,
    )


def _subject_of(step: Step) -> Subject:
    target = step.target
    own = (target.kind, target.site, target.id, target.name, target.path, target.environment)
    return Subject(*own, labels=target.labels)


def _look(step: Step, ctx: Reader) -> Seen:
    own = [
        one
        for one in ctx.vsphere.list_alarms(step.target.site).rows
        if one.subject.id == step.target.id and one.id == step.args["alarm"]
    ]
    if not own:
        return Seen(done=None, said="the alarm is no longer triggered")
    return Seen(done=own[0].acknowledged, said="nobody has acknowledged it")


ACKNOWLEDGEMENT = CallStep(
    call=lambda step, ctx: ctx.vsphere.acknowledge(_subject_of(step), str(step.args["alarm"])),
    look=_look,
    done=lambda step: f'"{step.facts["alarm"]}" on `{step.target.name}` is acknowledged.',
)

ALARM_LIST = Read(
    name="alarm list",
    summary="Alarms that are triggered, red first, with a button to acknowledge each.",
    params=ListParams,
    backend=Backend.VSPHERE,
    find=find_listed,
    run=show_listed,
    many=True,
    examples=("alarm list", "alarm list --red --open", "alarm list web-*"),
)
ALARM_ACK = Change(
    name="alarm ack",
    summary="Acknowledge an alarm: somebody looks after it.",
    params=AckParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_acknowledgement,
    apply=ACKNOWLEDGEMENT.apply,
    settle=ACKNOWLEDGEMENT.settle,
    examples=("alarm ack web-01", 'alarm ack esx-12 "Host memory usage"'),
)
