"""People's words on plans that wait for them: Go ahead, approve, deny, withdraw, review."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from andock import approvals
from andock import policy as rules
from andock.approvals import Approval
from andock.audit import Event, Journal, record_of
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell
from andock.entries import Entry
from andock.errors import BackendUnavailableError, UserError
from andock.ledger import Ledger, failed
from andock.messages import Actor, Request, State, Vote, Word
from andock.operation import Plan, Risk
from andock.outbox import message
from andock.policy import Policy
from andock.ports.votes import Cancelled
from andock.refusals import NotAllowedError
from andock.routing import Routing
from andock.seals import genuine_plan, open_plan
from andock.signing import Verifier
from andock.votes import Ballot, Counted, Votes
from bot.cancelling import Canceller

log = structlog.get_logger()
PENDING = (State.ACCEPTED, State.CONFIRMING, State.APPROVING, State.WAITING, State.HELD)
_NOT_COUNTED = {
    Counted.NOT_ASKED: "This no longer waits for an answer.",
    Counted.OTHER_PLAN: "Another plan is shown now; look at it first.",
    Counted.TOO_LATE: "The time to answer has passed.",
    Counted.VOTED_BEFORE: "You have approved this already; each person counts once.",
}


@dataclass(frozen=True)
class Ballots:
    """Takes votes; each is signed and bound to the plan that its voter saw, and counted by one script."""

    instance: str
    ledger: Ledger
    journal: Journal
    verifier: Verifier
    catalogue: Catalogue
    routing: Routing
    doorbell: Doorbell
    current_policy: Callable[[], Policy]

    @property
    def policy(self) -> Policy:
        """The policy that counts now."""
        return self.current_policy()

    def go_ahead(self, request: str, digest: str, actor: Actor, typed: str = "") -> str:
        """The asker's own Go ahead to a plan that was shown; '' since the request's message says the rest.

        Raises:
            UserError: it is not theirs to say, no longer asked, or the name was not typed right.
        """
        entry, stored = self._read(request)
        plan = self._shown(entry)
        self._refuse_others(stored, actor)
        destructive = self.catalogue.get(stored.operation).risk is Risk.DESTRUCTIVE
        if destructive and plan is not None and typed.casefold() != plan.phrase.casefold():
            raise UserError(f"That is not `{plan.phrase}`; nothing was changed.")
        vote = self._vote(entry, Word.GO_AHEAD, digest, actor, typed=typed)
        self._count(entry, stored, plan, vote, State.CONFIRMING, gives="0", counts="1")
        return ""

    def approve(self, request: str, digest: str, actor: Actor, reason: str = "") -> str:
        """One person's approval; `digest` is of the plan that they saw, '' for the one shown now.

        Raises:
            UserError: they may not, they have already, or it is no longer asked.
        """
        entry, stored = self._read(request)
        plan = self._shown(entry)
        approval = self._asked(entry)
        given = self._gives(approval, actor, stored.actor)
        vote = self._vote(entry, Word.APPROVE, digest or _digest_of(plan), actor, reason=reason)
        decided = self._count(
            entry,
            stored,
            plan,
            vote,
            State.APPROVING,
            gives=",".join(map(str, given)),
            counts=approval.counts,
            message=message(request),
        )
        return (
            "Approved; it goes ahead now."
            if decided
            else "Your approval is counted; others are still needed."
        )

    def deny(self, request: str, actor: Actor, reason: str = "") -> str:
        """End it, by one of those who could approve.

        Raises:
            UserError: they may not, or it is no longer asked.
        """
        entry, stored = self._read(request)
        plan = self._shown(entry)
        self._gives(self._asked(entry), actor, stored.actor)
        because = f": {reason}" if reason else ""
        result = failed("not_approved", f"{actor.name} said No{because}")
        record = record_of(
            stored, Event.DENIED, plan=plan, rule=entry.rule, result="denied", text=reason, by=actor
        )
        if not self.ledger.conclude(
            request,
            result,
            State.CANCELLED,
            states=(State.APPROVING,),
            messages=(message(request),),
            record=self.journal.seal(record),
        ):
            raise UserError(_NOT_COUNTED[Counted.NOT_ASKED])
        return "Denied; nothing was changed."

    def withdraw(self, request: str, actor: Actor) -> str:
        """The asker takes it back before anything was done.

        Raises:
            UserError: it is not theirs, it has begun, or it has ended.
        """
        entry, stored = self._read(request)
        self._refuse_others(stored, actor)
        plan = genuine_plan(entry, self.verifier, self.instance)
        result = failed("cancelled", f"Withdrawn by {actor.name} before anything was done.")
        record = record_of(stored, Event.WITHDRAWN, plan=plan, rule=entry.rule, result="cancelled")
        if entry.marks or not self.ledger.conclude(
            request,
            result,
            State.CANCELLED,
            states=PENDING,
            messages=(message(request),),
            record=self.journal.seal(record),
        ):
            raise UserError(f"This can no longer be withdrawn: it is {entry.state.value}.")
        return "Withdrawn; nothing was changed."

    def answer(self, request: str, word: Word, actor: Actor, reason: str = "") -> str:
        """Say how a request that was stopped halfway goes on, for a person who may.

        Raises:
            UserError: it is no longer asked.
        """
        entry, stored = self._read(request)
        plan = self._shown(entry)
        said = self._vote(entry, word, _digest_of(plan), actor, reason=reason)
        said = said.model_copy(update={"question": entry.question})
        record = record_of(stored, Event.ANSWERED, plan=plan, result=word.value, text=reason, by=actor)
        sealed = self.journal.signer.sign(said)
        attempt = Votes(self.ledger).answer(said, sealed, self.journal.seal(record), message(request))
        if not attempt:
            raise UserError(_NOT_COUNTED[Counted.NOT_ASKED])
        self._ring(stored, attempt)
        return "It goes on." if word is Word.GO_ON else "It is put back."

    def answer_by_button(self, request: str, word: Word, actor: Actor, channel: str) -> None:
        """As `answer`; the asker may, and whom policy allows `request go-on` or `roll-back` in the channel.

        Raises:
            UserError: it is not theirs to say, or no longer asked.
        """
        _, stored = self._read(request)
        if not stored.actor.asks_for(actor):
            name = "request go-on" if word is Word.GO_ON else "request roll-back"
            self._refuse_unallowed(name, stored, actor, channel)
        self.answer(request, word, actor)

    def cancel(self, request: str, actor: Actor, channel: str) -> Cancelled:
        """Stop a request; the asker may, and whom policy allows it in the channel.

        Raises:
            UserError: it is not theirs to say.
        """
        entry, stored = self._read(request)
        if not stored.actor.asks_for(actor):
            # a plan that waits for its asker's answer is the asker's alone to answer
            if entry.state is State.CONFIRMING:
                self._refuse_others(stored, actor)
            self._refuse_unallowed("request cancel", stored, actor, channel)
        canceller = Canceller(self.ledger, self.doorbell, self.catalogue, self.routing, self.journal)
        return canceller.cancel(stored, actor)

    def review(self, request: str, actor: Actor, note: str = "") -> str:
        """Somebody else has looked at what went ahead without approval.

        Raises:
            UserError: they asked for it themselves, or no review is asked for.
        """
        _, stored = self._read(request)
        if stored.actor.asks_for(actor):
            raise NotAllowedError("somebody else has to look at it", rule="built in: reviews")
        if not Votes(self.ledger).end_review(request):
            raise UserError(f"No review of `{request}` is asked for.")
        self.journal.write(record_of(stored, Event.REVIEWED, result="reviewed", text=note, by=actor))
        return f"`{request}` is reviewed."

    def _gives(self, approval: Approval, actor: Actor, asker: Actor) -> tuple[int, ...]:
        """The needs that this person could meet.

        Raises:
            NotAllowedError: none.
        """
        given = approvals.needs_given_by(self.policy, approval.needs, actor, asker, time.time())
        if given:
            return given
        rule = approval.rule
        if actor.key == asker.key:
            raise NotAllowedError("nobody approves their own request", rule=rule)
        if actor.key == asker.author:
            raise NotAllowedError("nobody approves what a hook asked for in their name", rule=rule)
        stale = actor.model_copy(update={"groups_at": time.time()})
        if approvals.needs_given_by(self.policy, approval.needs, stale, asker, time.time()):
            raise NotAllowedError(
                "Slack has not said for 15 minutes who is in your groups, and an approval needs that",
                rule=rule,
            )
        groups = ", ".join(dict.fromkeys(group for need in approval.needs for group in need.groups))
        raise NotAllowedError(f"only {groups} can answer this", rule=rule)

    def _asked(self, entry: Entry) -> Approval:
        if entry.state is not State.APPROVING or entry.approval is None:
            raise UserError(_NOT_COUNTED[Counted.NOT_ASKED])
        return entry.approval

    def _vote(
        self, entry: Entry, word: Word, digest: str, actor: Actor, *, reason: str = "", typed: str = ""
    ) -> Vote:
        return Vote(
            instance=self.instance,
            request=entry.id,
            plan=digest,
            word=word,
            actor=actor,
            at=time.time(),
            reason=reason,
            typed=typed,
        )

    def _count(
        self,
        entry: Entry,
        stored: Request,
        plan: Plan | None,
        vote: Vote,
        state: State,
        *,
        gives: str,
        counts: str,
        message: str = "",
    ) -> bool:
        """Let the script count it, and ring if it was the last; whether it was.

        Raises:
            UserError: it was not counted.
        """
        record = record_of(
            stored,
            Event.APPROVED,
            plan=plan,
            rule=entry.rule,
            result=vote.word.value,
            text=vote.reason,
            by=vote.actor,
        )
        ballot = Ballot(state, gives, counts, self.journal.seal(record), (message,) if message else ())
        answer = Votes(self.ledger).count(vote, self.journal.signer.sign(vote), ballot)
        if answer is Counted.MORE_NEEDED:
            return False
        if isinstance(answer, Counted):
            raise UserError(_NOT_COUNTED[answer])
        self._ring(stored, answer)
        return True

    def _ring(self, stored: Request, attempt: int) -> None:
        operation = self.catalogue.get(stored.operation)
        try:
            pool = self.routing.pool(operation, stored.site, stored.pool)
            self.doorbell.ring(pool, operation, stored.id, attempt)
        except RedisError as error:  # decided is decided: the janitor rings
            log.warning("doorbell_failed", request=stored.id, error=type(error).__name__)

    def _shown(self, entry: Entry) -> Plan | None:
        """The plan that people were shown.

        Raises:
            SignatureError: it was not made by a worker of ours, or for another request.
        """
        stored = open_plan(entry, self.verifier, self.instance)
        return stored.plan if stored is not None else None

    def _read(self, request: str) -> tuple[Entry, Request]:
        try:
            entry = self.ledger.read(request)
        except RedisError as error:
            raise BackendUnavailableError("Redis", "no answer") from error
        if entry is None:
            raise UserError(f"There is no request `{request}` any more.")
        stored = self.verifier.open(entry.sealed, Request, by="bot")
        if stored.id != request:
            raise UserError(f"There is no request `{request}` any more.")
        return entry, stored

    def _refuse_unallowed(self, name: str, stored: Request, actor: Actor, channel: str) -> None:
        operation = self.catalogue.get(name)
        question = rules.Question(actor, operation.name, operation.risk, channel, now=time.time())
        if isinstance(rules.decide_without_target(self.policy, question), rules.Denied):
            self._refuse_others(stored, actor)

    def _refuse_others(self, stored: Request, actor: Actor) -> None:
        if not stored.actor.asks_for(actor):
            raise NotAllowedError(
                f"only {stored.actor.name}, who asked, can say that", rule="built in: own requests"
            )


def _digest_of(plan: Plan | None) -> str:
    return plan.digest if plan is not None else ""


@dataclass(frozen=True)
class Voice:
    """Implements `andock.ports.votes.Votes` for one person."""

    ballots: Ballots
    actor: Actor
    channel: str  # where they speak

    def approve(self, request: str, reason: str) -> str:
        """See the port."""
        return self.ballots.approve(request, "", self.actor, reason)

    def deny(self, request: str, reason: str) -> str:
        """See the port."""
        return self.ballots.deny(request, self.actor, reason)

    def withdraw(self, request: str) -> str:
        """See the port."""
        return self.ballots.withdraw(request, self.actor)

    def go_on(self, request: str, reason: str) -> str:
        """See the port."""
        return self.ballots.answer(request, Word.GO_ON, self.actor, reason)

    def roll_back(self, request: str, reason: str) -> str:
        """See the port."""
        return self.ballots.answer(request, Word.ROLL_BACK, self.actor, reason)

    def cancel(self, request: str) -> Cancelled:
        """See the port."""
        return self.ballots.cancel(request, self.actor, self.channel)

    def review(self, request: str, note: str) -> str:
        """See the port."""
        return self.ballots.review(request, self.actor, note)
