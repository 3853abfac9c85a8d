"""`vm shutdown` and `vm restart`: the guest is asked and given time; the hard way is offered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field

from andock.errors import (
    BackendRejectedError,
    CancelledError,
    Changed,
    LeaseLostError,
    OpsError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
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
from andock.operations.vm.power import OFF, RESET, Verb, booted_since, warn_of_questions
from andock.operations.vm.selection import Selection, pick, sort_out
from andock.operations.vm.steps import begin, find_task, is_seen, run_task, watch_vm
from andock.operations.vm.targets import target_of
from andock.ports.vsphere import PowerState, Vm, VSphere

SETTLE_WITHIN = 30.0  # seconds in which a guest that was asked before a crash is watched for an effect
_LONGEST = timedelta(hours=1)


class GuestParams(Selection):
    """What `vm shutdown` and `vm restart` take."""

    within: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=5),
        le=_LONGEST,
        description="How long each guest has; then the hard way is offered. Such as `2m`.",
    )
    hard_after: timedelta | None = Field(
        default=None,
        ge=timedelta(seconds=5),
        le=_LONGEST,
        description="After this time do it the hard way without asking again, such as `5m`.",
    )


@dataclass(frozen=True)
class GuestVerb:
    """One thing that a guest can be asked to do."""

    action: str  # `shut down`
    hard: Verb
    hard_command: str  # the operation that does it without asking
    hard_label: str
    done: str  # what is then true of the VM
    undone: str  # and what is not, after the time is up
    ask: Callable[[VSphere], Callable[[str, str], None]]
    reached: Callable[[Vm, Vm], bool]  # whether the VM now, compared with the VM before, has done it
    effect: Callable[[Vm, Mark], bool]  # the same by a mark, after a crash

    def plan(self, params: GuestParams, ctx: Reader) -> Plan:
        """One step for each VM.

        Raises:
            TargetStateError: a VM is not on, or its guest cannot be asked.
            TargetNotFoundError, AmbiguousTargetError, ...: see `pick`.
        """
        vms, left_out = sort_out(pick(params, ctx), self._refuse)
        steps = (self._step(vm, params) for vm in vms)
        return params.plan_of(steps, (*left_out, *warn_of_questions(vms)))

    def apply(self, step: Step, ctx: Writer) -> Done:
        """Ask the guest and watch the VM; when the time is up, do or offer what the step says.

        Raises:
            TargetStateError: the guest can no longer be asked.
            BackendRejectedError: the hard way was refused or failed.
            OutcomeUnknownError: the guest was asked, and what became of it cannot be seen.
            CancelledError, DeadlineError: the wait ended first.
        """
        target = step.target
        before = ctx.vsphere.read_vm(target.site, target.id)
        mark = begin(ctx, step)
        lost: OutcomeUnknownError | None = None
        try:
            self.ask(ctx.vsphere)(target.site, target.id)
        except OutcomeUnknownError as error:
            lost = error  # the VM will show whether the guest heard of it
        try:
            return self._see_through(step, ctx, mark, before, lost)
        except LeaseLostError:
            raise
        except OpsError as error:
            if error.changed is not Changed.NOTHING:
                raise
            # whatever it was, the guest has been asked
            asked = self._asked(target)
            if isinstance(error, CancelledError):
                raise CancelledError(
                    f"Cancelled, but we had {asked}, and it may still obey.", changed=Changed.UNKNOWN
                ) from error
            why = getattr(error, "why", error.sentence.rstrip("."))
            raise OutcomeUnknownError(f"We had {asked}, and it may still obey, but then: {why}.") from error

    def _see_through(
        self, step: Step, ctx: Writer, mark: Mark, before: Vm, lost: OutcomeUnknownError | None
    ) -> Done:
        """What follows the asking: the watch over the VM, and the hard way where it was agreed on."""
        target, seconds, started = step.target, _seconds(step), time.monotonic()
        text = self._asked(target)
        if watch_vm(ctx, target, seconds, lambda vm: self.reached(vm, before), text=text):
            return Done(text=f"`{target.name}` {self.done} ({time.monotonic() - started:.0f} s).")
        if step.args.get("hard"):
            return self._do_hard(step, ctx, mark, before)
        if lost is not None:
            raise lost
        return Done(
            text=f"The guest of `{target.name}` was asked to {self.action}, and after {_say(seconds)} "
            f"it {self.undone}.",
            offers=(Offer(label=self.hard_label, command=self._hard_command(target), danger=True),),
        )

    def settle(self, step: Step, ctx: Reader, mark: Mark) -> Settled:
        """What became of it: the end of the hard way's task, or else what the VM soon shows."""
        target = step.target
        task = find_task(ctx, target, mark, self.hard.kind)
        if task is not None:
            return self.hard.settle(step, ctx, mark.model_copy(update={"task": task.id}))
        text = f"looking whether the guest of `{target.name}` did {self.action}"
        try:
            if watch_vm(ctx, target, SETTLE_WITHIN, lambda vm: self.effect(vm, mark), text=text):
                return Done(text=f"`{target.name}` {self.done}.")
        except TargetNotFoundError:
            return Unknown(f"`{target.name}` no longer exists.")
        except OutcomeUnknownError as error:
            return Unknown(error.sentence)
        return Unknown(
            f"The guest of `{target.name}` may have been asked to {self.action}; it {self.undone}. "
            f"It may still obey. The hard way is `{self._hard_command(target)}`."
        )

    def _do_hard(self, step: Step, ctx: Writer, mark: Mark, before: Vm) -> Done:
        target, waited = step.target, _say(_seconds(step))

        def has_obeyed() -> bool:
            return self.reached(ctx.vsphere.read_vm(target.site, target.id), before)

        try:
            run_task(
                ctx, step, mark, lambda: self.hard.start(ctx.vsphere)(target.site, target.id), self.hard.kind
            )
        except OutcomeUnknownError:
            if not is_seen(has_obeyed):
                raise
        except (TargetStateError, BackendRejectedError) as error:
            # it may have obeyed in the last moment, so that there was nothing left to do
            if is_seen(has_obeyed):
                return Done(text=f"`{target.name}` {self.done}, after {waited}.")
            raise BackendRejectedError(
                target.site,
                f"the hard way, after the guest of `{target.name}` had not obeyed for {waited} "
                f"({error.sentence.rstrip('.')})",
                changed=Changed.UNKNOWN,
            ) from error
        return Done(text=f"`{target.name}` {self.hard.done}: its guest had not obeyed within {waited}.")

    def _asked(self, target: Target) -> str:
        return f"asked the guest of `{target.name}` to {self.action}"

    def _refuse(self, vm: Vm) -> TargetStateError | None:
        if vm.power is not PowerState.ON:
            return TargetStateError(vm.name, actual=vm.power.value, wanted=PowerState.ON.value)
        if vm.tools_running:
            return None
        return TargetStateError(
            vm.name,
            actual="on, but VMware Tools do not run in its guest",
            wanted=f"able to hear us (the hard way is `{self._hard_command(target_of(vm))}`)",
        )

    def _step(self, vm: Vm, params: GuestParams) -> Step:
        limit = params.hard_after or params.within
        text = f"{self.action} the guest of `{vm.name}` ({vm.power.value})"
        if params.hard_after is not None:
            text += f"; {self.hard.action} if it has not obeyed after {_say(limit.total_seconds())}"
        return Step(
            action=self.action,
            target=target_of(vm),
            text=text,
            facts={"power": vm.power.value},
            args={"seconds": limit.total_seconds(), "hard": params.hard_after is not None},
        )

    def _hard_command(self, target: Target) -> str:
        return f"{self.hard_command} {target.id} --site {target.site}"


def _restarted(now: Vm, before: Vm) -> bool:
    """Only a new boot counts: tools that stop and start again do not prove one."""
    return now.power is PowerState.ON and now.boot_time not in (None, before.boot_time)


def _seconds(step: Step) -> float:
    value = step.args.get("seconds")
    return float(value) if isinstance(value, int | float) else 0.0


def _say(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m" * bool(minutes) + f"{rest}s" * bool(rest or not minutes)


SHUTDOWN = GuestVerb(
    action="shut down",
    hard=OFF,
    hard_command="vm off",
    hard_label="Power off hard",
    done="is shut down",
    undone="is still on",
    ask=lambda vsphere: vsphere.shutdown_guest,
    reached=lambda now, _: now.power is PowerState.OFF,
    effect=lambda now, _: now.power is PowerState.OFF,
)
RESTART = GuestVerb(
    action="restart",
    hard=RESET,
    hard_command="vm reset",
    hard_label="Reset hard",
    done="restarted",
    undone="has not restarted",
    ask=lambda vsphere: vsphere.reboot_guest,
    reached=_restarted,
    effect=booted_since,
)

VM_SHUTDOWN = Change(
    name="vm shutdown",
    summary="Ask guests to shut down, and wait until they have; `vm off` does not ask.",
    params=GuestParams,
    backend=Backend.VSPHERE,
    risk=Risk.DISRUPTIVE,
    plan=SHUTDOWN.plan,
    apply=SHUTDOWN.apply,
    settle=SHUTDOWN.settle,
    time_limit=timedelta(hours=2),
    examples=("vm shutdown web-01", "vm shutdown web-* --hard-after 5m --at-once 10"),
)
VM_RESTART = Change(
    name="vm restart",
    summary="Ask guests to restart, and wait until they have; `vm reset` does not ask.",
    params=GuestParams,
    backend=Backend.VSPHERE,
    risk=Risk.DISRUPTIVE,
    plan=RESTART.plan,
    apply=RESTART.apply,
    settle=RESTART.settle,
    time_limit=timedelta(hours=2),
    examples=("vm restart web-01", "vm restart web-01 --within 2m"),
)
