"""One attempt at one change: agreed on under its lease, taken step by step, settled after a crash."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import structlog

from andock.agreement import Agreed, Answered, Negotiation, Parked, halt_over
from andock.attempt import Attempt, Undisturbed
from andock.audit import AuditRecord, Event, record_of, record_of_end
from andock.batches import Asking, Batches, Ended, Held
from andock.checkpoints import Checkpoints
from andock.emergency import break_glass
from andock.entries import Entry, StepMark
from andock.errors import RecordNotConfirmedError, SignatureError
from andock.means import Means
from andock.messages import Actor, Failed, Request, State, Succeeded, Vote, Word
from andock.operation import Change, OnFailure, Params, Phase, Plan, Reader
from andock.outbox import MIRROR, message
from andock.refusals import ExpiredError
from andock.seals import genuine_plan, open_begun, seal_mark
from andock.settling import settle_step
from andock.tally import failures_of, result_of
from andock.tracing import end_interrupted

log = structlog.get_logger()
SETTLE_AGAIN = 10_000  # ms until settling is tried again when the site does not answer
SETTLE_FOR = 3_600.0  # seconds after which what nobody could settle is called unknown
ASK_AFTER = 600.0  # seconds of interruption after which a person says how a change that can be undone goes on
ANSWER_WITHIN = 3_600.0  # seconds that a paused request waits for that
AGAIN = "as agreed before it was interrupted"


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
        """Raises SignatureError where the plan or the marks in the ledger are not a worker's of ours."""
        self.means = means
        self.attempt = attempt
        self.entry = entry
        self.request = request
        self.operation = operation
        self.params = params
        self.reader = reader
        begun = open_begun(entry, means.verifier, means.instance)
        self.sealed = begun.sealed if begun else b""  # the plan that the marks are bound to
        self.rule = begun.rule if begun else entry.rule  # by which it goes ahead
        self.approvers: tuple[Actor, ...] = ()
        self.plan = begun.plan if begun else Plan(batches=())
        self.checkpoints = Checkpoints(
            attempt, begun.marks if begun else {}, self._seal_mark, self._record_task
        )
        self.objection = ""  # why its rest may not be taken any more

    @property
    def marks(self) -> Mapping[int, StepMark]:
        """The marks of the steps, by number."""
        return self.checkpoints.marks

    def go(self) -> None:
        """Settle what an earlier attempt began, or plan and decide; then take the steps."""
        if self.entry.cancelled_by:
            self.attempt.cancel()
            if not self.marks:
                self.plan = genuine_plan(self.entry, self.means.verifier, self.means.instance) or self.plan
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
        """Sign what was agreed on, and record that it begins.

        Raises:
            RecordNotConfirmedError: the recorder does not confirm it.
        """
        plan, attempt = agreed.plan, self.attempt.number
        self.rule, self.approvers = agreed.rule, agreed.approvers
        self.sealed = self.means.seal_plan(self.request, attempt, plan, rule=agreed.rule)
        self.attempt.note({"plan": self.sealed, "digest": plan.digest})
        if agreed.emergency is not None:
            break_glass(self.means, self.request, plan, agreed.rule, agreed.emergency, agreed.as_of)
        self._await_record(
            record_of(
                self.request,
                Event.STARTED,
                plan=plan,
                attempt=attempt,
                rule=agreed.rule,
                approvers=agreed.approvers,
                result="emergency" if agreed.emergency else "",
                text=agreed.as_of,
            )
        )

    def _await_record(self, record: AuditRecord) -> None:
        """Nothing is touched before this is on disk; raises as `_start`."""
        journal = self.means.journal
        journal.await_recorded(journal.write(record), record)

    def _seal_mark(self, number: int, mark: StepMark) -> bytes:
        means = self.means
        return seal_mark(self.sealed, number, mark, means.journal.signer, means.ledger.redactor)

    # --- after a crash --------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """Find out what became of steps that an earlier attempt began; False when the request was parked."""
        reader = replace(self.reader, watch=Undisturbed(self.attempt))
        for number, mark in sorted(self.marks.items()):
            if mark.phase is not Phase.BEGUN:
                continue
            step = self.plan.step(number)
            log.info("settling", request=self.request.id, step=number, attempt=self.attempt.number)
            settled = settle_step(self.operation, step, reader, mark.mark, may_wait=self._is_young())
            if settled is None:
                self._look_later()
                return False
            end_interrupted(self.reader.ports.trace, step, mark, settled)
            self.checkpoints.store(number, settled)
        rest = self.checkpoints.open_steps(self.plan)
        if rest and not self.entry.cancelled_by:
            self.objection = self._negotiation().object_to(self.plan.only(rest))
            # with only closing steps left all is done, and nothing is put back any more
            closing = bool(self.objection) and set(rest) <= set(self.plan.closing_numbers)
            halfway = self.plan.can_undo and not closing
            return (self._hold_halfway() if halfway else self._hold_rest()) and self._start_again()
        # with all steps at their end, or cancelled, there may still be something to put back
        return not self.plan.can_undo or self._start_again()

    def _hold_rest(self) -> bool:
        """Whether the rest of what cannot be put back may be gone on with; else it is ended or parked."""
        broken = self.checkpoints.failures(self.plan) >= self.plan.max_fail
        if self.objection or (broken and self.plan.on_failure is not OnFailure.GO_ON):
            self._end(self.objection)
            return False
        try:
            return self._negotiation().hold_again(self.plan)
        except ExpiredError as error:
            self._end(error.sentence)
            return False

    def _hold_halfway(self) -> bool:
        """Whether what can be put back is gone on with; after a long time a person is asked.

        A plan that was begun is not too late to be ended, one way or the other: left halfway, it would
        leave two versions.
        """
        away = time.time() - self.entry.seen
        if self.entry.seen and away > ASK_AFTER and not self.entry.answers:
            self._pause("interrupted", f"Interrupted for {int(away / 60)} min.")
            return False
        return self._negotiation().hold_halfway(self.plan)

    def _start_again(self) -> bool:
        """Whether the recorder confirms that the request goes on: it does not for one that has ended.

        Without its word the request is parked for a while, and then ended.
        """
        request, attempt = self.request, self.attempt.number
        try:
            self._await_record(
                record_of(request, Event.STARTED, plan=self.plan, attempt=attempt, rule=self.rule, text=AGAIN)
            )
        except RecordNotConfirmedError:
            if self._is_young():
                self._look_later()
            else:
                self._end("The recorder did not confirm that it goes on.")
            return False
        return True

    def _look_later(self) -> None:
        self.means.ledger.park(
            self.request.id, self.attempt.owner, State.ACCEPTED, {}, look_again=SETTLE_AGAIN
        )

    def _is_young(self) -> bool:
        """Whether it was at work so short a time ago that waiting for what is away is worth it."""
        return time.time() - max(self.entry.accepted, self.entry.seen) < SETTLE_FOR

    # --- the steps ------------------------------------------------------------------------------------

    def _take_steps(self) -> None:
        sites = self.plan.sites
        batches = Batches(
            operation=self.operation,
            reader=self.reader,
            attempt=self.attempt,
            checkpoints=self.checkpoints,
            plan=self.plan,
            answers=self._answers(),
            halted=lambda: halt_over(self.means, sites) is not None,
            hold=lambda: self._negotiation().hold_between_steps(self.plan),
            objection=self.objection,
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

    def _record_task(self, number: int, task: str) -> None:
        record = record_of(
            self.request,
            Event.TASK,
            targets=(self.plan.step(number).target,),
            digest=self._digest,
            attempt=self.attempt.number,
            text=task,
        )
        self.means.journal.write(record)

    @cached_property
    def _digest(self) -> str:
        """The digest of the plan whose steps are taken; by then no other can take its place."""
        return self.plan.digest

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
