"""What is stored holds no secret, and what programs go by is stored as it is or not at all."""

from __future__ import annotations

import pytest

from andock.cleaning import clean
from andock.entries import StepMark
from andock.errors import Changed
from andock.messages import Failed, Progress, Succeeded
from andock.operation import Mark, Offer, Outcome, Phase, Plan, Step, Table, Target
from andock.redaction import MARK, Redactor
from andock.refusals import SecretInPlanError

SECRET = "hunter2-hunter2"
REDACTOR = Redactor([SECRET, "succeeded", "unknown", "nothing"])


def plan(target: dict[str, object] | None = None, **step: object) -> Plan:
    described = {
        "kind": "vm",
        "site": "lab",
        "id": "vm-1",
        "name": "web",
        "environment": "dev",
        **(target or {}),
    }
    made = {"action": "poke", "target": described, "text": "poke web", **step}
    return Plan.model_validate({"batches": [[made]]})


def test_every_text_of_a_result_is_clean() -> None:
    outcome = Outcome(
        summary=f"a {SECRET}",
        fields=(("Label", SECRET), ("token", "abc")),
        table=Table(columns=("name", SECRET), rows=((SECRET, "b"), ("c", "d"))),
        text=f"one\npassword={SECRET}\ntwo",
        filename=f"{SECRET}.log",
        notes=(f"note {SECRET}",),
        offers=(Offer(label="Logs", command=f"container logs {SECRET}"),),
    )

    said = clean(Succeeded(outcome=outcome), REDACTOR)

    assert SECRET not in said.model_dump_json()
    assert said.outcome.summary == f"a {MARK}"
    assert said.outcome.table == Table(columns=("name", MARK), rows=((MARK, "b"), ("c", "d")))
    assert said.outcome.text == f"one\npassword={MARK}\ntwo"
    assert said.outcome.offers[0].label == "Logs"


def test_the_words_that_programs_read_stay_even_if_one_of_them_is_a_secret() -> None:
    failure = Failed(code="x", sentence=f"succeeded unknown {SECRET}", changed=Changed.UNKNOWN)
    mark = StepMark(
        phase=Phase.UNKNOWN, changed=Changed.NOTHING, text="nothing", mark=Mark(begun_at=1, task="t-1")
    )

    assert clean(failure, REDACTOR).model_dump() | {"sentence": ""} == failure.model_dump() | {"sentence": ""}
    assert clean(failure, REDACTOR).sentence == f"{MARK} {MARK} {MARK}"
    assert clean(mark, REDACTOR) == mark.model_copy(update={"text": MARK})
    assert clean(Succeeded(outcome=Outcome(summary=SECRET)), REDACTOR).status == "succeeded"


def test_what_is_not_shown_hides_no_secret() -> None:
    said = clean(Progress(done=0, total=1, text="as hun\x00ter2-\x1b[1mhunter2\u202e"), REDACTOR)

    assert said.text == f"as {MARK}"


def test_what_holds_no_secret_is_the_very_same_value() -> None:
    progress = Progress(done=1, total=2, text="poke web")

    assert clean(progress, REDACTOR) is progress


def test_a_plans_texts_are_clean_and_what_was_agreed_on_stays() -> None:
    made = plan({"name": SECRET, "labels": (f"password={SECRET}", "a=b")}, text=f"poke {SECRET}")

    said = clean(made, REDACTOR)

    assert SECRET not in said.model_dump_json()
    assert said.targets[0].labels == (f"password={MARK}", "a=b")
    assert said.digest == made.digest


@pytest.mark.parametrize(
    "made",
    [
        plan({"path": f"/DC0/vm/{SECRET}"}),
        plan({"id": SECRET}),
        plan(facts={"note": f"is {SECRET}"}),
        plan(args={"env": ["A=1", f"B={SECRET}"]}),
        plan(args={"password": "whatever"}),
    ],
)
def test_a_plan_that_holds_a_secret_in_what_it_keeps_is_refused_and_does_not_repeat_it(made: Plan) -> None:
    with pytest.raises(SecretInPlanError) as refused:
        clean(made, REDACTOR)

    assert SECRET not in refused.value.sentence
    assert refused.value.changed is Changed.NOTHING


def test_a_reference_to_a_secret_is_none() -> None:
    made = plan(args={"password": {"env": "LAB_PASSWORD"}, "key": {"file": "key.pem"}})

    assert clean(made, REDACTOR) is made


def test_a_value_that_is_kept_names_a_field_that_there_is() -> None:
    for model in (Target, Step, Mark):
        assert model.kept <= set(model.model_fields)
