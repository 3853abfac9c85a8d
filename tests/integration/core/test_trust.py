"""Whatever people and forgers do, in whatever order: nothing is done without what its rule asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from andock.catalogue import Catalogue
from andock.entries import Entry, StepMark
from andock.errors import OpsError
from andock.ledger import Ledger
from andock.messages import Actor, Request, State, Word
from andock.operation import Phase, Plan, Step, Target
from andock.redaction import SHAPES_ONLY
from andock.runner import Runner
from andock.seals import StoredPlan, genuine_plan, seal_mark, seal_plan
from andock.signing import Signer
from bot.ballots import Ballots
from tests.integration.core.conftest import OPS, Accept
from tests.integration.core.test_approvals import (
    LEAD_1,
    LEAD_2,
    OTHER,
    POLICY,
    World,
    ballots,
    catalogue,
    perform,
    put_vote,
    runner,
    world,
)

__all__ = ["ballots", "catalogue", "runner", "world"]  # fixtures of the approvals' tests
Deed: TypeAlias = tuple[str, str, str]  # what, who, and what they typed
PEOPLE = {"asker": OPS, "other": OTHER, "lead-1": LEAD_1, "lead-2": LEAD_2}
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["approve"] * 4,
                *["go ahead"] * 4,
                *["deny", "withdraw", "forge", "forge marks", "change", "attempt"],
            ]
        ),
        st.sampled_from(sorted(PEOPLE)),
        st.sampled_from(["", "a", "b", "A"]),
    ),
    max_size=8,
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Stage:
    """Where a drawn sequence of deeds is played on one request."""

    request: Request
    runner: Runner
    ballots: Ballots
    signer: Signer
    world: World

    def play(self, deeds: list[Deed]) -> list[tuple[str, str, str, str]]:
        """Do what was drawn; what was taken of it, each with the mood of the toy that was shown then."""
        taken = []
        for deed, who, text in deeds:
            entry = self._entry()
            plan = genuine_plan(entry, self.runner.verifier, self.runner.instance)
            shown = plan.steps[0].facts["mood"] if plan is not None else ""
            try:
                self._do(deed, entry, PEOPLE[who], text)
            except OpsError:
                continue
            if not deed.startswith("forge"):
                taken.append((deed, who, text, shown))
        self._do("attempt", self._entry(), OPS, "")
        return taken

    def _entry(self) -> Entry:
        entry = self.runner.ledger.read(self.request.id)
        assert entry is not None
        return entry

    def _do(self, deed: str, entry: Entry, actor: Actor, text: str) -> None:
        match deed:
            case "approve":
                self.ballots.approve(entry.id, "", actor)
            case "go ahead":
                self.ballots.go_ahead(entry.id, entry.digest, actor, text)
            case "deny":
                self.ballots.deny(entry.id, actor)
            case "withdraw":
                self.ballots.withdraw(entry.id, actor)
            case "forge" if entry.state in (State.APPROVING, State.CONFIRMING):
                put_vote(self.runner.ledger, self.signer, entry, actor, word=Word.GO_AHEAD)
            case "forge marks" if not entry.state.ended:
                self._forge_marks(entry, text)
            case "change" if not self.world.pokes:  # then it still is what was there when it was done
                self.world.moods["a"] = text or "calm"
            case _ if entry.state is State.ACCEPTED:
                perform(self.runner, self.request)

    def _forge_marks(self, entry: Entry, text: str) -> None:
        """Let it look as if a step were begun or done, of this plan or another one."""
        target = Target(kind="toy", site="lab", id="b", name="b", environment="prod")
        step = Step(action="poke", target=target, text="poke b", facts={"mood": "calm"})
        undo = step if text == "a" else None
        plan = Plan(batches=((step.model_copy(update={"undo": undo}), step),))
        stored = StoredPlan(
            instance=self.runner.instance, request=entry.id, attempt=1, plan=plan, rule="two leads"
        )
        own = entry.plan if text == "b" else seal_plan(stored, self.signer, SHAPES_ONLY)
        mark = StepMark(phase=Phase.BEGUN if text else Phase.DONE)
        fields = {"plan": own, "mark:0": seal_mark(own, 0, mark, self.signer, SHAPES_ONLY)}
        key = self.runner.ledger.key("request", entry.id)
        self.runner.ledger.redis.hset(key, mapping={**fields, "state": "accepted"})


@given(deeds=DEEDS)
@example(deeds=[("go ahead", "asker", "a")])
@example(deeds=[("forge marks", "other", "a"), ("attempt", "other", "")])
@FEW
def test_nothing_is_destroyed_unless_its_asker_typed_its_name(
    deeds: list[Deed],
    make_runner: Callable[..., Runner],
    catalogue: Catalogue,
    ballots: Ballots,
    signer: Signer,
    world: World,
    accept: Accept,
) -> None:
    world.pokes.clear()
    world.moods["a"] = "calm"
    runner = make_runner(catalogue, POLICY)
    request = accept("toy smash", params={"toy": ["a"]}, confirmed=True)
    perform(runner, request)

    taken = Stage(request, runner, ballots, signer, world).play(deeds)

    assert len(world.pokes) <= 1
    if world.pokes:
        said = [(who, text.casefold()) for deed, who, text, _ in taken if deed == "go ahead"]
        assert said == [("asker", "a")]
        assert world.moods["a"] == "calm"


@given(deeds=DEEDS)
@example(deeds=[("approve", "lead-1", ""), ("approve", "lead-2", "")])
@example(deeds=[("forge marks", "other", "b"), ("attempt", "other", "")])
@FEW
def test_nothing_is_done_unless_two_others_agreed_to_what_is_there_now(
    deeds: list[Deed],
    make_runner: Callable[..., Runner],
    catalogue: Catalogue,
    ballots: Ballots,
    signer: Signer,
    world: World,
    accept: Accept,
) -> None:
    world.pokes.clear()
    world.moods["a"] = "calm"
    runner = make_runner(catalogue, POLICY)
    request = accept("toy poke", params={"toy": ["a"]})
    perform(runner, request)

    taken = Stage(request, runner, ballots, signer, world).play(deeds)

    assert len(world.pokes) <= 1
    if world.pokes:
        agreed = {who for deed, who, _, mood in taken if deed == "approve" and mood == world.moods["a"]}
        assert {"lead-1", "lead-2"} <= agreed


@pytest.mark.parametrize("tries", [5])
def test_an_accepted_vote_delivered_again_and_again_counts_once(
    ballots: Ballots, ledger: Ledger, runner: Runner, world: World, accept: Accept, tries: int
) -> None:
    request = accept("toy poke", params={"toy": ["a"]})
    perform(runner, request)
    for _ in range(tries):
        try:
            ballots.approve(request.id, "", LEAD_1)
        except OpsError:
            continue
    entry = ledger.read(request.id)
    assert entry is not None
    assert entry.state is State.APPROVING
    assert world.pokes == []
