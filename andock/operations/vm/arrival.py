"""The second half of `vm clone --on`: the new VM is powered on, and watched until it can be worked with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

from andock.durations import write_duration
from andock.errors import AmbiguousTargetError, BackendError, Changed, DeadlineError, TargetNotFoundError
from andock.operation import Done, Mark, NotDone, Reader, Settled, Step, Target, Unknown, Writer
from andock.operations.vm.power import ON
from andock.operations.vm.steps import watch_vm
from andock.operations.vm.subjects import reached
from andock.operations.vm.targets import target_of
from andock.ports.vsphere import PowerState, Subject, Vm
from andock.ports.watch import Watch

ASK_EVERY = 2.0  # seconds between two looks through vCenter's events
_MOST = 200  # of the newest events, so many are looked through
_SINCE = timedelta(days=1)  # all that happened to a new VM, also before a crash of ours


def steps_of(target: Target, spec: str, within: timedelta) -> tuple[Step, ...]:
    """The steps that follow the cloning of a VM that is to be on."""
    until = "is customized and has an address" if spec else "has an address"
    return (
        Step(action="power on", target=target, text=f"power on `{target.name}`"),
        Step(
            action="await",
            target=target,
            text=f"wait until `{target.name}` {until}, at most {write_duration(within)}",
            args={"spec": spec, "seconds": within.total_seconds()},
        ),
    )


def power_on(step: Step, ctx: Writer) -> Done:
    """Power the new VM on; raises as `vm on`."""
    return ON.apply(_of_new(step, ctx), ctx)


def settle_power_on(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of powering it on."""
    try:
        return ON.settle(_of_new(step, ctx), ctx, mark)
    except (TargetNotFoundError, AmbiguousTargetError) as error:
        return Unknown(error.sentence)


def await_arrival(step: Step, ctx: Writer) -> Done:
    """Watch the new VM until its customization has ended well and a card of its own has an address.

    Raises:
        DeadlineError: the time for it is up; says what is there, and what was not seen.
        BackendError: vCenter says that the customization failed.
        OutcomeUnknownError: the time is up and its vCenter is away.
    """
    target = _of_new(step, ctx).target
    arrival = _Arrival(ctx, target, customized=not step.args.get("spec"))
    seconds = float(str(step.args["seconds"]))
    watching = replace(ctx, watch=_Telling(ctx.watch, arrival))
    text = f"waited for `{target.name}` to come up"
    if watch_vm(watching, target, seconds, arrival.has_come, text=text):
        return Done(text=arrival.said)
    raise DeadlineError(arrival.say_missing(seconds), changed=Changed.PARTLY)


def settle_arrival(_step: Step, _ctx: Reader, _mark: Mark) -> Settled:
    """Waiting changes nothing: who goes on waits anew."""
    return NotDone()


def _of_new(step: Step, ctx: Reader) -> Step:
    """The step on the VM that was made: until then it was known by its path alone."""
    found = ctx.vsphere.find_vms(step.target.path, step.target.site)
    reached(found)
    rows = found.rows
    if not rows:
        raise TargetNotFoundError("VM", step.target.path, searched=(step.target.site,))
    if len(rows) > 1:
        raise AmbiguousTargetError("VM", step.target.path, sorted(vm.id for vm in rows))
    return step.model_copy(update={"target": target_of(rows[0])})


@dataclass
class _Arrival:
    """What was seen of a new VM so far."""

    ctx: Reader
    target: Target
    customized: bool  # or nothing is to be customized
    begun: bool = False
    asked: float = field(default=float("-inf"))
    vm: Vm | None = None
    with_spec: bool = field(init=False)

    def __post_init__(self) -> None:
        self.with_spec = not self.customized

    def has_come(self, vm: Vm) -> bool:
        """Whether there is nothing more to wait for; an address counts when the customization is over."""
        self.vm = vm
        if not self.customized and time.monotonic() - self.asked >= ASK_EVERY:
            self._look_through_events(vm)
            self.asked = time.monotonic()
        return self.customized and bool(vm.addresses)

    @property
    def stage(self) -> str:
        """What it is waited for, for the message."""
        if not self.customized:
            how = "is being customized" if self.begun else "is to be customized"
            return f"`{self.target.name}` {how}"
        if self.vm is not None and not self.vm.tools_running:
            return f"`{self.target.name}` is on; waiting for VMware Tools in its guest"
        return f"`{self.target.name}` is on; waiting for an address"

    @property
    def said(self) -> str:
        """What is true at the end."""
        addresses = ", ".join(self.vm.addresses) if self.vm is not None else ""
        customized = "is customized and " if self.with_spec else ""
        return f"`{self.target.name}` {customized}has the address {addresses}."

    def say_missing(self, seconds: float) -> str:
        """What is there, and what was not seen in time."""
        power = self.vm.power if self.vm is not None else PowerState.ON
        tools = "run" if self.vm is not None and self.vm.tools_running else "do not run"
        missing = [] if self.customized else ["the end of its customization"]
        missing += [] if self.vm is not None and self.vm.addresses else ["an address of a card of its own"]
        within = write_duration(timedelta(seconds=seconds))
        return (
            f"`{self.target.name}` is made and is {power.value}, and VMware Tools {tools} in it. Not seen "
            f"within {within}: {' and '.join(missing)}. It may still come: `vm info {self.target.id}`."
        )

    def _look_through_events(self, vm: Vm) -> None:
        subject = Subject("vm", vm.site, vm.id, vm.name, vm.path, vm.environment)
        since = self.ctx.vsphere.server_time(vm.site) - _SINCE
        for event in self.ctx.vsphere.read_events(subject, since, _MOST):
            if event.kind == "CustomizationSucceeded":
                self.customized = True
            elif event.kind == "CustomizationStartedEvent":
                self.begun = True
            elif event.kind.startswith("Customization") and event.kind.endswith(("Failed", "Failure")):
                raise BackendError(
                    f"`{vm.name}` is made and is {vm.power.value}, but its customization failed: "
                    f"{event.text.rstrip('.')}.",
                    changed=Changed.PARTLY,
                )


@dataclass(frozen=True)
class _Telling:
    """A watch that hears what is waited for."""

    watch: Watch
    arrival: _Arrival

    def remaining(self) -> float:
        return self.watch.remaining()

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        del text
        self.watch.look(percent=percent, text=self.arrival.stage)
