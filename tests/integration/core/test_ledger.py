"""The ledger's scripts: accepted once, claimed once, concluded once, and a lease that means something."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from andock.errors import BackendUnavailableError, Changed, LeaseLostError
from andock.leases import Leases
from andock.ledger import Lease, Ledger, failed
from andock.messages import Progress, Request, State, Succeeded
from andock.operation import Outcome, Plan, Step, Target
from andock.operations.container.targets import target_of as container_target
from andock.operations.engine.targets import target_of as engine_target
from andock.outbox import Outbox, message
from andock.ports.records import Halt
from andock.refusals import HaltedError
from andock.signing import Signer
from tests.fakes.containers import FakeContainers
from tests.integration.core.conftest import Accept

RECORD = b"a sealed record"
DONE = Succeeded(outcome=Outcome(summary="done"))


def prune_of(target: Target) -> Plan:
    return Plan(batches=((Step(action="prune", target=target, text="prune"),),))


def plan_of(*names: str, parents: tuple[str, ...] = ()) -> Plan:
    targets = [Target(kind="vm", site="lab", id=n, name=n, environment="dev", parents=parents) for n in names]
    return Plan(batches=(tuple(Step(action="poke", target=t, text=f"poke {t.name}") for t in targets),))


def test_the_same_delivery_is_accepted_once_however_often_it_comes(
    ledger: Ledger, signer: Signer, accept: Accept
) -> None:
    request = accept(dedupe="slash:1")
    copies = [request.model_copy(update={"id": f"rcopy{n}aaaa"}) for n in range(20)]

    def deliver(copy: Request) -> tuple[str, bool]:
        return ledger.accept(copy, signer.sign(copy), dedupe="slash:1", record=RECORD)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(deliver, copies))

    assert set(answers) == {(request.id, False)}
    assert [entry.id for entry in ledger.open_requests()] == [request.id]


def test_an_attempt_is_claimed_by_one_worker_only(ledger: Ledger, accept: Accept) -> None:
    request = accept()

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: ledger.claim(request.id, 1, f"owner-{n}"), range(16)))

    assert sorted(claims) == [0] * 15 + [1]


def test_a_claim_whose_answer_was_lost_is_found_again_by_its_owner(ledger: Ledger, accept: Accept) -> None:
    request = accept()

    assert ledger.claim(request.id, 1, "me") == 1
    assert ledger.claim(request.id, 1, "me") == 1
    assert ledger.claim(request.id, 1, "another") == 0


def test_an_attempt_that_was_never_rung_for_cannot_be_claimed(ledger: Ledger, accept: Accept) -> None:
    assert ledger.claim(accept().id, 7, "me") == 0


def test_a_lapsed_lease_goes_to_the_next_attempt_and_the_first_can_write_no_more(
    ledger: Ledger, accept: Accept
) -> None:
    request = accept()
    ledger.claim(request.id, 1, "first")
    assert ledger.ring(request.id, (State.RUNNING,)) == 0  # the lease still runs
    lapse(ledger, request.id)

    assert ledger.ring(request.id, (State.RUNNING,)) == 2
    assert ledger.claim(request.id, 2, "second") == 2
    assert ledger.renew(request.id, "first") is Lease.LOST
    with pytest.raises(LeaseLostError):
        ledger.note(request.id, "first", {"progress": Progress(done=0, total=1)})
    assert not ledger.conclude(request.id, DONE, State.SUCCEEDED, owner="first", record=RECORD)
    assert ledger.conclude(request.id, DONE, State.SUCCEEDED, owner="second", record=RECORD)


def lapse(ledger: Ledger, request: str) -> None:
    """Let the running attempt's lease be over, as it is 15 s after its worker died."""
    ledger.redis.hset(ledger.key("request", request), "lease_until", 1)
    ledger.redis.zadd(ledger.key("open"), {request: 1})


def test_a_result_is_written_once(ledger: Ledger, accept: Accept) -> None:
    request = accept()
    ledger.claim(request.id, 1, "me")

    assert ledger.conclude(request.id, DONE, State.SUCCEEDED, owner="me", record=RECORD)
    late = failed("late", "too late", Changed.UNKNOWN)
    assert ledger.conclude(request.id, late, State.FAILED, owner="me", record=RECORD)
    assert not ledger.conclude(request.id, late, State.FAILED, states=tuple(State), record=RECORD)

    entry = ledger.read(request.id)
    assert entry is not None
    assert (entry.state, entry.result) == (State.SUCCEEDED, DONE)


def test_all_changes_are_refused_while_all_sites_are_halted_and_reads_are_not(
    ledger: Ledger, signer: Signer, accept: Accept
) -> None:
    ledger.halt(Halt("*", "ops-1", "storage", datetime.now(UTC)))
    request = accept().model_copy(update={"id": "rhaltedaaaa"})

    with pytest.raises(HaltedError, match="halted by ops-1: storage"):
        ledger.accept(request, signer.sign(request), dedupe="x", record=RECORD, change=True)
    ledger.accept(request, signer.sign(request), dedupe="x", record=RECORD, change=False)

    assert ledger.lift("*")


def test_a_request_is_refused_at_once_when_its_pool_has_no_live_worker(
    ledger: Ledger, signer: Signer, accept: Accept
) -> None:
    request = accept().model_copy(update={"id": "rnoworkeraa"})

    with pytest.raises(BackendUnavailableError, match="none of pool vsphere is running"):
        ledger.accept(request, signer.sign(request), dedupe="y", record=RECORD, pools=("vsphere",))
    assert ledger.read("rnoworkeraa") is None

    ledger.say_alive("vsphere", 15)
    assert ledger.accept(request, signer.sign(request), dedupe="y", record=RECORD, pools=("vsphere",)) == (
        "rnoworkeraa",
        True,
    )


def test_targets_are_held_until_their_request_ends_and_not_until_a_timer_does(
    ledger: Ledger, accept: Accept
) -> None:
    leases = Leases(ledger)
    first, second = accept(), accept()
    ledger.claim(first.id, 1, "a")

    assert leases.acquire(first.id, plan_of("web-01", "web-02")) == ""
    assert leases.acquire(second.id, plan_of("web-02", "web-03")) == first.id
    assert leases.acquire(second.id, plan_of("web-03")) == ""
    lapse(ledger, first.id)  # its worker died: the vCenter task may still run
    assert leases.acquire(second.id, plan_of("web-02")) == first.id

    ledger.ring(first.id, (State.RUNNING,))
    ledger.claim(first.id, 2, "b")
    ledger.conclude(first.id, DONE, State.SUCCEEDED, owner="b", record=RECORD)
    assert leases.acquire(second.id, plan_of("web-02")) == ""


def test_an_engine_lease_covers_its_containers_and_they_share_it(ledger: Ledger, accept: Accept) -> None:
    leases = Leases(ledger)
    one, two, whole = accept(), accept(), accept()
    port = FakeContainers({"edge-1": "dev"})
    port.run("edge-1", "c1")
    port.run("edge-1", "c2")
    first, second = map(container_target, port.list_containers().rows)
    engine = engine_target(port.list_engines().rows[0])

    assert leases.acquire(one.id, prune_of(first)) == ""
    assert leases.acquire(two.id, prune_of(second)) == ""
    assert leases.acquire(whole.id, prune_of(engine)) in {one.id, two.id}

    ledger.claim(one.id, 1, "a")
    ledger.claim(two.id, 1, "b")
    ledger.conclude(one.id, DONE, State.SUCCEEDED, owner="a", record=RECORD)
    ledger.conclude(two.id, DONE, State.SUCCEEDED, owner="b", record=RECORD)
    assert leases.acquire(whole.id, prune_of(engine)) == ""
    assert leases.acquire(accept().id, prune_of(first)) == whole.id


def test_who_waits_is_looked_at_as_soon_as_the_holder_ends(ledger: Ledger, accept: Accept) -> None:
    holder, waiter = accept(), accept()
    ledger.claim(holder.id, 1, "a")
    ledger.claim(waiter.id, 1, "b")
    ledger.park(waiter.id, "b", State.WAITING, {}, look_again=60_000, holder=holder.id)
    assert waiter.id not in ledger.due(10)

    ledger.conclude(holder.id, DONE, State.SUCCEEDED, owner="a", record=RECORD)

    assert waiter.id in ledger.due(10)


def test_a_message_is_held_by_one_courier_and_is_due_again_when_the_state_moved_on(
    ledger: Ledger, accept: Accept
) -> None:
    outbox, request = Outbox(ledger), accept()
    ledger.claim(request.id, 1, "me")
    ledger.note(request.id, "me", {"progress": Progress(done=0, total=2)}, message=message(request.id))

    (due,) = outbox.take(10)
    assert outbox.take(10) == ()
    ledger.note(request.id, "me", {"progress": Progress(done=1, total=2)}, message=message(request.id))
    assert outbox.take(10) == ()  # the courier still holds it
    outbox.done(due)
    assert outbox.take(10) == (due,)
    outbox.done(due)
    assert outbox.take(10) == ()


def test_a_courier_that_died_is_relieved_of_its_message(ledger: Ledger, accept: Accept) -> None:
    outbox, request = Outbox(ledger), accept()
    ledger.claim(request.id, 1, "me")
    ledger.conclude(
        request.id, DONE, State.SUCCEEDED, owner="me", messages=(message(request.id),), record=RECORD
    )
    (due,) = outbox.take(10)

    ledger.redis.zadd(ledger.key("outbox", "claimed"), {due.member: time.time() * 1000 - 1})

    assert outbox.take(10) == (due,)


def test_results_go_out_before_progress(ledger: Ledger, accept: Accept) -> None:
    outbox, running, ended = Outbox(ledger), accept(), accept()
    ledger.claim(running.id, 1, "a")
    ledger.note(running.id, "a", {"progress": Progress(done=0, total=2)}, message=message(running.id))
    ledger.claim(ended.id, 1, "b")
    ledger.conclude(ended.id, DONE, State.SUCCEEDED, owner="b", messages=(message(ended.id),), record=RECORD)

    assert [due.request for due in outbox.take(10)] == [ended.id, running.id]


def test_a_budget_is_shared_and_leaves_some_for_results(ledger: Ledger) -> None:
    one, two = Outbox(ledger), Outbox(ledger)
    spent = [box.spend("chat.update", per_minute=60, burst=4, leave=2) for box in (one, two, one)]

    assert spent[:2] == [0, 0]
    assert 500 <= spent[2] <= 1000
    assert two.spend("chat.update", per_minute=60, burst=4) == 0
