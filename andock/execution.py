"""One attempt at one change: agreed on under its lease, taken step by step, settled after a crash."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

import structlog

from andock.agreement import Agreed, Answered, Negotiation, Parked, halt_over
from andock.attempt import Attempt, Undisturbed
from andock.audit import Event, record_of, record_of_end
from andock.batches import Asking, Batches, Ended, Held
from andock.checkpoints import Checkpoints
from andock.emergency import break_glass
from andock.entries import Entry, StepMark
from andock.errors import BackendUnavailableError, Changed, LeaseLostError, OpsError, SignatureError
from andock.means import Means
from andock.messages import Actor, Failed, Request, State, Succeeded, Vote, Word
from andock.operation import Change, Done, Mark, NotDone, Params, Phase, Plan, Reader, Step, Unknown
from andock.outbox import MIRROR, message
from andock.refusals import ExpiredError
from andock.tally import failures_of, result_of
from andock.tracing import end_interrupted

log = structlog.get_logger()
SETTLE_AGAIN = 10_000  # ms until settling is tried again when the site does not answer
SETTLE_FOR = 3_600.0  # seconds after which what nobody could settle is called unknown
ASK_AFTER = 600.0  # seconds of interruption after which a person says how a change that can be undone goes on
ANSWER_WITHIN = 3_600.0  # seconds that a paused request waits for that


class Execution:
    """One attempt at one change."""

    def __init__(
        self,
        means: Means,
        attempt: Attempt,
        entry: Entry,
        request: Request,
        operation: Change[Params],
        params: Params,
        reader: Reader,
    ) -> None:
        self.means = means
        self.attempt = attempt
        self.entry = entry
        self.request = request
        self.operation = operation
        self.params = params
        self.reader = reader
        self.checkpoints = Checkpoints(attempt, entry.marks, self._record_task)
        self.plan = entry.plan or Plan(batches=())
        self.rule = entry.rule  # by which it goes ahead
        self.approvers: tuple[Actor, ...] = ()

    @property
    def marks(self) -> Mapping[int, StepMark]:
        """The marks of the steps, by number."""
        return self.checkpoints.marks

    def go(self) -> None:
        """Settle what an earlier attempt began, or plan and decide; then take the steps."""
        if self.entry.cancelled_by:
            self.attempt.cancel()
            if not self.marks:
                self._end("", cancelled=True)
                return
        if self.marks:
            if not self._settle():
                return
        elif not self._agree():
            return
        self._take_steps()

    def _agree(self) -> bool:
        """Come to a plan that may be done now; False when the request was ended or parked instead."""
        match self._negotiation().reach():
            case Answered(outcome=outcome, rule=rule):
                self.rule = rule
                self._finish(Succeeded(outcome=outcome), State.SUCCEEDED)
                return False
            case Parked():
                return False
            case Agreed() as agreed:
                self.plan = agreed.plan
                self._start(agreed)
                return True

    def _negotiation(self) -> Negotiation:
        return Negotiation(
            self.means, self.attempt, self.entry, self.request, self.operation, self.params, self.reader
        )

    def _start(self, agreed: Agreed) -> None:
        """Record that it begins; nothing is touched before that is on disk.

        Raises:
            BackendUnavailableError: the recorder does not confirm it.
        """
        plan, self.rule, self.approvers = agreed.plan, agreed.rule, agreed.approvers
        self.attempt.note({"plan": plan, "digest": plan.digest})
        if agreed.emergency is not None:
            break_glass(self.means, self.request, plan, agreed.rule, agreed.emergency, agreed.as_of)
        record = record_of(
            self.request,
            Event.STARTED,
            plan=plan,
            attempt=self.attempt.number,
            rule=agreed.rule,
            approvers=agreed.approvers,
            result="emergency" if agreed.emergency else "",
            text=agreed.as_of,
        )
        journal = self.means.journal
        journal.await_recorded(journal.write(record), record)

    # --- after a crash --------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """Find out what became of steps that an earlier attempt began; False when the request was parked."""
        for number, mark in sorted(self.marks.items()):
            if mark.phase is not Phase.BEGUN:
                continue
            step = self.plan.step(number)
            log.info("settling", request=self.request.id, step=number, attempt=self.attempt.number)
            settled = self._settle_step(step, mark.mark)
            if settled is None:
                self.means.ledger.park(
                    self.request.id, self.attempt.owner, State.ACCEPTED, {}, look_again=SETTLE_AGAIN
                )
                return False
            end_interrupted(self.reader.ports.trace, step, mark, settled)
            self.checkpoints.store(number, settled)
        if not self.checkpoints.open_steps(self.plan) or self.entry.cancelled_by:
            return True
        if self.plan.can_undo:
            return self._settle_halfway()
        if self.checkpoints.failures(self.plan) >= self.plan.max_fail:
            return True
        try:
            held = self._negotiation().hold_again(self.plan)
        except ExpiredError as error:
            self._end(error.sentence)
            return False
        if held:
            self._start(Agreed(self.plan, "as agreed before it was interrupted"))
        return held

    def _settle_halfway(self) -> bool:
        """Whether what can be put back is gone on with; after a long time a person is asked.

        A plan that was begun is not too late to be ended, one way or the other: left halfway, it would
        leave two versions.
        """
        away = time.time() - self.entry.seen
        if self.entry.seen and away > ASK_AFTER and not self.entry.answers:
            self._pause("interrupted", f"Interrupted for {int(away / 60)} min.")
            return False
        return self._negotiation().hold_halfway(self.plan)

    def _settle_step(self, step: Step, mark: Mark | None) -> StepMark | None:
        """What became of one step; None when its site is away and it is to be looked at later."""
        if mark is None:  # nothing was sent: `apply` marks before it calls
            return StepMark(phase=Phase.NOT_DONE)
        try:
            reader = replace(self.reader, watch=Undisturbed(self.attempt))
            settled = self.operation.settle(step, reader, mark)
        except LeaseLostError:
            raise
        except OpsError as error:
            if (
                isinstance(error, BackendUnavailableError)
                and time.time() - max(self.entry.accepted, self.entry.seen) < SETTLE_FOR
            ):
                return None
            return _unknown(f"{step.target.name}: {error.sentence}")
        match settled:
            case Done():
                return StepMark(phase=Phase.DONE, mark=mark, text=settled.text, offers=settled.offers)
            case NotDone():
                return StepMark(phase=Phase.NOT_DONE)
            case Unknown():
                return _unknown(settled.text)
            case _:
                assert_never(settled)

    # --- the steps ------------------------------------------------------------------------------------

    def _take_steps(self) -> None:
        batches = Batches(
            operation=self.operation,
            reader=self.reader,
            attempt=self.attempt,
            checkpoints=self.checkpoints,
            plan=self.plan,
            answers=self._answers(),
            halted=lambda: halt_over(self.means, self.plan) is not None,
            hold=lambda: self._negotiation().hold_between_steps(self.plan),
        )
        match batches.take():
            case Ended(why=why, cancelled=cancelled):
                self._end(why, cancelled=cancelled)
            case Asking(question=question):
                self._pause(question, failures_of(self.plan, self.marks))
            case Held():
                pass

    def _answers(self) -> dict[str, Word]:
        """What people said to earlier questions of this request.

        Raises:
            SignatureError: an answer was forged, altered, or given to another question.
        """
        answers = {}
        for question, sealed in self.entry.answers.items():
            said = self.means.verifier.open(sealed, Vote, by="bot")
            if (said.request, said.instance, said.question) != (
                self.request.id,
                self.request.instance,
                question,
            ):
                raise SignatureError("a stored answer belongs to another request or question")
            answers[question] = said.word
        return answers

    def _pause(self, question: str, why: str) -> None:
        """Let a person say whether to go on or to put everything back; its targets stay held meanwhile."""
        if self.entry.question == question and time.time() > (self.entry.answer_by or 0):
            self._end("Nobody said in time whether to go on or to roll back.")
            return
        self.means.journal.write(record_of(self.request, Event.PAUSED, plan=self.plan, text=why))
        self.means.ledger.park(
            self.request.id,
            self.attempt.owner,
            State.PAUSED,
            {"question": question, "answer_by": str(time.time() + ANSWER_WITHIN)},
            look_again=int(ANSWER_WITHIN * 1000),
            holder=why,
            messages=(message(self.request.id),),
        )

    def _record_task(self, task: str) -> None:
        attempt = self.attempt.number
        record = record_of(self.request, Event.TASK, plan=self.plan, attempt=attempt, text=task)
        self.means.journal.write(record)

    # --- the end --------------------------------------------------------------------------------------

    def _end(self, why: str, *, cancelled: bool = False) -> None:
        """Write the result that the marks prove."""
        by = (self.means.ledger.cancelled_by(self.request.id) or "Somebody") if cancelled else ""
        result = result_of(self.operation, self.plan, self.marks, why, cancelled_by=by)
        ended = State.SUCCEEDED if isinstance(result, Succeeded) else State.FAILED
        self._finish(result, State.CANCELLED if cancelled else ended)

    def _finish(self, result: Succeeded | Failed, state: State) -> None:
        log.info("request_ended", request=self.request.id, state=state.value, attempt=self.attempt.number)
        messages = [message(self.request.id)]
        if self.request.reply.direct:
            environments = {target.environment for target in self.plan.targets}
            told = {self.means.announce[name] for name in environments if name in self.means.announce}
            messages += [message(self.request.id, f"{MIRROR}:{channel}") for channel in sorted(told)]
        if self.plan.announce and self.plan.announce != self.request.reply.channel:
            messages.append(message(self.request.id, f"{MIRROR}:{self.plan.announce}"))
        self.means.ledger.conclude(
            self.request.id,
            result,
            state,
            owner=self.attempt.owner,
            messages=messages,
            record=self.means.journal.seal(
                record_of_end(
                    self.request,
                    result,
                    state,
                    plan=self.plan,
                    attempt=self.attempt.number,
                    rule=self.rule,
                    approvers=self.approvers,
                )
            ),
        )


def _unknown(text: str) -> StepMark:
    return StepMark(phase=Phase.UNKNOWN, text=text, changed=Changed.UNKNOWN)
