"""Everything one worker needs to perform requests of its pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from andock.audit import Journal
from andock.catalogue import Catalogue
from andock.leases import Leases
from andock.ledger import Ledger
from andock.memberships import Roster
from andock.messages import Request
from andock.operation import Plan, Risk
from andock.outbox import Outbox
from andock.policy import Policy, Question
from andock.protection import Protection, Surroundings
from andock.seals import StoredPlan, seal_plan
from andock.signing import Verifier
from andock.verdicts import question_of
from andock.votes import Votes


@dataclass(frozen=True)
class Means:
    """Built once in the worker, before the fork."""

    ledger: Ledger
    leases: Leases
    outbox: Outbox
    journal: Journal
    roster: Roster
    catalogue: Catalogue
    policy: Policy
    protection: Protection
    verifier: Verifier
    instance: str
    announce: Mapping[str, str]  # environment -> channel that hears of changes asked for in private
    surroundings: Surroundings | None = None  # of workers of engines: what of Andock runs there

    @property
    def votes(self) -> Votes:
        """What people say to plans."""
        return Votes(self.ledger)

    def seal_plan(self, request: Request, attempt: int, plan: Plan, *, rule: str = "") -> bytes:
        """A request's plan as it is stored: shown, or begun because of a rule.

        Raises:
            SecretInPlanError: it cannot be stored without a secret.
        """
        stored = StoredPlan(
            instance=self.instance,
            request=request.id,
            attempt=attempt,
            plan=plan,
            rule=rule,
        )
        return seal_plan(stored, self.journal.signer, self.ledger.redactor)

    def question(self, request: Request, risk: Risk) -> Question:
        """What policy is asked about a request: with the groups that its asker is in now."""
        actor = self.roster.know(request.about or request.actor, self.policy.usergroups)
        return question_of(request, risk, actor)
