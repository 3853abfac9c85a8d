"""The ledger as the desk's operations may ask it, for one person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from andock import policy as rules
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell
from andock.entries import Entry
from andock.errors import SignatureError
from andock.ledger import Ledger
from andock.messages import Failed, Request, State, Succeeded
from andock.operation import DeskOperation
from andock.ports.records import AuditFindings, AuditQuery, Halt, RequestRow
from andock.routing import Routing
from andock.seals import genuine_marks, genuine_plan
from andock.signing import Verifier
from andock.verdicts import refusal
from bot.mutes import ActorMutes
from bot.stops import ActorStops
from bot.trail import AuditTrail

_SCANNED = 4  # how many more are read than asked for, since others' private ones are left out


@dataclass(frozen=True)
class LedgerRecords:
    """Implements `Records` for one person in one channel.

    Others' private requests are kept from them, and of the rest what became of it where policy, as it is now,
    does not let them read.
    """

    ledger: Ledger
    verifier: Verifier
    doorbell: Doorbell
    catalogue: Catalogue
    routing: Routing
    stops: ActorStops
    channel: str

    @property
    def user(self) -> str:
        """The key of who asks."""
        return self.stops.actor.key

    @property
    def mutes(self) -> ActorMutes:
        """Alarms that are not told."""
        return ActorMutes(self.stops.journal, self.stops.actor)

    def recent(self, *, user: str | None, limit: int) -> tuple[RequestRow, ...]:
        """The newest requests, newest first; private ones only of their asker."""
        rows = []
        for entry in self.ledger.recent(actor=None, limit=limit * _SCANNED if user is None else 1000):
            row = self._row(entry)
            if row is not None and (user is None or row.user == user):
                rows.append(row)
        return tuple(rows[:limit])

    def show(self, request: str) -> RequestRow | None:
        """One request with its detail, or None when it is unknown or somebody else's private one."""
        entry = self.ledger.read(request)
        row = self._row(entry) if entry is not None else None
        if entry is None or row is None or not row.detail:  # without detail it may not be read
            return row
        return replace(row, detail=(*row.detail, *self._steps(entry)))

    def halt(self, halt: Halt) -> None:
        """Refuse new changes on the scope and hold queued ones."""
        self.ledger.halt(halt)

    def resume(self, scope: str) -> tuple[RequestRow, ...]:
        """Lift the halt of this scope and ring for what was held; returns what was held."""
        held = self.held(scope)
        self.ledger.lift(scope)
        for row in held:
            entry = self.ledger.read(row.id)
            if entry is None:
                continue
            request = self.verifier.open(entry.sealed, Request, by="bot")
            operation = self.catalogue.get(request.operation)
            attempt = self.ledger.ring(row.id, (State.HELD,))
            if attempt:
                self.doorbell.ring(
                    self.routing.pool(operation, request.site, request.pool), operation, row.id, attempt
                )
        return held

    def halts(self) -> tuple[Halt, ...]:
        """All halts in force."""
        return self.ledger.halts()

    def held(self, scope: str) -> tuple[RequestRow, ...]:
        """Requests that wait for this scope's halt to be lifted."""
        entries = [entry for entry in self.ledger.open_requests() if entry.state is State.HELD]
        if scope != "*":
            entries = [entry for entry in entries if scope in self._sites_of(entry)]
        return tuple(row for entry in entries if (row := self._row(entry)) is not None)

    def _sites_of(self, entry: Entry) -> frozenset[str]:
        plan = genuine_plan(entry, self.verifier, self.ledger.instance)
        return frozenset(target.site for target in plan.targets) if plan is not None else frozenset()

    def sites(self) -> tuple[str, ...]:
        """Every site's name."""
        return tuple(self.routing.sites)

    def audit(self, query: AuditQuery) -> AuditFindings:
        """The newest genuine records of the audit that fit; none of other people's private requests."""
        return AuditTrail(self.ledger, self.verifier, self.user).search(query)

    def _row(self, entry: Entry) -> RequestRow | None:
        try:
            request = self.verifier.open(entry.sealed, Request, by="bot")
        except SignatureError:
            return None
        if request.reply.private and request.actor.key != self.user:
            return None
        decision = self._decide(entry, request)
        hidden = refusal(decision) if isinstance(decision, rules.Denied) else None
        return RequestRow(
            id=entry.id,
            command=request.command,
            actor=request.actor.name,
            user=request.actor.key,
            state=entry.state.value,
            asked_at=datetime.fromtimestamp(entry.accepted, UTC),
            summary=hidden.sentence if hidden else _summary(entry),
            private=request.reply.private,
            detail=() if hidden else _detail(entry, request),
        )

    def _decide(self, entry: Entry, request: Request) -> rules.Decision:
        """Whether this person may read, here and now, what became of it."""
        operation = self.catalogue.find(request.operation)
        if operation is None:
            return rules.Denied("none", f"`{request.operation}` is no operation any more")
        question = rules.Question(
            self.stops.actor,
            operation.name,
            operation.risk,
            self.channel,
            params=request.params,
            now=time.time(),
        )
        plan = genuine_plan(entry, self.verifier, self.ledger.instance)
        targets = plan.targets if plan is not None else ()
        desk = isinstance(operation, DeskOperation)
        return rules.decide_to_show(self.stops.policy, question, targets, desk=desk)

    def _steps(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """Each step of its plan and how far it is, as the workers signed them."""
        instance = self.ledger.instance
        plan = genuine_plan(entry, self.verifier, instance)
        marks = genuine_marks(entry, self.verifier, instance)
        for number, step in enumerate(plan.steps if plan is not None else ()):
            phase = marks[number].phase.value if number in marks else "not begun"
            yield f"Step {number + 1}", f"{step.text}: {phase}"


def _summary(entry: Entry) -> str:
    match entry.result:
        case Succeeded(outcome=outcome):
            return outcome.summary
        case Failed(sentence=sentence):
            return sentence
        case None:
            return entry.progress.text if entry.progress else ""


def _detail(entry: Entry, request: Request) -> tuple[tuple[str, str], ...]:
    rows = [("Operation", request.operation), ("Asked in", request.channel), ("Attempts", str(entry.attempt))]
    if entry.holder:
        rows.append(("Waits for", entry.holder))
    if isinstance(entry.result, Failed):
        rows.append(("Changed", entry.result.changed.value))
        if entry.result.rule:
            rows.append(("Rule", entry.result.rule))
    if entry.ended is not None:
        rows.append(("Took", f"{entry.ended - entry.accepted:.1f} s"))
    return tuple(rows)
