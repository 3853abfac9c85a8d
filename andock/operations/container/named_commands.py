"""`container exec`: commands that sites.yaml names, and no others."""

from __future__ import annotations

import difflib
from datetime import timedelta
from fnmatch import fnmatchcase

from pydantic import Field, JsonValue

from andock.errors import BackendError, Changed, TargetStateError
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
from andock.operations.container.settling import settle_when
from andock.operations.container.steps import begin, step_of
from andock.operations.container.targets import NAMING, list_reached, resolve
from andock.ports.allowances import NamedCommand
from andock.refusals import NotListedError

_START_SECONDS = 5  # what was prepared and not started by then is not being started any more


class ExecParams(Params):
    """What `container exec` takes."""

    container: str = Field(min_length=1, max_length=300, description=NAMING)
    command: str = Field(
        min_length=1, max_length=31, description="The name of a command under `exec:` in sites.yaml."
    )


def plan_exec(params: ExecParams, ctx: Reader) -> Plan:
    """One step.

    Raises:
        NotListedError: there is no such command, or not for this container.
        TargetStateError: the container does not run.
    """
    listing = list_reached(ctx, [params.container])
    row = resolve(listing, [params.container])[0]
    command = _find(params.command, row.name, ctx)
    if row.state != "running":
        raise TargetStateError(row.name, actual=row.state, wanted="running")
    text = f"run `{' '.join(command.argv)}` in `{row.name}` ({row.state}), at most {command.seconds:g} s"
    # bound to the words too: sites.yaml may change while somebody thinks about it
    args: dict[str, JsonValue] = {"command": command.name, "argv": list(command.argv)}
    return Plan(batches=((step_of(row, "exec", text, args),),), warnings=tell_away(listing))


def _find(name: str, container: str, ctx: Reader) -> NamedCommand:
    allowances = ctx.containers.allowances
    command = allowances.command(name)
    if command is None:
        similar = difflib.get_close_matches(name, allowances.commands, n=3) or allowances.commands[:3]
        raise NotListedError(f"Command `{name}`", part="exec", similar=similar)
    if not any(fnmatchcase(container, glob) for glob in command.containers):
        raise NotListedError(f"Command `{name}` in `{container}`", part="exec")
    return command


def apply_exec(step: Step, ctx: Writer) -> Done:
    """Run it to its end; what it said is below the first line.

    Raises:
        BackendError: its time is over, and it runs on.
        OutcomeUnknownError: it was started and the engine did not answer.
    """
    target, name = step.target, str(step.args["command"])
    command = _find(name, target.name, ctx)
    # an engine that is told what is to be run does not run it yet
    prepared = ctx.containers.prepare_command(target.site, target.id, command)
    begin(step, ctx, wait=int(command.seconds), task=prepared)
    ran = ctx.containers.run_command(target.site, target.id, prepared, command, ctx.watch)
    said = ran.output.rstrip("\n") + ("\n… cut here: it said more than it may" if ran.cut else "")
    if ran.running:
        raise BackendError(
            f"`{name}` in `{target.name}` was not done after {command.seconds:g} s and runs on there: "
            f"no engine can end it. It said so far: {said[-300:] or 'nothing'}",
            changed=Changed.UNKNOWN,
        )
    first = f"`{name}` in `{target.name}` ended with exit code {ran.exit_code}."
    return Done(text=f"{first}\n{said}" if said else f"{first} It said nothing.")


def settle_exec(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """Done if it has ended, without what it said; NotDone if it was never started; Unknown otherwise."""
    target, name = step.target, str(step.args["command"])
    command = ctx.containers.allowances.command(name)
    longest = _START_SECONDS + (command.seconds if command else 0)

    def look(age: float) -> Settled | None:
        ran = ctx.containers.command_state(target.site, target.id, mark.task)
        if ran is None:
            return Unknown(f"The engine no longer knows what became of `{name}` in `{target.name}`.")
        if ran.exit_code is not None and not ran.running:
            ended = f"`{name}` in `{target.name}` ended with exit code {ran.exit_code}"
            return Done(text=f"{ended}; what it said is lost.")
        if not ran.running:
            return NotDone() if age > _START_SECONDS else None
        return Unknown(f"`{name}` still runs in `{target.name}`.") if age > longest else None

    return settle_when(step, ctx, mark, look)


CONTAINER_EXEC = Change(
    name="container exec",
    summary="Run a command that sites.yaml names in a container.",
    params=ExecParams,
    backend=Backend.DOCKER,
    risk=Risk.CHANGE,
    plan=plan_exec,
    apply=apply_exec,
    settle=settle_exec,
    time_limit=timedelta(minutes=10),
    examples=("container exec web disk", "container exec edge-1/web disk"),
)
