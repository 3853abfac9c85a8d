from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    InvalidParamsError,
    OutcomeUnknownError,
    TargetNotFoundError,
    TargetStateError,
)
from andock.operation import Done, Mark, NotDone, Outcome, Unknown
from andock.operations.vm import alarms, events, vcenter_tasks
from andock.operations.vm.alarms import ALARM_ACK, ALARM_LIST, AckParams
from andock.operations.vm.events import EVENT_LIST
from andock.operations.vm.inventory import VM_INFO, InfoParams
from andock.operations.vm.vcenter_tasks import TASK_CANCEL, TASK_LIST, CancelParams
from andock.ports.vsphere import Alarm, Event, Subject
from tests.fakes.vsphere import TinyWatch

MARK = Mark(begun_at=1.0)


def ask(bench: Any, operation: Any, params: Any) -> Outcome:
    outcome: Outcome = operation.run(params, bench.reader, operation.find(params, bench.reader))
    return outcome


@pytest.fixture
def web(bench: Any) -> Subject:
    vm = bench.vsphere.read_vm("lab", bench.vsphere.add("lab", "web-01"))
    return Subject("vm", "lab", vm.id, vm.name, vm.path, vm.environment)


def trigger(bench: Any, subject: Subject, name: str = "CPU usage", status: str = "red") -> None:
    since = bench.vsphere.now - timedelta(minutes=7)
    bench.vsphere.alarms.append(Alarm(f"alarm.{name}", name, status, since, subject))


# --- alarms ---------------------------------------------------------------------------------------------


def test_alarms_are_listed_red_first_with_a_button_for_each(bench: Any, web: Subject) -> None:
    trigger(bench, web, "Memory usage", "yellow")
    trigger(bench, web)
    outcome = ask(bench, ALARM_LIST, alarms.ListParams())
    assert outcome.summary == "2 alarms, 1 red."
    assert outcome.table is not None
    assert [row[:4] for row in outcome.table.rows] == [
        ("web-01", "red", "CPU usage", "7 min"),
        ("web-01", "yellow", "Memory usage", "7 min"),
    ]
    assert outcome.offers[0].command == 'alarm ack "vm-1" "alarm.CPU usage" --site lab'


def test_alarms_are_chosen_by_thing_status_and_acknowledgement(bench: Any, web: Subject) -> None:
    trigger(bench, web, "Memory usage", "yellow")
    trigger(bench, web)
    for params, count in (({"red": True}, 1), ({"thing": "db-*"}, 0), ({"thing": "web-*"}, 2)):
        assert len(ALARM_LIST.find(alarms.ListParams(**params), bench.reader).rows) == count
    bench.vsphere.acknowledge(web, "alarm.CPU usage")
    (row,) = ALARM_LIST.find(alarms.ListParams(open=True), bench.reader).rows
    assert row[1].name == "Memory usage"


def test_policy_judges_a_vm_with_its_tags_and_host(bench: Any, web: Subject) -> None:
    bench.vsphere.change("lab", "vm-1", labels=("env=prod",), environment="prod")
    trigger(bench, web)
    (target, _), *_ = ALARM_LIST.find(alarms.ListParams(), bench.reader).rows
    assert (target.labels, target.environment) == (("env=prod",), "prod")


def test_an_alarm_is_acknowledged(bench: Any, web: Subject) -> None:
    trigger(bench, web)
    step = ALARM_ACK.plan(AckParams(thing="web-01"), bench.reader).steps[0]
    assert step.text == 'acknowledge "CPU usage" (red) on `web-01`'
    assert ALARM_ACK.settle(step, bench.reader, MARK) == NotDone()
    assert ALARM_ACK.apply(step, bench.writer).text == '"CPU usage" on `web-01` is acknowledged.'
    assert bench.done == ["acknowledge"]
    with pytest.raises(InvalidParamsError, match="acknowledged already by andock"):
        ALARM_ACK.plan(AckParams(thing="web-01"), bench.reader)


def test_several_alarms_want_a_name_and_none_is_said(bench: Any, web: Subject) -> None:
    with pytest.raises(TargetNotFoundError):
        ALARM_ACK.plan(AckParams(thing="web-01"), bench.reader)
    trigger(bench, web, "Memory usage")
    trigger(bench, web)
    with pytest.raises(InvalidParamsError, match='name one: "Memory usage", "CPU usage"'):
        ALARM_ACK.plan(AckParams(thing="web-01"), bench.reader)
    plan = ALARM_ACK.plan(AckParams(thing="web-01", alarm="cpu usage"), bench.reader)
    assert plan.steps[0].args == {"alarm": "alarm.CPU usage"}


def test_a_lost_answer_to_an_acknowledgement_is_looked_after(bench: Any, web: Subject) -> None:
    trigger(bench, web)
    step = ALARM_ACK.plan(AckParams(thing="web-01"), bench.reader).steps[0]
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError):
        ALARM_ACK.apply(step, bench.writer)
    bench.vsphere.lost = "done"
    assert isinstance(ALARM_ACK.apply(step, bench.writer), Done)
    bench.vsphere.alarms.clear()
    assert isinstance(ALARM_ACK.settle(step, bench.reader, MARK), Unknown)


# --- events ---------------------------------------------------------------------------------------------


def test_events_of_the_last_hour_are_listed_newest_first(bench: Any, web: Subject) -> None:
    now = bench.vsphere.now
    for minutes, text in ((90, "long ago"), (20, "powered on"), (5, "powered off")):
        bench.vsphere.happened.append(
            (web.id, Event(now - timedelta(minutes=minutes), "VmEvent", text, "admin"))
        )
    outcome = ask(bench, EVENT_LIST, events.ListParams(thing="web-01"))
    assert outcome.table is not None
    assert [row[1:] for row in outcome.table.rows] == [
        ("powered off", "admin", "Vm"),
        ("powered on", "admin", "Vm"),
    ]
    assert ask(bench, EVENT_LIST, events.ListParams(thing="web-01", most=1)).notes
    quiet = ask(bench, EVENT_LIST, events.ListParams(thing="web-01", since=timedelta(minutes=1)))
    assert quiet.summary == "Nothing happened to `web-01` in the last 1m."


# --- tasks ----------------------------------------------------------------------------------------------


def test_tasks_are_listed_with_failed_and_running_ones_first(bench: Any, web: Subject) -> None:
    bench.vsphere.suspend("lab", web.id)
    bench.vsphere.slow = 9
    running = bench.vsphere.power_on("lab", web.id)
    bench.vsphere.fault = "there is no room"
    bench.vsphere.rename("lab", web.id, "web-02")
    outcome = ask(bench, TASK_LIST, vcenter_tasks.ListParams())
    assert outcome.summary == "3 tasks, 1 open, 1 failed."
    assert outcome.table is not None
    assert [row[1:3] for row in outcome.table.rows] == [
        ("rename", "failed"),
        ("powerOn", "running"),
        ("suspend", "done"),
    ]
    assert [offer.command for offer in outcome.offers] == [f"task cancel {running.id} --site lab"]


def test_a_task_is_cancelled_and_judged_as_what_it_works_on(bench: Any, web: Subject) -> None:
    bench.vsphere.slow = 9
    task = bench.vsphere.suspend("lab", web.id)
    step = TASK_CANCEL.plan(CancelParams(task=task.id), bench.reader).steps[0]
    assert (step.target.key, step.target.name, step.target.path) == (
        f"task:lab/{task.id}",
        "web-01",
        web.path,
    )
    going_on = "`suspend` of `web-01` goes on; vCenter may have been asked to cancel it."
    assert TASK_CANCEL.settle(step, bench.reader, MARK) == Unknown(going_on)
    said = TASK_CANCEL.apply(step, bench.writer).text
    assert said == "`suspend` of `web-01` ended without its effect: the task was cancelled in vCenter."
    assert isinstance(TASK_CANCEL.settle(step, bench.reader, MARK), Done)
    with pytest.raises(TargetStateError, match="at its end"):
        TASK_CANCEL.plan(CancelParams(task=task.id), bench.reader)


def test_a_lost_answer_to_a_cancellation_is_looked_after_and_never_asked_again(
    bench: Any, web: Subject
) -> None:
    bench.vsphere.slow = 9
    task = bench.vsphere.suspend("lab", web.id)
    step = TASK_CANCEL.plan(CancelParams(task=task.id), bench.reader).steps[0]
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError) as unknown:
        TASK_CANCEL.apply(step, bench.writer)
    assert unknown.value.changed is Changed.UNKNOWN
    assert not bench.vsphere.tasks[task.id].ended
    bench.vsphere.lost = "done"
    assert "ended without its effect" in TASK_CANCEL.apply(step, bench.writer).text


def test_a_vcenter_that_goes_away_after_it_was_asked_to_cancel_leaves_it_unknown(
    bench: Any, web: Subject
) -> None:
    bench.vsphere.slow = 9
    task = bench.vsphere.suspend("lab", web.id)
    step = TASK_CANCEL.plan(CancelParams(task=task.id), bench.reader).steps[0]
    bench.vsphere.cancel_task = lambda _: bench.vsphere.away.update(lab="connection refused")
    with pytest.raises(OutcomeUnknownError, match=r"does not answer \(connection refused\)") as unknown:
        TASK_CANCEL.apply(step, bench.writer)
    assert unknown.value.changed is Changed.UNKNOWN
    with pytest.raises(BackendUnavailableError):  # it is settled when vCenter is back
        TASK_CANCEL.settle(step, bench.reader, MARK)


def test_stopping_a_cancellation_says_that_vcenter_was_asked(bench: Any, web: Subject) -> None:
    bench.vsphere.slow = 9
    task = bench.vsphere.suspend("lab", web.id)
    step = TASK_CANCEL.plan(CancelParams(task=task.id), bench.reader).steps[0]
    bench.vsphere.cancel_task = lambda _: None
    bench.watch.cancel_after = 0
    with pytest.raises(CancelledError, match="had been asked to cancel `suspend` of `web-01`") as stopped:
        TASK_CANCEL.apply(step, bench.writer)
    assert stopped.value.changed is Changed.UNKNOWN


def test_a_task_that_had_its_effect_first_was_not_cancelled(bench: Any, web: Subject) -> None:
    bench.vsphere.slow = 9
    task = bench.vsphere.suspend("lab", web.id)
    step = TASK_CANCEL.plan(CancelParams(task=task.id), bench.reader).steps[0]
    bench.vsphere.await_task(task, TinyWatch())
    with pytest.raises(BackendRejectedError, match="had its effect first") as late:
        TASK_CANCEL.apply(step, bench.writer)
    assert late.value.changed is Changed.NOTHING
    del bench.vsphere.tasks[task.id]
    assert isinstance(TASK_CANCEL.settle(step, bench.reader, MARK), Unknown)


def test_a_task_that_cannot_be_cancelled_or_is_unknown_is_refused(bench: Any, web: Subject) -> None:
    bench.vsphere.slow, bench.vsphere.uncancelable = 9, True
    task = bench.vsphere.suspend("lab", web.id)
    with pytest.raises(TargetStateError, match="not to be cancelled"):
        TASK_CANCEL.plan(CancelParams(task=task.id), bench.reader)
    with pytest.raises(TargetNotFoundError):
        TASK_CANCEL.plan(CancelParams(task="task-999"), bench.reader)


# --- vm info --------------------------------------------------------------------------------------------


def test_vm_info_links_to_the_client_and_to_a_pending_question(bench: Any, web: Subject) -> None:
    bench.vsphere.change("lab", web.id, question="Copied or moved?")
    outcome = ask(bench, VM_INFO, InfoParams(vm="web-01"))
    assert [link.label for link in outcome.links] == ["Open in the vSphere Client"]
    assert dict(outcome.fields)["Waits for an answer"] == "Copied or moved?"
    assert outcome.offers[0].command == "vm question vm-1 --site lab"
