"""Performs a request: opens it, finds or plans, lets policy decide, and hands changes to their execution."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import assert_never

import structlog

from andock import policy as rules
from andock.attempt import Attempt
from andock.audit import AuditRecord, Event, record_of_end
from andock.display import RequestDisplay
from andock.entries import Entry
from andock.errors import Changed, OpsError, SignatureError
from andock.execution import Execution
from andock.ledger import RETENTION
from andock.means import Means
from andock.messages import Failed, Purpose, Request, State, Succeeded
from andock.obstacles import Obstacles
from andock.operation import Change, DeskOperation, Found, Outcome, Params, Ports, Read, Reader
from andock.outbox import message
from andock.refusals import ExpiredError, NotAllowedError
from andock.seals import genuine_plan
from andock.verdicts import explain, refusal

log = structlog.get_logger()
UNRECORDED = "The audit record is not written at present; this is recorded as soon as it is again."


@dataclass(frozen=True)
class Runner(Means):
    """Performs claimed requests."""

    def perform(self, attempt: Attempt, ports: Ports) -> None:
        """Take a claimed request as far as it goes now: to its end, or parked.

        Errors of ours become the request's result. Anything else is a bug or RQ's time limit, and the
        caller's to record.
        """
        entry = self.ledger.read(attempt.request)
        if entry is None:
            return
        try:
            request = self._open(entry)
            operation = self.catalogue.get(request.operation)
            params = operation.params.model_validate(request.params)
            attempt.limit(operation.time_limit)
            display = RequestDisplay(self.ledger, attempt, request)
            reader = Reader(
                watch=attempt,
                site=request.site,
                actor=request.actor.name,
                request=request.id,
                ports=ports,
                display=display,
                warn=Obstacles(self.ledger, self.verifier, self.policy, request).warn,
            )
            match operation:
                case Read():
                    outcome = self._read(operation, params, request, reader)
                    if self.journal.is_silent():
                        outcome = outcome.model_copy(update={"notes": (*outcome.notes, UNRECORDED)})
                    self._conclude(attempt, entry, request, outcome)
                case Change():
                    Execution(self, attempt, entry, request, operation, params, reader).go()
                case DeskOperation():
                    raise SignatureError(f"{request.operation} is not a worker's to perform")
                case _:
                    assert_never(operation)
        except OpsError as error:
            self._fail(attempt, entry, error)

    def _fail(self, attempt: Attempt, entry: Entry, error: OpsError) -> None:
        """End the request with an error of ours; what a forged one says of itself is not recorded."""
        log.info("request_failed", request=attempt.request, code=error.code, changed=error.changed.value)
        state = State.EXPIRED if isinstance(error, ExpiredError) else State.FAILED
        result = Failed.of(error)
        if isinstance(error, SignatureError) and entry.marks:
            # a step may be under way, and what would tell is not believed
            result = result.model_copy(update={"changed": Changed.UNKNOWN})
        try:
            request = self._open(entry)
            plan = genuine_plan(entry, self.verifier, self.instance)
            record = record_of_end(request, result, state, plan=plan, attempt=attempt.number)
        except SignatureError:
            record = AuditRecord(event=Event.REFUSED, request=entry.id, text=error.sentence)
        if isinstance(error, SignatureError):
            record = record.model_copy(update={"event": Event.REFUSED})
        self.ledger.conclude(
            attempt.request,
            result,
            state,
            owner=attempt.owner,
            messages=(message(entry.id),),
            record=self.journal.seal(record),
        )

    def _open(self, entry: Entry) -> Request:
        request = self.verifier.open(entry.sealed, Request, by="bot")
        if request.id != entry.id or request.instance != self.instance:
            raise SignatureError("a stored request was moved from another place")
        if time.time() > request.accepted_at + RETENTION:
            raise SignatureError("a stored request is older than any that is kept")
        return request

    def _conclude(self, attempt: Attempt, entry: Entry, request: Request, outcome: Outcome) -> None:
        log.info("request_succeeded", request=request.id, operation=request.operation, attempt=attempt.number)
        result = Succeeded(outcome=outcome)
        self.ledger.conclude(
            entry.id,
            result,
            State.SUCCEEDED,
            owner=attempt.owner,
            messages=(message(entry.id),),
            record=self.journal.seal(record_of_end(request, result, State.SUCCEEDED, attempt=attempt.number)),
        )

    def _read(
        self, operation: Read[Params, object], params: Params, request: Request, reader: Reader
    ) -> Outcome:
        found = operation.find(params, reader)
        question = self.question(request, operation.risk)
        if not found.rows:
            decision = rules.could_allow(self.policy, question)
            if isinstance(decision, rules.Denied):
                raise NotAllowedError(decision.reason, rule=decision.rule)
            return Outcome(summary=found.empty, notes=found.notes)
        decisions = [rules.decide(self.policy, question, (target,)) for target, _ in found.rows]
        if request.purpose is Purpose.EXPLAIN:
            return explain(request.command, max(decisions, key=rules.strictness))
        refused = [decision for decision in decisions if not isinstance(decision, rules.Allowed)]
        if refused and (not operation.many or len(refused) == len(decisions)):
            raise refusal(refused[0])
        rows = tuple(
            row
            for row, decision in zip(found.rows, decisions, strict=True)
            if isinstance(decision, rules.Allowed)
        )
        notes = found.notes
        if refused:
            names = ", ".join(sorted({decision.rule for decision in refused}))
            notes = (*notes, f"{len(refused)} not shown to you (rule: {names})")
        return operation.run(params, reader, Found(rows=rows, notes=notes, empty=found.empty))
