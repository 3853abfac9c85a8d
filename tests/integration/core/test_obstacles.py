"""Locks and freezes in the way of a change: who is refused, who waits, who goes on, and what a plan says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from andock.added_freezes import AddedFreeze, AddedFreezes
from andock.entries import Entry
from andock.freezes import Freeze
from andock.ledger import Ledger
from andock.locks import Lock, Locks
from andock.messages import Actor, Purpose, State, Succeeded
from andock.operation import Target
from andock.policy import Policy
from andock.protection import Protection
from andock.runner import Runner
from andock.signing import Signer
from tests.conftest import untold
from tests.integration.core.conftest import OPS, Accept, plan_of
from tests.integration.core.test_runner import POLICY, World, again, failure, make_catalogue, perform, vote

LEAD = Actor(team="T1", user="U0LEAD1", name="lead-1")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def runner(make_runner: Callable[..., Runner], world: World) -> Runner:
    return make_runner(make_catalogue(world), POLICY, {"dev": "C0DEV"})


def lock(runner: Runner, signer: Signer, scope: str, actor: Actor = LEAD, lasts: float = 60.0) -> Lock:
    now = time.time()
    made = Lock(
        instance=runner.instance,
        scope=scope,
        owner=actor.key,
        name=actor.name,
        reason="new disks",
        since=now,
        until=now + lasts,
    )
    Locks(runner.ledger, runner.verifier, untold).take(made, signer)
    return made


def release(runner: Runner, scope: str) -> None:
    Locks(runner.ledger, runner.verifier, untold).release(scope, LEAD, force=False)


def around_now(**fields: Any) -> Freeze:
    begin = datetime.now(UTC) - timedelta(hours=1)
    return Freeze.model_validate(
        {"name": "storage", "from": begin, "to": begin + timedelta(hours=2), "line": 9, **fields}
    )


def with_freezes(runner: Runner, *freezes: Freeze) -> Runner:
    policy: Policy = runner.policy.model_copy(update={"freezes": freezes})
    return replace(runner, policy=policy)


def summary(entry: Entry) -> str:
    assert isinstance(entry.result, Succeeded)
    return entry.result.outcome.summary


# --- locks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["a", "A", "lab:a", "lab/a", "dev"])
def test_a_lock_of_somebody_else_refuses_and_says_who_why_and_until_when(
    runner: Runner, world: World, accept: Accept, signer: Signer, scope: str
) -> None:
    held = lock(runner, signer, scope)

    refused = failure(perform(runner, accept()))

    assert (refused.code, refused.changed.value) == ("locked", "nothing")
    assert refused.sentence.startswith(f"`{scope}` is locked by lead-1 until {held.end} (new disks).")
    assert "`--wait`" in refused.sentence
    assert world.pokes == []


@pytest.mark.parametrize("scope", ["b", "edge:a", "prod", "lab"])
def test_a_lock_on_something_else_is_in_nobodys_way(
    runner: Runner, accept: Accept, signer: Signer, scope: str
) -> None:
    lock(runner, signer, scope)

    assert perform(runner, accept()).state is State.SUCCEEDED


def test_the_owners_own_requests_go_on(runner: Runner, accept: Accept, signer: Signer) -> None:
    lock(runner, signer, "a", OPS)

    assert perform(runner, accept()).state is State.SUCCEEDED


def test_reads_and_a_wrong_rule_are_no_matter_of_locks(
    runner: Runner, accept: Accept, signer: Signer
) -> None:
    lock(runner, signer, "dev")
    lock(runner, signer, "prod-c")

    assert summary(perform(runner, accept("toy look"))) == "a"
    assert failure(perform(runner, accept(params={"toy": ["prod-c"]}))).code == "not_allowed"


def test_one_locked_target_of_several_refuses_all_before_anything_is_asked(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    lock(runner, signer, "b")

    assert failure(perform(runner, accept(params={"toy": ["a", "b"]}))).code == "locked"
    assert world.pokes == []


def test_who_waits_is_told_for_whom_and_goes_on_when_the_lock_is_released(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    held = lock(runner, signer, "a")
    request = accept(wait=True)

    parked = perform(runner, request)
    assert (parked.state, parked.holder) == (
        State.WAITING,
        f"the lock of lead-1 on `a` until {held.end}: new disks",
    )
    assert runner.ledger.due(10) == ()

    release(runner, "a")

    assert runner.ledger.due(10) == (request.id,)
    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_who_waits_looks_again_when_the_lock_is_over(runner: Runner, accept: Accept, signer: Signer) -> None:
    held = lock(runner, signer, "a", lasts=3)
    request = accept(wait=True)
    assert perform(runner, request).state is State.WAITING
    looks = runner.ledger.redis.zscore(runner.ledger.key("open"), request.id)

    assert isinstance(looks, float)
    assert held.until * 1000 < looks < held.until * 1000 + 2_000
    while time.time() < held.until:
        time.sleep(0.05)
    assert again(runner, request).state is State.SUCCEEDED


def test_who_waits_behind_two_locks_waits_for_both(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    lock(runner, signer, "a", lasts=30)
    lock(runner, signer, "dev", lasts=60)
    request = accept(wait=True)
    perform(runner, request)

    release(runner, "a")
    assert "on `dev`" in again(runner, request).holder
    release(runner, "dev")
    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_waiting_ends_when_it_is_too_late_to_start(runner: Runner, accept: Accept, signer: Signer) -> None:
    lock(runner, signer, "a")
    request = accept(wait=True, not_after=time.time() + 1)
    assert perform(runner, request).state is State.WAITING
    looks = runner.ledger.redis.zscore(runner.ledger.key("open"), request.id)
    assert isinstance(looks, float)
    assert looks < time.time() * 1000 + 5_000

    while time.time() < request.not_after:
        time.sleep(0.05)
    assert again(runner, request).state is State.EXPIRED


def test_a_lock_that_went_between_look_and_parking_wakes_the_waiter_all_the_same(
    runner: Runner, accept: Accept, signer: Signer
) -> None:
    class Late(Ledger):
        def park(self, *args: Any, **fields: Any) -> None:
            release(runner, "a")
            super().park(*args, **fields)

    lock(runner, signer, "a")
    request = accept(wait=True)

    assert perform(replace(runner, ledger=Late(runner.ledger.redis, runner.instance)), request).holder
    assert runner.ledger.due(10) == (request.id,)


def test_a_plan_to_agree_on_warns_of_the_lock_that_it_will_wait_for(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    held = lock(runner, signer, "b")
    request = accept(params={"toy": ["a", "b"]}, wait=True)

    shown = perform(runner, request)
    assert shown.state is State.CONFIRMING
    assert plan_of(runner, shown).warnings == (held.said,)

    assert perform(runner, request, vote(runner, signer, shown)).state is State.WAITING
    release(runner, "b")
    ended = again(runner, request)
    assert ended.state is State.SUCCEEDED
    assert world.pokes == ["a", "b"]
    assert isinstance(ended.result, Succeeded)
    assert ended.result.outcome.notes == ()


def test_can_i_says_what_is_locked(runner: Runner, accept: Accept, signer: Signer) -> None:
    held = lock(runner, signer, "a")

    entry = perform(runner, accept(purpose=Purpose.EXPLAIN))

    assert isinstance(entry.result, Succeeded)
    assert entry.result.outcome.summary.startswith("Yes")
    assert entry.result.outcome.notes == (held.said,)


# --- what a plan touches besides its targets ---------------------------------------------------------------


def test_a_lock_on_what_a_plan_moves_refuses_and_says_what_it_would_touch(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    held = lock(runner, signer, "b")
    world.touched = ["b"]

    refused = failure(perform(runner, accept()))

    assert (refused.code, refused.changed.value) == ("locked", "nothing")
    assert refused.sentence == (
        f"`b` is locked by lead-1 until {held.end} (new disks). This would touch `b`. "
        "`--wait` waits for its end."
    )
    assert world.pokes == []
    release(runner, "b")
    assert perform(runner, accept()).state is State.SUCCEEDED


def test_who_waits_for_the_lock_on_what_a_plan_moves_is_warned_and_goes_on(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    held = lock(runner, signer, "prod-c")
    world.touched = ["prod-c"]
    open_runner = replace(runner, policy=runner.policy.model_copy(update={"rules": POLICY.rules[1:]}))
    asked = perform(open_runner, accept(purpose=Purpose.PLAN))
    assert isinstance(asked.result, Succeeded)
    assert asked.result.outcome.notes == (held.said,)

    request = accept(wait=True)
    assert perform(open_runner, request).holder == held.said
    release(runner, "prod-c")
    assert again(open_runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_a_freeze_of_the_environment_that_a_plan_reaches_into_stops_it(
    runner: Runner, world: World, accept: Accept
) -> None:
    open_policy = runner.policy.model_copy(
        update={"rules": POLICY.rules[1:], "freezes": (around_now(environments=["prod"]),)}
    )
    open_runner = replace(runner, policy=open_policy)
    assert perform(open_runner, accept()).state is State.SUCCEEDED

    world.touched = ["prod-c"]

    refused = failure(perform(open_runner, accept()))
    assert refused.rule == "freeze storage (policy.yaml:9)"
    assert world.pokes == ["a"]


def test_andock_is_not_moved_either(runner: Runner, world: World, accept: Accept) -> None:
    own = Target(kind="vm", site="lab", id="b", name="b", environment="dev", uuid="4210-AA")
    ordinary = world.target
    world.target = lambda name: own if name == "b" else ordinary(name)  # type: ignore[method-assign]
    world.touched = ["b"]
    guarded = replace(runner, protection=Protection(vms=frozenset({"4210-aa"})))

    assert failure(perform(guarded, accept())).code == "protected_target"
    assert world.pokes == []


def test_what_is_moved_since_the_plan_was_judged_is_judged_too(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    def poke_by_another() -> None:
        perform(runner, accept())
        lock(runner, signer, "b")
        world.touched = ["b"]

    world.meanwhile = poke_by_another

    assert failure(perform(runner, accept())).code == "locked"
    assert world.pokes == ["a"]  # by the other one


# --- freezes ---------------------------------------------------------------------------------------------


def test_a_freeze_of_the_policy_refuses_with_window_and_line(
    runner: Runner, world: World, accept: Accept
) -> None:
    refused = failure(perform(with_freezes(runner, around_now(reason="failing over")), accept()))

    assert (refused.code, refused.rule) == ("not_allowed", "freeze storage (policy.yaml:9)")
    assert " until " in refused.sentence
    assert "(UTC): failing over" in refused.sentence
    assert world.pokes == []


def test_a_freeze_added_by_command_counts_at_once_and_until_it_is_ended(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    freeze = around_now(line=0, source="added by lead-1", environments=["dev"])
    added = AddedFreezes(runner.ledger, runner.verifier, untold)
    now = time.time()
    added.add(
        AddedFreeze(
            instance=runner.instance, freeze=freeze, owner=LEAD.key, name="lead-1", at=now, until=now + 60
        ),
        signer,
    )

    assert failure(perform(runner, accept())).rule == "freeze storage (added by lead-1)"
    assert summary(perform(runner, accept("toy look"))) == "a"
    added.end("storage")
    assert perform(runner, accept()).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_a_freeze_with_an_override_asks_for_it(runner: Runner, world: World, accept: Accept) -> None:
    frozen = with_freezes(runner, around_now(override={"count": 1, "from": ["ops"]}))

    entry = perform(frozen, accept(purpose=Purpose.EXPLAIN))

    assert isinstance(entry.result, Succeeded)
    assert "1 approval from ops" in entry.result.outcome.summary
    assert "freeze storage (policy.yaml:9) on top of ops (policy.yaml:4)" in entry.result.outcome.summary
    assert entry.result.outcome.notes[0].startswith("freeze storage (policy.yaml:9) is in force from ")
    assert world.pokes == []


def test_a_plan_of_somebody_excepted_warns_of_the_freeze(runner: Runner, accept: Accept) -> None:
    frozen = with_freezes(runner, around_now(**{"except": {"groups": ["ops"]}}))

    shown = perform(frozen, accept(params={"toy": ["a", "b"]}))

    assert shown.state is State.CONFIRMING
    assert [warning.split(" from ")[0] for warning in plan_of(runner, shown).warnings] == [
        "freeze storage (policy.yaml:9) is in force"
    ]


def test_a_read_that_shows_a_plan_warns_of_the_freeze_and_the_lock(
    runner: Runner, accept: Accept, signer: Signer
) -> None:
    held = lock(runner, signer, "a")
    lock(runner, signer, "b")

    entry = perform(with_freezes(runner, around_now()), accept("toy plan"))

    assert isinstance(entry.result, Succeeded)
    frozen, locked = entry.result.outcome.notes
    assert frozen.startswith("freeze storage (policy.yaml:9) is in force from ")
    assert locked == held.said


def test_a_freeze_that_began_while_a_request_waited_stops_it(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    lock(runner, signer, "a")
    request = accept(wait=True)
    perform(runner, request)
    release(runner, "a")

    assert failure(again(with_freezes(runner, around_now()), request)).code == "not_allowed"
    assert world.pokes == []
