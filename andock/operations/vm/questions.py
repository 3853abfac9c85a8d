"""`vm question` and `vm answer`: a task that stands still until somebody answers."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from andock.errors import InvalidParamsError, TargetStateError
from andock.operation import Backend, Change, Found, Offer, Outcome, Params, Plan, Read, Reader, Risk, Step
from andock.operations.vm.targets import NAMING, resolve_all, resolve_one, target_of
from andock.operations.vm.tasks import CallStep, Seen
from andock.ports.vsphere import Question, Vm


class QuestionParams(Params):
    """What `vm question` takes."""

    vm: str = Field(min_length=1, max_length=300, description=NAMING)


class AnswerParams(QuestionParams):
    """What `vm answer` takes."""

    choice: str = Field(
        min_length=1,
        max_length=200,
        description="One of the choices that `vm question` shows: its key or words.",
    )


@dataclass(frozen=True, slots=True)
class Asking:
    """A VM and what it asks, if anything."""

    vm: Vm
    question: Question | None


def find_asking(params: QuestionParams, ctx: Reader) -> Found[Asking]:
    """The VM that is meant; raises as `resolve_one`."""
    vm, _ = resolve_one(params.vm, ctx)
    asking = Asking(vm, ctx.vsphere.read_question(vm.site, vm.id))
    return Found(rows=((target_of(vm), asking),))


def show_question(params: QuestionParams, ctx: Reader, found: Found[Asking]) -> Outcome:
    """What it asks, with its choices as buttons."""
    del params, ctx
    asking = found.rows[0][1]
    vm, question = asking.vm, asking.question
    if question is None:
        return Outcome(summary=f"`{vm.name}` asks nothing.")
    offers = tuple(
        Offer(label=label, command=f"vm answer {vm.id} {key} --site {vm.site}", danger=True)
        for key, label in question.choices
    )
    fields = tuple(
        (f"Choice {key}", label + " (the default)" * (key == question.default))
        for key, label in question.choices
    )
    return Outcome(summary=f"`{vm.name}` asks: {question.text}", fields=fields, offers=offers)


def plan_answer(params: AnswerParams, ctx: Reader) -> Plan:
    """One step, bound to the question that is asked now.

    Raises:
        TargetStateError: the VM asks nothing.
        InvalidParamsError: it has no such choice; says which it has.
        TargetNotFoundError, AmbiguousTargetError, ...: see `resolve_all`.
    """
    (vm,) = resolve_all((params.vm,), ctx)
    question = ctx.vsphere.read_question(vm.site, vm.id)
    if question is None:
        raise TargetStateError(vm.name, actual="asking nothing", wanted="waiting for an answer")
    typed = params.choice.casefold()
    found = [pair for pair in question.choices if typed in (pair[0].casefold(), pair[1].casefold())]
    if len(found) != 1:
        known = ", ".join(f"`{key}` ({label})" for key, label in question.choices)
        raise InvalidParamsError(f"`{params.choice}` is none of its choices: {known}.")
    key, label = found[0]
    step = Step(
        action="answer",
        target=target_of(vm),
        text=f"answer `{vm.name}`: {question.text} - {label}",
        facts={"question": question.text},
        args={"question": question.id, "choice": key, "label": label},
    )
    return Plan(batches=((step,),))


def _look(step: Step, ctx: Reader) -> Seen:
    question = ctx.vsphere.read_question(step.target.site, step.target.id)
    if question is not None and question.id == step.args["question"]:
        return Seen(done=False, said="it still asks")
    return Seen(done=None, said="it no longer asks, and somebody else may have answered")


ANSWERING = CallStep(
    call=lambda step, ctx: ctx.vsphere.answer(
        step.target.site, step.target.id, str(step.args["question"]), str(step.args["choice"])
    ),
    look=_look,
    done=lambda step: f"`{step.target.name}` was answered: {step.args['label']}.",
)

VM_QUESTION = Read(
    name="vm question",
    summary="What a VM waits for an answer to, with its choices as buttons.",
    params=QuestionParams,
    backend=Backend.VSPHERE,
    find=find_asking,
    run=show_question,
    examples=("vm question web-01",),
)
VM_ANSWER = Change(
    name="vm answer",
    summary="Answer what a VM asks, so that its task goes on.",
    params=AnswerParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_answer,
    apply=ANSWERING.apply,
    settle=ANSWERING.settle,
    examples=('vm answer web-01 "I copied it"', "vm answer web-01 0"),
)
