"""A request in the words of GitHub's deployment statuses, in every state that it can be in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from andock.approvals import Approval, Need
from andock.entries import Entry, Post
from andock.errors import Changed
from andock.messages import Actor, Failed, Progress, Reply, Request, State, Succeeded, Vote, Word
from andock.operation import Outcome, Plan, Step, Target
from bot.hooks.status import describe

AT = 1_764_000_000.0
REQUEST = Request(
    id="rabc",
    instance="main",
    operation="service deploy",
    params={"service": "api", "version": "v1", "environment": "prod"},
    command="service deploy api v1 prod",
    actor=Actor(team="hook", user="hook:ci", name="hook ci for ops-1", author="T1/U0OPS1"),
    channel="C0OPS",
    reply=Reply(channel="C0OPS", private=False),
    accepted_at=AT,
    not_after=AT + 300,
)
ENTRY = Entry(
    id="rabc",
    sealed=b"",
    state=State.ACCEPTED,
    attempt=1,
    accepted=AT,
    ended=None,
    owner="",
    plan=b"",
    digest="",
    approval=None,
    phrase="",
    votes={},
    marks={},
    progress=None,
    result=None,
    holder="",
    answer_by=None,
    posts={},
)
APPROVAL = Approval(
    rule="two (policy.yaml:1)",
    needs=(Need(count=2, groups=("leads",)), Need(count=1, groups=("dba",))),
    within=900,
)


def failed(code: str, changed: Changed = Changed.NOTHING, **more: bool) -> Failed:
    return Failed(code=code, sentence="it went wrong", changed=changed, **more)


def vote(at: float) -> Vote:
    voter = Actor(team="T1", user="U0LEAD1", name="lead-1")
    return Vote(instance="main", request="rabc", plan="", word=Word.APPROVE, actor=voter, at=at)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"state": State.ACCEPTED}, "queued"),
        ({"state": State.WAITING, "holder": "rxyz"}, "queued"),
        ({"state": State.HELD, "holder": "lead-1"}, "queued"),
        ({"state": State.CONFIRMING}, "pending"),
        ({"state": State.APPROVING, "approval": APPROVAL}, "pending"),
        ({"state": State.RUNNING}, "in_progress"),
        ({"state": State.PAUSED}, "pending"),
        ({"state": State.SUCCEEDED, "result": Succeeded(outcome=Outcome(summary="`api` runs"))}, "success"),
        ({"state": State.FAILED, "result": failed("target_not_found", mendable=True)}, "failure"),
        ({"state": State.FAILED, "result": failed("no_change", mendable=True)}, "success"),
        ({"state": State.FAILED, "result": failed("locked", retryable=True, mendable=True)}, "failure"),
        ({"state": State.FAILED, "result": failed("backend_rejected", Changed.PARTLY)}, "failure"),
        ({"state": State.FAILED, "result": failed("outcome_unknown", Changed.UNKNOWN)}, "error"),
        ({"state": State.FAILED, "result": failed("backend_unavailable", retryable=True)}, "error"),
        ({"state": State.CANCELLED, "result": failed("not_approved")}, "failure"),
        ({"state": State.CANCELLED, "result": failed("cancelled")}, "inactive"),
        ({"state": State.CANCELLED, "result": failed("cancelled", Changed.PARTLY)}, "failure"),
        ({"state": State.EXPIRED, "result": failed("expired")}, "inactive"),
        ({"state": State.EXPIRED, "result": failed("expired", Changed.PARTLY)}, "failure"),
    ],
)
def test_every_state_is_one_of_githubs(changes: dict[str, object], state: str) -> None:
    status = describe(replace(ENTRY, **changes), REQUEST, None, (), "https://acme.slack.com/")

    assert status.state == state
    assert 0 < len(status.description) <= 140
    assert status.environment == "prod"


def test_a_long_sentence_is_cut_to_one_line_without_markup() -> None:
    result = Failed(code="x", sentence="`api`\n*failed* " + "again " * 60, changed=Changed.NOTHING)

    said = describe(replace(ENTRY, state=State.FAILED, result=result), REQUEST, None, (), "").description

    assert said.startswith("api failed again")
    assert (len(said), said[-1]) == (140, "…")


def test_it_counts_the_approvals_of_all_needs_and_knows_the_last() -> None:
    waiting = replace(ENTRY, state=State.APPROVING, approval=APPROVAL, votes={"T1/U1": b"", "T1/U2": b""})

    status = describe(waiting, REQUEST, None, (vote(AT + 10), vote(AT + 60)), "")

    assert (status.approvals.given, status.approvals.needed) == (2, 3)
    assert (
        status.description == "Waits for 2 approvals from leads and 1 approval from dba in Slack; given: 2."
    )
    assert (status.updated_at - status.created_at).total_seconds() == 60


def test_progress_is_told_and_the_message_is_linked_once_it_is_there() -> None:
    running = replace(ENTRY, state=State.RUNNING, progress=Progress(done=1, total=3, text="roll `api`"))

    assert describe(running, REQUEST, None, (), "https://acme.slack.com/").log_url == ""
    posted = replace(running, posts={"main": Post(channel="C0OPS", ts="1764000000.000100")})
    status = describe(posted, REQUEST, None, (), "https://acme.slack.com/")
    assert status.description == "Step 2 of 3: roll api"
    assert status.target_url == "https://acme.slack.com/archives/C0OPS/p1764000000000100"


def test_where_the_operation_has_no_environment_it_is_that_of_the_targets() -> None:
    target = Target(kind="vm", site="lab", id="vm-1", name="web-01", environment="stage")
    plan = Plan(batches=((Step(action="off", target=target, text="off"),),))
    request = REQUEST.model_copy(update={"params": {"vm": ["web-01"]}})

    assert describe(ENTRY, request, plan, (), "").environment == "stage"
