"""Leases on targets, so that changes to one target never overlap inside Andock."""

from __future__ import annotations

from andock.cleaning import clean
from andock.ledger import Ledger
from andock.operation import Plan


class Leases:
    """A lease belongs to its request and ends with it, not with the worker that took it.

    A crashed worker's request stays open until it is settled, so its targets stay held while a vCenter task
    may still run; nothing has to expire for that (decision 0003).
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def last_released(self) -> bytes:
        """Names the moment in which anybody last let go of targets; another one each time."""
        moment = self._ledger.redis.get(self._ledger.released)
        return moment if isinstance(moment, bytes) else b""

    def acquire(self, request: str, plan: Plan) -> str:
        """Hold every target of the plan, and what it says to hold, and share what they lie in.

        Returns '' or the request in the way.

        Raises:
            SecretInPlanError: a target's id would put a secret into the name of a key.
        """
        plan = clean(plan, self._ledger.redactor)
        own = [*(target.key for target in plan.targets), *plan.holds]
        around = sorted({parent for target in plan.targets for parent in target.parents} - set(own))
        keys = [self._ledger.key("request", request)]
        keys += [self._ledger.key("lease", name) for name in (*own, *around)]
        prefix = self._ledger.key("request", "")
        holder: bytes = self._ledger.scripts.run("lease", keys, request, prefix, len(own))
        return holder.decode()
