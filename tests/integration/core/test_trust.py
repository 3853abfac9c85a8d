"""Whatever people, forgers, clocks and dying bots do: nothing is done without what its rule asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from andock.audit import Journal
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell
from andock.entries import Entry, StepMark
from andock.errors import OpsError
from andock.ledger import Ledger
from andock.messages import Request, State, Word
from andock.operation import Phase, Plan, Step, Target
from andock.redaction import SHAPES_ONLY
from andock.runner import Runner
from andock.seals import StoredPlan, genuine_plan, seal_mark, seal_plan
from andock.signing import Signer, Verifier
from bot.ballots import Ballots
from config.installation import connect
from sandbox.redis_server import RedisServer
from tests.integration.core.conftest import OPS, Accept
from tests.integration.core.test_approvals import (
    LEAD_1,
    LEAD_2,
    OTHER,
    World,
    ballots,
    catalogue,
    perform,
    put_vote,
    runner,
    world,
)
from workers.janitor import Janitor

__all__ = ["ballots", "catalogue", "runner", "world"]  # fixtures of the approvals' tests
PEOPLE = {"asker": OPS, "other": OTHER, "lead-1": LEAD_1, "lead-2": LEAD_2}
ASKED = (State.APPROVING, State.CONFIRMING)
OFTEN = ["approve", "go ahead"] * 4
SELDOM = [
    "deny",
    "withdraw",
    "forge",
    "forge marks",
    "change",
    "attempt",
    "expire",
    "skew",
    "sweep",
    "bot dies",
    "break glass",
]
SKEWS = (-7_200.0, -60.0, 60.0, 7_200.0)  # seconds by which a bot's clock is off
LATE = 1_200.0  # seconds after the ask that no vote's time may lie beyond: 10 minutes to put it, 10 to answer
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class DeadError(Exception):
    """The process is gone; nothing catches it."""


class DyingDoorbell(Doorbell):
    """Of a bot that dies after a vote is counted and before the doorbell is rung."""

    def ring(self, *_: object, **__: object) -> None:
        """Not any more."""
        raise DeadError


@dataclass(frozen=True)
class Deed:
    """What somebody does, by which bot; `typed` is the name that they type, `skew` how wrong its clock is."""

    what: str
    who: str
    typed: str = ""
    bot: int = 0
    skew: float = 0.0


@dataclass(frozen=True)
class Taken:
    """A deed that was not refused, with the mood of the toy that was shown then."""

    deed: Deed
    shown: str


DEEDS = st.lists(
    st.builds(
        Deed,
        what=st.sampled_from([*OFTEN, *SELDOM]),
        who=st.sampled_from(sorted(PEOPLE)),
        typed=st.sampled_from(["", "a", "b", "A"]),
        bot=st.sampled_from([0, 1]),
        skew=st.sampled_from(SKEWS),
    ),
    max_size=10,
)


@dataclass(frozen=True)
class Scene:
    """Two bots, a janitor and a worker, on connections of their own, over one ledger."""

    bots: tuple[Ballots, Ballots]
    janitor: Janitor
    runner: Runner
    signer: Signer
    world: World
    accept: Accept

    def open(self, operation: str) -> Stage:
        """A new request that waits for what its rule asks for."""
        self.world.pokes.clear()
        self.world.moods["a"] = "calm"
        request = self.accept(operation, params={"toy": ["a"]}, confirmed=True)
        perform(self.runner, request)
        return Stage(request, self)


@dataclass(frozen=True)
class Stage:
    """Where a drawn sequence of deeds is played on one request."""

    request: Request
    scene: Scene

    def play(self, deeds: list[Deed]) -> list[Taken]:
        """Do what was drawn; what was taken of it."""
        taken = []
        for deed in deeds:
            entry = self.entry()
            runner = self.scene.runner
            plan = genuine_plan(entry, runner.verifier, runner.instance)
            shown = plan.steps[0].facts["mood"] if plan is not None else ""
            over = entry.answer_by is not None and entry.answer_by < time.time()
            try:
                counted = self._do(deed, entry)
            except OpsError:
                continue
            if counted:
                assert not over or deed.what == "skew", "a word was taken after its time"
                taken.append(Taken(deed, shown))
        self._do(Deed("attempt", "asker"), self.entry())
        return taken

    def entry(self) -> Entry:
        """As it is now."""
        entry = self.scene.runner.ledger.read(self.request.id)
        assert entry is not None
        return entry

    def _do(self, deed: Deed, entry: Entry) -> bool:
        """Whether it is a word that was counted."""
        bot, actor = self.scene.bots[deed.bot], PEOPLE[deed.who]
        match deed.what:
            case "approve":
                bot.approve(entry.id, "", actor)
            case "go ahead":
                bot.go_ahead(entry.id, entry.digest, actor, deed.typed)
            case "bot dies":
                self._die(bot, deed, entry)
            case "skew" if entry.state in ASKED:
                # signed by a bot of ours whose clock is wrong, and stored past the script that counts
                word = Word.APPROVE if entry.state is State.APPROVING else Word.GO_AHEAD
                self._put_vote(deed, word, at=time.time() + deed.skew, typed=deed.typed)
            case _:
                self._hinder(deed, entry)
                return False
        return True

    def _hinder(self, deed: Deed, entry: Entry) -> None:
        """What is no word for it."""
        bot, actor, world = self.scene.bots[deed.bot], PEOPLE[deed.who], self.scene.world
        match deed.what:
            case "deny":
                bot.deny(entry.id, actor)
            case "withdraw":
                bot.withdraw(entry.id, actor)
            case "forge" if entry.state in ASKED:
                self._put_vote(deed, Word.GO_AHEAD)
            case "forge marks" if not entry.state.ended:
                self._forge_marks(entry, deed.typed)
            case "change" if not world.pokes:  # then it still is what was there when it was done
                world.moods["a"] = deed.typed or "calm"
            case "expire" if entry.state in ASKED:
                ledger = self.scene.runner.ledger
                ledger.redis.hset(ledger.key("request", entry.id), "answer_by", str(time.time() - 1))
            case "sweep":
                self._sweep()
            case "break glass":
                self._break_glass(bot, deed)
            case "attempt" if entry.state is State.ACCEPTED:
                perform(self.scene.runner, self.request)

    def _put_vote(self, deed: Deed, word: Word, **changes: object) -> None:
        scene = self.scene
        put_vote(scene.runner.ledger, scene.signer, self.entry(), PEOPLE[deed.who], word=word, **changes)

    def _forge_marks(self, entry: Entry, text: str) -> None:
        """Let it look as if a step were begun or done, of this plan or another one."""
        runner, signer = self.scene.runner, self.scene.signer
        target = Target(kind="toy", site="lab", id="b", name="b", environment="prod")
        step = Step(action="poke", target=target, text="poke b", facts={"mood": "calm"})
        undo = step if text == "a" else None
        plan = Plan(batches=((step.model_copy(update={"undo": undo}), step),))
        stored = StoredPlan(
            instance=runner.instance, request=entry.id, attempt=1, plan=plan, rule="two leads"
        )
        own = entry.plan if text == "b" else seal_plan(stored, signer, SHAPES_ONLY)
        mark = StepMark(phase=Phase.BEGUN if text else Phase.DONE)
        fields = {"plan": own, "mark:0": seal_mark(own, 0, mark, signer, SHAPES_ONLY)}
        key = runner.ledger.key("request", entry.id)
        runner.ledger.redis.hset(key, mapping={**fields, "state": "accepted"})

    def _sweep(self) -> None:
        """Let the janitor look at the request now, as it does when its time has come."""
        ledger = self.scene.runner.ledger
        ledger.redis.zadd(ledger.key("open"), {self.request.id: 0})
        self.scene.janitor.sweep()

    def _die(self, bot: Ballots, deed: Deed, entry: Entry) -> None:
        """A bot takes a word and dies; where that was the last, the janitor rings in its stead."""
        dying = replace(bot, doorbell=DyingDoorbell(bot.ledger.redis, bot.instance))
        try:
            if entry.state is State.CONFIRMING:
                dying.go_ahead(entry.id, entry.digest, PEOPLE[deed.who], deed.typed)
            else:
                dying.approve(entry.id, "", PEOPLE[deed.who])
        except DeadError:
            self._sweep()
            after = self.entry()
            assert after.state is State.ACCEPTED
            queue = f"rq:queue:{bot.instance}.toys.change"
            assert f"{after.id}-{after.attempt}".encode() in bot.ledger.redis.lrange(queue, 0, -1)

    def _break_glass(self, bot: Ballots, deed: Deed) -> None:
        """Somebody asks for the same in an emergency: only who may does it, and only with the name typed."""
        world, operation = self.scene.world, self.request.operation
        before = len(world.pokes)
        who = PEOPLE[deed.who]
        hasty = self.scene.accept(operation, params={"toy": ["a"]}, actor=who, emergency="it leaks")
        entry = perform(self.scene.runner, hasty)
        try:
            if entry.state is State.CONFIRMING:
                bot.go_ahead(hasty.id, entry.digest, who, deed.typed)
                perform(self.scene.runner, hasty)
        except OpsError:
            pass
        if len(world.pokes) > before:
            assert deed.who in {"asker", "other"}
            assert operation == "toy poke" or deed.typed.casefold() == "a"
            del world.pokes[before:]


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator[Redis]:
    client = connect(redis_server.url)
    yield client
    client.close()


@pytest.fixture
def scene(
    runner: Runner,
    ballots: Ballots,
    catalogue: Catalogue,
    signer: Signer,
    verifier: Verifier,
    world: World,
    accept: Accept,
    connection: Redis,
) -> Scene:
    ledger = Ledger(connection, ballots.instance)
    journal = Journal(ledger, signer, verifier)
    doorbell = Doorbell(connection, ballots.instance)
    second = replace(ballots, ledger=ledger, journal=journal, doorbell=doorbell)
    janitor = Janitor(ledger, doorbell, catalogue, ballots.routing, verifier, journal)
    return Scene((ballots, second), janitor, runner, signer, world, accept)


@given(deeds=DEEDS)
@example(deeds=[Deed("go ahead", "asker", "a")])
@example(deeds=[Deed("bot dies", "asker", "a", bot=1)])
@example(deeds=[Deed("skew", "asker", "b", skew=60.0), Deed("attempt", "asker")])
@example(deeds=[Deed("expire", "asker"), Deed("go ahead", "asker", "a")])
@example(deeds=[Deed("forge marks", "other", "a"), Deed("attempt", "other")])
@FEW
def test_nothing_is_destroyed_unless_its_asker_typed_its_name(deeds: list[Deed], scene: Scene) -> None:
    taken = scene.open("toy smash").play(deeds)

    assert len(scene.world.pokes) <= 1
    if scene.world.pokes:
        said = [(one.deed.who, one.deed.typed.casefold()) for one in taken]
        assert said[-1] == ("asker", "a")
        assert scene.world.moods["a"] == taken[-1].shown


@pytest.mark.parametrize("operation", ["toy poke", "toy burn"])
@given(deeds=DEEDS)
@example(deeds=[Deed("approve", "lead-1"), Deed("approve", "lead-2", bot=1)])
@example(deeds=[Deed("approve", "lead-1"), Deed("bot dies", "lead-2", bot=1)])
@example(deeds=[Deed("approve", "lead-1"), Deed("skew", "lead-2", skew=7_200.0)])
@example(deeds=[Deed("approve", "lead-1"), Deed("expire", "asker"), Deed("approve", "lead-2")])
@example(deeds=[Deed("break glass", "asker", "b"), Deed("break glass", "lead-1", "a")])
@example(deeds=[Deed("forge marks", "other", "b"), Deed("attempt", "other")])
@FEW
def test_nothing_is_done_unless_two_others_agreed_to_what_is_there_now(
    operation: str, deeds: list[Deed], scene: Scene
) -> None:
    taken = scene.open(operation).play(deeds)

    assert len(scene.world.pokes) <= 1
    if scene.world.pokes:
        agreed = {
            one.deed.who
            for one in taken
            if one.deed.what != "go ahead"
            and one.shown == scene.world.moods["a"]
            and (one.deed.what != "skew" or one.deed.skew < LATE)
        }
        assert {"lead-1", "lead-2"} <= agreed


@pytest.mark.parametrize("operation", ["toy poke", "toy burn", "toy smash"])
def test_what_was_agreed_to_is_done_once_also_when_the_bot_dies_before_it_rings(
    operation: str, scene: Scene
) -> None:
    deeds = (
        [Deed("bot dies", "asker", "a")]
        if operation == "toy smash"
        else [Deed("approve", "lead-1", bot=1), Deed("bot dies", "lead-2")]
    )
    stage = scene.open(operation)

    stage.play(deeds)

    assert stage.entry().state is State.SUCCEEDED
    assert scene.world.pokes == ["a"]


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
