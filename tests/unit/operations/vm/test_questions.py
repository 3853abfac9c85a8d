from __future__ import annotations

from typing import Any

import pytest

from andock.errors import InvalidParamsError, OutcomeUnknownError, TargetStateError
from andock.operation import Done, NotDone, Outcome, Unknown
from andock.operations.vm.console import VM_CONSOLE, ConsoleParams
from andock.operations.vm.questions import VM_ANSWER, VM_QUESTION, AnswerParams, QuestionParams
from andock.ports.vsphere import Question

ASKED = Question("12", "Did you move or copy it?", (("0", "I moved it"), ("1", "I copied it")), "1")


@pytest.fixture(autouse=True)
def _asking(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    bench.vsphere.questions["lab", "vm-1"] = ASKED


def show(bench: Any) -> Outcome:
    params = QuestionParams(vm="web-01")
    return VM_QUESTION.run(params, bench.reader, VM_QUESTION.find(params, bench.reader))


def answer(bench: Any, choice: str) -> Any:
    return VM_ANSWER.plan(AnswerParams(vm="web-01", choice=choice), bench.reader)


def test_a_question_is_shown_with_a_button_for_each_choice(bench: Any) -> None:
    outcome = show(bench)
    assert outcome.summary == "`web-01` asks: Did you move or copy it?"
    assert outcome.fields == (("Choice 0", "I moved it"), ("Choice 1", "I copied it (the default)"))
    assert [(offer.label, offer.command) for offer in outcome.offers] == [
        ("I moved it", "vm answer vm-1 0 --site lab"),
        ("I copied it", "vm answer vm-1 1 --site lab"),
    ]


def test_one_that_asks_nothing_is_said_so_and_not_answered(bench: Any) -> None:
    bench.vsphere.questions.clear()
    assert show(bench).summary == "`web-01` asks nothing."
    with pytest.raises(TargetStateError, match="asking nothing"):
        answer(bench, "0")


@pytest.mark.parametrize("choice", ["1", "I COPIED it"])
def test_an_answer_is_a_key_or_the_words(bench: Any, choice: str) -> None:
    (step,) = answer(bench, choice).steps
    assert step.text == "answer `web-01`: Did you move or copy it? - I copied it"
    assert VM_ANSWER.apply(step, bench.writer) == Done(text="`web-01` was answered: I copied it.")
    assert bench.done == ["answer:1"]


def test_what_is_no_choice_is_refused_with_those_that_are(bench: Any) -> None:
    with pytest.raises(InvalidParamsError, match=r"none of its choices: `0` \(I moved it\), `1`"):
        answer(bench, "maybe")


def test_an_answer_is_bound_to_the_question(bench: Any) -> None:
    plan = answer(bench, "0")
    bench.vsphere.questions["lab", "vm-1"] = Question("13", "Format the disk?", ASKED.choices)
    assert plan.differences(answer(bench, "0"))[0].startswith("web-01: question was Did you move")


def test_a_lost_answer_is_done_only_if_that_can_be_told(bench: Any) -> None:
    (step,) = answer(bench, "0").steps
    bench.vsphere.lost = "undone"
    with pytest.raises(OutcomeUnknownError):
        VM_ANSWER.apply(step, bench.writer)
    assert VM_ANSWER.settle(step, bench.reader, bench.marks[0]) == NotDone()
    bench.vsphere.questions.clear()
    settled = VM_ANSWER.settle(step, bench.reader, bench.marks[0])
    assert isinstance(settled, Unknown)
    assert "somebody else may have answered" in settled.text


def test_a_console_is_a_link_for_the_persons_own_login_and_no_ticket(bench: Any) -> None:
    params = ConsoleParams(vm="web-01")
    outcome = VM_CONSOLE.run(params, bench.reader, VM_CONSOLE.find(params, bench.reader))
    (link,) = outcome.links
    assert link.url.startswith("https://lab/ui/app/vm;nav=v/urn:vmomi:VirtualMachine:vm-1:")
    assert "own login" in outcome.summary
    assert "icket" not in str(outcome)
