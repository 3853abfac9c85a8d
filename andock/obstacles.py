"""What can stand in a plan's way besides its rule: freezes that were added by command, and people's locks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from andock import policy as rules
from andock.added_freezes import AddedFreezes
from andock.audit import Journal
from andock.freezes import Freeze, in_force
from andock.locks import Lock, Locks, lock_of_others, locked
from andock.messages import Request
from andock.operation import Plan, Target
from andock.policy import Policy
from andock.rejections import Kind, Rejections


class Obstacles:
    """As one request meets them. Redis is asked each time, so that what was added just now counts."""

    def __init__(self, journal: Journal, policy: Policy, request: Request) -> None:
        ledger, verifier, rejections = journal.ledger, journal.verifier, Rejections(journal)
        self.locks = Locks(ledger, verifier, rejections.teller(Kind.LOCK))
        self._added = AddedFreezes(ledger, verifier, rejections.teller(Kind.FREEZE))
        self._policy = policy
        self._request = request
        self._actor = request.about or request.actor

    def decide(self, question: rules.Question, targets: Sequence[Target]) -> rules.Decision:
        """Policy's decision, with all freezes that are in force now."""
        return rules.decide(self._policy, question, targets, self._freezes())

    def lock_on(self, plan: Plan) -> Lock | None:
        """Somebody else's lock on what the plan judges, the first to end, if the asker waits for it.

        Raises:
            LockedError: there is one, and they do not wait.
        """
        lock = lock_of_others(self.locks.standing(), plan.judged, self._actor)
        if lock is not None and not self._request.wait:
            raise locked(lock, f"{_say_touched(lock, plan)}`--wait` waits for its end.")
        return lock

    def warn(self, plan: Plan) -> Plan:
        """The plan as it is shown: with a warning for each freeze in force and each lock of somebody else."""
        now = time.time()
        freezes = (*self._policy.freezes, *self._freezes())
        environments = dict.fromkeys(target.environment for target in plan.judged)
        frozen = (one for environment in environments for one in in_force(freezes, environment, now))
        said = [f"{one.freeze.place} is in force {one.span}" for one in frozen]
        locks = self.locks.standing()
        said += [lock.said for lock in locks if lock_of_others([lock], plan.judged, self._actor)]
        return plan.model_copy(update={"warnings": tuple(dict.fromkeys((*plan.warnings, *said)))})

    def _freezes(self) -> tuple[Freeze, ...]:
        return tuple(added.freeze for added in self._added.standing())


def _say_touched(lock: Lock, plan: Plan) -> str:
    """What the plan has to do with the lock, where none of its own targets is locked."""
    if any(map(lock.covers, plan.targets)):
        return ""
    touched = next(target for target in plan.judged if lock.covers(target))
    return f"This would touch `{touched.name}`. "
