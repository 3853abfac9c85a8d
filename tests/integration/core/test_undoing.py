"""A change in batches that can be put back: what a failure, a cancellation or a crash comes to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

import pytest
from pydantic import Field

from andock.attempt import Attempt
from andock.audit import AuditRecord, Event, Journal, record_of
from andock.catalogue import Catalogue
from andock.entries import Entry
from andock.errors import (
    BackendRejectedError,
    CancelledError,
    Changed,
    RecordNotConfirmedError,
    SignatureError,
)
from andock.ledger import Ledger
from andock.messages import Failed, Request, State, Succeeded, Vote, Word
from andock.operation import (
    Backend,
    Change,
    Done,
    End,
    Mark,
    NotDone,
    OnFailure,
    Outcome,
    Params,
    Phase,
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
from andock.policy import Group, Policy, Rule
from andock.runner import Runner
from andock.signing import Signer
from tests.integration.core.conftest import OPS, Accept

OLD, NEW = "1.0", "2.0"


class ShipParams(Params):
    harbour: tuple[str, ...] = Field(description="Names.")


class Killed(BaseException):
    """Stands for SIGKILL."""


@dataclass
class Fleet:
    """Harbours with one version each; a step brings the new one, its undo the old one."""

    on_failure: OnFailure = OnFailure.UNDO
    width: int = 1
    max_fail: int = 1
    pulls: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # harbours whose old version is still there
    took: list[str] = field(default_factory=list)
    during: Callable[[Step, Writer], None] = lambda _step, _ctx: None
    reports: list[dict[int, End]] = field(default_factory=list)

    def plan(self, params: ShipParams, _ctx: Reader) -> Plan:
        for name in params.harbour:
            self.versions.setdefault(name, OLD)
        rolls = [self._step("roll", name) for name in params.harbour]
        batches = [tuple(rolls[n : n + self.width]) for n in range(0, len(rolls), self.width)]
        pulls = [tuple(self._step("pull", name) for name in params.harbour)] if self.pulls else []
        return Plan(
            batches=(*pulls, *batches),
            at_once=self.width,
            max_fail=self.max_fail,
            on_failure=self.on_failure,
            closing=tuple(self._step("clean", name) for name in params.harbour),
            holds=("shipping:dev",),
            announce="C0RELEASES",
        )

    def _step(self, action: str, name: str) -> Step:
        target = Target(kind="harbour", site=name, id="api", name="api", environment="dev")
        undo = None
        if action == "roll":  # a pull needs none
            undo = Step(action="restore", target=target, text=f"restore {name}", ended="rolled back")
        return Step(action=action, target=target, text=f"{action} {name}", doing="rolling", undo=undo)

    def apply(self, step: Step, ctx: Writer) -> Done:
        name = step.target.site
        ctx.checkpoint(ctx.mark)
        self.took.append(step.text)
        if step.action == "roll":
            self.kept.add(name)
        self.during(step, ctx)
        match step.action:
            case "roll":
                self.versions[name] = NEW
            case "restore":
                self.versions[name] = OLD
                self.kept.discard(name)
            case "clean":
                self.kept.discard(name)
        return Done(text=f"{step.text}: done")

    def settle(self, _step: Step, _ctx: Reader, _mark: Mark) -> Settled:
        return NotDone()

    def report(self, _plan: Plan, ends: object) -> Outcome:
        assert isinstance(ends, dict)
        self.reports.append(ends)
        return Outcome(summary=" ".join(f"{name}={version}" for name, version in self.versions.items()))

    def fails(self, *texts: str) -> None:
        def during(step: Step, _ctx: Writer) -> None:
            if step.text in texts:
                raise BackendRejectedError(step.target.site, "no")

        self.during = during

    def dies(self, *texts: str) -> None:
        dead = set(texts)

        def during(step: Step, _ctx: Writer) -> None:
            if step.text in dead:
                dead.discard(step.text)
                raise Killed

        self.during = during


class Silent(Journal):
    """One to which no recorder answers."""

    def await_recorded(self, entry: str, record: AuditRecord, within: float = 0.0) -> None:  # noqa: ARG002  the journal's
        raise RecordNotConfirmedError(record.id, within)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def runner(make_runner: Callable[..., Runner], fleet: Fleet) -> Runner:
    ship = Change(
        name="ship roll",
        summary="Bring the new version.",
        params=ShipParams,
        backend=Backend.DOCKER,
        risk=Risk.CHANGE,
        plan=fleet.plan,
        apply=fleet.apply,
        settle=fleet.settle,
        report=fleet.report,
        time_limit=timedelta(seconds=20),
        undo_limit=timedelta(seconds=20),
        examples=("ship roll a",),
    )
    policy = Policy(
        groups={"ops": Group(users=frozenset({"U0OPS1"}))},
        rules=(Rule(name="ops", allow=("*",), to=("ops",), line=1),),
    )
    return make_runner(Catalogue((ship,)), policy)


def ask(accept: Accept, names: str = "abc") -> Request:
    return accept("ship roll", params={"harbour": list(names)})


def perform(runner: Runner, request: Request, number: int = 1) -> Entry:
    held = Attempt.claim(runner.ledger, request.id, number)
    assert held is not None
    with held:
        try:
            runner.perform(held, Ports())
        except Killed:
            runner.ledger.redis.hset(runner.ledger.key("request", request.id), "lease_until", 1)
    entry = runner.ledger.read(request.id)
    assert entry is not None
    return entry


def again(runner: Runner, request: Request, *, away: float = 0.0) -> Entry:
    """The attempt after one that died, `away` seconds later."""
    key = runner.ledger.key("request", request.id)
    runner.ledger.redis.hset(key, "lease_until", int((time.time() - away) * 1000) - 1)
    return perform(runner, request, runner.ledger.ring(request.id, (State.RUNNING,)))


def answer(
    runner: Runner, signer: Signer, journal: Journal, request: Request, word: Word, **changes: str
) -> Entry:
    entry = runner.ledger.read(request.id)
    assert entry is not None
    said = Vote(
        instance=request.instance,
        request=request.id,
        plan=entry.digest,
        word=word,
        actor=OPS,
        at=time.time(),
        question=entry.question,
    )
    record = journal.seal(record_of(request, Event.ANSWERED, result=word.value))
    sealed = signer.sign(said.model_copy(update=changes))
    attempt = runner.votes.answer(said, sealed, record, f"{request.id}|main")
    assert attempt
    return perform(runner, request, attempt)


def failure(entry: Entry) -> Failed:
    assert isinstance(entry.result, Failed)
    return entry.result


def test_all_done_takes_the_closing_steps_and_tells_its_channel(
    runner: Runner, fleet: Fleet, accept: Accept, ledger: Ledger
) -> None:
    entry = perform(runner, ask(accept))

    assert isinstance(entry.result, Succeeded)
    assert entry.result.outcome.summary == "a=2.0 b=2.0 c=2.0"
    assert fleet.took == ["roll a", "roll b", "roll c", "clean a", "clean b", "clean c"]
    assert {due.kind for due in Outbox(ledger).take(10)} == {"main", "mirror:C0RELEASES"}


@pytest.mark.parametrize("bad", ["a", "b", "c"])
def test_a_failure_puts_back_what_was_changed_newest_first(
    runner: Runner, fleet: Fleet, accept: Accept, bad: str
) -> None:
    fleet.fails(f"roll {bad}")
    entry = perform(runner, ask(accept))

    assert (fleet.versions, fleet.kept) == ({"a": OLD, "b": OLD, "c": OLD}, set())
    begun = "abc"[: "abc".index(bad) + 1]
    assert fleet.took == [f"roll {name}" for name in begun] + [f"restore {name}" for name in begun[::-1]]
    result = failure(entry)
    assert (result.code, result.changed) == ("rolled_back", Changed.NOTHING)
    assert result.sentence.startswith(f"{bad} refused: no. Put back: ")
    assert fleet.reports[-1][len(begun) - 1] == End(
        Phase.FAILED, f"{bad} refused: no.", Phase.DONE, f"restore {bad}: done"
    )


def test_all_of_a_batch_is_put_back_when_one_of_it_failed(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    fleet.width, fleet.on_failure = 2, OnFailure.STOP
    fleet.fails("roll d")
    entry = perform(runner, ask(accept, "abcdef"))

    assert fleet.versions == {"a": NEW, "b": NEW, "c": OLD, "d": OLD, "e": OLD, "f": OLD}
    assert not {"roll e", "roll f", "clean a"} & set(fleet.took)
    result = failure(entry)
    assert (result.code, result.changed) == ("step_failed", Changed.PARTLY)
    assert "Put back: api on c, api on d. Left as changed: api on a, api on b." in result.sentence


def test_what_may_fail_is_put_back_alone_and_the_rest_goes_on(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    fleet.max_fail = 2
    fleet.fails("roll b")
    entry = perform(runner, ask(accept))

    assert fleet.versions == {"a": NEW, "b": OLD, "c": NEW}
    assert failure(entry).changed is Changed.PARTLY


def test_continue_goes_on_after_every_failure(runner: Runner, fleet: Fleet, accept: Accept) -> None:
    fleet.on_failure = OnFailure.GO_ON
    fleet.fails("roll a", "roll b")
    perform(runner, ask(accept))

    assert fleet.versions == {"a": OLD, "b": OLD, "c": NEW}


def test_pause_asks_and_keeps_its_targets_from_others(
    runner: Runner, fleet: Fleet, accept: Accept, ledger: Ledger
) -> None:
    fleet.on_failure = OnFailure.ASK
    fleet.fails("roll b")
    request, other = ask(accept), ask(accept, "xyz")
    entry = perform(runner, request)

    assert (entry.state, entry.question) == (State.PAUSED, "batch-2")
    assert entry.holder == "b refused: no. Put back: api on b. Left as changed: api on a."
    assert fleet.versions == {"a": NEW, "b": OLD, "c": OLD}
    waiting = perform(runner, other)
    assert (waiting.state, waiting.holder) == (State.WAITING, request.id)


@pytest.mark.parametrize("on_failure", [OnFailure.ASK, OnFailure.UNDO, OnFailure.STOP])
def test_what_changed_nothing_is_neither_asked_about_nor_put_back(
    runner: Runner, fleet: Fleet, accept: Accept, on_failure: OnFailure
) -> None:
    fleet.on_failure, fleet.pulls = on_failure, True
    fleet.fails("pull b")
    entry = perform(runner, ask(accept))

    assert set(fleet.took) <= {"pull a", "pull b", "pull c"}
    assert (failure(entry).code, failure(entry).changed) == ("step_failed", Changed.NOTHING)


def test_what_could_not_be_pulled_in_one_place_goes_on_in_the_others_with_continue(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    fleet.on_failure, fleet.pulls = OnFailure.GO_ON, True
    fleet.fails("pull b", "roll b")
    perform(runner, ask(accept))

    assert fleet.versions == {"a": NEW, "b": OLD, "c": NEW}


def test_a_place_that_fails_twice_counts_once(runner: Runner, fleet: Fleet, accept: Accept) -> None:
    fleet.on_failure, fleet.pulls, fleet.max_fail = OnFailure.UNDO, True, 2
    fleet.fails("pull b", "roll b")
    perform(runner, ask(accept))

    assert fleet.versions == {"a": NEW, "b": OLD, "c": NEW}


def test_only_the_first_line_of_a_failure_stands_before_the_report(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    def during(step: Step, _ctx: Writer) -> None:
        if step.text == "roll b":
            raise BackendRejectedError("b", "it died\nline 1 of its log\nline 2")

    fleet.during = during
    result = failure(perform(runner, ask(accept)))

    assert result.sentence.startswith("b refused: it died Put back:")
    assert "line 1" in fleet.reports[-1][1].text


@pytest.mark.parametrize(
    ("word", "versions", "code"),
    [
        (Word.GO_ON, {"a": NEW, "b": OLD, "c": NEW}, "step_failed"),
        (Word.ROLL_BACK, {"a": OLD, "b": OLD, "c": OLD}, "rolled_back"),
    ],
)
def test_the_answer_to_a_pause_is_obeyed(
    runner: Runner,
    fleet: Fleet,
    accept: Accept,
    signer: Signer,
    journal: Journal,
    word: Word,
    versions: dict[str, str],
    code: str,
) -> None:
    fleet.on_failure = OnFailure.ASK
    fleet.fails("roll b")
    request = ask(accept)
    perform(runner, request)
    entry = answer(runner, signer, journal, request, word)

    assert fleet.versions == versions
    assert failure(entry).code == code
    assert fleet.took.count("restore b") == 1


def test_an_answer_to_one_failure_is_none_to_the_next(
    runner: Runner, fleet: Fleet, accept: Accept, signer: Signer, journal: Journal
) -> None:
    fleet.on_failure = OnFailure.ASK
    fleet.fails("roll a", "roll c")
    request = ask(accept)
    perform(runner, request)
    entry = answer(runner, signer, journal, request, Word.GO_ON)

    assert (entry.state, entry.question) == (State.PAUSED, "batch-3")
    assert fleet.versions == {"a": OLD, "b": NEW, "c": OLD}


def test_an_answer_from_elsewhere_is_not_believed(
    runner: Runner, fleet: Fleet, accept: Accept, signer: Signer, journal: Journal
) -> None:
    fleet.on_failure = OnFailure.ASK
    fleet.fails("roll b")
    request = ask(accept)
    perform(runner, request)
    entry = answer(runner, signer, journal, request, Word.GO_ON, question="batch-1")

    assert failure(entry).code == SignatureError("x").code
    assert "roll c" not in fleet.took


def test_nobody_answering_ends_it_and_says_what_stands(
    runner: Runner, fleet: Fleet, accept: Accept, ledger: Ledger
) -> None:
    fleet.on_failure = OnFailure.ASK
    fleet.fails("roll b")
    request = ask(accept)
    perform(runner, request)
    ledger.redis.hset(ledger.key("request", request.id), "answer_by", str(time.time() - 1))
    entry = perform(runner, request, ledger.ring(request.id, (State.PAUSED,)))

    result = failure(entry)
    assert result.sentence == (
        "b refused: no. Put back: api on b. Left as changed: api on a. "
        "Nobody said in time whether to go on or to roll back."
    )
    assert result.changed is Changed.PARTLY


def test_a_cancellation_puts_everything_back(
    runner: Runner, fleet: Fleet, accept: Accept, ledger: Ledger
) -> None:
    request = ask(accept)

    def during(step: Step, ctx: Writer) -> None:
        if step.text != "roll b":
            return
        ledger.cancel(request.id, "ops-2")
        try:
            while True:
                ctx.watch.look()
                time.sleep(0.01)
        except CancelledError as error:
            raise CancelledError("b: stopped halfway.", changed=Changed.PARTLY) from error

    fleet.during = during
    entry = perform(runner, request)

    assert (fleet.versions, fleet.kept) == ({"a": OLD, "b": OLD, "c": OLD}, set())
    assert entry.state is State.CANCELLED
    assert failure(entry).changed is Changed.NOTHING
    assert failure(entry).sentence.startswith("ops-2 asked to cancel")


def test_what_cannot_be_put_back_is_said(runner: Runner, fleet: Fleet, accept: Accept) -> None:
    fleet.fails("roll c", "restore b")
    entry = perform(runner, ask(accept))

    assert fleet.versions == {"a": OLD, "b": NEW, "c": OLD}
    result = failure(entry)
    assert "Put back: api on a, api on c. Not put back: b refused: no." in result.sentence
    assert result.changed is Changed.PARTLY


def test_a_failure_in_closing_puts_nothing_back(runner: Runner, fleet: Fleet, accept: Accept) -> None:
    fleet.fails("clean b")
    entry = perform(runner, ask(accept))

    assert set(fleet.versions.values()) == {NEW}
    assert not any(text.startswith("restore") for text in fleet.took)
    assert failure(entry).sentence.startswith("b refused: no.")


@pytest.mark.parametrize("moment", ["roll a", "roll b", "roll c", "clean a", "clean c"])
def test_a_worker_killed_while_all_is_well_is_followed_by_one_that_goes_on(
    runner: Runner, fleet: Fleet, accept: Accept, moment: str
) -> None:
    fleet.dies(moment)
    request = ask(accept)
    perform(runner, request)
    entry = again(runner, request)

    assert isinstance(entry.result, Succeeded)
    assert (set(fleet.versions.values()), fleet.kept) == ({NEW}, set())
    assert fleet.took.count(moment) == 2


@pytest.mark.parametrize("moment", ["restore a", "restore b"])
def test_a_worker_killed_while_putting_back_is_followed_by_one_that_puts_back(
    runner: Runner, fleet: Fleet, accept: Accept, moment: str
) -> None:
    fleet.dies(moment)
    dies = fleet.during

    def during(step: Step, ctx: Writer) -> None:
        dies(step, ctx)
        if step.text == "roll b":
            raise BackendRejectedError("b", "no")

    fleet.during = during
    request = ask(accept)
    perform(runner, request)
    entry = again(runner, request)

    assert (set(fleet.versions.values()), fleet.kept) == ({OLD}, set())
    assert failure(entry).code == "rolled_back"
    assert fleet.took.count("roll b") == 1


def test_after_a_long_interruption_a_person_is_asked(
    runner: Runner, fleet: Fleet, accept: Accept, signer: Signer, journal: Journal
) -> None:
    fleet.dies("roll b")
    request = ask(accept)
    perform(runner, request)
    entry = again(runner, request, away=660)

    assert (entry.state, entry.holder) == (State.PAUSED, "Interrupted for 11 min.")
    assert fleet.took == ["roll a", "roll b"]
    entry = answer(runner, signer, journal, request, Word.ROLL_BACK)
    assert (set(fleet.versions.values()), fleet.kept) == ({OLD}, set())
    assert failure(entry).code == "rolled_back"


def test_going_on_after_a_long_interruption_ends_well(
    runner: Runner, fleet: Fleet, accept: Accept, signer: Signer, journal: Journal
) -> None:
    fleet.dies("roll b")
    request = ask(accept)
    perform(runner, request)
    again(runner, request, away=660)
    entry = answer(runner, signer, journal, request, Word.GO_ON)

    assert isinstance(entry.result, Succeeded)
    assert set(fleet.versions.values()) == {NEW}


def closed(runner: Runner) -> Runner:
    """The same, with a policy that denies it by now."""
    rule = Rule(name="closed", deny=("ship *",), line=9)
    policy = runner.policy.model_copy(update={"rules": (rule, *runner.policy.rules)})
    return replace(runner, policy=policy)


def test_after_a_crash_what_policy_denies_by_now_is_put_back(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    request = ask(accept)
    fleet.dies("roll b")
    perform(runner, request)

    refused = failure(again(closed(runner), request))

    assert set(fleet.versions.values()) == {OLD}
    assert "roll c" not in fleet.took
    assert (refused.code, refused.changed) == ("rolled_back", Changed.NOTHING)
    assert "closed (policy.yaml:9)" in refused.sentence


def test_what_is_there_everywhere_is_not_put_back_when_policy_denies_the_rest(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    request = ask(accept)
    fleet.dies("clean a")
    perform(runner, request)

    refused = failure(again(closed(runner), request))

    assert set(fleet.versions.values()) == {NEW}
    assert "closed (policy.yaml:9)" in refused.sentence
    assert refused.changed is Changed.PARTLY


def test_one_that_is_put_back_into_the_ledger_after_its_end_is_neither_gone_on_with_nor_put_back(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    request = ask(accept)
    fleet.dies("roll b")
    perform(runner, request)
    key = runner.ledger.key("request", request.id)
    before = cast("bytes", runner.ledger.redis.dump(key))
    assert again(runner, request).state is State.SUCCEEDED
    took = list(fleet.took)

    runner.ledger.redis.restore(key, 0, before, replace=True)
    assert again(runner, request).state is State.ACCEPTED
    runner.ledger.redis.restore(key, 0, before, replace=True)
    runner.ledger.redis.hset(key, "cancel", "somebody")
    assert again(runner, request).state is State.ACCEPTED

    assert fleet.took == took


def test_one_that_the_recorder_never_lets_go_on_is_ended_and_says_what_stands(
    runner: Runner, fleet: Fleet, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(accept)
    fleet.dies("roll b")
    perform(runner, request)
    silent = replace(runner, journal=Silent(runner.ledger, runner.journal.signer, runner.verifier))
    assert again(silent, request).state is State.ACCEPTED
    monkeypatch.setattr("andock.execution.SETTLE_FOR", 0.0)

    refused = failure(perform(silent, request, 2))

    assert "did not confirm" in refused.sentence
    assert refused.changed is Changed.PARTLY


def test_two_plans_that_hold_the_same_wait_for_each_other(
    runner: Runner, fleet: Fleet, accept: Accept
) -> None:
    first, second = ask(accept, "a"), ask(accept, "b")
    fleet.dies("roll a")
    perform(runner, first)
    waiting = perform(runner, second)

    assert (waiting.state, waiting.holder) == (State.WAITING, first.id)
