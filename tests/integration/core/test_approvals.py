"""Other people's votes on a real ledger: who counts, once, for which plan, and what a worker believes."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from andock.attempt import Attempt
from andock.audit import AuditRecord, Event, Journal
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell
from andock.entries import Entry
from andock.errors import SignatureError, UserError
from andock.ledger import Ledger
from andock.memberships import Membership, Roster
from andock.messages import Actor, Failed, Reply, Request, State, Vote, Word
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
from andock.outbox import Outbox
from andock.policy import Approvals, BreakGlass, Group, Policy, Rule
from andock.redaction import SHAPES_ONLY
from andock.refusals import NotAllowedError
from andock.routing import Route, Routing
from andock.runner import Runner
from andock.seals import StoredPlan, seal_plan
from andock.signing import Signer, Verifier
from andock.votes import Votes
from bot.ballots import Ballots
from tests.conftest import untold
from tests.integration.core.conftest import OPS, Accept, plan_of

LEAD_1 = Actor(team="T1", user="U0LEAD1", name="lead-1")
LEAD_2 = Actor(team="T1", user="U0LEAD2", name="lead-2")
DBA = Actor(team="T1", user="U0DBA1", name="dba-1", usergroups=("S0DBA",))
OTHER = Actor(team="T1", user="U0OPS2", name="ops-2")
HOST = Actor(team="cli", user="cli:root", name="root on the host")
HOOK = Actor(team="hook", user="hook:ci", name="hook ci for lead-1", author=LEAD_1.key)


class ToyParams(Params):
    toy: tuple[str, ...] = Field(description="Names.")


@dataclass
class World:
    """Toys with a mood; what was poked."""

    moods: dict[str, str] = field(default_factory=lambda: {"a": "calm", "b": "calm"})
    pokes: list[str] = field(default_factory=list)

    def plan(self, params: ToyParams, _ctx: Reader) -> Plan:
        steps = [
            Step(
                action="poke",
                target=Target(kind="toy", site="lab", id=name, name=name, environment="prod"),
                text=f"poke {name}",
                facts={"mood": self.moods[name]},
            )
            for name in params.toy
        ]
        return Plan(batches=(tuple(steps),))

    def apply(self, step: Step, ctx: Writer) -> Done:
        ctx.checkpoint(ctx.mark)
        self.pokes.append(step.target.name)
        return Done(text=f"{step.target.name} was poked")

    def settle(self, _step: Step, _ctx: Reader, _mark: Mark) -> Settled:
        return NotDone()


@pytest.fixture
def world() -> World:
    return World()


POLICY = Policy(
    groups={
        "ops": Group(users=frozenset({"U0OPS1", "U0OPS2", "hook:ci"})),
        "leads": Group(users=frozenset({"U0LEAD1", "U0LEAD2", "U0OPS1", "cli:root"})),
        "host": Group(users=frozenset({"cli:root"})),
        "dba": Group(usergroups=frozenset({"S0DBA"})),
    },
    rules=(
        Rule(
            name="two leads",
            allow=("toy poke",),
            to=("ops",),
            approvals=Approvals.model_validate({"count": 2, "from": ["leads", "dba"], "within": "10m"}),
            break_glass=BreakGlass(to=("ops",), tell=("leads", "C0ALARM")),
            line=3,
        ),
        Rule(name="typed", allow=("toy smash",), to=("ops",), line=9),
        Rule(
            name="two leads, or a name in an emergency",
            allow=("toy burn",),
            to=("ops", "host"),
            approvals=Approvals.model_validate({"count": 2, "from": ["leads"], "within": "10m"}),
            break_glass=BreakGlass(to=("ops", "host"), tell=("leads",)),
            line=12,
        ),
    ),
)


@pytest.fixture
def catalogue(world: World) -> Catalogue:
    risks = {"poke": Risk.DISRUPTIVE, "smash": Risk.DESTRUCTIVE, "burn": Risk.DESTRUCTIVE}
    return Catalogue(
        tuple(
            Change(
                name=f"toy {verb}",
                summary=f"{verb.title()} toys.",
                params=ToyParams,
                backend=Backend.VSPHERE,
                risk=risk,
                plan=world.plan,
                apply=world.apply,
                settle=world.settle,
                time_limit=timedelta(seconds=20),
                examples=(f"toy {verb} a",),
            )
            for verb, risk in risks.items()
        )
    )


@pytest.fixture
def runner(make_runner: Callable[..., Runner], catalogue: Catalogue) -> Runner:
    return make_runner(catalogue, POLICY)


@pytest.fixture
def ballots(ledger: Ledger, journal: Journal, verifier: Verifier, catalogue: Catalogue) -> Ballots:
    instance = ledger.prefix.split(":")[1]
    return Ballots(
        instance=instance,
        ledger=ledger,
        journal=journal,
        verifier=verifier,
        catalogue=catalogue,
        routing=Routing({"lab": Route(Backend.VSPHERE, "toys")}),
        doorbell=Doorbell(ledger.redis, instance),
        current_policy=lambda: POLICY,
    )


def perform(runner: Runner, request: Request) -> Entry:
    """The attempt that is rung for, as far as it goes."""
    entry = runner.ledger.read(request.id)
    assert entry is not None
    held = Attempt.claim(runner.ledger, request.id, entry.attempt)
    assert held is not None
    with held:
        runner.perform(held, Ports())
    after = runner.ledger.read(request.id)
    assert after is not None
    return after


def failure(entry: Entry) -> Failed:
    assert isinstance(entry.result, Failed)
    return entry.result


def records(ledger: Ledger, verifier: Verifier) -> list[AuditRecord]:
    """Everything on the audit stream, checked as the recorder does."""
    entries = ledger.redis.xrange(ledger.audit)
    assert isinstance(entries, list)
    return [verifier.open(fields[b"sealed"], AuditRecord, by=("bot", "worker")) for _, fields in entries]


@pytest.fixture
def asked(runner: Runner, accept: Accept) -> Request:
    request = accept("toy poke", params={"toy": ["a"]})
    assert perform(runner, request).state is State.APPROVING
    return request


# --- who counts ------------------------------------------------------------------------------------------


def test_two_of_the_named_people_let_it_go_ahead_and_nothing_happens_before(
    runner: Runner, ballots: Ballots, world: World, asked: Request
) -> None:
    assert "others are still needed" in ballots.approve(asked.id, "", LEAD_1)
    entry = runner.ledger.read(asked.id)
    assert entry is not None
    assert entry.state is State.APPROVING
    assert world.pokes == []

    assert "goes ahead now" in ballots.approve(asked.id, "", LEAD_2)
    assert perform(runner, asked).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_the_message_the_approvers_and_the_needs_are_stored_with_the_plan(
    runner: Runner, ledger: Ledger, asked: Request
) -> None:
    entry = ledger.read(asked.id)
    assert entry is not None
    assert entry.approval is not None
    assert entry.approval.needed == "2 approvals from leads or dba"
    # the asker is one of the leads, and is not asked
    assert entry.approval.people == ("U0LEAD1", "U0LEAD2")
    due = {one.kind for one in Outbox(ledger).take(10)}
    assert due == {"main", "approver:U0LEAD1", "approver:U0LEAD2"}


@pytest.mark.parametrize(
    ("voter", "why"),
    [
        (OPS, "nobody approves their own request"),
        (OTHER, "only leads, dba can answer this"),
        (HOST, "only leads, dba can answer this"),
        (DBA.model_copy(update={"groups_at": time.time() - 1200}), "has not said for 15 minutes"),
    ],
)
def test_the_asker_others_the_host_and_stale_groups_do_not_count(
    ballots: Ballots, ledger: Ledger, asked: Request, voter: Actor, why: str
) -> None:
    with pytest.raises(NotAllowedError, match=why):
        ballots.approve(asked.id, "", voter)
    entry = ledger.read(asked.id)
    assert entry is not None
    assert entry.votes == {}


@pytest.fixture
def lenient(make_runner: Callable[..., Runner], catalogue: Catalogue) -> Runner:
    """By a rule that lets the asker's own approval count."""
    asked = POLICY.rules[0].approvals
    assert asked is not None
    own = POLICY.rules[0].model_copy(update={"approvals": asked.model_copy(update={"requester": True})})
    return make_runner(catalogue, POLICY.model_copy(update={"rules": (own,)}))


def test_where_a_rule_says_so_the_asker_is_asked_and_counts_as_one_of_those_who_agree(
    lenient: Runner, ballots: Ballots, world: World, accept: Accept
) -> None:
    request = accept("toy poke", params={"toy": ["a"]})
    entry = perform(lenient, request)
    assert entry.approval is not None
    assert entry.approval.people == ("U0LEAD1", "U0LEAD2", "U0OPS1")

    assert "others are still needed" in ballots.approve(request.id, "", OPS)
    assert world.pokes == []
    assert "goes ahead now" in ballots.approve(request.id, "", LEAD_1)

    assert perform(lenient, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_in_whose_name_a_hook_asks_does_not_count_whatever_the_rule_says(
    lenient: Runner, ballots: Ballots, accept: Accept
) -> None:
    request = accept("toy poke", params={"toy": ["a"]}, actor=HOOK)
    entry = perform(lenient, request)
    assert entry.approval is not None
    assert entry.approval.people == ("U0LEAD2", "U0OPS1")

    with pytest.raises(NotAllowedError, match="in their name"):
        ballots.approve(request.id, "", LEAD_1)


def test_each_person_counts_once(ballots: Ballots, asked: Request) -> None:
    ballots.approve(asked.id, "", LEAD_1)
    with pytest.raises(UserError, match="each person counts once"):
        ballots.approve(asked.id, "", LEAD_1)


def test_under_many_clicks_at_once_it_is_decided_once(
    ballots: Ballots, ledger: Ledger, verifier: Verifier, runner: Runner, world: World, asked: Request
) -> None:
    def click(voter: Actor) -> str:
        try:
            return ballots.approve(asked.id, "", voter)
        except UserError as error:
            return error.sentence

    fresh = DBA.model_copy(update={"groups_at": time.time()})
    with ThreadPoolExecutor(16) as fingers:
        said = list(fingers.map(click, [LEAD_1, LEAD_2, fresh] * 8))

    assert sum("goes ahead now" in one for one in said) == 1
    assert sum("others are still needed" in one for one in said) == 1
    assert sum(record.event is Event.APPROVED for record in records(ledger, verifier)) == 2
    queue = f"rq:queue:{ledger.prefix.split(':')[1]}.toys.change"
    assert ledger.redis.lrange(queue, 0, -1) == [f"{asked.id}-2".encode()]
    assert perform(runner, asked).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_a_no_with_its_reason_ends_it(
    ballots: Ballots, ledger: Ledger, verifier: Verifier, asked: Request
) -> None:
    ballots.approve(asked.id, "", LEAD_1)
    ballots.deny(asked.id, LEAD_2, "not during the backup")

    entry = ledger.read(asked.id)
    assert entry is not None
    assert entry.state is State.CANCELLED
    assert failure(entry).sentence == "lead-2 said No: not during the backup"
    assert records(ledger, verifier)[-1].event is Event.DENIED
    with pytest.raises(UserError, match="no longer waits"):
        ballots.approve(asked.id, "", LEAD_2)


def test_only_who_could_approve_can_say_no(ballots: Ballots, asked: Request) -> None:
    with pytest.raises(NotAllowedError):
        ballots.deny(asked.id, OTHER)


def test_only_the_asker_withdraws(ballots: Ballots, ledger: Ledger, asked: Request) -> None:
    with pytest.raises(NotAllowedError, match="only ops-1"):
        ballots.withdraw(asked.id, LEAD_1)
    ballots.withdraw(asked.id, OPS)
    entry = ledger.read(asked.id)
    assert entry is not None
    assert entry.state is State.CANCELLED


# --- in whose name a hook asks ---------------------------------------------------------------------------


@pytest.fixture
def asked_by_hook(runner: Runner, accept: Accept) -> Request:
    request = accept("toy poke", params={"toy": ["a"]}, actor=HOOK)
    assert perform(runner, request).state is State.APPROVING
    return request


def test_the_person_in_whose_name_a_hook_asks_cannot_approve_and_is_not_asked_to(
    ballots: Ballots, ledger: Ledger, asked_by_hook: Request
) -> None:
    with pytest.raises(NotAllowedError, match="nobody approves what a hook asked for in their name"):
        ballots.approve(asked_by_hook.id, "", LEAD_1)
    entry = ledger.read(asked_by_hook.id)
    assert entry is not None
    assert entry.votes == {}
    assert entry.approval is not None
    assert entry.approval.people == ("U0LEAD2", "U0OPS1")


def test_a_worker_does_not_count_the_vote_of_whom_a_hook_asks_for(
    runner: Runner, ballots: Ballots, ledger: Ledger, signer: Signer, world: World, asked_by_hook: Request
) -> None:
    ballots.approve(asked_by_hook.id, "", LEAD_2)
    entry = ledger.read(asked_by_hook.id)
    assert entry is not None
    put_vote(ledger, signer, entry, LEAD_1)

    again = perform(runner, asked_by_hook)

    assert again.state is State.APPROVING
    assert set(again.votes) == {LEAD_2.key}
    assert world.pokes == []


def test_others_let_a_hook_go_ahead_and_every_record_names_the_hook_and_for_whom_it_asked(
    runner: Runner, ballots: Ballots, ledger: Ledger, verifier: Verifier, world: World, asked_by_hook: Request
) -> None:
    ballots.approve(asked_by_hook.id, "", LEAD_2)
    ballots.approve(asked_by_hook.id, "", OPS)

    assert perform(runner, asked_by_hook).state is State.SUCCEEDED
    assert world.pokes == ["a"]
    written = [record for record in records(ledger, verifier) if record.request == asked_by_hook.id]
    assert {record.author for record in written} == {LEAD_1.key}
    assert {record.actor for record in written} == {HOOK.key, LEAD_2.key, OPS.key}


def test_whom_a_hook_asks_for_may_take_it_back_and_say_go_ahead_and_others_may_not(
    runner: Runner, ballots: Ballots, world: World, accept: Accept, asked_by_hook: Request
) -> None:
    with pytest.raises(NotAllowedError, match="only hook ci for lead-1"):
        ballots.withdraw(asked_by_hook.id, LEAD_2)
    assert "Withdrawn" in ballots.withdraw(asked_by_hook.id, LEAD_1)

    smash = accept("toy smash", params={"toy": ["a"]}, actor=HOOK)
    entry = perform(runner, smash)
    assert entry.state is State.CONFIRMING
    with pytest.raises(NotAllowedError, match="only hook ci for lead-1"):
        ballots.go_ahead(smash.id, entry.digest, LEAD_2, "a")
    ballots.go_ahead(smash.id, entry.digest, LEAD_1, "a")
    assert perform(runner, smash).state is State.SUCCEEDED
    assert world.pokes == ["a"]


# --- for what --------------------------------------------------------------------------------------------


def test_what_changed_since_it_was_approved_is_refused_with_the_difference(
    runner: Runner, ballots: Ballots, world: World, asked: Request
) -> None:
    ballots.approve(asked.id, "", LEAD_1)
    ballots.approve(asked.id, "", LEAD_2)
    world.moods["a"] = "angry"

    refused = failure(perform(runner, asked))

    assert refused.code == "plan_changed"
    assert "a: mood was calm and is angry" in refused.sentence
    assert world.pokes == []


def test_an_approval_of_another_plan_than_the_one_shown_is_not_taken(
    ballots: Ballots, ledger: Ledger, asked: Request
) -> None:
    with pytest.raises(UserError, match="Another plan is shown now"):
        ballots.approve(asked.id, "0" * 64, LEAD_1)


def test_after_its_time_nobody_can_approve(ballots: Ballots, ledger: Ledger, asked: Request) -> None:
    assert Votes(ledger).start_clock(asked.id, 0.01, f"{asked.id}|main")
    time.sleep(0.05)
    with pytest.raises(UserError, match="time to answer has passed"):
        ballots.approve(asked.id, "", LEAD_1)


def test_the_clock_is_started_once(ledger: Ledger, asked: Request) -> None:
    assert Votes(ledger).start_clock(asked.id, 600, f"{asked.id}|main")
    assert not Votes(ledger).start_clock(asked.id, 6000, f"{asked.id}|main")


# --- what a worker believes ------------------------------------------------------------------------------


def put_vote(ledger: Ledger, signer: Signer, entry: Entry, voter: Actor, **changes: object) -> None:
    """Store a vote and open an attempt as somebody with Redis' password could."""
    fields = {
        "instance": ledger.prefix.split(":")[1],
        "request": entry.id,
        "plan": entry.digest,
        "word": Word.APPROVE,
        "actor": voter,
        "at": time.time(),
    }
    vote = Vote.model_validate({**fields, **changes})
    key = ledger.key("request", entry.id)
    ledger.redis.hset(key, mapping={f"vote:{voter.key}": signer.sign(vote), "state": "accepted"})


def test_votes_that_no_bot_of_ours_took_are_refused_and_recorded(
    runner: Runner, ledger: Ledger, verifier: Verifier, world: World, asked: Request
) -> None:
    forger = Signer("0" * 12, Ed25519PrivateKey.generate())
    entry = ledger.read(asked.id)
    assert entry is not None
    for voter in (LEAD_1, LEAD_2):
        put_vote(ledger, forger, entry, voter)

    assert failure(perform(runner, asked)).code == "signature"
    assert world.pokes == []
    assert records(ledger, verifier)[-1].event is Event.REFUSED


@pytest.mark.parametrize("key", ["nobody", "a bot", "another request"])
def test_nobody_says_anything_to_a_plan_that_no_worker_of_ours_showed_for_this_request(
    runner: Runner,
    ballots: Ballots,
    ledger: Ledger,
    signer: Signer,
    accept: Accept,
    asked: Request,
    key: str,
) -> None:
    entry = ledger.read(asked.id)
    assert entry is not None
    shown = plan_of(runner, entry)
    harmless = Step.model_copy(shown.steps[0], update={"text": "poke test-1"})
    forged = shown.model_copy(update={"batches": ((harmless,),)})
    assert forged.digest == shown.digest  # so the worker would take an approval of it
    stored = StoredPlan(instance=runner.instance, request=asked.id, attempt=1, plan=forged)
    other = perform(runner, accept("toy poke", params={"toy": ["b"]}))
    put = {
        "nobody": forged.model_dump_json().encode(),
        "a bot": seal_plan(stored, signer, SHAPES_ONLY),
        "another request": other.plan,
    }[key]
    ledger.redis.hset(ledger.key("request", asked.id), "plan", put)

    for say in (
        lambda: ballots.approve(asked.id, "", LEAD_1),
        lambda: ballots.approve(asked.id, shown.digest, LEAD_1),
        lambda: ballots.deny(asked.id, LEAD_1),
        lambda: ballots.go_ahead(asked.id, shown.digest, OPS, "a"),
    ):
        with pytest.raises(SignatureError):
            say()
    entry = ledger.read(asked.id)
    assert entry is not None
    assert entry.votes == {}


def test_what_is_asked_of_a_forged_plan_can_still_be_taken_back(
    ballots: Ballots, ledger: Ledger, asked: Request
) -> None:
    ledger.redis.hset(ledger.key("request", asked.id), "plan", "{}")

    assert "Withdrawn" in ballots.withdraw(asked.id, OPS)


def test_votes_for_another_request_are_refused(
    runner: Runner, ledger: Ledger, signer: Signer, world: World, accept: Accept, asked: Request
) -> None:
    other = accept("toy poke", params={"toy": ["b"]})
    entry = ledger.read(asked.id)
    assert entry is not None
    for voter in (LEAD_1, LEAD_2):
        put_vote(ledger, signer, entry, voter, request=other.id)

    assert failure(perform(runner, asked)).code == "signature"
    assert world.pokes == []


@pytest.mark.parametrize(
    ("voter", "changes"),
    [
        (OTHER, {}),
        (OPS, {}),
        (LEAD_2, {"word": Word.GO_AHEAD}),
        (LEAD_2, {"at": time.time() + 3600}),
    ],
)
def test_a_genuine_vote_that_does_not_count_lapses_and_it_goes_on_waiting(
    runner: Runner,
    ballots: Ballots,
    ledger: Ledger,
    signer: Signer,
    world: World,
    asked: Request,
    voter: Actor,
    changes: dict[str, object],
) -> None:
    ballots.approve(asked.id, "", LEAD_1)
    entry = ledger.read(asked.id)
    assert entry is not None
    put_vote(ledger, signer, entry, voter, **changes)

    again = perform(runner, asked)

    assert again.state is State.APPROVING
    assert set(again.votes) == {LEAD_1.key}
    assert world.pokes == []


def test_the_vote_of_who_left_the_group_before_the_start_lapses(
    runner: Runner, ballots: Ballots, ledger: Ledger, signer: Signer, verifier: Verifier, asked: Request
) -> None:
    now = time.time()
    ballots.approve(asked.id, "", LEAD_1)
    ballots.approve(asked.id, "", DBA.model_copy(update={"groups_at": now}))
    instance = ledger.prefix.split(":")[1]
    left = Membership(instance=instance, group="S0DBA", members=frozenset({"U0DBA2"}), at=now)
    Roster(ledger, verifier, untold).write(left, signer)

    again = perform(runner, asked)

    assert again.state is State.APPROVING
    assert set(again.votes) == {LEAD_1.key}


# --- breaking the glass ----------------------------------------------------------------------------------


def test_breaking_the_glass_goes_ahead_at_once_is_told_recorded_and_to_be_reviewed(
    runner: Runner, ballots: Ballots, ledger: Ledger, verifier: Verifier, world: World, accept: Accept
) -> None:
    request = accept("toy poke", params={"toy": ["a"]}, emergency="the shop is down")

    assert perform(runner, request).state is State.SUCCEEDED

    assert world.pokes == ["a"]
    assert Event.BROKE_GLASS in [record.event for record in records(ledger, verifier)]
    outbox = Outbox(ledger)
    notices = [outbox.read_notice(due.request, verifier) for due in outbox.take(20) if due.kind == "notice"]
    told = {(notice.channel, notice.user) for notice in notices if notice is not None}
    assert told == {("C0ALARM", ""), ("", "U0LEAD1"), ("", "U0LEAD2")}
    assert all(notice is not None and "the shop is down" in notice.text for notice in notices)
    with pytest.raises(NotAllowedError, match="somebody else has to look at it"):
        ballots.review(request.id, OPS)
    assert "is reviewed" in ballots.review(request.id, LEAD_1, "right thing to do")
    with pytest.raises(UserError, match="No review"):
        ballots.review(request.id, LEAD_2)


def test_breaking_the_glass_does_not_go_round_the_name_that_is_typed_again(
    runner: Runner, ballots: Ballots, ledger: Ledger, verifier: Verifier, world: World, accept: Accept
) -> None:
    request = accept("toy burn", params={"toy": ["a"]}, emergency="it leaks", confirmed=True)

    entry = perform(runner, request)

    assert (entry.state, entry.phrase) == (State.CONFIRMING, "a")
    assert world.pokes == []
    assert Event.BROKE_GLASS not in [record.event for record in records(ledger, verifier)]
    ballots.go_ahead(request.id, entry.digest, OPS, "a")
    assert perform(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]
    assert Event.BROKE_GLASS in [record.event for record in records(ledger, verifier)]


def test_breaking_the_glass_does_not_go_round_the_go_ahead_that_a_rule_asks_for(
    make_runner: Callable[..., Runner], catalogue: Catalogue, ballots: Ballots, world: World, accept: Accept
) -> None:
    first = POLICY.rules[0].model_copy(update={"confirm": True})
    runner = make_runner(catalogue, POLICY.model_copy(update={"rules": (first,)}))
    request = accept("toy poke", params={"toy": ["a"]}, emergency="it leaks", confirmed=True)

    entry = perform(runner, request)

    assert (entry.state, entry.phrase) == (State.CONFIRMING, "")
    assert world.pokes == []
    ballots.go_ahead(request.id, entry.digest, OPS)
    assert perform(runner, request).state is State.SUCCEEDED


def test_what_needs_approval_is_refused_on_the_host_where_nobody_could_be_asked(
    runner: Runner, world: World, accept: Accept
) -> None:
    request = accept("toy burn", params={"toy": ["a"]}, actor=HOST, reply=Reply(channel="", private=False))

    refused = failure(perform(runner, request))

    assert "it needs 2 approvals from leads, which cannot be given to this" in refused.sentence
    assert "(rule: two leads, or a name in an emergency (policy.yaml:12))" in refused.sentence
    assert world.pokes == []


def test_on_the_host_yes_stands_for_the_name_where_the_glass_is_broken(
    runner: Runner, world: World, accept: Accept
) -> None:
    reply = Reply(channel="", private=False)
    asked = accept("toy burn", params={"toy": ["a"]}, actor=HOST, reply=reply, emergency="it leaks")
    assert perform(runner, asked).state is State.CONFIRMING
    assert world.pokes == []

    sure = accept(
        "toy burn", params={"toy": ["a"]}, actor=HOST, reply=reply, emergency="it leaks", confirmed=True
    )
    assert perform(runner, sure).state is State.SUCCEEDED
    assert world.pokes == ["a"]


@pytest.mark.parametrize(
    ("operation", "confirm", "asked"),
    [("toy smash", False, "its target's name typed again"), ("toy poke", True, "a Go ahead to its plan")],
)
def test_on_the_host_yes_stands_for_nothing_else_and_that_is_said(
    make_runner: Callable[..., Runner],
    catalogue: Catalogue,
    world: World,
    accept: Accept,
    operation: str,
    confirm: bool,
    asked: str,
) -> None:
    rule = Rule(name="the host", allow=("*",), to=("host",), confirm=confirm)
    runner = make_runner(catalogue, POLICY.model_copy(update={"rules": (rule,)}))
    reply = Reply(channel="", private=False)
    request = accept(operation, params={"toy": ["a"]}, actor=HOST, reply=reply, confirmed=True)

    refused = failure(perform(runner, request))

    assert f"`{operation}` needs {asked}, which is asked for in Slack alone" in refused.sentence
    assert refused.changed == "nothing"
    assert world.pokes == []


# --- what is destroyed -----------------------------------------------------------------------------------


def test_the_name_is_typed_again_before_something_is_destroyed(
    runner: Runner, ballots: Ballots, ledger: Ledger, world: World, accept: Accept
) -> None:
    request = accept("toy smash", params={"toy": ["a"]}, confirmed=True)
    entry = perform(runner, request)
    assert (entry.state, entry.phrase) == (State.CONFIRMING, "a")

    with pytest.raises(UserError, match="That is not `a`"):
        ballots.go_ahead(request.id, entry.digest, OPS, "b")
    with pytest.raises(UserError, match="That is not `a`"):
        ballots.go_ahead(request.id, entry.digest, OPS)
    ballots.go_ahead(request.id, entry.digest, OPS, "A")

    assert perform(runner, request).state is State.SUCCEEDED
    assert world.pokes == ["a"]


def test_a_stored_go_ahead_without_the_name_destroys_nothing(
    runner: Runner, ledger: Ledger, signer: Signer, world: World, accept: Accept
) -> None:
    request = accept("toy smash", params={"toy": ["a"]}, confirmed=True)
    entry = perform(runner, request)
    put_vote(ledger, signer, entry, OPS, word=Word.GO_AHEAD)

    assert failure(perform(runner, request)).code == "signature"
    assert world.pokes == []
