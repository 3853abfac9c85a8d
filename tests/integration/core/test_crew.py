"""Several steps at a time on a real ledger: how many, when no more are begun, and what is said at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from pydantic import Field

from andock.attempt import Attempt
from andock.audit import Event
from andock.catalogue import Catalogue
from andock.entries import Entry
from andock.errors import BackendRejectedError, CancelledError, Changed
from andock.ledger import Ledger
from andock.messages import Failed, Request, State, Succeeded
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    NotDone,
    Params,
    Phase,
    Plan,
    Ports,
    Reader,
    Risk,
    Settled,
    Step,
    Target,
    Writer,
)
from andock.policy import Group, Policy, Rule
from andock.ports.records import Halt
from andock.runner import Runner
from andock.signing import Verifier
from tests.integration.core.conftest import Accept, marks_of
from tests.integration.core.test_approvals import records


class ToyParams(Params):
    toy: tuple[str, ...] = Field(description="Names.")


class Killed(BaseException):
    """Stands for SIGKILL."""


@dataclass
class Yard:
    """Toys that are moved several at a time, and what a test does to each."""

    at_once: int = 3
    max_fail: int = 1
    moved: list[str] = field(default_factory=list)
    under_way: set[str] = field(default_factory=set)
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    during: Callable[[str, Writer], None] = lambda _name, _ctx: time.sleep(0.02)
    settled: Callable[[Reader], Settled] = lambda _ctx: NotDone()

    def plan(self, params: ToyParams, _ctx: Reader) -> Plan:
        steps = tuple(
            Step(
                action="move",
                target=Target(kind="toy", site="lab", id=name, name=name, environment="dev"),
                text=f"move {name}",
            )
            for name in params.toy
        )
        return Plan(batches=(steps,), at_once=self.at_once, max_fail=self.max_fail)

    def apply(self, step: Step, ctx: Writer) -> Done:
        name = step.target.name
        with self.lock:
            self.under_way.add(name)
            self.most = max(self.most, len(self.under_way))
        try:
            ctx.checkpoint(ctx.mark)
            self.during(name, ctx)
        finally:
            with self.lock:
                self.under_way.discard(name)
        self.moved.append(name)
        return Done(text=f"{name} was moved")

    def settle(self, _step: Step, ctx: Reader, _mark: Mark) -> Settled:
        return self.settled(ctx)


@pytest.fixture
def yard() -> Yard:
    return Yard()


@pytest.fixture
def runner(make_runner: Callable[..., Runner], yard: Yard) -> Runner:
    move = Change(
        name="toy move",
        summary="Move toys.",
        params=ToyParams,
        backend=Backend.VSPHERE,
        risk=Risk.CHANGE,
        plan=yard.plan,
        apply=yard.apply,
        settle=yard.settle,
        time_limit=timedelta(seconds=20),
        examples=("toy move a",),
    )
    ops = Rule(name="ops", allow=("*",), to=("ops",), line=1)
    policy = Policy(groups={"ops": Group(users=frozenset({"U0OPS1"}))}, rules=(ops,))
    return make_runner(Catalogue((move,)), policy)


def ask(accept: Accept, count: int) -> Request:
    return accept("toy move", params={"toy": [f"t{number}" for number in range(count)]})


def perform(runner: Runner, request: Request, number: int = 1) -> Entry:
    held = Attempt.claim(runner.ledger, request.id, number)
    assert held is not None
    with held:
        try:
            runner.perform(held, Ports())
        except Killed:
            runner.ledger.redis.hset(runner.ledger.key("request", request.id), "lease_until", 1)
    entry = runner.ledger.read(request.id)
    assert entry is not None
    return entry


def failure(entry: Entry) -> Failed:
    assert isinstance(entry.result, Failed)
    return entry.result


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def phases(runner: Runner, entry: Entry) -> list[str]:
    return [mark.phase.value for _, mark in sorted(marks_of(runner, entry).items())]


def test_a_batch_is_taken_so_many_at_a_time_and_never_more(
    runner: Runner, yard: Yard, accept: Accept
) -> None:
    yard.during = lambda *_: wait_until(lambda: yard.most == 3 or len(yard.moved) > 0)
    entry = perform(runner, ask(accept, 10))

    assert isinstance(entry.result, Succeeded)
    assert entry.result.outcome.summary == "toy move: 10 of 10 done."
    assert sorted(yard.moved) == sorted(f"t{n}" for n in range(10))
    assert yard.most == 3
    assert phases(runner, entry) == ["done"] * 10


def test_a_steps_task_is_recorded_with_its_own_target_alone(
    runner: Runner, yard: Yard, accept: Accept, verifier: Verifier
) -> None:
    yard.during = lambda name, ctx: ctx.checkpoint(Mark(begun_at=1.0, task=f"task-{name}"))
    perform(runner, ask(accept, 3))

    every = records(runner.ledger, verifier)
    begun = next(record for record in every if record.event is Event.STARTED)
    tasks = [record for record in every if record.event is Event.TASK]
    assert sorted((record.text, record.targets) for record in tasks) == [
        (f"task-t{n}", (f"toy:lab/t{n} t{n}",)) for n in range(3)
    ]
    assert {(record.plan, record.attempt) for record in tasks} == {(begun.plan, begun.attempt)}


def test_one_at_a_time_is_taken_in_the_jobs_own_thread(runner: Runner, yard: Yard, accept: Accept) -> None:
    yard.at_once = 1
    threads = set()
    yard.during = lambda *_: threads.add(threading.current_thread())
    perform(runner, ask(accept, 3))

    assert threads == {threading.main_thread()}
    assert yard.moved == ["t0", "t1", "t2"]


def test_after_the_allowed_failures_no_more_are_begun_and_those_under_way_go_on(
    runner: Runner, yard: Yard, accept: Accept
) -> None:
    failed = threading.Event()

    def during(name: str, _ctx: Writer) -> None:
        if name == "t1":
            failed.set()
            raise BackendRejectedError("lab", "no room")
        if name in ("t0", "t2"):
            failed.wait(5)
            time.sleep(0.1)  # the failure is marked before these end

    yard.during = during
    entry = perform(runner, ask(accept, 8))

    assert sorted(yard.moved) == ["t0", "t2"]
    assert phases(runner, entry) == ["done", "failed", "done"]
    result = failure(entry)
    assert (result.code, result.changed) == ("step_failed", Changed.PARTLY)
    assert result.sentence == "lab refused: no room."
    assert result.outcome is not None
    assert result.outcome.table is not None
    assert [row[2] for row in result.outcome.table.rows] == ["done", "failed", "done"] + ["not done"] * 5


def test_max_fail_lets_some_fail(runner: Runner, yard: Yard, accept: Accept) -> None:
    yard.max_fail, yard.at_once = 6, 2

    def during(name: str, _ctx: Writer) -> None:
        if name not in ("t0", "t5", "t9"):
            raise BackendRejectedError("lab", f"no {name}")

    yard.during = during
    entry = perform(runner, ask(accept, 20))

    assert sum(mark.phase is Phase.FAILED for mark in marks_of(runner, entry).values()) in (
        6,
        7,
    )  # one more was under way
    assert {"t0", "t5"} <= set(yard.moved)
    assert "more failed; the table has them all." in failure(entry).sentence


def test_cancelled_in_the_middle_says_what_was_done_and_what_was_not(
    runner: Runner, yard: Yard, accept: Accept, ledger: Ledger
) -> None:
    request = ask(accept, 9)
    ends = {"t2": Changed.NOTHING, "t3": Changed.PARTLY, "t4": Changed.UNKNOWN}

    def during(name: str, ctx: Writer) -> None:
        if name not in ends:
            return
        if len(yard.under_way & set(ends)) == len(ends):
            ledger.cancel(request.id, "ops-2")
        try:
            while True:
                ctx.watch.look()
                time.sleep(0.01)
        except CancelledError as error:
            raise CancelledError(f"{name}: {ends[name]}.", changed=ends[name]) from error

    yard.during = during
    entry = perform(runner, request)

    assert entry.state is State.CANCELLED
    assert phases(runner, entry) == ["done", "done", "not done", "done", "unknown"]
    result = failure(entry)
    assert (result.code, result.changed) == ("cancelled", Changed.UNKNOWN)
    assert result.sentence == (
        "ops-2 asked to cancel: 3 of 9 done, 1 unknown, 1 stopped under way and left as they were, "
        "4 not begun. t4: unknown."
    )


def test_a_single_step_that_was_cancelled_speaks_for_itself(
    runner: Runner, yard: Yard, accept: Accept, ledger: Ledger
) -> None:
    request = ask(accept, 1)

    def during(_name: str, ctx: Writer) -> None:
        ledger.cancel(request.id, "ops-1")
        while True:
            ctx.watch.look()
            time.sleep(0.01)

    yard.during = during
    result = failure(perform(runner, request))

    assert result.sentence == "ops-1 asked to cancel. Cancelled while it ran."
    assert result.changed is Changed.NOTHING


def test_who_cancelled_while_the_worker_was_dead_is_obeyed_by_the_next_one_after_settling(
    runner: Runner, yard: Yard, accept: Accept, ledger: Ledger
) -> None:
    request = ask(accept, 4)
    yard.at_once = 1

    def die(*_: object) -> None:
        raise Killed

    yard.during = die
    perform(runner, request)
    assert ledger.cancel(request.id, "ops-1")

    def settle(ctx: Reader) -> Settled:
        ctx.watch.look()  # is not told of the cancellation: what was begun is found out first
        return Done(text="t0 was moved after all")

    yard.settled = settle
    entry = perform(runner, request, ledger.ring(request.id, (State.RUNNING,)))

    assert (entry.state, yard.moved) == (State.CANCELLED, [])
    assert failure(entry).sentence == "ops-1 asked to cancel: 1 of 4 done, 3 not begun."


def test_a_halt_lets_those_under_way_end_and_holds_the_rest(
    runner: Runner, yard: Yard, accept: Accept, ledger: Ledger
) -> None:
    from datetime import UTC, datetime

    halted = threading.Event()

    def during(name: str, _ctx: Writer) -> None:
        if name == "t2":
            ledger.halt(Halt("lab", "lead-1", "", datetime.now(UTC)))
            halted.set()
        elif name > "t2":
            assert halted.wait(10)

    yard.during, yard.at_once = during, 2
    request = ask(accept, 8)
    held = perform(runner, request)
    begun = len(held.marks)

    assert held.state is State.HELD
    assert 3 <= begun <= 4
    assert phases(runner, held) == ["done"] * begun
    ledger.lift("lab")
    yard.during = lambda *_: None
    entry = perform(runner, request, ledger.ring(request.id, (State.HELD,)))
    assert entry.state is State.SUCCEEDED
    assert sorted(yard.moved) == [f"t{n}" for n in range(8)]


def test_killed_with_several_under_way_each_is_settled_and_the_rest_taken(
    runner: Runner, yard: Yard, accept: Accept, ledger: Ledger
) -> None:
    def die(name: str, ctx: Writer) -> None:
        wait_until(lambda: yard.most == 3)
        if name == "t0":
            raise Killed
        while True:
            ctx.watch.look()
            time.sleep(0.01)

    yard.during = die
    request = ask(accept, 5)
    dead = perform(runner, request)
    assert phases(runner, dead) == ["begun"] * 3
    settled = iter([Done(text="it was moved"), NotDone(), Done(text="it was moved")])
    yard.settled = lambda _ctx: next(settled)
    yard.during = lambda *_: None
    entry = perform(runner, request, ledger.ring(request.id, (State.RUNNING,)))

    assert entry.state is State.SUCCEEDED
    assert sorted(yard.moved) == ["t1", "t3", "t4"]


def test_progress_names_those_under_way(runner: Runner, yard: Yard, accept: Accept, ledger: Ledger) -> None:
    yard.at_once = 5
    request = ask(accept, 6)
    seen: list[str] = []

    def during(name: str, ctx: Writer) -> None:
        if yard.moved:
            return
        wait_until(lambda: yard.most == 5)
        ctx.watch.look(percent=40)
        entry = ledger.read(request.id)
        if entry is not None and entry.progress is not None:
            seen.append(entry.progress.text)

    yard.during = during
    perform(runner, request)

    assert any("at once: `t" in text for text in seen)
