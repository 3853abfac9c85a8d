"""Cancelling a request in each state that it can be in, on a real ledger."""

from __future__ import annotations

import json
import time
from typing import cast
from urllib.parse import urlencode

import pytest

from andock.attempt import Attempt
from andock.audit import Journal
from andock.catalogue import load_catalogue
from andock.doorbell import Doorbell
from andock.entries import Entry
from andock.ledger import Ledger
from andock.messages import Actor, Failed, Reply, Request, State, Succeeded, make_request_id
from andock.operation import Backend, Outcome
from andock.outbox import Outbox
from andock.ports.votes import Cancelled
from andock.rendering.buttons import Answer, PlanButton
from andock.routing import Route, Routing
from andock.signing import Signer
from bot.cancelling import Canceller
from tests.integration.bot.conftest import Door

OPS_2 = Actor(team="T1", user="U0OPS2", name="ops-2")
LEAD_1 = Actor(team="T1", user="U0LEAD1", name="lead-1")


@pytest.fixture
def canceller(ledger: Ledger, journal: Journal) -> Canceller:
    routing = Routing({"lab": Route(Backend.VSPHERE, "vsphere")})
    instance = ledger.prefix.split(":")[1]
    return Canceller(ledger, Doorbell(ledger.redis, instance), load_catalogue(), routing, journal)


def accept(ledger: Ledger, signer: Signer, user: str = "U0OPS1", team: str = "T1") -> Request:
    now = time.time()
    request = Request(
        id=make_request_id(),
        instance=ledger.prefix.split(":")[1],
        operation="vm off",
        params={"vm": ["web-01"]},
        command="vm off web-01",
        actor=Actor(team=team, user=user, name="ops-1"),
        channel="C0OPS",
        reply=Reply(channel="C0OPS", private=False),
        accepted_at=now,
        not_after=now + 300,
    )
    ledger.accept(request, signer.sign(request), dedupe=request.id, record=b"a sealed record")
    return request


@pytest.mark.parametrize("state", [State.ACCEPTED, State.CONFIRMING, State.WAITING, State.HELD])
def test_what_waits_ends_at_once_and_nothing_was_done(
    canceller: Canceller, ledger: Ledger, signer: Signer, state: State
) -> None:
    request = accept(ledger, signer)
    if state is not State.ACCEPTED:
        ledger.claim(request.id, 1, "me")
        ledger.park(request.id, "me", state, {}, look_again=60_000)

    assert canceller.cancel(request, OPS_2) is Cancelled.UNDONE

    entry = ledger.read(request.id)
    assert entry is not None
    assert entry.state is State.CANCELLED
    assert isinstance(entry.result, Failed)
    assert entry.result.sentence == "ops-2 asked to cancel. Nothing had been done."
    assert [due.request for due in Outbox(ledger).take(5)] == [request.id]


def test_what_runs_is_asked_its_message_is_due_and_the_first_to_ask_counts(
    canceller: Canceller, ledger: Ledger, signer: Signer
) -> None:
    request = accept(ledger, signer)
    ledger.claim(request.id, 1, "me")

    assert canceller.cancel(request, OPS_2) is Cancelled.ASKED
    assert canceller.cancel(request, LEAD_1) is Cancelled.ASKED

    entry = ledger.read(request.id)
    assert entry is not None
    assert (entry.state, entry.cancelled_by) == (State.RUNNING, "ops-2")
    assert [due.request for due in Outbox(ledger).take(5)] == [request.id]


def test_a_running_attempt_hears_of_it_within_two_seconds(
    canceller: Canceller, ledger: Ledger, signer: Signer
) -> None:
    request = accept(ledger, signer)
    held = Attempt.claim(ledger, request.id, 1)
    assert held is not None
    with held:
        canceller.cancel(request, OPS_2)
        deadline = time.monotonic() + 10
        asked = time.monotonic()
        while not held._cancelled and time.monotonic() < deadline:
            time.sleep(0.01)
        assert held._cancelled
        assert time.monotonic() - asked < 4  # one second, and room for a machine under load


@pytest.mark.parametrize("state", [State.HELD, State.PAUSED])
def test_what_is_parked_between_its_steps_is_rung_for_to_say_what_was_done(
    canceller: Canceller, ledger: Ledger, signer: Signer, state: State
) -> None:
    request = accept(ledger, signer)
    ledger.claim(request.id, 1, "me")
    ledger.note(request.id, "me", {"mark:0": b"a sealed mark"})
    ledger.park(request.id, "me", state, {}, look_again=60_000)

    assert canceller.cancel(request, OPS_2) is Cancelled.ASKED

    entry = ledger.read(request.id)
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.ACCEPTED, 2)
    queue = f"rq:queue:{ledger.prefix.split(':')[1]}.vsphere.change"
    assert ledger.redis.lrange(queue, 0, -1) == [f"{request.id}-2".encode()]


def test_what_has_ended_cannot_be_cancelled(canceller: Canceller, ledger: Ledger, signer: Signer) -> None:
    request = accept(ledger, signer)
    ledger.claim(request.id, 1, "me")
    done = Succeeded(outcome=Outcome(summary="done"))
    ledger.conclude(request.id, done, State.SUCCEEDED, owner="me", record=b"a sealed record")

    assert canceller.cancel(request, OPS_2) is Cancelled.HAD_ENDED
    entry = ledger.read(request.id)
    assert entry is not None
    assert entry.cancelled_by == ""


def click(door: Door, request: str, user: str, answer: Answer) -> Entry:
    """Press a button under a request's message, as Slack sends it; what the request is then."""
    payload = {
        "type": "block_actions",
        "team": {"id": door.slack.team_id},
        "user": {"id": user, "team_id": door.slack.team_id},
        "channel": {"id": "C0OPS"},
        "container": {"channel_id": "C0OPS", "message_ts": "1.1"},
        "trigger_id": f"{time.time_ns()}.x",
        "actions": [
            {
                "action_id": answer.action,
                "action_ts": f"{time.time()}",
                "value": PlanButton(request, "").dumps(),
            }
        ],
    }
    assert door.signed(urlencode({"payload": json.dumps(payload)}).encode()).status == 200
    entry = door.ledger.read(request)
    assert entry is not None
    return entry


def test_the_button_is_the_askers_and_of_whom_policy_lets_cancel(door: Door) -> None:
    for user, cancels in (("U0OPS1", True), ("U0OPS2", True), ("U0LEAD1", False)):
        door.slash("vm off web-01")
        request = door.requests()[0].id
        door.ledger.claim(request, 1, "me")
        assert bool(click(door, request, user, Answer.CANCEL).cancelled_by) is cancels, user


READER = "U0LEAD1"  # whom no rule lets change anything


@pytest.mark.parametrize(("user", "may"), [(READER, True), ("U0OPS1", True), ("U0LEAD2", False)])
def test_by_text_too_it_is_the_askers_and_of_whom_policy_lets_cancel(
    door: Door, signer: Signer, user: str, may: bool
) -> None:
    request = accept(door.ledger, signer, READER, team=door.slack.team_id)
    door.ledger.claim(request.id, 1, "me")

    door.slash(f"request cancel {request.id}", user=user)

    entry = door.ledger.read(request.id)
    assert entry is not None
    assert bool(entry.cancelled_by) is may
    said = door.ledger.recent(actor=None, limit=1)[0].result
    assert isinstance(said, Succeeded if may else Failed)
    assert may or (isinstance(said, Failed) and said.code == "not_allowed")


def test_by_text_too_a_plan_that_waits_for_its_askers_answer_is_theirs_alone(door: Door) -> None:
    door.slash("vm off web-01")
    request = door.requests()[0].id
    door.ledger.claim(request, 1, "me")
    door.ledger.park(request, "me", State.CONFIRMING, {}, look_again=60_000)

    door.slash(f"request cancel {request}", user="U0OPS2")

    entry = door.ledger.read(request)
    assert entry is not None
    assert entry.state is State.CONFIRMING


@pytest.mark.parametrize("answer", [Answer.GO_ON, Answer.ROLL_BACK])
@pytest.mark.parametrize(("user", "may"), [("U0OPS1", True), ("U0OPS2", True), ("U0LEAD1", False)])
def test_how_a_paused_request_goes_on_is_for_the_asker_and_whom_policy_lets_say(
    door: Door, answer: Answer, user: str, may: bool
) -> None:
    door.slash("vm off web-01")
    request = door.requests()[0].id
    door.ledger.claim(request, 1, "me")
    door.ledger.park(request, "me", State.PAUSED, {"question": "batch-2"}, look_again=60_000)

    entry = click(door, request, user, answer)

    assert (entry.state, entry.attempt) == ((State.ACCEPTED, 2) if may else (State.PAUSED, 1))
    assert list(entry.answers) == (["batch-2"] if may else [])


def test_a_pause_is_answered_once(door: Door) -> None:
    door.slash("vm off web-01")
    request = door.requests()[0].id
    door.ledger.claim(request, 1, "me")
    door.ledger.park(request, "me", State.PAUSED, {"question": "batch-2"}, look_again=60_000)

    first = click(door, request, "U0OPS1", Answer.GO_ON)
    second = click(door, request, "U0OPS2", Answer.ROLL_BACK)

    assert second.answers == first.answers
    assert second.attempt == 2


def test_a_pause_is_answered_by_text_too(door: Door) -> None:
    door.slash("vm off web-01")
    request = door.requests()[0].id
    door.ledger.claim(request, 1, "me")
    door.ledger.park(request, "me", State.PAUSED, {"question": "batch-2"}, look_again=60_000)

    door.slash(f"request roll-back {request}")

    entry = door.ledger.read(request)
    assert entry is not None
    assert (entry.state, list(entry.answers)) == (State.ACCEPTED, ["batch-2"])


@pytest.mark.parametrize("by_text", [True, False])
def test_an_answer_to_a_plan_that_no_worker_made_is_not_taken_and_recorded_as_refused(
    door: Door, by_text: bool
) -> None:
    door.slash("vm off web-01")
    request = door.requests()[0].id
    door.ledger.claim(request, 1, "me")
    fields = {"question": "batch-2", "plan": "{}"}
    door.ledger.park(request, "me", State.PAUSED, fields, look_again=60_000)

    if by_text:
        door.slash(f"request roll-back {request}")
    else:
        click(door, request, "U0OPS1", Answer.ROLL_BACK)

    entry = door.ledger.read(request)
    assert entry is not None
    assert (entry.state, dict(entry.answers)) == (State.PAUSED, {})
    found = cast("list[tuple[bytes, dict[bytes, bytes]]]", door.ledger.redis.xrevrange(door.ledger.audit))
    assert b'"event":"refused"' in found[0][1][b"sealed"]
