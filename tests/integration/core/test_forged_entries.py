"""Whoever can write to Redis can alter what lies in the ledger: it is refused, and nothing is done by it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from andock.audit import AuditRecord, Event
from andock.catalogue import Catalogue
from andock.entries import StepMark
from andock.errors import Changed
from andock.ledger import RETENTION
from andock.messages import Request, State
from andock.operation import Change, Done, NotDone, Phase, Plan, Step, Target, Writer
from andock.policy import Rule
from andock.protection import Protection
from andock.redaction import SHAPES_ONLY
from andock.runner import Runner
from andock.seals import StoredPlan, seal_mark, seal_plan
from andock.signing import SIGNERS, Signer
from tests.integration.core.conftest import Accept
from tests.integration.core.test_runner import (
    POLICY,
    World,
    again,
    failure,
    perform,
    runner,
    world,
)

__all__ = ["runner", "world"]  # fixtures of the runner's tests
DONE = StepMark(phase=Phase.DONE, text="a was poked")


def toy(name: str, environment: str = "dev") -> Step:
    target = Target(kind="toy", site="lab", id=name, name=name, environment=environment)
    undo = Step(action="poke", target=target, text=f"soothe {name}")
    return Step(action="poke", target=target, text=f"poke {name}", undo=undo)


def alter(runner: Runner, request: Request, **fields: bytes | str) -> None:
    """Write fields of the stored request, as somebody with Redis' password could."""
    key = runner.ledger.key("request", request.id)
    mapping: dict[str | bytes, bytes | str] = {
        name.replace("_", ":"): value for name, value in fields.items()
    }
    runner.ledger.redis.hset(key, mapping=mapping)


def field(runner: Runner, request: Request, name: str) -> bytes:
    return cast("bytes", runner.ledger.redis.hget(runner.ledger.key("request", request.id), name))


def begin(runner: Runner, request: Request, plan: Plan, signer: Signer | None) -> None:
    """Make it look as if the first step of this plan were done; without a signer as plain JSON."""
    if signer is None:
        alter(runner, request, plan=plan.model_dump_json(), mark_0=DONE.model_dump_json())
        return
    stored = StoredPlan(instance=runner.instance, request=request.id, attempt=1, plan=plan, rule="ops")
    sealed = seal_plan(stored, signer, SHAPES_ONLY)
    alter(runner, request, plan=sealed, mark_0=seal_mark(sealed, 0, DONE, signer, SHAPES_ONLY))


def events(runner: Runner) -> list[Event]:
    """What was recorded, in order."""
    found = cast("list[tuple[bytes, dict[bytes, bytes]]]", runner.ledger.redis.xrange(runner.ledger.audit))
    sealed = [fields[b"sealed"] for _, fields in found]
    return [runner.verifier.open(one, AuditRecord, by=SIGNERS).event for one in sealed]


@pytest.fixture(params=["nobody", "a stranger", "a bot"])
def forger(request: pytest.FixtureRequest, signer: Signer) -> Signer | None:
    """Whoever has signed what a worker should have."""
    stranger = Signer("0" * 12, Ed25519PrivateKey.generate())
    return {"nobody": None, "a stranger": stranger, "a bot": signer}[request.param]


# --- plans and marks that no worker made -----------------------------------------------------------------


def test_a_plan_and_a_mark_that_no_worker_made_are_refused_and_recorded(
    runner: Runner, world: World, accept: Accept, forger: Signer | None
) -> None:
    request = accept()
    begin(runner, request, Plan(batches=((toy("a"), toy("prod-c", "prod")),)), forger)

    refused = failure(perform(runner, request))

    assert (refused.code, refused.changed) == ("signature", Changed.UNKNOWN)
    assert world.pokes == []
    assert events(runner)[-1] is Event.REFUSED


def test_a_forged_plan_that_can_be_put_back_does_not_run_late(
    runner: Runner, world: World, accept: Accept, forger: Signer | None
) -> None:
    request = accept(not_after=time.time() - 1)
    begin(runner, request, Plan(batches=((toy("a"), toy("b")),)), forger)

    assert failure(perform(runner, request)).code == "signature"
    assert world.pokes == []


def test_a_forged_plan_that_is_shown_is_refused_with_its_go_ahead(
    runner: Runner, world: World, accept: Accept, forger: Signer | None
) -> None:
    request = accept(params={"toy": ["a", "b"]})
    assert perform(runner, request).state is State.CONFIRMING
    begin(runner, request, Plan(batches=((toy("prod-c", "prod"),),)), forger)
    alter(runner, request, state=State.ACCEPTED.value)

    assert failure(perform(runner, request)).code == "signature"
    assert world.pokes == []


def interrupt(runner: Runner, world: World, accept: Accept, *toys: str) -> Request:
    """A request whose worker was killed after its last toy was poked and before that was noted."""
    world.die = f"after {toys[-1]}"
    request = accept(params={"toy": list(toys)}, confirmed=True)
    perform(runner, request)
    world.die = ""
    return request


def test_a_plan_and_its_marks_moved_from_another_request_are_refused(
    runner: Runner, world: World, accept: Accept
) -> None:
    donor = interrupt(runner, world, accept, "a", "b")
    request = accept(params={"toy": ["a"]})
    moved = {name: field(runner, donor, name.replace("_", ":")) for name in ("plan", "mark_0", "mark_1")}
    alter(runner, request, **moved)

    assert failure(perform(runner, request)).code == "signature"
    assert world.pokes == ["a", "b"]


@pytest.mark.parametrize(
    ("taken", "put"), [("mark:0", "mark_1"), ("mark:0", "mark_-1"), ("mark:0", "mark_7")]
)
def test_a_mark_moved_to_another_step_is_refused(
    runner: Runner, world: World, accept: Accept, taken: str, put: str
) -> None:
    request = interrupt(runner, world, accept, "a", "b")
    alter(runner, request, **{put: field(runner, request, taken)})

    refused = failure(again(runner, request))

    assert (refused.code, refused.changed) == ("signature", Changed.UNKNOWN)
    assert world.pokes == ["a", "b"]


def test_a_mark_moved_from_another_requests_plan_is_refused(
    runner: Runner, world: World, accept: Accept
) -> None:
    donor = interrupt(runner, world, accept, "a")
    request = interrupt(runner, world, accept, "b")
    alter(runner, request, mark_0=field(runner, donor, "mark:0"))

    assert failure(again(runner, request)).code == "signature"


# --- genuine ones, put back to what they were ------------------------------------------------------------


def test_a_mark_put_back_to_an_earlier_one_is_settled_and_its_step_not_taken_again(
    runner: Runner, world: World, accept: Accept
) -> None:
    earlier: list[bytes] = []
    original, request = world.apply, accept(params={"toy": ["a", "b"]}, confirmed=True)

    def remember(step: Step, ctx: Writer) -> Done:
        done = original(step, ctx)
        if step.target.name == "a":
            earlier.append(field(runner, request, "mark:0"))
        return done

    poke = runner.catalogue.get("toy poke")
    assert isinstance(poke, Change)
    watched = replace(runner, catalogue=Catalogue((replace(poke, apply=remember),)))
    world.die = "after b"
    perform(watched, request)
    world.die = ""
    alter(runner, request, mark_0=earlier[0])

    assert again(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a", "b"]


def test_an_ended_request_that_is_put_back_is_not_done_again(
    runner: Runner, world: World, accept: Accept
) -> None:
    request = accept()
    key = runner.ledger.key("request", request.id)
    before = cast("bytes", runner.ledger.redis.dump(key))
    assert perform(runner, request).state is State.SUCCEEDED
    runner.ledger.redis.restore(key, 0, before, replace=True)

    refused = failure(perform(runner, request))

    assert refused.code == "not_recorded"
    assert world.pokes == ["a"]
    assert Event.REFUSED in events(runner)


def test_an_interrupted_request_that_is_put_back_after_its_end_does_not_go_on(
    runner: Runner, world: World, accept: Accept
) -> None:
    request = interrupt(runner, world, accept, "a", "b")
    key = runner.ledger.key("request", request.id)
    before = cast("bytes", runner.ledger.redis.dump(key))
    assert again(runner, request).state is State.SUCCEEDED
    runner.ledger.redis.restore(key, 0, before, replace=True)
    world.settled = NotDone()

    assert again(runner, request).state is State.ACCEPTED  # looked at again later, and ended some time
    assert world.pokes == ["a", "b"]
    assert Event.REFUSED in events(runner)


def test_a_request_older_than_any_that_is_kept_is_refused(
    runner: Runner, world: World, accept: Accept, signer: Signer
) -> None:
    request = accept()
    old = request.model_copy(update={"accepted_at": time.time() - RETENTION - 1})
    alter(runner, request, sealed=signer.sign(old))

    assert failure(perform(runner, request)).code == "signature"
    assert world.pokes == []


# --- what was begun is decided again before it goes on ---------------------------------------------------


def test_after_a_crash_what_policy_denies_by_now_is_not_begun(
    runner: Runner, world: World, accept: Accept
) -> None:
    request = interrupt(runner, world, accept, "a", "b")
    world.settled = NotDone()
    rule = Rule(name="closed", deny=("toy *",), line=2)
    closed = POLICY.model_copy(update={"rules": (rule, *POLICY.rules)})

    refused = failure(again(replace(runner, policy=closed), request))

    assert "closed (policy.yaml:2)" in refused.sentence
    assert refused.changed is Changed.PARTLY
    assert world.pokes == ["a", "b"]


def test_after_a_crash_what_is_andocks_own_by_now_is_not_begun(
    runner: Runner, world: World, accept: Accept
) -> None:
    own = Target(kind="vm", site="lab", id="a", name="a", environment="dev", uuid="4210-AA")
    world.target = lambda _name: own  # type: ignore[method-assign]
    request = interrupt(runner, world, accept, "a")
    world.settled = NotDone()
    guarded = replace(runner, protection=Protection(vms=frozenset({"4210-aa"})))

    assert "Andock itself runs on it" in failure(again(guarded, request)).sentence
    assert world.pokes == ["a"]
