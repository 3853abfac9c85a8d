from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Change, Done, Mark, Offer, Unknown
from andock.operations.vm import guest
from andock.operations.vm.guest import VM_RESTART, VM_SHUTDOWN, GuestParams
from andock.ports.vsphere import PowerState

BOTH = [
    (VM_SHUTDOWN, "guestShutdown", "powerOff", "is shut down"),
    (VM_RESTART, "guestReboot", "reset", "restarted"),
]
HARD_AFTER = timedelta(minutes=5)


def step_of(bench: Any, operation: Change[Any], **params: Any) -> Any:
    bench.vsphere.add("lab", "web-01")
    return operation.plan(GuestParams(vm=("web-01",), **params), bench.reader).steps[0]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "SETTLE_WITHIN", 0.05)


@pytest.mark.parametrize(("operation", "effect", "hard", "said"), BOTH)
def test_a_guest_that_obeys(bench: Any, operation: Change[Any], effect: str, hard: str, said: str) -> None:
    step = step_of(bench, operation)
    assert step.text == f"{step.action} the guest of `web-01` (on)"
    assert dict(step.facts) == {"power": "on"}
    done = operation.apply(step, bench.writer)
    assert done == Done(text=f"`web-01` {said} (0 s).")
    assert bench.done == [effect]
    assert len(bench.marks) == 1


def test_a_guest_that_does_not_obey_is_left_alone_and_the_hard_way_is_offered(bench: Any) -> None:
    for operation, undone, label, command in (
        (VM_SHUTDOWN, "is still on", "Power off hard", "vm off vm-1 --site lab"),
        (VM_RESTART, "has not restarted", "Reset hard", "vm reset vm-1 --site lab"),
    ):
        bench.vsphere.vms.clear()
        step = step_of(bench, operation)
        bench.vsphere.deaf.add("vm-1")
        done = operation.apply(step, bench.writer)
        assert done.text.startswith(f"The guest of `web-01` was asked to {step.action}, and after ")
        assert done.text.endswith(f"it {undone}.")
        assert done.offers == (Offer(label=label, command=command, danger=True),)
        assert bench.done == []


@pytest.mark.parametrize(("operation", "effect", "hard", "said"), BOTH)
def test_the_hard_way_when_it_was_asked_for(
    bench: Any, operation: Change[Any], effect: str, hard: str, said: str
) -> None:
    step = step_of(bench, operation, hard_after=HARD_AFTER)
    assert "if it has not obeyed after 5m" in step.text
    bench.vsphere.deaf.add("vm-1")
    done = operation.apply(step, bench.writer)
    assert done.text.endswith("its guest had not obeyed within 5m.")
    assert done.offers == ()
    assert bench.done == [hard]
    assert [mark.task for mark in bench.marks] == ["", "task-1"]


def test_a_restart_needs_a_new_boot(bench: Any) -> None:
    step = step_of(bench, VM_RESTART)
    bench.vsphere.deaf.add("vm-1")
    bench.on_mark = lambda _: bench.vsphere.change("lab", "vm-1", tools_running=True, ip="10.0.0.9")
    assert VM_RESTART.apply(step, bench.writer).offers
    assert bench.vsphere.vms["lab", "vm-1"].power is PowerState.ON


def test_a_guest_that_cannot_be_asked_is_refused_and_the_hard_way_named(bench: Any) -> None:
    bench.vsphere.add("lab", "no-tools", tools=False)
    with pytest.raises(TargetStateError, match=r"VMware Tools do not run .* `vm reset vm-1 --site lab`"):
        VM_RESTART.plan(GuestParams(vm=("no-tools",)), bench.reader)
    bench.vsphere.add("lab", "dark", power=PowerState.OFF)
    with pytest.raises(TargetStateError, match="`dark` is off; it must be on"):
        VM_SHUTDOWN.plan(GuestParams(vm=("dark",)), bench.reader)


@pytest.mark.parametrize(("operation", "effect", "hard", "said"), BOTH)
def test_an_answer_that_is_lost_is_read_from_the_vm(
    bench: Any, operation: Change[Any], effect: str, hard: str, said: str
) -> None:
    step = step_of(bench, operation)
    bench.vsphere.lost = "done"
    assert said in operation.apply(step, bench.writer).text
    assert bench.done == [effect]


def test_an_answer_that_is_lost_without_a_sign_is_unknown(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN)
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError):
        VM_SHUTDOWN.apply(step, bench.writer)
    assert bench.done == []


def test_cancelling_says_that_the_guest_was_asked(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN)
    bench.vsphere.deaf.add("vm-1")
    bench.watch.cancel_after = 2
    with pytest.raises(CancelledError, match="it may still obey") as cancelled:
        VM_SHUTDOWN.apply(step, bench.writer)
    assert cancelled.value.changed is Changed.UNKNOWN


def test_a_site_that_goes_away_after_the_call_leaves_it_unknown(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN)
    bench.vsphere.deaf.add("vm-1")
    bench.watch.seconds = 2.05
    ask = bench.vsphere.shutdown_guest

    def ask_and_go(site: str, vm: str) -> None:
        ask(site, vm)
        bench.vsphere.away["lab"] = "connection refused"

    bench.vsphere.shutdown_guest = ask_and_go
    with pytest.raises(OutcomeUnknownError, match="lab is away") as lost:
        VM_SHUTDOWN.apply(step, bench.writer)
    assert not isinstance(lost.value, BackendUnavailableError)


def test_obeying_in_the_last_moment_is_obeying(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN, hard_after=HARD_AFTER)
    bench.vsphere.deaf.add("vm-1")
    start = bench.vsphere.power_off

    def obey_first(site: str, vm: str) -> Any:
        bench.vsphere.happen(site, vm, "guestShutdown")
        return start(site, vm)

    bench.vsphere.power_off = obey_first
    assert VM_SHUTDOWN.apply(step, bench.writer).text == "`web-01` is shut down, after 5m."
    assert bench.done == ["guestShutdown"]


def refuse(bench: Any, method: str, error: Exception) -> None:
    def call(*_: Any) -> Any:
        raise error

    setattr(bench.vsphere, method, call)


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        ("power_off", BackendUnavailableError("lab", "connection refused"), "connection refused"),
        ("power_off", TargetNotFoundError("VM", "vm-1", searched=("lab",)), "No VM `vm-1`"),
        ("power_off", OutcomeUnknownError("lab gave no answer."), "gave no answer"),
        ("await_task", TargetNotFoundError("task", "task-1", searched=("lab",)), "no longer knows it"),
    ],
)
def test_what_stops_the_hard_way_leaves_it_unknown_because_the_guest_was_asked(
    bench: Any, method: str, error: Exception, said: str
) -> None:
    step = step_of(bench, VM_SHUTDOWN, hard_after=HARD_AFTER)
    bench.vsphere.deaf.add("vm-1")
    bench.vsphere.slow = 5
    refuse(bench, method, error)
    with pytest.raises(OutcomeUnknownError, match=said) as lost:
        VM_SHUTDOWN.apply(step, bench.writer)
    assert lost.value.changed is Changed.UNKNOWN
    assert bench.done == []


def test_a_hard_way_whose_task_is_forgotten_is_read_from_the_vm(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN, hard_after=HARD_AFTER)
    bench.vsphere.deaf.add("vm-1")
    refuse(bench, "await_task", TargetNotFoundError("task", "task-1", searched=("lab",)))
    assert VM_SHUTDOWN.apply(step, bench.writer).text.startswith("`web-01` is off")
    assert bench.done == ["powerOff"]


def test_a_refused_hard_way_stays_unknown_when_the_vm_cannot_be_seen(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN, hard_after=HARD_AFTER)
    bench.vsphere.deaf.add("vm-1")

    def refuse_and_go(*_: str) -> None:
        bench.vsphere.away["lab"] = "connection refused"
        raise BackendRejectedError("lab", "another task is running on it")

    bench.vsphere.power_off = refuse_and_go
    with pytest.raises(BackendRejectedError, match="another task is running") as refused:
        VM_SHUTDOWN.apply(step, bench.writer)
    assert refused.value.changed is Changed.UNKNOWN


def test_cancelling_the_hard_way_says_that_the_guest_was_asked(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN, hard_after=HARD_AFTER)
    bench.vsphere.deaf.add("vm-1")
    bench.vsphere.slow = 10**6
    bench.on_mark = lambda mark: (
        setattr(bench.watch, "cancel_after", bench.watch.looks) if mark.task else None
    )
    with pytest.raises(CancelledError, match="it may still obey") as cancelled:
        VM_SHUTDOWN.apply(step, bench.writer)
    assert cancelled.value.changed is Changed.UNKNOWN
    assert bench.vsphere.tasks["task-1"].ended
    assert bench.done == []


@pytest.mark.parametrize(
    "error",
    [
        BackendRejectedError("lab", "Andock's account lacks a privilege on it"),
        TargetNotFoundError("VM", "vm-1", searched=("lab",)),
    ],
)
def test_a_vm_that_cannot_be_watched_any_more_is_unknown(bench: Any, error: Exception) -> None:
    step = step_of(bench, VM_SHUTDOWN)
    bench.vsphere.shutdown_guest = lambda *_: refuse(bench, "read_vm", error)
    with pytest.raises(OutcomeUnknownError, match="asked the guest of `web-01` to shut down, and it may"):
        VM_SHUTDOWN.apply(step, bench.writer)


def test_how_long_is_part_of_what_is_agreed_on(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    plans = [
        VM_SHUTDOWN.plan(GuestParams(vm=("web-01",), **params), bench.reader).digest
        for params in ({}, {"within": timedelta(minutes=2)}, {"hard_after": HARD_AFTER})
    ]
    assert len(set(plans)) == 3
    with pytest.raises(ValidationError):
        GuestParams(vm=("web-01",), hard_after=timedelta(0))
    with pytest.raises(ValidationError):
        GuestParams(vm=())


# --- after a crash --------------------------------------------------------------------------------------


def mark_now(bench: Any, task: str = "") -> Mark:
    return Mark(begun_at=1.0, site_time=bench.vsphere.server_time("lab").timestamp(), task=task)


@pytest.mark.parametrize(("operation", "effect", "hard", "said"), BOTH)
def test_an_effect_since_the_mark_is_done(
    bench: Any, operation: Change[Any], effect: str, hard: str, said: str
) -> None:
    step = step_of(bench, operation)
    mark = mark_now(bench)
    bench.vsphere.happen("lab", "vm-1", effect)
    assert operation.settle(step, bench.reader, mark) == Done(text=f"`web-01` {said}.")


def test_an_older_boot_is_no_restart_and_no_effect_is_unknown(bench: Any) -> None:
    step = step_of(bench, VM_RESTART)
    settled = VM_RESTART.settle(step, bench.reader, mark_now(bench))
    assert isinstance(settled, Unknown)
    assert "It may still obey" in settled.text
    assert "`vm reset vm-1 --site lab`" in settled.text
    assert bench.watch.looks > 1


def test_the_hard_ways_task_is_awaited_again(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN, hard_after=HARD_AFTER)
    mark = mark_now(bench)
    bench.vsphere.slow = 5
    task = bench.vsphere.power_off("lab", "vm-1")
    noted = mark.model_copy(update={"task": task.id})
    assert VM_SHUTDOWN.settle(step, bench.reader, noted) == Done(text="`web-01` is off.")
    assert VM_SHUTDOWN.settle(step, bench.reader, mark) == Done(text="`web-01` is off.")


def test_settling_while_the_site_is_away_or_the_vm_gone_is_unknown(bench: Any) -> None:
    step = step_of(bench, VM_SHUTDOWN)
    mark = mark_now(bench)
    bench.vsphere.vms.clear()
    assert VM_SHUTDOWN.settle(step, bench.reader, mark) == Unknown("`web-01` no longer exists.")
    bench.vsphere.away["lab"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        VM_SHUTDOWN.settle(step, bench.reader, mark)
