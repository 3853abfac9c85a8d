from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    LeaseLostError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Change, Done, Mark, NotDone, Unknown
from andock.operations.vm.power import VM_OFF, VM_ON, VM_RESET, VM_SUSPEND, PowerParams
from andock.ports.vsphere import PowerState, TaskRef

CASES = [
    (VM_ON, PowerState.OFF, "powerOn", "power on `web-01` (off)", "`web-01` is on."),
    (VM_OFF, PowerState.ON, "powerOff", "power off `web-01` (on)", "`web-01` is off."),
    (VM_RESET, PowerState.ON, "reset", "reset `web-01` (on)", "`web-01` was reset."),
    (VM_SUSPEND, PowerState.ON, "suspend", "suspend `web-01` (on)", "`web-01` is suspended."),
]


def step_of(bench: Any, operation: Change[Any], power: PowerState) -> Any:
    bench.vsphere.add("lab", "web-01", power=power)
    return operation.plan(PowerParams(vm=("web-01",)), bench.reader).steps[0]


@pytest.mark.parametrize(("operation", "before", "effect", "text", "said"), CASES)
def test_the_plan_says_it_and_the_step_does_it(
    bench: Any, operation: Change[Any], before: PowerState, effect: str, text: str, said: str
) -> None:
    step = step_of(bench, operation, before)
    assert (step.text, dict(step.facts), dict(step.args)) == (text, {"power": before.value}, {})
    assert operation.apply(step, bench.writer) == Done(text=said)
    assert bench.done == [effect]


@pytest.mark.parametrize(
    ("operation", "power", "sentence"),
    [
        (VM_ON, PowerState.ON, "`web-01` is on; it must be off for this."),
        (VM_OFF, PowerState.OFF, "`web-01` is off; it must be on for this."),
        (VM_RESET, PowerState.SUSPENDED, "`web-01` is suspended; it must be on for this."),
    ],
)
def test_a_vm_in_another_state_is_refused_before_anything(
    bench: Any, operation: Change[Any], power: PowerState, sentence: str
) -> None:
    with pytest.raises(TargetStateError) as refused:
        step_of(bench, operation, power)
    assert refused.value.sentence == sentence


def test_many_vms_are_one_batch_and_a_question_is_a_warning(bench: Any) -> None:
    for name in ("a", "b"):
        bench.vsphere.add("lab", name)
    bench.vsphere.change("lab", "vm-2", question="I moved it or I copied it?")
    plan = VM_OFF.plan(PowerParams(vm=("a", "b")), bench.reader)
    assert [[step.target.name for step in batch] for batch in plan.batches] == [["a", "b"]]
    assert plan.warnings == ("`b` waits for an answer in vCenter: I moved it or I copied it?",)


def test_uptime_and_boots_do_not_change_a_plan_but_power_does(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    plan = VM_OFF.plan(PowerParams(vm=("web-01",)), bench.reader)
    bench.vsphere.happen("lab", "vm-1", "guestReboot")
    bench.vsphere.change("lab", "vm-1", uptime=1, ip="10.9.9.9")
    assert VM_OFF.plan(PowerParams(vm=("web-01",)), bench.reader).digest == plan.digest
    bench.vsphere.change("lab", "vm-1", power=PowerState.SUSPENDED)
    assert VM_OFF.plan(PowerParams(vm=("web-01",)), bench.reader).digest != plan.digest


def test_marks_come_before_the_call_and_with_its_task(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    seen: list[int] = []
    bench.on_mark = lambda _: seen.append(len(bench.vsphere.tasks))
    VM_OFF.apply(step, bench.writer)
    assert seen == [0, 1]
    first, second = bench.marks
    assert (first.begun_at, first.task) == (1.0, "")
    assert first.site_time > 0
    assert second == first.model_copy(update={"task": "task-1"})


def test_a_lease_lost_at_the_first_mark_stops_before_the_call(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)

    def lose(_: Mark) -> None:
        raise LeaseLostError("lost")

    bench.on_mark = lose
    with pytest.raises(LeaseLostError):
        VM_OFF.apply(step, bench.writer)
    assert bench.vsphere.tasks == {}


def test_a_failed_task_is_told(bench: Any) -> None:
    step = step_of(bench, VM_ON, PowerState.OFF)
    bench.vsphere.fault = "there are not enough resources on the hosts"
    with pytest.raises(BackendRejectedError, match="not enough resources") as failed:
        VM_ON.apply(step, bench.writer)
    assert failed.value.changed is Changed.NOTHING
    assert bench.done == []


def test_an_answer_lost_after_the_effect_is_found_again(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.lost = "done"
    assert VM_OFF.apply(step, bench.writer) == Done(text="`web-01` is off.")
    assert bench.done == ["powerOff"]


def test_an_answer_lost_without_a_sign_stays_unknown_and_is_not_repeated(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError) as lost:
        VM_OFF.apply(step, bench.writer)
    assert lost.value.changed is Changed.UNKNOWN
    assert bench.vsphere.tasks == {}


def test_a_site_that_is_away_before_the_call_changes_nothing_and_marks_nothing(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.away["lab"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        VM_OFF.apply(step, bench.writer)
    assert bench.marks == []


def test_cancelling_cancels_the_task(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.slow, bench.watch.cancel_after = 50, 3
    with pytest.raises(CancelledError, match="was left as it was") as cancelled:
        VM_OFF.apply(step, bench.writer)
    assert cancelled.value.changed is Changed.NOTHING
    assert bench.vsphere.tasks["task-1"].ended
    assert bench.done == []


def test_cancelling_what_cannot_be_cancelled_but_ends_is_too_late(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.slow, bench.watch.cancel_after, bench.vsphere.uncancelable = 50, 3, True
    with pytest.raises(CancelledError, match="too late") as cancelled:
        VM_OFF.apply(step, bench.writer)
    assert cancelled.value.changed is Changed.PARTLY
    assert bench.done == ["powerOff"]


def test_cancelling_what_goes_on_is_unknown(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.slow, bench.watch.cancel_after, bench.vsphere.uncancelable = 10**8, 3, True
    with pytest.raises(CancelledError, match="task-1 on `web-01` goes on") as cancelled:
        VM_OFF.apply(step, bench.writer)
    assert cancelled.value.changed is Changed.UNKNOWN


def test_the_deadline_ends_the_wait(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.slow, bench.watch.seconds = 10**8, 0.05
    with pytest.raises(DeadlineError):
        VM_OFF.apply(step, bench.writer)
    assert bench.marks[-1].task == "task-1"


def lose_answer(bench: Any, method: str, then: Callable[[], None]) -> None:
    """The method's next answer is lost after its effect, and then this happens."""
    call = getattr(bench.vsphere, method)

    def call_and_lose(*args: str) -> TaskRef:
        bench.vsphere.lost = "done"
        try:
            task: TaskRef = call(*args)
        finally:
            then()
        return task

    setattr(bench.vsphere, method, call_and_lose)


def refuse(bench: Any, method: str, error: Exception) -> None:
    def call(*_: Any) -> Any:
        raise error

    setattr(bench.vsphere, method, call)


def test_a_look_that_fails_too_does_not_take_the_place_of_the_lost_answer(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    lose_answer(bench, "power_off", lambda: bench.vsphere.away.update(lab="connection refused"))
    with pytest.raises(OutcomeUnknownError, match="gave no answer") as lost:
        VM_OFF.apply(step, bench.writer)
    assert (lost.value.changed, lost.value.retryable) == (Changed.UNKNOWN, False)
    assert bench.done == ["powerOff"]


def test_without_a_list_of_tasks_a_lost_answer_is_read_from_the_vm(bench: Any) -> None:
    step = step_of(bench, VM_RESET, PowerState.ON)
    lacking = BackendRejectedError("lab", "Andock's account lacks a privilege on it")
    lose_answer(bench, "reset", lambda: refuse(bench, "tasks_since", lacking))
    assert VM_RESET.apply(step, bench.writer) == Done(text="`web-01` was reset.")


def test_a_lease_lost_while_a_lost_answer_is_looked_after_stops_at_once(bench: Any) -> None:
    for method in ("tasks_since", "read_vm"):
        bench.vsphere.vms.clear()
        step = step_of(bench, VM_OFF, PowerState.ON)
        bench.vsphere.lost = "undone"
        refuse(bench, method, LeaseLostError("lost"))
        with pytest.raises(LeaseLostError):
            VM_OFF.apply(step, bench.writer)


def test_the_task_of_a_lost_answer_is_noted_and_cancelled_like_any(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.lost, bench.vsphere.slow, bench.watch.cancel_after = "done", 50, 3
    with pytest.raises(CancelledError, match="was left as it was"):
        VM_OFF.apply(step, bench.writer)
    assert [mark.task for mark in bench.marks] == ["", "task-1"]
    assert bench.vsphere.tasks["task-1"].ended
    assert bench.done == []


def test_a_failure_of_a_task_that_was_only_found_proves_nothing(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.lost, bench.vsphere.fault = "done", "another task is running on it"
    with pytest.raises(OutcomeUnknownError, match=r"task-1 on `web-01` failed: another task is running"):
        VM_OFF.apply(step, bench.writer)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        TargetNotFoundError("task", "task-1", searched=("lab",)),
        OutcomeUnknownError("lab's task task-1 goes on, but cannot be followed (why)."),
    ],
    ids=["forgotten", "not to be followed"],
)
def test_a_task_that_is_lost_while_it_is_awaited_is_read_from_the_vm(
    bench: Any, error: Exception, done: bool
) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.slow = 5
    if done:
        bench.on_mark = lambda mark: bench.vsphere.happen("lab", "vm-1", "powerOff") if mark.task else None
    refuse(bench, "await_task", error)
    if done:
        assert VM_OFF.apply(step, bench.writer) == Done(text="`web-01` is off.")
        return
    with pytest.raises(OutcomeUnknownError, match="task-1") as lost:
        VM_OFF.apply(step, bench.writer)
    assert lost.value.changed is Changed.UNKNOWN


def test_cancelling_what_cannot_be_followed_is_unknown(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.slow, bench.vsphere.uncancelable = 5, True
    refuse(bench, "await_task", CancelledError("Cancelled while it ran."))
    bench.vsphere.cancel_task = lambda _: refuse(
        bench, "await_task", OutcomeUnknownError("lab's task task-1 cannot be followed.")
    )
    with pytest.raises(CancelledError, match="task-1 on `web-01` goes on") as cancelled:
        VM_OFF.apply(step, bench.writer)
    assert cancelled.value.changed is Changed.UNKNOWN


# --- after a crash --------------------------------------------------------------------------------------


def mark_now(bench: Any, task: str = "") -> Mark:
    return Mark(begun_at=1.0, site_time=bench.vsphere.server_time("lab").timestamp(), task=task)


def test_a_known_task_is_awaited_again(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.slow = 5
    mark = mark_now(bench, bench.vsphere.power_off("lab", "vm-1").id)
    assert VM_OFF.settle(step, bench.reader, mark) == Done(text="`web-01` is off.")
    assert bench.done == ["powerOff"]


def test_a_task_that_was_never_noted_is_found_by_its_time(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    mark = mark_now(bench)
    bench.vsphere.slow = 5
    bench.vsphere.power_off("lab", "vm-1")
    assert VM_OFF.settle(step, bench.reader, mark) == Done(text="`web-01` is off.")


def test_other_tasks_and_older_ones_prove_nothing(bench: Any) -> None:
    step = step_of(bench, VM_RESET, PowerState.ON)
    bench.vsphere.reset("lab", "vm-1")
    assert VM_RESET.settle(step, bench.reader, mark_now(bench)) == NotDone()


def test_a_failed_task_is_not_tried_again(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    bench.vsphere.fault = "another task is running on it"
    mark = mark_now(bench, bench.vsphere.power_off("lab", "vm-1").id)
    settled = VM_OFF.settle(step, bench.reader, mark)
    assert settled == Unknown(
        "`web-01`: its task ended without success (another task is running on it); it is on."
    )


@pytest.mark.parametrize(("operation", "before", "effect", "text", "said"), CASES)
def test_a_task_that_vcenter_forgot_is_read_from_the_vm(
    bench: Any, operation: Change[Any], before: PowerState, effect: str, text: str, said: str
) -> None:
    step = step_of(bench, operation, before)
    mark = mark_now(bench, "task-long-gone")
    unknown = operation.settle(step, bench.reader, mark)
    assert isinstance(unknown, Unknown)
    assert "`web-01`: vCenter no longer knows" in unknown.text
    assert unknown.text.endswith(f"it is {before.value}.")
    bench.vsphere.happen("lab", "vm-1", effect)
    assert operation.settle(step, bench.reader, mark) == Done(text=said)


def test_a_task_that_cannot_be_followed_is_read_from_the_vm(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    refuse(bench, "await_task", OutcomeUnknownError("lab's task task-1 cannot be followed (why)."))
    mark = mark_now(bench, "task-1")
    assert VM_OFF.settle(step, bench.reader, mark) == Unknown(
        "`web-01`: lab's task task-1 cannot be followed (why); it is on."
    )
    bench.vsphere.happen("lab", "vm-1", "powerOff")
    assert VM_OFF.settle(step, bench.reader, mark) == Done(text="`web-01` is off.")


@pytest.mark.parametrize(("operation", "before", "effect", "text", "said"), CASES)
def test_nothing_since_the_mark_is_not_done(
    bench: Any, operation: Change[Any], before: PowerState, effect: str, text: str, said: str
) -> None:
    step = step_of(bench, operation, before)
    assert operation.settle(step, bench.reader, mark_now(bench)) == NotDone()
    assert bench.done == []


def test_a_vm_that_is_gone_is_unknown(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    mark = mark_now(bench)
    bench.vsphere.vms.clear()
    assert VM_OFF.settle(step, bench.reader, mark) == Unknown("`web-01` no longer exists.")


def test_settling_waits_for_a_site_that_is_away(bench: Any) -> None:
    step = step_of(bench, VM_OFF, PowerState.ON)
    mark = mark_now(bench)
    bench.vsphere.away["lab"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        VM_OFF.settle(step, bench.reader, mark)
