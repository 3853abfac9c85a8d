"""Steps as their backend shows them, by a runner on a real ledger: begun, told, ended, after a crash too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from pydantic import Field

from andock import tracing
from andock.attempt import Attempt
from andock.catalogue import Catalogue
from andock.entries import Entry
from andock.errors import BackendRejectedError
from andock.ledger import Ledger
from andock.messages import Request, State
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    NotDone,
    Params,
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
from andock.runner import Runner
from tests.fakes.trace import FakeTrace
from tests.integration.core.conftest import Accept


class ToyParams(Params):
    toy: tuple[str, ...] = Field(description="Names.")


class Killed(BaseException):
    """Stands for SIGKILL."""


@dataclass
class Yard:
    during: Callable[[Writer], None] = lambda ctx: ctx.watch.look(percent=40)
    settled: list[Settled] = field(default_factory=list)

    def plan(self, params: ToyParams, _ctx: Reader) -> Plan:
        targets = [
            Target(kind="toy", site="lab", id=name, name=name, environment="dev") for name in params.toy
        ]
        steps = (Step(action="move", target=one, text=f"move {one.name}") for one in targets)
        return Plan(batches=(tuple(steps),), max_fail=2)

    def apply(self, _step: Step, ctx: Writer) -> Done:
        ctx.checkpoint(ctx.mark)
        self.during(ctx)
        return Done(text="moved")

    def settle(self, _step: Step, _ctx: Reader, _mark: Mark) -> Settled:
        return self.settled.pop()


@pytest.fixture
def yard() -> Yard:
    return Yard()


@pytest.fixture
def trace() -> FakeTrace:
    return FakeTrace({"lab"})


@pytest.fixture
def perform(
    make_runner: Callable[..., Runner], yard: Yard, trace: FakeTrace, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Entry]:
    monkeypatch.setattr(tracing, "TELL", 0.0)
    move = Change(
        name="toy move",
        summary="Move toys.",
        params=ToyParams,
        backend=Backend.VSPHERE,
        risk=Risk.CHANGE,
        plan=yard.plan,
        apply=yard.apply,
        settle=yard.settle,
        examples=("toy move a",),
    )
    ops = Rule(name="ops", allow=("*",), to=("ops",), line=1)
    policy = Policy(groups={"ops": Group(users=frozenset({"U0OPS1"}))}, rules=(ops,))
    runner = make_runner(Catalogue((move,)), policy)

    def perform(request: Request, number: int = 1) -> Entry:
        held = Attempt.claim(runner.ledger, request.id, number)
        assert held is not None
        with held:
            try:
                runner.perform(held, Ports(trace=trace))
            except Killed:
                runner.ledger.redis.hset(runner.ledger.key("request", request.id), "lease_until", 1)
        entry = runner.ledger.read(request.id)
        assert entry is not None
        return entry

    return perform


def test_every_step_is_shown_with_its_asker_progress_and_end(
    perform: Callable[..., Entry], trace: FakeTrace, accept: Accept
) -> None:
    request = accept("toy move", params={"toy": ["a", "b"]})
    perform(request)
    assert [
        (one.step.actor, one.step.target, one.step.request, one.state, one.percents)
        for one in trace.shown.values()
    ] == [("ops-1", "a", request.id, "success", [40]), ("ops-1", "b", request.id, "success", [40])]


def test_a_step_that_fails_is_shown_with_its_sentence(
    perform: Callable[..., Entry], trace: FakeTrace, accept: Accept, yard: Yard
) -> None:
    def fail(_ctx: Writer) -> None:
        raise BackendRejectedError("lab", "there is no room")

    yard.during = fail
    perform(accept("toy move", params={"toy": ["a"]}))
    (shown,) = trace.shown.values()
    assert shown.state == "error"
    assert "there is no room" in shown.problem


def test_where_nothing_can_be_shown_the_change_is_made_all_the_same(
    perform: Callable[..., Entry], trace: FakeTrace, accept: Accept
) -> None:
    trace.known.clear()
    assert perform(accept("toy move", params={"toy": ["a"]})).state is State.SUCCEEDED
    assert trace.shown == {}


@pytest.mark.parametrize(
    ("settled", "states"), [(Done(text="moved"), ["success"]), (NotDone(), ["error", "success"])]
)
def test_after_a_crash_the_next_worker_ends_what_is_shown(
    perform: Callable[..., Entry],
    trace: FakeTrace,
    accept: Accept,
    yard: Yard,
    ledger: Ledger,
    settled: Settled,
    states: list[str],
) -> None:
    def die(_ctx: Writer) -> None:
        raise Killed

    request = accept("toy move", params={"toy": ["a"]})
    going_on, yard.during = yard.during, die
    perform(request)
    assert [one.state for one in trace.shown.values()] == ["running"]
    yard.during, yard.settled = going_on, [settled]
    entry = perform(request, ledger.ring(request.id, (State.RUNNING,)))
    assert entry.state is State.SUCCEEDED
    assert [one.state for one in trace.shown.values()] == states
