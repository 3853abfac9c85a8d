"""Whatever an attempt says of a request, Redis never holds a secret of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import Field

from andock.attempt import Attempt
from andock.catalogue import Catalogue
from andock.entries import Entry
from andock.errors import BackendRejectedError
from andock.ledger import Ledger
from andock.messages import Failed, Notice, Request, State, Succeeded, Vote
from andock.operation import (
    Backend,
    Change,
    Done,
    Found,
    Mark,
    NotDone,
    Offer,
    Outcome,
    Params,
    Plan,
    Ports,
    Read,
    Reader,
    Risk,
    Settled,
    Step,
    Target,
    Writer,
)
from andock.outbox import Outbox
from andock.policy import Policy, Rule
from andock.redaction import MARK, Redactor
from andock.refusals import SecretInPlanError
from andock.runner import Runner
from andock.signing import Signer, Verifier
from andock.votes import Ballot, Votes
from tests.integration.core.conftest import Accept, marks_of, plan_of

SECRET = "hunter2-hunter2"


class SpyParams(Params):
    where: str = Field(default="", description="Where the secret is.")


def target(name: str, path: str = "", identity: str = "1") -> Target:
    return Target(kind="toy", site="lab", id=identity, name=name, environment="dev", path=path)


def find(_params: SpyParams, _ctx: Reader) -> Found[str]:
    return Found(rows=((target("a"), "a"),), notes=(f"note {SECRET}",))


def look(params: SpyParams, _ctx: Reader, found: Found[str]) -> Outcome:
    if params.where == "refusal":
        raise BackendRejectedError("lab", f"no login as {SECRET}")
    return Outcome(summary=SECRET, text=f"x\n{SECRET}\ny", notes=found.notes)


def plan(params: SpyParams, _ctx: Reader) -> Plan:
    path = f"/DC0/{SECRET}" if params.where == "path" else ""
    toy = target(f"toy {SECRET}", path, SECRET if params.where == "id" else "1")
    step = Step(action="poke", target=toy, text=f"poke {SECRET}")
    return Plan(batches=((step,),), warnings=(f"warns of {SECRET}",))


def apply(step: Step, ctx: Writer) -> Done:
    ctx.checkpoint(Mark(begun_at=1.0, task="task-1"))
    ctx.watch.look(percent=10, text=f"working as {SECRET}")
    if ctx.site == "lab":
        raise BackendRejectedError("lab", f"no login as {SECRET}")
    return Done(text=f"{step.target.name} done", offers=(Offer(label=SECRET, command=f"toy look {SECRET}"),))


def settle(_step: Step, _ctx: Reader, _mark: Mark) -> Settled:
    return NotDone()


@pytest.fixture
def careful(ledger: Ledger, make_runner: Callable[..., Runner]) -> Runner:
    """A runner on a ledger that knows the secret."""
    reads = Read(
        name="toy look",
        summary="Spies.",
        params=SpyParams,
        backend=Backend.VSPHERE,
        find=find,
        run=look,
        examples=("toy look",),
    )
    changes = Change(
        name="toy poke",
        summary="Spies and pokes.",
        params=SpyParams,
        backend=Backend.VSPHERE,
        risk=Risk.CHANGE,
        plan=plan,
        apply=apply,
        settle=settle,
        examples=("toy poke",),
    )
    known = Ledger(ledger.redis, ledger.prefix.split(":")[1], Redactor([SECRET]))
    policy = Policy(rules=(Rule(name="all", allow=("*",), confirm=True, line=1),))
    runner: Runner = make_runner(Catalogue((reads, changes)), policy, known=known)
    return runner


def perform(runner: Runner, accept: Accept, operation: str, **changes: object) -> Entry:
    request = accept(operation, **{"params": {}, **changes})
    return attempt(runner, request.id, 1)


def attempt(runner: Runner, request: str, number: int) -> Entry:
    held = Attempt.claim(runner.ledger, request, number)
    assert held is not None
    with held:
        runner.perform(held, Ports())
    entry = runner.ledger.read(request)
    assert entry is not None
    return entry


def stored(ledger: Ledger) -> bytes:
    return b"".join(ledger.redis.dump(key) or b"" for key in ledger.redis.scan_iter(f"{ledger.prefix}*"))


def test_the_result_of_a_read_is_stored_without_it(careful: Runner, accept: Accept) -> None:
    entry = perform(careful, accept, "toy look")

    assert entry.result == Succeeded(
        outcome=Outcome(summary=MARK, text=f"x\n{MARK}\ny", notes=(f"note {MARK}",))
    )
    assert SECRET.encode() not in stored(careful.ledger)


def test_the_refusal_of_a_backend_is_stored_without_it(careful: Runner, accept: Accept) -> None:
    entry = perform(careful, accept, "toy look", params={"where": "refusal"})

    assert isinstance(entry.result, Failed)
    assert entry.result.sentence == f"lab refused: no login as {MARK}."
    assert SECRET.encode() not in stored(careful.ledger)


@pytest.mark.parametrize(("site", "state"), [(None, State.SUCCEEDED), ("lab", State.FAILED)])
def test_plan_progress_marks_and_result_of_a_change_are_stored_without_it(
    careful: Runner, accept: Accept, signer: Signer, site: str | None, state: State
) -> None:
    shown = perform(careful, accept, "toy poke", site=site)
    assert shown.state is State.CONFIRMING
    plan = plan_of(careful, shown)
    assert (plan.steps[0].text, plan.warnings) == (f"poke {MARK}", (f"warns of {MARK}",))
    vote = go_ahead(careful, shown)
    ballot = Ballot(State.CONFIRMING, gives="0", counts="1", record=b"a sealed record")
    assert Votes(careful.ledger).count(vote, signer.sign(vote), ballot) == 2

    entry = attempt(careful, shown.id, 2)

    assert entry.state is state
    assert entry.progress is not None
    assert entry.progress.text == f"working as {MARK}"
    mark = marks_of(careful, entry)[0]
    assert mark.mark == Mark(begun_at=1.0, task="task-1")
    assert MARK in mark.text
    assert SECRET.encode() not in stored(careful.ledger)


def go_ahead(runner: Runner, entry: Entry) -> Vote:
    request = runner.verifier.open(entry.sealed, Request, by="bot")
    return Vote(instance=request.instance, request=entry.id, plan=entry.digest, actor=request.actor, at=1e10)


def test_no_lease_bears_it_in_its_name_not_even_for_a_moment(careful: Runner, accept: Accept) -> None:
    step = Step(action="poke", target=target("a", identity=SECRET), text="poke")

    with pytest.raises(SecretInPlanError):
        careful.leases.acquire(accept("toy poke").id, Plan(batches=((step,),)))

    assert SECRET.encode() not in b"".join(careful.ledger.redis.scan_iter(f"{careful.ledger.prefix}*"))


def test_a_notice_and_the_reason_of_a_wait_are_stored_without_it(
    careful: Runner, accept: Accept, signer: Signer, verifier: Verifier
) -> None:
    ledger, outbox = careful.ledger, Outbox(careful.ledger)
    outbox.tell(Notice(id="n1", instance="x", channel="C0OPS", text=f"see {SECRET}", at=1.0), signer)
    request = accept("toy look")
    assert ledger.claim(request.id, 1, "me") == 1
    ledger.park(request.id, "me", State.WAITING, {}, look_again=1000, holder=f"lead-1: {SECRET}")

    notice, entry = outbox.read_notice("n1", verifier), ledger.read(request.id)

    assert notice is not None
    assert notice.text == f"see {MARK}"
    assert entry is not None
    assert entry.holder == f"lead-1: {MARK}"
    assert SECRET.encode() not in stored(ledger)
    assert SECRET.encode() not in b"".join(ledger.redis.scan_iter(f"{ledger.prefix}*"))
