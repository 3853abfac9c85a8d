"""From a claimed request to a plan that may be done now: decided, agreed to, its targets held."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, assert_never

import structlog

from andock import approvals
from andock import policy as rules
from andock.approvals import Approval
from andock.attempt import Attempt
from andock.audit import Event, record_of
from andock.entries import Entry
from andock.errors import SignatureError
from andock.ledger import Field
from andock.locks import Lock
from andock.means import Means
from andock.messages import CLI_TEAM, Actor, Purpose, Request, State, Vote, Word
from andock.obstacles import Obstacles
from andock.operation import Change, Outcome, Params, Plan, Reader, Risk
from andock.outbox import approver, message
from andock.ports.records import Halt
from andock.refusals import ExpiredError, NotAllowedError, PlanChangedError, ProtectedTargetError
from andock.rendering.plan import plan_text
from andock.seals import open_plan
from andock.verdicts import as_of, explain, explain_plan, in_a_word, refusal

log = structlog.get_logger()
CONFIRM_WITHIN = 300.0  # seconds that a shown plan waits for Go ahead
START_WITHIN = 300.0  # seconds after the last word on a plan in which a change may start
PUT_WITHIN = 600.0  # seconds in which a question must stand in Slack
WAIT_AGAIN = 2_000  # ms until a request that waits for a target looks again, if nobody wakes it


@dataclass(frozen=True, slots=True)
class Agreed:
    """The plan may be done now; its targets are held."""

    plan: Plan
    rule: str
    approvers: tuple[Actor, ...] = ()
    emergency: rules.BreakGlass | None = None
    as_of: str = ""  # how old the memberships are that it was decided on, if too old


@dataclass(frozen=True, slots=True)
class Answered:
    """Nothing is to be done; this was what was wanted."""

    outcome: Outcome
    rule: str


@dataclass(frozen=True, slots=True)
class Parked:
    """It waits for people or for another request."""


Agreement: TypeAlias = Agreed | Answered | Parked


@dataclass(frozen=True)
class Negotiation:
    """One attempt's way to an agreement. Reads and parks; changes nothing."""

    means: Means
    attempt: Attempt
    entry: Entry
    request: Request
    operation: Change[Params]
    params: Params
    reader: Reader

    @cached_property
    def obstacles(self) -> Obstacles:
        """Freezes and locks, as this request meets them."""
        return Obstacles(self.means.journal, self.means.policy, self.request)

    def reach(self) -> Agreement:
        """Plan, decide, ask whom policy wants asked, and hold the targets.

        Raises:
            NotAllowedError, ProtectedTargetError, ExpiredError: it may not be done.
            PlanChangedError: what was agreed to is not what would be done now.
            SignatureError: a stored vote was not taken by a bot of ours.
        """
        released = self.means.leases.last_released()
        plan = self.operation.plan(self.params, self.reader)
        question = self.means.question(self.request, self.operation.risk)
        while True:
            decision = self.obstacles.decide(question, plan.judged)
            if self.request.purpose is not Purpose.PERFORM:
                return self._answer(decision, plan)
            self._refuse_own(plan)
            self._record(decision, plan)
            if isinstance(decision, rules.Denied):
                raise refusal(decision)
            lock = self.obstacles.lock_on(plan)
            agreed = self._agree(decision, plan)
            if agreed is None:
                return Parked()
            if time.time() > self._not_after():
                raise ExpiredError
            if self._held(plan) or self._waits_for(lock, plan) or not self._leased(plan):
                return Parked()
            # whoever held the targets until now may have changed them since they were looked at
            released, before = self.means.leases.last_released(), released
            if released == before:
                return agreed
            again = self.operation.plan(self.params, self.reader)
            if again.digest == plan.digest and again.judged == plan.judged:
                return agreed
            if again.digest != plan.digest and self.entry.votes:
                raise PlanChangedError(plan.differences(again))
            plan = again  # what it touches may be other now, and is judged in its turn

    def _refuse_own(self, plan: Plan) -> None:
        """Raises ProtectedTargetError; BackendUnavailableError when an engine cannot say what it holds."""
        own = self.means.protection
        if self.means.surroundings is not None:
            own |= self.means.surroundings.look(plan.judged, self.reader.containers)
        own.refuse_own(plan.judged)

    def _record(self, decision: rules.Decision, plan: Plan) -> None:
        """What policy decided on the plan; once, however often a request looks again that waits."""
        said = f"{plan.digest} {in_a_word(decision)} {decision.rule}"
        if said != self.entry.decided:
            record = record_of(
                self.request,
                Event.DECIDED,
                plan=plan,
                attempt=self.attempt.number,
                rule=decision.rule,
                result=in_a_word(decision),
                text=as_of(decision),
            )
            self.means.journal.write(record)
            self.attempt.note({"decided": said})

    def _answer(self, decision: rules.Decision, plan: Plan) -> Answered:
        """Say what would be decided, as `can-i` and `--plan` want it."""
        shown = self.obstacles.warn(plan)
        if self.request.purpose is Purpose.PLAN:
            return Answered(explain_plan(decision, shown, plan_text(shown)), decision.rule)
        said = explain(self.request.command, decision)
        return Answered(said.model_copy(update={"notes": shown.warnings}), decision.rule)

    def _agree(self, decision: rules.Allowed | rules.NeedsApproval, plan: Plan) -> Agreed | None:
        """What policy's decision comes to; None when people were asked."""
        match decision:
            case rules.NeedsApproval():
                return self._approved(decision, plan)
            case rules.Allowed():
                if self._must_confirm(decision, plan) and not self._confirmed(decision, plan):
                    return None
                return Agreed(plan, decision.rule, emergency=decision.emergency, as_of=as_of(decision))
            case _:
                assert_never(decision)

    # --- the asker's own word ---------------------------------------------------------------------------

    def _must_confirm(self, decision: rules.Allowed, plan: Plan) -> bool:
        if decision.confirm or self.operation.risk is Risk.DESTRUCTIVE:
            # whoever breaks the glass on the host has no Slack to say it in: --yes stands for it
            on_host = self.request.actor.team == CLI_TEAM and decision.emergency is not None
            return not (on_host and self.request.confirmed)
        many = len(plan.targets) > 1 and self.operation.risk is Risk.DISRUPTIVE
        return many and not self.request.confirmed

    def _confirmed(self, decision: rules.Allowed, plan: Plan) -> bool:
        """Whether the asker said Go ahead to exactly this plan; else it is shown and the request parked."""
        votes = self._open_votes()
        if not votes:
            self._refuse_unanswerable(decision)
            phrase = plan.phrase if self.operation.risk is Risk.DESTRUCTIVE else ""
            until = str(time.time() + CONFIRM_WITHIN)
            self._ask(State.CONFIRMING, plan, {"answer_by": until, "phrase": phrase}, CONFIRM_WITHIN)
            return False
        for vote in votes:
            if vote.word is not Word.GO_AHEAD or not self.request.actor.asks_for(vote.actor):
                raise SignatureError("a stored Go ahead belongs to another request or person")
            if vote.plan != plan.digest:
                raise PlanChangedError(self._shown(plan).differences(plan))
            if self.operation.risk is Risk.DESTRUCTIVE and vote.typed.casefold() != plan.phrase.casefold():
                raise SignatureError("a stored Go ahead lacks the name that was to be typed")
        return True

    def _refuse_unanswerable(self, decision: rules.Allowed) -> None:
        """Raises NotAllowedError where only Slack could take the answer, and it was asked on the host."""
        by_name = self.operation.risk is Risk.DESTRUCTIVE
        if self.request.actor.team != CLI_TEAM or decision.emergency or not (decision.confirm or by_name):
            return  # on the host, --yes is the answer
        asked = "its target's name typed again" if by_name else "a Go ahead to its plan"
        missing = f"`{self.operation.name}` needs {asked}, which is asked for in Slack alone: do it there"
        raise NotAllowedError(missing, rule=decision.rule)

    # --- other people's word ----------------------------------------------------------------------------

    def _approved(self, decision: rules.NeedsApproval, plan: Plan) -> Agreed | None:
        """Whether enough people agreed to exactly this plan; else they are asked and the request parked."""
        policy, asker = self.means.policy, self.request.actor
        votes = self._open_votes()
        if any(vote.plan != plan.digest for vote in votes):
            raise PlanChangedError(self._shown(plan).differences(plan))
        people = [self._people(need, asker) for need in decision.needs]
        approval = approvals.put_together(decision, people, as_of(decision))
        counted, lapsed = approvals.sort_votes(
            policy,
            approval.needs,
            [(vote, self.means.roster.know(vote.actor, policy.usergroups)) for vote in votes],
            asker=asker,
            plan=plan.digest,
            now=time.time(),
            # reckoned from what is signed: when it was put to them is Redis' word alone
            latest=self.request.accepted_at + PUT_WITHIN + approval.within,
        )
        if not self.request.reply.channel:
            raise refusal(decision)  # asked on the host: there is no message to approve
        if approvals.is_met(approval.needs, [numbers for _, numbers in counted]):
            approvers = tuple(vote.actor for vote, _ in counted)
            return Agreed(plan, decision.rule, approvers, as_of=as_of(decision))
        for lapse in lapsed:
            log.warning("vote_lapsed", request=self.request.id, voter=lapse.voter, why=lapse.why)
        self.means.votes.drop(self.request.id, [lapse.voter for lapse in lapsed])
        self._ask(State.APPROVING, plan, {"approval": approval}, PUT_WITHIN)
        return None

    def _people(self, need: rules.Approvals, asker: Actor) -> tuple[str, ...]:
        people = self.means.roster.people_of(self.means.policy, need.from_)
        own = need.requester and not asker.author
        return tuple(person for person in people if own or person != asker.person)

    def _open_votes(self) -> tuple[Vote, ...]:
        """The votes on this request, each believed only if a bot of ours took it.

        Raises:
            SignatureError: one was forged, altered, or given to another request.
        """
        votes = []
        for voter, sealed in sorted(self.entry.votes.items()):
            vote = self.means.verifier.open(sealed, Vote, by="bot")
            theirs = (vote.request, vote.instance, vote.actor.key)
            if theirs != (self.request.id, self.request.instance, voter):
                raise SignatureError("a stored vote belongs to another request or person")
            votes.append(vote)
        return tuple(votes)

    def _shown(self, plan: Plan) -> Plan:
        """The plan that people saw; `plan` if none is there.

        Raises:
            SignatureError: it was not made by a worker of ours, or for another request.
        """
        stored = open_plan(self.entry, self.means.verifier, self.means.instance)
        return stored.plan if stored is not None else plan

    def _seal(self, plan: Plan) -> dict[str, Field]:
        """The fields that hold a plan that is shown."""
        sealed = self.means.seal_plan(self.request, self.attempt.number, plan)
        return {"plan": sealed, "digest": plan.digest}

    def _ask(self, state: State, plan: Plan, fields: dict[str, Approval | str], seconds: float) -> None:
        """Show the plan and wait for people."""
        approval = fields.get("approval")
        people = approval.people if isinstance(approval, Approval) else ()
        self.means.ledger.park(
            self.request.id,
            self.attempt.owner,
            state,
            {**self._seal(self.obstacles.warn(plan)), **fields},
            look_again=int(seconds * 1000),
            messages=(message(self.request.id), *(approver(self.request.id, person) for person in people)),
        )

    # --- time, halts and other requests -------------------------------------------------------------------

    def _not_after(self) -> float:
        """The last moment to start: signed with the request, or with the last word on its plan."""
        return max([self.request.not_after, *(vote.at + START_WITHIN for vote in self._open_votes())])

    def _held(self, plan: Plan, *, begun: bool = False) -> bool:
        """Park while a halt covers one of the plan's sites."""
        halt = halt_over(self.means, plan.sites)
        if halt is not None:
            left = max(1, int((self._not_after() - time.time()) * 1000))
            self._park(State.HELD, left, {} if begun else self._seal(plan), holder=halted_by(halt))
        return halt is not None

    def _waits_for(self, lock: Lock | None, plan: Plan) -> bool:
        """Park until the lock is released or over, or it is too late to start."""
        if lock is None:
            return False
        left = max(WAIT_AGAIN, int((min(lock.until, self._not_after()) - time.time()) * 1000) + 100)
        self._park(State.WAITING, left, self._seal(plan), holder=lock.said, waits_for=lock.waiters)
        if not self.obstacles.locks.stands(lock):  # released before it was known who waits
            self.means.ledger.look_again(self.request.id, 0)
        return True

    def _leased(self, plan: Plan, *, begun: bool = False) -> bool:
        """Hold every target, or park until whoever holds one is done."""
        holder = self.means.leases.acquire(self.request.id, plan)
        if holder:
            self._park(State.WAITING, WAIT_AGAIN, {} if begun else self._seal(plan), holder=holder)
        return not holder

    def _park(
        self, state: State, look_again: int, fields: dict[str, Field], *, holder: str, waits_for: str = ""
    ) -> None:
        """Wait for others. A plan that was begun stays as it lies there, since its steps' marks name it."""
        self.means.ledger.park(
            self.request.id,
            self.attempt.owner,
            state,
            fields,
            look_again=look_again,
            holder=holder,
            waits_for=waits_for,
            # who waits is told once, not at every look
            messages=(message(self.request.id),) if self.entry.holder != holder else (),
        )

    def hold_again(self, plan: Plan) -> bool:
        """After a crash: whether the rest of the plan may be gone on with now; else the request is parked.

        Raises:
            ExpiredError: it is too late.
        """
        if time.time() > self._not_after():
            raise ExpiredError("Interrupted, and too late to go on with the rest.")
        return self.hold_halfway(plan)

    def hold_halfway(self, plan: Plan) -> bool:
        """As `hold_again`, for a plan that can be put back: it is never too late to bring that to an end."""
        return not self._held(plan, begun=True) and self._leased(plan, begun=True)

    def hold_between_steps(self, plan: Plan) -> bool:
        """Whether a halt has parked the request between two of its steps."""
        return self._held(plan, begun=True)

    def object_to(self, rest: Plan) -> str:
        """After a crash: what by now speaks against the steps that are left; empty if nothing does."""
        try:
            self.means.protection.refuse_own(rest.judged)
        except ProtectedTargetError as error:
            return error.sentence
        question = self.means.question(self.request, self.operation.risk)
        decision = self.obstacles.decide(question, rest.judged)
        return refusal(decision).sentence if isinstance(decision, rules.Denied) else ""


def halt_over(means: Means, sites: Collection[str]) -> Halt | None:
    """The halt that covers one of the sites, if any."""
    return next((halt for halt in means.ledger.halts() if halt.scope == "*" or halt.scope in sites), None)


def halted_by(halt: Halt) -> str:
    """How a halt is told to who waits for it."""
    where = "all sites" if halt.scope == "*" else halt.scope
    return f"{halt.by} on {where}" + (f": {halt.reason}" if halt.reason else "")
