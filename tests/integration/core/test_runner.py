"""The runner on a real ledger: what it refuses, what it parks, and what it says after a crash."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import Field

from andock.attempt import Attempt
from andock.catalogue import Catalogue
from andock.entries import Entry
from andock.errors import BackendRejectedError, BackendUnavailableError, CancelledError
from andock.leases import Leases
from andock.ledger import Ledger
from andock.messages import Actor, Failed, Purpose, Request, State, Succeeded, Vote
from andock.operation import (
    Backend,
    Change,
    Done,
    Found,
    Mark,
    NotDone,
    Outcome,
    Params,
    Plan,
    Ports,
    Read,
    Reader,
    Risk,
    Settled,
    Step,
    Target,
    Unknown,
    Writer,
)
from andock.outbox import Outbox
from andock.policy import Group, Policy, Rule
from andock.ports.records import Halt
from andock.protection import Protection
from andock.runner import UNRECORDED, Runner
from andock.signing import Signer
from andock.votes import Ballot, Votes
from tests.integration.core.conftest import OPS, Accept, plan_of


class ToyParams(Params):
    toy: tuple[str, ...] = Field(description="Names.", examples=["a"])


class Killed(BaseException):
    """Stands for SIGKILL: nothing below the test catches it."""


@dataclass
class World:
    """Toys with a state, and a saboteur for each moment."""

    states: dict[str, str] = field(default_factory=lambda: {"a": "calm", "b": "calm", "prod-c": "calm"})
    pokes: list[str] = field(default_factory=list)
    die: str = ""
    fail: Exception | None = None
    settled: Settled | Exception | None = None
    touched: list[str] = field(default_factory=list)  # what poking moves besides
    plans: int = 0
    meanwhile: Callable[[], object] | None = None  # what happens once, right after something was planned

    def target(self, name: str) -> Target:
        environment = "prod" if name.startswith("prod") else "dev"
        return Target(kind="toy", site="lab", id=name, name=name, environment=environment, uuid="")

    def plan(self, params: ToyParams, _ctx: Reader) -> Plan:
        steps = [
            Step(action="poke", target=self.target(n), text=f"poke {n}", facts={"mood": self.states[n]})
            for n in params.toy
        ]
        self.plans += 1
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        return Plan(batches=(tuple(steps),), touches=tuple(map(self.target, self.touched)))

    def apply(self, step: Step, ctx: Writer) -> Done:
        name = step.target.name
        if self.die == f"before {name}":
            raise Killed
        ctx.checkpoint(ctx.mark.model_copy(update={"site_time": 1.0}))
        if self.fail is not None:
            raise self.fail
        self.pokes.append(name)
        if self.die == f"after {name}":
            raise Killed
        self.states[name] = "poked"
        return Done(text=f"{name} was poked")

    def settle(self, step: Step, _ctx: Reader, mark: Mark) -> Settled:
        assert mark.site_time == 1.0
        if isinstance(self.settled, Exception):
            raise self.settled
        return self.settled or Done(text=f"{step.target.name} was poked, as it turned out")

    def find(self, params: ToyParams, _ctx: Reader) -> Found[str]:
        return Found(rows=tuple((self.target(n), n) for n in params.toy))

    def show(self, _params: ToyParams, _ctx: Reader, found: Found[str]) -> Outcome:
        return Outcome(summary=",".join(name for _, name in found.rows), notes=found.notes)

    def show_plan(self, params: ToyParams, ctx: Reader, _found: Found[str]) -> Outcome:
        return Outcome(summary="would poke", notes=ctx.warn(self.plan(params, ctx)).warnings)


@pytest.fixture
def world() -> World:
    return World()


Perform = Callable[[Request], Entry]
POLICY = Policy(
    groups={"ops": Group(users=frozenset({"U0OPS1"}))},
    rules=(
        Rule(name="hands off prod", deny=("toy *",), environments=frozenset({"prod"}), line=3),
        Rule(name="ops", allow=("*",), to=("ops",), line=4),
    ),
)


@pytest.fixture
def runner(make_runner: Callable[..., Runner], world: World) -> Runner:
    return make_runner(make_catalogue(world), POLICY, {"dev": "C0DEV"})


def make_catalogue(world: World) -> Catalogue:
    poke = Change(
        name="toy poke",
        summary="Poke toys.",
        params=ToyParams,
        backend=Backend.VSPHERE,
        risk=Risk.DISRUPTIVE,
        plan=world.plan,
        apply=world.apply,
        settle=world.settle,
        examples=("toy poke a",),
    )
    look = Read(
        name="toy look",
        summary="Look at toys.",
        params=ToyParams,
        backend=Backend.VSPHERE,
        find=world.find,
        run=world.show,
        many=True,
        examples=("toy look a",),
    )
    one = replace(look, name="toy info", many=False, examples=("toy info a",))
    planned = replace(one, name="toy plan", run=world.show_plan, examples=("toy plan a",))
    return Catalogue((poke, look, one, planned))


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


def again(runner: Runner, request: Request) -> Entry:
    """The attempt that the janitor opens for whatever state the request is in."""
    number = runner.ledger.ring(request.id, (State.RUNNING, State.WAITING, State.HELD, State.ACCEPTED))
    assert number
    return perform(runner, request, number)


def failure(entry: Entry) -> Failed:
    assert isinstance(entry.result, Failed)
    return entry.result


def test_one_named_target_runs_at_once(runner: Runner, world: World, accept: Accept) -> None:
    entry = perform(runner, accept())

    assert entry.result == Succeeded(outcome=Outcome(summary="a was poked"))
    assert world.pokes == ["a"]


def test_what_was_not_signed_by_a_bot_is_not_done(
    runner: Runner, world: World, accept: Accept, ledger: Ledger
) -> None:
    request = accept()
    key = ledger.key("request", request.id)
    sealed = ledger.redis.hget(key, "sealed")
    assert isinstance(sealed, bytes)
    ledger.redis.hset(key, "sealed", sealed.replace(b'"toy":["a"]', b'"toy":["b"]'))

    assert failure(perform(runner, request)).code == "signature"
    assert world.pokes == []


def test_a_signed_request_cannot_be_replayed_under_another_id(
    runner: Runner, world: World, accept: Accept, ledger: Ledger
) -> None:
    first, second = accept(), accept()
    sealed = ledger.redis.hget(ledger.key("request", first.id), "sealed")
    assert isinstance(sealed, bytes)
    ledger.redis.hset(ledger.key("request", second.id), "sealed", sealed)

    assert failure(perform(runner, second)).code == "signature"
    assert world.pokes == []


def test_the_rule_that_denies_is_named_and_one_denied_target_refuses_all(
    runner: Runner, world: World, accept: Accept
) -> None:
    refused = failure(perform(runner, accept(params={"toy": ["a", "prod-c"]}, confirmed=True)))

    assert refused.rule == "hands off prod (policy.yaml:3)"
    assert world.pokes == []


def test_a_list_leaves_out_what_the_asker_may_not_see_and_says_so(runner: Runner, accept: Accept) -> None:
    entry = perform(runner, accept("toy look", params={"toy": ["a", "prod-c"]}))

    assert isinstance(entry.result, Succeeded)
    assert entry.result.outcome.summary == "a"
    assert entry.result.outcome.notes == ("1 not shown to you (rule: hands off prod (policy.yaml:3))",)
    assert failure(perform(runner, accept("toy info", params={"toy": ["a", "prod-c"]}))).code == "not_allowed"


def test_an_unknown_person_is_denied_by_default(runner: Runner, world: World, accept: Accept) -> None:
    stranger = Actor(team="T1", user="U0GUEST1", name="guest-1")

    assert failure(perform(runner, accept(actor=stranger))).rule == "none"
    assert world.pokes == []


def test_explaining_decides_and_changes_nothing(runner: Runner, world: World, accept: Accept) -> None:
    entry = perform(runner, accept(purpose=Purpose.EXPLAIN))
    assert isinstance(entry.result, Succeeded)
    assert entry.result.outcome.summary == "Yes: `toy poke` (rule: ops (policy.yaml:4))."
    denied = perform(runner, accept(purpose=Purpose.EXPLAIN, params={"toy": ["prod-c"]}))
    assert isinstance(denied.result, Succeeded)
    assert "hands off prod (policy.yaml:3)" in denied.result.outcome.summary
    assert world.pokes == []


def test_a_change_does_not_start_after_its_time(runner: Runner, world: World, accept: Accept) -> None:
    entry = perform(runner, accept(not_after=time.time() - 1))

    assert (entry.state, failure(entry).code) == (State.EXPIRED, "expired")
    assert world.pokes == []


def vote(runner: Runner, signer: Signer, entry: Entry, **changes: object) -> int:
    """The asker's Go ahead; the attempt that it opens, 0 if none."""
    fields = {
        "instance": runner.instance,
        "request": entry.id,
        "plan": entry.digest,
        "actor": OPS,
        "at": time.time(),
    }
    vote = Vote.model_validate({**fields, **changes})
    ballot = Ballot(State.CONFIRMING, gives="0", counts="1", record=b"a sealed record")
    # what a bot would not send is stored all the same, as somebody with Redis' password could
    sent = vote.model_copy(update={"request": entry.id, "plan": entry.digest, "actor": OPS})
    answer = Votes(runner.ledger).count(sent, signer.sign(vote), ballot)
    return answer if isinstance(answer, int) else 0


def test_several_targets_wait_for_go_ahead_and_then_run(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    request = accept(params={"toy": ["a", "b"]})
    parked = perform(runner, request)
    assert parked.state is State.CONFIRMING
    assert [step.text for step in plan_of(runner, parked).steps] == ["poke a", "poke b"]
    assert world.pokes == []

    entry = perform(runner, request, vote(runner, signer, parked))

    assert entry.state is State.SUCCEEDED
    assert world.pokes == ["a", "b"]


def test_go_ahead_is_taken_once(runner: Runner, accept: Accept, signer: Signer) -> None:
    parked = perform(runner, accept(params={"toy": ["a", "b"]}))

    assert [vote(runner, signer, parked) for _ in range(3)] == [2, 0, 0]


def test_a_plan_that_changed_since_it_was_shown_is_refused_with_the_difference(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    request = accept(params={"toy": ["a", "b"]})
    parked = perform(runner, request)
    world.states["b"] = "angry"

    refused = failure(perform(runner, request, vote(runner, signer, parked)))

    assert refused.code == "plan_changed"
    assert "b: mood was calm and is angry" in refused.sentence
    assert world.pokes == []


def test_somebody_elses_go_ahead_counts_for_nothing(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    request = accept(params={"toy": ["a", "b"]})
    parked = perform(runner, request)
    other = Actor(team="T1", user="U0LEAD1", name="lead-1")

    assert failure(perform(runner, request, vote(runner, signer, parked, actor=other))).code == "signature"
    assert world.pokes == []


def test_a_halt_holds_the_request_and_says_who_halted(
    runner: Runner, world: World, accept: Accept, ledger: Ledger
) -> None:
    ledger.halt(Halt("lab", "lead-1", "", datetime.now(UTC)))
    request = accept()
    held = perform(runner, request)
    assert (held.state, held.holder) == (State.HELD, "lead-1 on lab")

    ledger.lift("lab")
    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_a_halt_between_two_steps_holds_the_rest_and_frees_the_targets(
    runner: Runner, world: World, accept: Accept, ledger: Ledger
) -> None:
    request = accept(params={"toy": ["a", "b"]}, confirmed=True)
    original = world.apply

    def halt_meanwhile(step: Step, ctx: Writer) -> Done:
        done = original(step, ctx)
        if step.target.name == "a":
            ledger.halt(Halt("*", "lead-1", "", datetime.now(UTC)))
        return done

    poke = runner.catalogue.get("toy poke")
    assert isinstance(poke, Change)
    runner = replace(runner, catalogue=Catalogue((replace(poke, apply=halt_meanwhile),)))
    assert perform(runner, request).state is State.HELD
    assert world.pokes == ["a"]

    other = accept()
    assert Leases(ledger).acquire(other.id, world.plan(ToyParams(toy=("b",)), None)) == ""  # type: ignore[arg-type]
    ledger.lift("*")
    assert again(runner, request).state is State.WAITING
    ledger.claim(other.id, 1, "x")
    ledger.conclude(
        other.id,
        Succeeded(outcome=Outcome(summary="")),
        State.SUCCEEDED,
        owner="x",
        record=b"a sealed record",
    )

    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a", "b"]


def test_who_must_wait_for_a_target_is_told_who_holds_it(
    runner: Runner, world: World, accept: Accept, ledger: Ledger
) -> None:
    holder = accept()
    Leases(ledger).acquire(holder.id, world.plan(ToyParams(toy=("a",)), None))  # type: ignore[arg-type]

    waiting = perform(runner, accept())

    assert (waiting.state, waiting.holder) == (State.WAITING, holder.id)
    assert world.pokes == []


def test_a_plan_is_made_once_if_nobody_let_go_of_targets_meanwhile(
    runner: Runner, world: World, accept: Accept
) -> None:
    perform(runner, accept())

    assert (world.plans, world.pokes) == (1, ["a"])


def test_what_another_change_did_between_the_plan_and_the_lease_is_planned_for(
    runner: Runner, world: World, accept: Accept
) -> None:
    world.meanwhile = lambda: perform(runner, accept())

    entry = perform(runner, accept())

    (step,) = plan_of(runner, entry).steps
    assert step.facts == {"mood": "poked"}
    assert world.pokes == ["a", "a"]


def test_what_let_go_of_its_targets_to_wait_may_have_changed_them(
    runner: Runner, world: World, accept: Accept, ledger: Ledger
) -> None:
    def poke_and_be_held() -> None:
        other = accept()
        ledger.claim(other.id, 1, "x")
        Leases(ledger).acquire(other.id, world.plan(ToyParams(toy=("a",)), None))  # type: ignore[arg-type]
        world.states["a"] = "poked"
        ledger.park(other.id, "x", State.HELD, {}, look_again=60_000)

    world.meanwhile = poke_and_be_held

    (step,) = plan_of(runner, perform(runner, accept())).steps
    assert step.facts == {"mood": "poked"}


def test_andock_refuses_itself_as_a_target(runner: Runner, world: World, accept: Accept) -> None:
    own = Target(kind="vm", site="lab", id="a", name="a", environment="dev", uuid="4210-AA")
    world.target = lambda _name: own  # type: ignore[method-assign]
    guarded = replace(runner, protection=Protection(vms=frozenset({"4210-aa"})))

    assert failure(perform(guarded, accept())).code == "protected_target"
    assert world.pokes == []


def test_killed_before_the_call_the_step_is_taken_once_by_the_next_attempt(
    runner: Runner, world: World, accept: Accept
) -> None:
    world.die = "before a"
    request = accept()
    perform(runner, request)
    world.die = ""

    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_killed_after_the_call_the_next_attempt_settles_and_never_repeats(
    runner: Runner, world: World, accept: Accept
) -> None:
    world.die = "after a"
    request = accept()
    perform(runner, request)
    world.die = ""

    entry = again(runner, request)

    assert entry.result == Succeeded(outcome=Outcome(summary="a was poked, as it turned out"))
    assert world.pokes == ["a"]


def test_what_cannot_be_settled_is_called_unknown_and_the_rest_is_not_begun(
    runner: Runner, world: World, accept: Accept
) -> None:
    world.die, world.settled = "after a", Unknown("nobody can tell")
    request = accept(params={"toy": ["a", "b"]}, confirmed=True)
    perform(runner, request)
    world.die = ""

    refused = failure(again(runner, request))

    assert refused.changed.value == "unknown"
    assert "nobody can tell" in refused.sentence
    assert world.pokes == ["a"]


def test_after_a_crash_only_steps_never_begun_go_on(runner: Runner, world: World, accept: Accept) -> None:
    world.die = "after b"
    request = accept(params={"toy": ["a", "b"]}, confirmed=True)
    perform(runner, request)
    world.die, world.settled = "", NotDone()

    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a", "b", "b"]  # b alone, since its site proved that nothing had happened


def test_settling_waits_for_a_site_that_is_away(runner: Runner, world: World, accept: Accept) -> None:
    world.die, world.settled = "after a", BackendUnavailableError("lab", "connection refused")
    request = accept()
    perform(runner, request)
    world.die = ""

    assert again(runner, request).state is State.ACCEPTED
    world.settled = None
    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_a_failed_step_ends_the_plan_and_says_what_was_done(
    runner: Runner, world: World, accept: Accept
) -> None:
    request = accept(params={"toy": ["a", "b"]}, confirmed=True)
    original = world.apply

    def fail_second(step: Step, ctx: Writer) -> Done:
        world.fail = BackendRejectedError("lab", "no") if step.target.name == "b" else None
        return original(step, ctx)

    poke = runner.catalogue.get("toy poke")
    assert isinstance(poke, Change)
    runner = replace(runner, catalogue=Catalogue((replace(poke, apply=fail_second),)))
    refused = failure(perform(runner, request))

    assert refused.changed.value == "partly"
    assert refused.outcome is not None
    assert refused.outcome.summary == "toy poke: 1 of 2 done."


def wait_for_cancellation(ctx: Writer) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        ctx.watch.look()
        time.sleep(0.01)


def test_a_cancelled_request_stops_between_steps(
    runner: Runner, world: World, accept: Accept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andock.attempt.LEASE", 150)  # renewed every 50 ms, which is when the flag is seen
    request = accept(params={"toy": ["a", "b"]}, confirmed=True)
    original = world.apply

    def cancel_meanwhile(step: Step, ctx: Writer) -> Done:
        done = original(step, ctx)
        ledger.cancel(request.id, "ops-1")
        with contextlib.suppress(CancelledError):
            wait_for_cancellation(ctx)
        return done

    monkeypatch.setattr("andock.attempt.MARGIN", -10)
    poke = runner.catalogue.get("toy poke")
    assert isinstance(poke, Change)
    runner = replace(runner, catalogue=Catalogue((replace(poke, apply=cancel_meanwhile),)))
    entry = perform(runner, request)

    assert (entry.state, failure(entry).changed.value) == (State.CANCELLED, "partly")
    assert world.pokes == ["a"]


def test_a_change_asked_for_in_private_is_also_told_in_its_environments_channel(
    runner: Runner, accept: Accept, ledger: Ledger
) -> None:
    from andock.messages import Reply

    perform(runner, accept(reply=Reply(channel="D1", private=False, direct=True)))

    assert {due.kind for due in Outbox(ledger).take(10)} == {"main", "mirror:C0DEV"}


def test_a_deadline_that_passes_in_a_step_leaves_it_unknown(
    runner: Runner, world: World, accept: Accept
) -> None:
    def never_ends(step: Step, ctx: Writer) -> Done:
        ctx.checkpoint(ctx.mark)
        while True:
            ctx.watch.look()
            time.sleep(0.01)

    poke = runner.catalogue.get("toy poke")
    assert isinstance(poke, Change)
    slow = replace(poke, apply=never_ends, time_limit=timedelta(seconds=0.2))
    refused = failure(perform(replace(runner, catalogue=Catalogue((slow,))), accept()))

    assert refused.changed.value == "unknown"
    assert "time limit" in refused.sentence


def test_a_read_says_so_when_the_record_is_not_written(
    make_runner: Callable[..., Runner], world: World, accept: Accept, signer: Signer, ledger: Ledger
) -> None:
    unrecorded = Ledger(ledger.redis, f"t{secrets.token_hex(4)}")  # nobody records here
    runner = make_runner(make_catalogue(world), POLICY, known=unrecorded)
    request = accept("toy look").model_copy(update={"instance": unrecorded.instance})
    long_ago = f"{int((time.time() - 60) * 1000)}-0"
    unrecorded.redis.xadd(unrecorded.audit, {"sealed": b"a sealed record"}, id=long_ago)
    unrecorded.accept(request, signer.sign(request), dedupe=request.id, record=b"a sealed record")

    assert UNRECORDED in answered(perform(runner, request)).notes


def test_a_read_says_nothing_of_the_record_while_it_is_written(runner: Runner, accept: Accept) -> None:
    assert UNRECORDED not in answered(perform(runner, accept("toy look"))).notes


def answered(entry: Entry) -> Outcome:
    assert isinstance(entry.result, Succeeded)
    return entry.result.outcome
