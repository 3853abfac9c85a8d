"""What the record says of each way that a request can go: every step, with its rule, people and targets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from andock.audit import AuditRecord, Event
from andock.catalogue import Catalogue
from andock.entries import Entry
from andock.errors import BackendUnavailableError
from andock.ledger import Ledger
from andock.messages import Actor, Purpose, Request, State
from andock.operation import Backend, Found, Outcome, Read, Reader, Target
from andock.outbox import Outbox
from andock.policy import Approvals, BreakGlass, Group, Policy, Rule
from andock.ports.records import Halt
from andock.runner import Runner
from andock.signing import Verifier
from bot.ballots import Ballots
from tests.integration.core.conftest import OPS, Accept
from tests.integration.core.test_approvals import (
    LEAD_1,
    LEAD_2,
    ToyParams,
    ballots,
    failure,
    perform,
    records,
    world,
)
from tests.integration.core.test_approvals import catalogue as changes

__all__ = ["ballots", "changes", "world"]  # fixtures of the approvals' tests
ON_CALL = Actor(team="T1", user="U0CALL1", name="call-1", usergroups=("S0CALL",))
POLICY = Policy(
    groups={
        "ops": Group(users=frozenset({"U0OPS1"})),
        "leads": Group(users=frozenset({"U0LEAD1", "U0LEAD2"})),
        "on-call": Group(usergroups=frozenset({"S0CALL"})),
    },
    rules=(
        Rule(name="never b", deny=("toy poke",), targets=("b",), line=1),
        Rule(
            name="two leads",
            allow=("toy poke",),
            to=("ops", "on-call"),
            approvals=Approvals.model_validate({"count": 2, "from": ["leads"], "within": "10m"}),
            break_glass=BreakGlass(to=("on-call",), tell=("C0ALARM",)),
            line=2,
        ),
        Rule(name="typed", allow=("toy smash",), to=("ops",), line=3),
        Rule(name="stroking", allow=("toy stroke",), to=("ops",), line=4),
        Rule(name="no secrets", deny=("toy look",), targets=("secret-*",), line=5),
        Rule(name="looking", allow=("toy look",), to=("ops",), line=6),
    ),
)


@dataclass
class Shelf:
    """What there is to look at."""

    names: list[str] = field(default_factory=list)
    is_away: bool = False

    def find(self, _params: ToyParams, _ctx: Reader) -> Found[str]:
        return Found(
            rows=tuple(
                (Target(kind="toy", site="lab", id=name, name=name, environment="prod"), name)
                for name in self.names
            )
        )

    def show(self, _params: ToyParams, _ctx: Reader, found: Found[str]) -> Outcome:
        if self.is_away:
            raise BackendUnavailableError("lab", "no answer")
        return Outcome(summary=f"{len(found.rows)} toys")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(["a"])


@pytest.fixture
def catalogue(changes: Catalogue, shelf: Shelf) -> Catalogue:
    look = Read(
        name="toy look",
        summary="Look at toys.",
        params=ToyParams,
        backend=Backend.VSPHERE,
        find=shelf.find,
        run=shelf.show,
        many=True,
        time_limit=timedelta(seconds=20),
        examples=("toy look a",),
    )
    stroke = replace(changes.get("toy poke"), name="toy stroke", examples=("toy stroke a",))
    return Catalogue((changes.get("toy poke"), changes.get("toy smash"), stroke, look))


@dataclass(frozen=True)
class Office:
    """Who asks, answers, and reads the record."""

    runner: Runner
    ballots: Ballots
    ledger: Ledger
    verifier: Verifier
    accept: Accept

    def ask(self, command: str, **more: Any) -> Request:
        noun, verb, toy = command.split()
        return self.accept(f"{noun} {verb}", params={"toy": [toy]}, **more)

    def perform(self, request: Request) -> Entry:
        return perform(self.runner, request)

    def told(self, *events: Event) -> list[AuditRecord]:
        found = records(self.ledger, self.verifier)
        return [record for record in found if not events or record.event in events]


@pytest.fixture
def office(
    make_runner: Callable[..., Runner],
    catalogue: Catalogue,
    ballots: Ballots,
    ledger: Ledger,
    verifier: Verifier,
    accept: Accept,
) -> Office:
    return Office(make_runner(catalogue, POLICY), ballots, ledger, verifier, accept)


def nobody(_office: Office, _request: Request, _entry: Entry) -> None:
    """Nobody is asked."""


def go_ahead(office: Office, request: Request, entry: Entry) -> None:
    office.ballots.go_ahead(request.id, entry.digest, OPS, "a")
    office.perform(request)


def approve(office: Office, request: Request, _entry: Entry) -> None:
    office.ballots.approve(request.id, "", LEAD_1)
    office.ballots.approve(request.id, "", LEAD_2)
    office.perform(request)


def deny(office: Office, request: Request, _entry: Entry) -> None:
    office.ballots.deny(request.id, LEAD_1, "not now")


def withdraw(office: Office, request: Request, _entry: Entry) -> None:
    office.ballots.withdraw(request.id, OPS)


Told = tuple[str, str, str, bool]  # event, result, rule, whether it names the target
LEADS, STROKING, TYPED = "two leads (policy.yaml:2)", "stroking (policy.yaml:4)", "typed (policy.yaml:3)"
ASKED = ("asked", "", "", False)


@pytest.mark.parametrize(
    ("command", "answer", "steps"),
    [
        pytest.param(
            "toy stroke a",
            nobody,
            [
                ("decided", "allowed", STROKING, True),
                ("started", "", STROKING, True),
                ("concluded", "succeeded", STROKING, True),
            ],
            id="allowed",
        ),
        pytest.param(
            "toy smash a",
            go_ahead,
            [
                ("decided", "allowed", TYPED, True),
                ("approved", "go_ahead", "", True),
                ("started", "", TYPED, True),
                ("concluded", "succeeded", TYPED, True),
            ],
            id="after Go ahead",
        ),
        pytest.param(
            "toy poke a",
            approve,
            [
                ("decided", "needs approval", LEADS, True),
                ("approved", "approve", LEADS, True),
                ("approved", "approve", LEADS, True),
                ("started", "", LEADS, True),
                ("concluded", "succeeded", LEADS, True),
            ],
            id="approved",
        ),
        pytest.param(
            "toy poke a",
            deny,
            [("decided", "needs approval", LEADS, True), ("denied", "denied", LEADS, True)],
            id="denied by a person",
        ),
        pytest.param(
            "toy poke a",
            withdraw,
            [("decided", "needs approval", LEADS, True), ("withdrawn", "cancelled", LEADS, True)],
            id="withdrawn",
        ),
        pytest.param(
            "toy poke b",
            nobody,
            [
                ("decided", "denied", "never b (policy.yaml:1)", True),
                ("concluded", "failed", "never b (policy.yaml:1)", False),
            ],
            id="denied by a rule",
        ),
        pytest.param(
            "toy look a",
            nobody,
            [
                ("decided", "allowed", "looking (policy.yaml:6)", True),
                ("concluded", "succeeded", "looking (policy.yaml:6)", True),
            ],
            id="read",
        ),
    ],
)
def test_every_step_is_recorded_with_its_rule_and_targets(
    office: Office, command: str, answer: Callable[[Office, Request, Entry], None], steps: list[Told]
) -> None:
    request = office.ask(command)
    answer(office, request, office.perform(request))

    told = office.told()

    assert [(one.event.value, one.result, one.rule, bool(one.targets)) for one in told] == [ASKED, *steps]
    assert {one.request for one in told} == {request.id}


def test_the_end_of_what_was_approved_names_who_approved_it(office: Office) -> None:
    request = office.ask("toy poke a")
    approve(office, request, office.perform(request))

    (end,) = office.told(Event.CONCLUDED)

    assert sorted(end.approvers) == [LEAD_1.key, LEAD_2.key]


def test_what_looks_again_while_it_waits_is_decided_on_once(office: Office) -> None:
    request = office.ask("toy stroke a")
    office.ledger.halt(Halt("*", "ops-2", "", datetime.now(UTC)))

    for attempt in (1, 2):
        assert office.perform(request).state is State.HELD
        assert office.ledger.ring(request.id, (State.HELD,)) == attempt + 1

    assert len(office.told(Event.DECIDED)) == 1


def test_a_read_of_many_names_some_and_counts_the_rest_and_what_was_hidden(
    office: Office, shelf: Shelf
) -> None:
    shelf.names = [f"toy-{number:02}" for number in range(25)] + ["secret-1"]

    office.perform(office.ask("toy look all"))

    decided, end = office.told(Event.DECIDED, Event.CONCLUDED)
    assert len(decided.targets) == 21
    assert decided.targets[-1] == end.targets[-1] == "and 5 more"
    assert "1 not shown to you (rule: no secrets (policy.yaml:5))" in decided.text


@pytest.mark.parametrize("names", [["secret-1"], ["a"]])
def test_a_read_that_fails_or_is_denied_was_decided_on(
    office: Office, shelf: Shelf, names: list[str]
) -> None:
    shelf.names, shelf.is_away = names, True

    entry = office.perform(office.ask("toy look all"))

    decided, end = office.told(Event.DECIDED, Event.CONCLUDED)
    denied = names == ["secret-1"]
    assert decided.result == ("denied" if denied else "allowed")
    assert failure(entry).code == ("not_allowed" if denied else "backend_unavailable")
    assert (end.result, end.rule) == ("failed", decided.rule if denied else "")


@pytest.mark.parametrize("purpose", [Purpose.PLAN, Purpose.EXPLAIN])
def test_what_is_only_asked_about_ends_with_the_rule_that_would_decide(
    office: Office, purpose: Purpose
) -> None:
    office.perform(office.ask("toy poke a", purpose=purpose))

    (end,) = office.told(Event.DECIDED, Event.CONCLUDED)
    assert (end.event, end.rule) == (Event.CONCLUDED, LEADS)


# --- memberships that are too old ------------------------------------------------------------------------


def test_a_glass_broken_on_old_memberships_says_so_where_it_is_told_and_recorded(office: Office) -> None:
    at = time.time() - 3_600
    asker = ON_CALL.model_copy(update={"groups_at": at})
    request = office.ask("toy poke a", actor=asker, emergency="the shop is down")

    assert office.perform(request).state is State.SUCCEEDED

    said = time.strftime("membership as of %H:%M UTC", time.gmtime(at))
    for record in office.told(Event.DECIDED, Event.BROKE_GLASS, Event.STARTED):
        assert said in record.text
    outbox = Outbox(office.ledger)
    texts = [
        notice.text
        for due in outbox.take(20)
        if due.kind == "notice" and (notice := outbox.read_notice(due.request, office.verifier))
    ]
    assert len(texts) == 1
    assert said in texts[0]


def test_an_approval_asked_for_on_old_memberships_says_so(
    office: Office, make_runner: Callable[..., Runner], catalogue: Catalogue
) -> None:
    at = time.time() - 3_600
    asker = OPS.model_copy(update={"usergroups": ("S0CALL",), "groups_at": at})
    leads = POLICY.rules[1]
    perhaps = leads.model_copy(update={"name": "on call", "to": ("on-call",)})
    runner = make_runner(catalogue, POLICY.model_copy(update={"rules": (perhaps, leads)}))

    entry = perform(runner, office.ask("toy poke a", actor=asker))

    assert entry.approval is not None
    said = time.strftime("membership as of %H:%M UTC", time.gmtime(at))
    assert entry.approval.as_of.startswith(said)  # shortly after midnight the day comes behind
