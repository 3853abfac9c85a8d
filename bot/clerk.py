"""Answers what is asked of Andock itself, here and now, out of the ledger."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from andock import policy as rules
from andock.audit import Event, Journal, record_of_end
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell
from andock.errors import OpsError, SignatureError
from andock.ledger import Ledger
from andock.messages import Actor, Failed, Request, State, Succeeded
from andock.operation import Desk, DeskOperation, Operation
from andock.outbox import message
from andock.routing import Routing
from andock.signing import Verifier
from bot.ballots import Ballots, Voice
from bot.guide import CatalogueGuide
from bot.records import LedgerRecords
from bot.stops import ActorStops


@dataclass(frozen=True)
class Clerk:
    """Performs operations of Andock's own desk."""

    ledger: Ledger
    journal: Journal
    verifier: Verifier
    doorbell: Doorbell
    catalogue: Catalogue
    routing: Routing
    ballots: Ballots
    environments: tuple[str, ...]

    def answer(self, request: Request, operation: DeskOperation[Any]) -> None:
        """Perform an accepted request, unless another attempt has it; its end is written and due in Slack."""
        owner = secrets.token_hex(8)
        if not self.ledger.claim(request.id, 1, owner):
            return
        desk = Desk(
            records=self._records(request.actor, request.channel),
            guide=CatalogueGuide(self.catalogue, self._may(request.actor, request.channel)),
            votes=Voice(self.ballots, request.actor, request.channel),
            user=request.actor.key,
            name=request.actor.name,
            now=time.time(),
        )
        result: Succeeded | Failed
        is_forged = False
        try:
            result = Succeeded(outcome=operation.run(operation.params.model_validate(request.params), desk))
        except OpsError as error:
            result = Failed.of(error)
            is_forged = isinstance(error, SignatureError)
        state = State.SUCCEEDED if isinstance(result, Succeeded) else State.FAILED
        record = record_of_end(request, result, state, attempt=1)
        if is_forged:  # what the person would have acted on
            record = record.model_copy(update={"event": Event.REFUSED})
        self.ledger.conclude(
            request.id,
            result,
            state,
            owner=owner,
            messages=(message(request.id),),
            record=self.journal.seal(record),
        )

    def _records(self, actor: Actor, channel: str) -> LedgerRecords:
        """The ledger as this person may see it in this channel."""
        policy = self.ballots.policy
        stops = ActorStops(self.ledger, self.verifier, self.journal, policy, self.environments, actor)
        return LedgerRecords(
            self.ledger, self.verifier, self.doorbell, self.catalogue, self.routing, stops, channel
        )

    def _may(self, actor: Actor, channel: str) -> Callable[[Operation], bool]:
        """Whether a rule could allow this person an operation here."""

        def allowed(operation: Operation) -> bool:
            question = rules.Question(
                actor, operation.name, operation.risk, channel, params=None, now=time.time()
            )
            desk = isinstance(operation, DeskOperation)
            return not isinstance(rules.could_allow(self.ballots.policy, question, desk=desk), rules.Denied)

        return allowed
