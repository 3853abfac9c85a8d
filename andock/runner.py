"""Performs a request: opens it, finds or plans, lets policy decide, and hands changes to their execution."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import assert_never

import structlog

from andock.attempt import Attempt
from andock.audit import AuditRecord, Event, record_of_end
from andock.display import RequestDisplay
from andock.entries import Entry
from andock.errors import Changed, OpsError, SignatureError
from andock.execution import Execution
from andock.findings import Findings, judge
from andock.ledger import RETENTION
from andock.means import Means
from andock.messages import Failed, Purpose, Request, State, Succeeded
from andock.obstacles import Obstacles
from andock.operation import Change, DeskOperation, Outcome, Params, Ports, Read, Reader
from andock.outbox import message
from andock.refusals import ExpiredError
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
                warn=Obstacles(self.journal, self.policy, request).warn,
            )
            match operation:
                case Read():
                    self._read(attempt, operation, params, request, reader)
                case Change():
                    Execution(self, attempt, entry, request, operation, params, reader).go()
                case DeskOperation():
                    raise SignatureError(f"{request.operation} is not a worker's to perform")
                case _:
                    assert_never(operation)
        except OpsError as error:
            self._fail(attempt, entry, error)

    def _fail(self, attempt: Attempt, entry: Entry, error: OpsError) -> None:
        """End the request with an error of ours."""
        log.info("request_failed", request=attempt.request, code=error.code, changed=error.changed.value)
        state = State.EXPIRED if isinstance(error, ExpiredError) else State.FAILED
        result = Failed.of(error)
        if isinstance(error, SignatureError) and entry.marks:
            # a step may be under way, and what would tell is not believed
            result = result.model_copy(update={"changed": Changed.UNKNOWN})
        self.end_failed(attempt, entry, result, state, forged=isinstance(error, SignatureError))

    def end_failed(
        self, attempt: Attempt, entry: Entry, result: Failed, state: State, *, forged: bool = False
    ) -> None:
        """End the request with a failure; what a forged one says of itself is not recorded."""
        try:
            request = self._open(entry)
            plan = genuine_plan(entry, self.verifier, self.instance)
            record = record_of_end(request, result, state, plan=plan, attempt=attempt.number, rule=entry.rule)
        except SignatureError:
            record = AuditRecord(event=Event.REFUSED, request=entry.id, text=result.sentence)
        if forged:
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

    def _read(
        self,
        attempt: Attempt,
        operation: Read[Params, object],
        params: Params,
        request: Request,
        reader: Reader,
    ) -> None:
        """Find, decide, and answer about what may be seen.

        Raises:
            NotAllowedError: the asker may see nothing of it.
        """
        found = operation.find(params, reader)
        findings = judge(self.policy, self.question(request, operation.risk), operation, found)
        if request.purpose is Purpose.EXPLAIN and found.rows:
            self._conclude(attempt, request, findings, explain(request.command, findings.strictest))
            return
        decided = findings.record_for(request, attempt.number)
        try:
            if findings.denied is not None:
                raise refusal(findings.denied)
            if found.rows:
                outcome = operation.run(params, reader, findings.found)
            else:
                outcome = Outcome(summary=found.empty, notes=found.notes)
        except OpsError:
            self.journal.write(decided)
            raise
        self._conclude(attempt, request, findings, outcome, decided)

    def _conclude(
        self,
        attempt: Attempt,
        request: Request,
        findings: Findings,
        outcome: Outcome,
        decided: AuditRecord | None = None,
    ) -> None:
        """Write a read's end; the decision is recorded with it, in the same round trip."""
        log.info("request_succeeded", request=request.id, operation=request.operation, attempt=attempt.number)
        if self.journal.is_silent():
            outcome = outcome.model_copy(update={"notes": (*outcome.notes, UNRECORDED)})
        result, state = Succeeded(outcome=outcome), State.SUCCEEDED
        record = record_of_end(
            request,
            result,
            state,
            targets=findings.targets,
            attempt=attempt.number,
            rule=findings.rule,
        )
        self.ledger.conclude(
            request.id,
            result,
            state,
            owner=attempt.owner,
            messages=(message(request.id),),
            record=self.journal.seal(record),
            decided=self.journal.seal(decided) if decided is not None else b"",
        )
