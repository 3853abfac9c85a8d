"""Ends a request because a person asks for it: at once if nothing was done, else by whoever works on it."""

from __future__ import annotations

from dataclasses import dataclass

from andock.audit import Event, Journal, record_of
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell
from andock.ledger import Ledger, failed
from andock.messages import Actor, Request, State
from andock.outbox import message
from andock.ports.votes import Cancelled
from andock.routing import Routing
from andock.seals import genuine_plan

_PARKED = (State.ACCEPTED, State.CONFIRMING, State.APPROVING, State.WAITING, State.HELD)


@dataclass(frozen=True)
class Canceller:
    """Cancels requests of one installation."""

    ledger: Ledger
    doorbell: Doorbell
    catalogue: Catalogue
    routing: Routing
    journal: Journal

    def cancel(self, request: Request, by: Actor) -> Cancelled:
        """End it, or ask for it."""
        due = message(request.id) if request.reply.channel else ""
        if not self.ledger.cancel(request.id, by.name, message=due):
            return Cancelled.HAD_ENDED
        # read after the flag is set: an attempt that begins from now on sees it before its first step
        entry = self.ledger.read(request.id)
        if entry is None:
            return Cancelled.HAD_ENDED
        if not entry.marks:
            result = failed("cancelled", f"{by.name} asked to cancel. Nothing had been done.")
            plan = genuine_plan(entry, self.journal.verifier, self.ledger.instance)
            record = record_of(request, Event.WITHDRAWN, plan=plan, result="cancelled", by=by)
            ended = self.ledger.conclude(
                request.id,
                result,
                State.CANCELLED,
                states=_PARKED,
                messages=(message(request.id),),
                record=self.journal.seal(record),
            )
            return Cancelled.UNDONE if ended else Cancelled.ASKED
        # parked between its steps: an attempt is needed to say what was done
        attempt = self.ledger.ring(request.id, (State.HELD, State.WAITING, State.PAUSED))
        if attempt:
            operation = self.catalogue.get(request.operation)
            pool = self.routing.pool(operation, request.site, request.pool)
            self.doorbell.ring(pool, operation, request.id, attempt)
        return Cancelled.ASKED
