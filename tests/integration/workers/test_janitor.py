"""The janitor: rings again, starts settling, ends what is too late, and believes only what is signed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from andock.approvals import Approval, Need
from andock.entries import StepMark
from andock.messages import Actor, Failed, Request, State, Vote, Word
from andock.operation import Mark, Phase, Plan, Step, Target
from andock.outbox import REMINDER, Outbox, message
from andock.votes import Ballot, Counted, Votes
from tests.integration.workers.conftest import Playground

TARGET = Target(kind="toy", site="lab", id="a", name="a", environment="dev")
PLAN = Plan(batches=((Step(action="poke", target=TARGET, text="poke a"),),))


def failure(toys: Playground, request: Any) -> Failed:
    result = toys.entry(request).result
    assert isinstance(result, Failed)
    return result


def begin(toys: Playground, request: Any) -> None:
    """A worker that claimed it, sent something, and died."""
    assert toys.ledger.claim(request.id, 1, "worker") == 1
    mark = StepMark(phase=Phase.BEGUN, mark=Mark(begun_at=time.time()))
    toys.ledger.note(request.id, "worker", toys.sealed(request, PLAN, {0: mark}))


def test_a_request_that_nobody_claimed_is_rung_for_again(toys: Playground) -> None:
    request = toys.accept()
    toys.make_due(request)

    toys.janitor.sweep()

    assert toys.waiting() == [f"{request.id}-2"]


def test_it_is_not_rung_for_before_its_time(toys: Playground) -> None:
    toys.accept()

    toys.janitor.sweep()

    assert toys.waiting() == []


def test_a_lapsed_lease_gets_an_attempt_that_settles(toys: Playground) -> None:
    request = toys.accept()
    begin(toys, request)
    toys.lapse(request)

    toys.janitor.sweep()

    assert toys.waiting() == [f"{request.id}-2"]
    assert toys.entry(request).state is State.ACCEPTED


def test_a_request_whose_lease_still_runs_is_left_alone(toys: Playground) -> None:
    request = toys.accept()
    begin(toys, request)
    toys.make_due(request)

    toys.janitor.sweep()

    assert toys.waiting() == []
    assert toys.entry(request).state is State.RUNNING


@pytest.mark.parametrize("state", [State.CONFIRMING, State.HELD])
def test_what_waited_too_long_for_a_person_expires_and_is_said(toys: Playground, state: State) -> None:
    request = toys.accept()
    toys.ledger.claim(request.id, 1, "worker")
    toys.ledger.park(request.id, "worker", state, toys.sealed(request, PLAN), look_again=0)
    outbox = Outbox(toys.ledger)
    for due in outbox.take(10):
        outbox.done(due)

    toys.make_due(request)
    toys.janitor.sweep()

    assert toys.entry(request).state is State.EXPIRED
    assert [due.request for due in outbox.take(10)] == [request.id]


def test_what_may_no_longer_start_expires_instead_of_being_rung_for(toys: Playground) -> None:
    request = toys.accept(not_after=time.time() - 1)
    toys.make_due(request)

    toys.janitor.sweep()

    assert toys.entry(request).state is State.EXPIRED
    assert failure(toys, request).changed == "nothing"
    assert toys.waiting() == []


def test_what_was_begun_is_settled_however_late_it_is(toys: Playground) -> None:
    request = toys.accept(not_after=time.time() + 0.5)
    begin(toys, request)
    toys.lapse(request)
    toys.janitor.sweep()
    toys.redis.delete(f"rq:queue:{toys.queue()}")
    toys.set(request, accepted=int((time.time() - 900) * 1000))
    time.sleep(max(0.0, request.not_after - time.time()))

    toys.make_due(request)
    toys.janitor.sweep()

    assert toys.waiting() == [f"{request.id}-3"]


def test_what_nobody_came_to_settle_is_unknown_in_the_end(toys: Playground) -> None:
    request = toys.accept()
    begin(toys, request)
    toys.set(request, accepted=int((time.time() - 2 * 86_400) * 1000))
    toys.lapse(request)

    toys.janitor.sweep()

    assert toys.entry(request).state is State.FAILED
    assert (failure(toys, request).code, failure(toys, request).changed) == ("outcome_unknown", "unknown")


def test_an_open_entry_without_its_record_is_forgotten(toys: Playground) -> None:
    toys.redis.zadd(toys.ledger.key("open"), {"rgonegonegone": 0})

    toys.janitor.sweep()

    assert toys.redis.zcard(toys.ledger.key("open")) == 0


def test_an_ended_request_is_forgotten_and_its_end_stays(toys: Playground) -> None:
    request = toys.accept(not_after=time.time() - 1)
    toys.make_due(request)
    toys.janitor.sweep()
    toys.redis.zadd(toys.ledger.key("open"), {request.id: 0})

    toys.janitor.sweep()

    assert toys.redis.zcard(toys.ledger.key("open")) == 0
    assert toys.entry(request).state is State.EXPIRED


def test_an_altered_request_is_refused_and_rung_for_by_nobody(toys: Playground) -> None:
    request = toys.accept()
    sealed = toys.entry(request).sealed
    toys.set(request, sealed=sealed.replace(b'"toy":"a"', b'"toy":"b"'))
    toys.make_due(request)

    toys.janitor.sweep()

    assert failure(toys, request).code == "signature"
    assert toys.waiting() == []


def test_a_request_copied_under_another_id_is_refused(toys: Playground) -> None:
    first, second = toys.accept(), toys.accept(toy="b")
    toys.set(second, sealed=toys.entry(first).sealed)
    toys.make_due(second)

    toys.janitor.sweep()

    assert failure(toys, second).code == "signature"
    assert toys.waiting() == []


def test_an_operation_that_is_no_more_is_said_instead_of_rung_for(toys: Playground) -> None:
    request = toys.accept("toy cuddle")
    toys.make_due(request)

    toys.janitor.sweep()

    assert failure(toys, request).code == "unknown_operation"


def test_a_site_that_left_while_a_step_was_under_way_leaves_an_unknown_end(toys: Playground) -> None:
    request = toys.accept(site="gone")
    begin(toys, request)
    toys.lapse(request)

    toys.janitor.sweep()

    assert failure(toys, request).changed == "unknown"


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "confused"},
        {"attempt": "many"},
        {"mark:first": "{}"},
        {"result": "null"},
        {"sealed": b"\xff"},
        {"owner": b"\xff\xfe"},
    ],
)
def test_a_damaged_record_does_not_keep_the_others_from_being_looked_at(
    toys: Playground, fields: dict[str, Any]
) -> None:
    damaged, healthy = toys.accept(), toys.accept(toy="b")
    toys.set(damaged, **fields)
    toys.make_due(damaged)
    toys.make_due(healthy)

    toys.janitor.sweep()

    assert toys.waiting() == [f"{healthy.id}-2"]


def test_a_value_of_another_kind_in_a_records_place_does_no_harm(toys: Playground) -> None:
    healthy = toys.accept()
    toys.redis.set(toys.ledger.key("request", "rtext"), "text")
    toys.redis.zadd(toys.ledger.key("open"), {"rtext": 0, healthy.id: 0})

    toys.janitor.sweep()

    assert toys.waiting() == [f"{healthy.id}-2"]


def test_an_open_id_that_is_no_text_does_no_harm(toys: Playground) -> None:
    healthy = toys.accept()
    toys.redis.zadd(toys.ledger.key("open"), {b"\xff\xfe": 0, healthy.id: 0})

    toys.janitor.sweep()

    assert toys.waiting() == [f"{healthy.id}-2"]


def test_two_janitors_ring_once(toys: Playground) -> None:
    request = toys.accept()
    toys.make_due(request)

    toys.janitor.sweep()
    toys.janitor.sweep()

    assert toys.waiting() == [f"{request.id}-2"]


# --- approvals -------------------------------------------------------------------------------------------

APPROVAL = Approval(
    rule="two leads", needs=(Need(count=2, groups=("leads",), people=("U0LEAD1", "U0LEAD2")),), within=600.0
)


def park_for_approval(toys: Playground) -> Request:
    request = toys.accept()
    toys.ledger.claim(request.id, 1, "worker")
    fields = {**toys.sealed(request, PLAN), "approval": APPROVAL}
    toys.ledger.park(request.id, "worker", State.APPROVING, fields, look_again=600_000)
    outbox = Outbox(toys.ledger)
    for due in outbox.take(10):
        outbox.done(due)
    return request


def test_at_half_time_the_approvers_are_reminded_once(toys: Playground) -> None:
    request = park_for_approval(toys)
    Votes(toys.ledger).start_clock(request.id, 600, message(request.id))
    outbox = Outbox(toys.ledger)
    for due in outbox.take(10):
        outbox.done(due)

    for _ in range(3):
        toys.make_due(request)
        toys.janitor.sweep()

    assert [due.kind for due in outbox.take(10)] == [REMINDER]
    entry = toys.entry(request)
    assert entry.state is State.APPROVING
    assert entry.answer_by is not None
    assert toys.redis.zscore(toys.ledger.key("open"), request.id) == pytest.approx(entry.answer_by * 1000)


def test_of_several_at_half_time_each_is_reminded_of(toys: Playground) -> None:
    requests = [park_for_approval(toys) for _ in range(3)]
    outbox = Outbox(toys.ledger)
    for request in requests:
        Votes(toys.ledger).start_clock(request.id, 600, message(request.id))
        for due in outbox.take(10):
            outbox.done(due)
        toys.make_due(request)

    toys.janitor.sweep()

    reminded = {due.request for due in outbox.take(10) if due.kind == REMINDER}
    assert reminded == {request.id for request in requests}


def test_what_not_enough_people_approved_in_time_expires_and_is_recorded(toys: Playground) -> None:
    request = park_for_approval(toys)
    Votes(toys.ledger).start_clock(request.id, 0.01, message(request.id))
    time.sleep(0.05)
    toys.make_due(request)

    toys.janitor.sweep()

    assert toys.entry(request).state is State.EXPIRED
    assert "Not enough people approved it in time" in failure(toys, request).sentence
    assert toys.events()[-1] == "expired"


def test_what_slack_never_took_to_the_approvers_expires_and_says_so(toys: Playground) -> None:
    request = park_for_approval(toys)
    toys.make_due(request)

    toys.janitor.sweep()

    assert "could not be asked" in failure(toys, request).sentence


def test_a_bot_that_died_between_the_last_vote_and_the_doorbell_is_made_up_for(toys: Playground) -> None:
    request = park_for_approval(toys)
    for number, user in enumerate(("U0LEAD1", "U0LEAD2")):
        voter = Actor(team="T1", user=user, name=user)
        vote = Vote(
            instance=toys.instance,
            request=request.id,
            plan=PLAN.digest,
            word=Word.APPROVE,
            actor=voter,
            at=1.0,
        )
        ballot = Ballot(State.APPROVING, "0", APPROVAL.counts, b"a sealed record")
        assert Votes(toys.ledger).count(vote, toys.signer.sign(vote), ballot) == (
            2 if number else Counted.MORE_NEEDED
        )
    assert toys.waiting() == []
    toys.make_due(request)

    toys.janitor.sweep()

    assert toys.waiting() == [f"{request.id}-3"]


def test_a_review_that_nobody_gave_in_time_is_asked_for_once_more(toys: Playground) -> None:
    request = toys.accept(emergency="the shop is down")
    Votes(toys.ledger).ask_review(request.id, time.time() - 1)
    outbox = Outbox(toys.ledger)
    for due in outbox.take(10):
        outbox.done(due)

    toys.janitor.sweep()
    toys.janitor.sweep()

    (due,) = outbox.take(10)
    notice = outbox.read_notice(due.request, toys.verifier)
    assert notice is not None
    assert "the shop is down" in notice.text
    assert f"request review {request.id}" in notice.text


def test_an_overdue_review_of_a_request_that_nobody_can_read_is_dropped_and_recorded(
    toys: Playground,
) -> None:
    unreadable, request = (
        toys.accept(emergency="signed by a key of old"),
        toys.accept(emergency="the shop is down"),
    )
    toys.set(unreadable, sealed=b"gone." + toys.entry(unreadable).sealed.split(b".", 1)[1])
    votes, outbox = Votes(toys.ledger), Outbox(toys.ledger)
    votes.ask_review(unreadable.id, time.time() - 2)
    votes.ask_review(request.id, time.time() - 1)
    for due in outbox.take(10):
        outbox.done(due)

    toys.janitor.sweep()
    toys.janitor.sweep()

    (due,) = outbox.take(10)
    assert due.request == f"{request.id}overdue"
    assert votes.overdue_reviews() == (request.id,)
    assert toys.events().count("refused") == 1


def test_an_overdue_review_of_a_request_that_is_no_longer_kept_is_dropped(toys: Playground) -> None:
    Votes(toys.ledger).ask_review("rgonegonegone", time.time() - 1)

    toys.janitor.sweep()

    assert Votes(toys.ledger).overdue_reviews() == ()


def test_a_request_that_cannot_be_ended_does_not_keep_the_others_from_being_looked_at(
    toys: Playground,
) -> None:
    damaged, healthy = toys.accept(not_after=time.time() - 1), toys.accept(toy="b")
    toys.set(damaged, leases="{")
    toys.make_due(damaged)
    toys.make_due(healthy)

    toys.janitor.sweep()

    assert toys.waiting() == [f"{healthy.id}-2"]
