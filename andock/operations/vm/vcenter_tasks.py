"""`task list` and `task cancel`: vCenter's own tasks, whoever started them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from pydantic import Field

from andock.errors import (
    AmbiguousTargetError,
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import (
    Backend,
    Change,
    Done,
    Found,
    Mark,
    Offer,
    Outcome,
    Params,
    Plan,
    Read,
    Reader,
    Risk,
    Settled,
    Step,
    Table,
    Target,
    Unknown,
    Writer,
)
from andock.operations.vm import steps
from andock.operations.vm.listing import say_span
from andock.operations.vm.steps import begin
from andock.operations.vm.subjects import reached, targets_of
from andock.ports.sites import NotReached
from andock.ports.vsphere import TaskRef, TaskRow

_COLUMNS = ("thing", "task", "state", "queued", "by", "why", "id", "site")
_MOST_OFFERS = 5


class ListParams(Params):
    """What `task list` takes."""

    thing: str = Field(
        default="",
        max_length=300,
        description="Pattern over the name or path of what the task works on, such as `web-*`.",
        json_schema_extra={"positional": True},
    )
    running: bool = Field(default=False, description="Only those that are not at their end.")
    failed: bool = Field(default=False, description="Only those that failed.")


class CancelParams(Params):
    """What `task cancel` takes."""

    task: str = Field(
        min_length=1, max_length=100, description="The task's id, as `task list` shows it: `task-57`."
    )


def find_listed(params: ListParams, ctx: Reader) -> Found[TaskRow]:
    """The tasks of about ten minutes: failed ones and open ones first; raises as `reached`."""
    listing = ctx.vsphere.list_tasks(ctx.site)
    notes = reached(listing)
    rows = [row for row in listing.rows if _is_meant(params, row)]
    rows.sort(key=lambda row: (row.state != "error", not row.is_open, -row.queued.timestamp()))
    targets = _targets(rows, ctx)
    return Found(
        rows=tuple((targets[row.ref.id], row) for row in rows),
        notes=notes,
        empty=f"No task like that on {', '.join(listing.searched)} in the last minutes.",
    )


def show_listed(params: ListParams, ctx: Reader, found: Found[TaskRow]) -> Outcome:
    """A table of them; what runs and can be cancelled can be from here."""
    del params
    rows = [row for _, row in found.rows]
    now = {site: ctx.vsphere.server_time(site) for site in {row.ref.site for row in rows}}
    failed, running = sum(1 for row in rows if row.state == "error"), sum(1 for row in rows if row.is_open)
    offers = tuple(
        Offer(
            label=f"Cancel: {row.ref.kind} of {row.subject.name}"[:75],
            command=f"task cancel {row.ref.id} --site {row.ref.site}",
            danger=True,
        )
        for row in rows
        if row.is_open and row.cancelable
    )
    return Outcome(
        summary=f"{len(rows)} task{'' if len(rows) == 1 else 's'}, {running} open, {failed} failed.",
        table=Table(columns=_COLUMNS, rows=tuple(_row(row, now[row.ref.site]) for row in rows)),
        notes=found.notes,
        offers=offers[:_MOST_OFFERS],
    )


def plan_cancellation(params: CancelParams, ctx: Reader) -> Plan:
    """One step on the task; policy judges it as what the task works on.

    Its lease is the task's own: the thing's may be held by the very request that is to be stopped.

    Raises:
        TargetNotFoundError: no vCenter shows such a task.
        TargetStateError: it is at its end, or cannot be cancelled.
        AmbiguousTargetError: two vCenters have one of that id.
    """
    row = _find(params.task, ctx)
    if not row.is_open:
        raise TargetStateError(row.ref.id, actual=f"at its end ({row.state})", wanted="running")
    if not row.cancelable:
        raise TargetStateError(row.ref.id, actual="not to be cancelled, says vCenter", wanted="cancelable")
    by = f", started by {row.user}" if row.user else ""
    step = Step(
        action="cancel",
        target=_targets([row], ctx)[row.ref.id],
        text=f"cancel `{row.ref.kind}` of `{row.subject.name}`{by}",
        facts={"task": row.ref.kind},
        args={"kind": row.ref.kind},
    )
    return Plan(batches=((step,),))


def _find(task: str, ctx: Reader) -> TaskRow:
    listing = ctx.vsphere.list_tasks(ctx.site)
    found = [row for row in listing.rows if row.ref.id == task]
    if len(found) > 1:
        raise AmbiguousTargetError("task", task, sorted(f"{task} --site {row.ref.site}" for row in found))
    if not found:
        reached(listing)
        raise TargetNotFoundError("task", task, searched=listing.searched)
    return found[0]


def _targets(rows: Sequence[TaskRow], ctx: Reader) -> Mapping[str, Target]:
    """What policy judges of each task: itself, by the name, path and labels of what it works on."""
    things = targets_of([row.subject for row in rows], ctx)
    return {
        row.ref.id: things[row.subject].model_copy(
            update={"kind": "task", "id": row.ref.id, "parents": (), "uuid": ""}
        )
        for row in rows
    }


def _is_meant(params: ListParams, row: TaskRow) -> bool:
    wanted, subject = params.thing.casefold(), row.subject
    if (params.running and not row.is_open) or (params.failed and row.state != "error"):
        return False
    return not wanted or any(
        fnmatchcase(one.casefold(), wanted) for one in (subject.name, subject.path, subject.id)
    )


def _row(row: TaskRow, now: datetime) -> tuple[str, ...]:
    percent = f" {row.percent} %" if row.is_open and row.percent is not None else ""
    return (
        row.subject.name,
        row.ref.kind,
        {"success": "done", "error": "failed"}.get(row.state, row.state) + percent,
        f"{say_span(max(now - row.queued, timedelta(0)))} ago",
        row.user,
        row.error,
        row.ref.id,
        row.ref.site,
    )


def apply_cancellation(step: Step, ctx: Writer) -> Done:
    """Ask vCenter once, and watch what becomes of the task.

    Raises:
        BackendRejectedError: it cannot be cancelled, or it had its effect first.
        OutcomeUnknownError: the answer was lost and the task goes on, or vCenter does not show the task now.
        CancelledError: a person stopped it; vCenter had been asked.
    """
    begin(ctx, step)
    lost: OutcomeUnknownError | None = None
    try:
        ctx.vsphere.cancel_task(TaskRef(step.target.site, step.target.id, str(step.args["kind"])))
    except OutcomeUnknownError as error:
        lost = error  # the task will show whether vCenter heard of it
    try:
        row = _watch_end(step, ctx)
    except CancelledError as error:
        raise CancelledError(
            f"Cancelled, but vCenter had been asked to cancel {_named(step)}.", changed=Changed.UNKNOWN
        ) from error
    match row:
        case NotReached(site=site, why=why):
            raise OutcomeUnknownError(
                f"{site} was asked to cancel {_named(step)}, and now it does not answer ({why}): look at it "
                f"with `task list --site {site}`."
            )
        case TaskRow(state="error"):
            return _done(step, row)
        case TaskRow(state="success"):
            raise BackendRejectedError(step.target.site, f"{_named(step)} had its effect first")
    if lost is not None:
        raise lost
    ended = "which goes on as yet (`task list`)" if row is not None else "and shows it no more"
    return Done(text=f"vCenter was asked to cancel {_named(step)}, {ended}.")


def settle_cancellation(step: Step, ctx: Reader, _mark: Mark) -> Settled:
    """What became of it. That the task goes on does not prove that vCenter was never asked.

    Raises:
        BackendUnavailableError: vCenter is away; it is to be looked at later.
    """
    row = _watch_end(step, ctx)
    match row:
        case NotReached(site=site, why=why):
            raise BackendUnavailableError(site, why)
        case TaskRow(state="error"):
            return _done(step, row)
        case TaskRow(state="success"):
            return Unknown(f"{_named(step)} ended with its effect.")
        case None:
            return Unknown(f"{_named(step)}: vCenter no longer shows it.")
    return Unknown(f"{_named(step)} goes on; vCenter may have been asked to cancel it.")


def _named(step: Step) -> str:
    return f"`{step.args['kind']}` of `{step.target.name}`"


def _done(step: Step, row: TaskRow) -> Done:
    why = f": {row.error}" if row.error else ""
    return Done(text=f"{_named(step)} ended without its effect{why}.")


def _watch_end(step: Step, ctx: Reader) -> TaskRow | NotReached | None:
    """The task at its end, or as it is when the time for that is up; None if vCenter shows it no more.

    Where vCenter does not answer even then, why.
    """
    end = time.monotonic() + steps.CANCEL_WITHIN
    while True:
        listing = ctx.vsphere.list_tasks(step.target.site)
        row = next((one for one in listing.rows if one.ref.id == step.target.id), None)
        found = row is None or not row.is_open
        if (found and not listing.not_reached) or time.monotonic() >= end:
            return row or next(iter(listing.not_reached), None)
        ctx.watch.look()
        time.sleep(steps.POLL)


TASK_LIST = Read(
    name="task list",
    summary="vCenter's tasks of the last minutes, failed and running ones first.",
    params=ListParams,
    backend=Backend.VSPHERE,
    find=find_listed,
    run=show_listed,
    many=True,
    examples=("task list", "task list web-* --failed", "task list --running"),
)
TASK_CANCEL = Change(
    name="task cancel",
    summary="Cancel a task in vCenter, whoever started it.",
    params=CancelParams,
    backend=Backend.VSPHERE,
    risk=Risk.DISRUPTIVE,
    plan=plan_cancellation,
    apply=apply_cancellation,
    settle=settle_cancellation,
    examples=("task cancel task-57",),
)
