"""Rings again for what nobody claimed, starts settling for lapsed leases, ends what is too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import structlog
from redis.exceptions import RedisError, ResponseError

from andock.audit import AuditRecord, Event, Journal, record_of_end
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell, longest
from andock.entries import Entry
from andock.errors import Changed, OpsError, SignatureError
from andock.ledger import RING_AGAIN, Ledger, failed
from andock.messages import Failed, Notice, Request, State
from andock.operation import Operation
from andock.outbox import Outbox, message
from andock.refusals import ExpiredError
from andock.rejections import Kind, Rejections
from andock.rendering.notices import review_overdue
from andock.routing import Routing
from andock.seals import genuine_plan
from andock.signing import Verifier
from andock.votes import Votes

log = structlog.get_logger()
SWEEP = 0.5  # seconds between sweeps
BATCH = 200  # requests looked at in one sweep
GIVE_UP = 3_600.0  # seconds after which a change that no worker came to settle is called unknown
PARKED = (State.ACCEPTED, State.CONFIRMING, State.APPROVING, State.WAITING, State.HELD, State.PAUSED)


@dataclass(frozen=True)
class Janitor:
    """Looks at open requests when their time has come. Any number may run: every step is one script."""

    ledger: Ledger
    doorbell: Doorbell
    catalogue: Catalogue
    routing: Routing
    verifier: Verifier
    journal: Journal

    @property
    def outbox(self) -> Outbox:
        """Where reminders go."""
        return Outbox(self.ledger)

    @property
    def rejections(self) -> Rejections:
        """What was refused, on record."""
        return Rejections(self.journal)

    @property
    def votes(self) -> Votes:
        """What people say to plans."""
        return Votes(self.ledger)

    def run(self, stop: threading.Event) -> None:
        """Sweep until stopped; Redis may go away and come back."""
        while not stop.wait(SWEEP):
            try:
                self.sweep()
            except RedisError as error:
                log.warning("redis_away", error=type(error).__name__)

    def sweep(self) -> int:
        """Look at every request that is due; returns how many there were."""
        due = self.ledger.due(BATCH)
        kept = {entry.id: entry for entry in self.ledger.read_many(due)}
        waiting = []
        for request in due:
            entry = kept.get(request)
            if entry is None or entry.state.ended:
                self.ledger.forget_open(request)
                continue
            if entry.state is State.APPROVING and _has_time(entry):
                waiting.append(entry)
                continue
            try:
                self._look(entry)
            except OpsError as error:
                log.warning("request_refused", request=request, code=error.code)
                # a step may be under way, and nobody is left who could find out
                changed = {"changed": Changed.UNKNOWN} if entry.marks else {}
                self._end(entry, Failed.of(error).model_copy(update=changed), State.FAILED)
            except ResponseError as error:
                # what is stored of it cannot be worked with: it must not keep the others from being looked at
                log.error("damaged_record", request=request, error=str(error)[:200])  # noqa: TRY400  it says it all
                self.ledger.look_again(request, RING_AGAIN)
        self._remind(waiting)
        self._tell_overdue_reviews()
        self.rejections.tell_left_out()
        return len(due)

    def _look(self, entry: Entry) -> None:
        request = self._open(entry)
        operation = self.catalogue.get(request.operation)
        match entry.state:
            case State.RUNNING:
                self._look_at_lapsed(entry, request, operation)
            case State.CONFIRMING:
                late = ExpiredError("Nobody said Go ahead in time.")
                self._end(entry, Failed.of(late), State.EXPIRED)
            case State.APPROVING:
                self._end_approval(entry)
            case State.ACCEPTED | State.WAITING:
                if not entry.marks and not entry.votes and time.time() > request.not_after:
                    self._end(entry, Failed.of(ExpiredError()), State.EXPIRED)
                else:
                    self._ring(entry, request, operation)
            case State.HELD | State.PAUSED if entry.marks:  # parked halfway: an attempt says what was done
                self._ring(entry, request, operation)
            case State.HELD | State.PAUSED:
                self._end(entry, Failed.of(ExpiredError("Held too long.")), State.EXPIRED)
            case State.SUCCEEDED | State.FAILED | State.CANCELLED | State.EXPIRED:
                self.ledger.forget_open(entry.id)
            case _:
                assert_never(entry.state)

    def _look_at_lapsed(self, entry: Entry, request: Request, operation: Operation) -> None:
        """Start an attempt that settles it; give it up when none has come to an end for long."""
        since = max(entry.accepted, entry.seen)
        if time.time() - since > GIVE_UP + longest(operation).total_seconds():
            self._end(entry, _nobody_settled(entry), State.FAILED)
            return
        log.info("lease_lapsed", request=entry.id, attempt=entry.attempt)
        self._ring(entry, request, operation)

    def _open(self, entry: Entry) -> Request:
        request = self.verifier.open(entry.sealed, Request, by="bot")
        if request.id != entry.id:
            raise SignatureError("a stored request was moved from another place")
        return request

    def _ring(self, entry: Entry, request: Request, operation: Operation) -> None:
        attempt = self.ledger.ring(entry.id, (entry.state,), attempt_hint=min(entry.attempt, 8))
        if attempt:
            pool = self.routing.pool(operation, request.site, request.pool)
            self.doorbell.ring(pool, operation, entry.id, attempt)

    def _remind(self, waiting: Sequence[Entry]) -> None:
        """Half of the time of these is over: remind, of all at once, for each write alone costs an fsync.

        Signatures are left to the courier, which says it, and to whoever acts on votes.
        """
        self.outbox.remind(self.votes.begin_reminders([entry.id for entry in waiting]))
        self.ledger.look_again_at(
            {entry.id: entry.answer_by for entry in waiting if entry.answer_by is not None}
        )

    def _end_approval(self, entry: Entry) -> None:
        """The time is over, or the question never stood in Slack."""
        if entry.answer_by is None:
            late = ExpiredError("The approvers could not be asked: Slack did not take the message.")
        else:
            late = ExpiredError("Not enough people approved it in time.")
        self._end(entry, Failed.of(late), State.EXPIRED)

    def _tell_overdue_reviews(self) -> None:
        """Say once, where it was asked, that nobody has looked at a break-glass in time."""
        overdue = self.votes.overdue_reviews()
        kept = {entry.id: entry for entry in self.ledger.read_many(overdue)}
        for request in overdue:
            entry = kept.get(request)
            if entry is None:  # its retention is over
                self.votes.end_review(request)
                continue
            try:
                self._tell_overdue(self._open(entry))
            except SignatureError as error:  # nobody can say any more what was asked
                log.warning("review_refused", request=request, code=error.code)
                self.rejections.record(Kind.REQUEST, error.sentence, request=request)
                self.votes.end_review(request)

    def _tell_overdue(self, request: Request) -> None:
        notice = Notice(
            id=f"{request.id}overdue",
            instance=request.instance,
            channel=request.channel,
            text=review_overdue(request.actor.user, request.id, request.command, request.emergency),
            at=time.time(),
        )
        self.outbox.tell(notice, self.journal.signer)

    def _end(self, entry: Entry, result: Failed, state: State) -> None:
        try:
            plan = genuine_plan(entry, self.verifier, self.ledger.instance)
            record = record_of_end(self._open(entry), result, state, plan=plan, rule=entry.rule)
        except SignatureError:
            record = AuditRecord(event=Event.REFUSED, request=entry.id, text=result.sentence)
        self.ledger.conclude(
            entry.id,
            result,
            state,
            states=(*PARKED, State.RUNNING),
            messages=(message(entry.id),),
            record=self.journal.seal(record),
        )


def _has_time(entry: Entry) -> bool:
    return entry.answer_by is not None and time.time() < entry.answer_by


def _nobody_settled(entry: Entry) -> Failed:
    changed = Changed.UNKNOWN if entry.marks else Changed.NOTHING
    return failed(
        "outcome_unknown", "Interrupted, and no worker came back to find out what became of it.", changed
    )
