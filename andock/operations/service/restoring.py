"""Puts back what a deployment found on one engine, or takes away what it has set aside there."""

from __future__ import annotations

from andock.errors import BackendError, BackendUnavailableError, Changed, DeadlineError, LeaseLostError
from andock.operation import Done, Mark, NotDone, Reader, Settled, Step, Writer
from andock.operations.service import labels
from andock.operations.service.assignment import Before, Return, assignment_of, return_of
from andock.operations.service.hands import Hands
from andock.operations.service.health import Patient
from andock.operations.service.standing import Replica, Standing, stand_on
from andock.ports.containers import Container


def apply_restore(step: Step, ctx: Writer) -> Done:
    """Remove what the deployment made, give the old containers their names and restart policies, start them.

    Raises:
        BackendError: an old container is gone, or does not become healthy again; the others are back then.
    """
    told, hands = return_of(step), Hands(step, ctx)
    with hands.honest():
        standing = hands.await_engine(lambda: stand_on(told.service, told.environment, hands.site, ctx))
        hands.begin()
        failures = [
            failure
            for slot in sorted(_slots(told, standing, ctx.request))
            if (failure := _Restoring(told, hands, standing).restore(slot))
        ]
        if failures:
            raise BackendError("\n".join(failures), changed=Changed.PARTLY)
    return Done(text=f"{_said(told, hands.site, ctx)} after {hands.seconds} s.")


def settle_restore(step: Step, ctx: Reader, mark: Mark) -> Settled:  # noqa: ARG001  the engine says it all
    """Done: all is as the deployment found it. Else it is taken again, which does no harm."""
    told, site = return_of(step), step.target.site
    standing = stand_on(told.service, told.environment, site, ctx)
    if any(one.deployment == ctx.request for one in standing.current.values()):
        return NotDone()
    for slot, before in told.before.items():
        now = standing.current.get(slot)
        if now is None or now.id != before.id or now.is_up != before.up or (before.well and not now.is_well):
            return NotDone()
    return Done(text=f"{_said(told, site, ctx)}.")


def apply_clean(step: Step, ctx: Writer) -> Done:
    """Remove the containers that this deployment, and those before it, have set aside; volumes stay.

    No other deployment is under way in this environment, so whatever is kept is nobody's any more.
    """
    told, hands = assignment_of(step), Hands(step, ctx)
    with hands.honest():
        standing = hands.await_engine(lambda: stand_on(told.service, told.environment, hands.site, ctx))
        hands.begin()
        for replica in standing.kept:
            hands.remove(replica.id)
    return Done(text=f"What was set aside on {hands.site} is removed.")


def settle_clean(step: Step, ctx: Reader, mark: Mark) -> Settled:  # noqa: ARG001  the engine says it all
    """Done: nothing of it is kept. Else it is taken again."""
    told = assignment_of(step)
    standing = stand_on(told.service, told.environment, step.target.site, ctx)
    if standing.kept:
        return NotDone()
    return Done(text=f"What was set aside on {step.target.site} is removed.")


class _Restoring:
    """One slot after the other."""

    def __init__(self, told: Return, hands: Hands, standing: Standing) -> None:
        self._told = told
        self._hands = hands
        self._standing = standing
        self._request = hands.ctx.request

    def restore(self, slot: int) -> str:
        """Put one slot back; why that failed, if it did."""
        new, before = self._standing.made_by(self._request, slot), self._told.before.get(slot)
        old = self._hands.read(before.id) if before is not None else None
        if before is not None and old is None:
            name = labels.name_of(self._told.service, slot)
            return f"The old `{name}` on {self._hands.site} is gone; the new one is left as it is."
        failure = "not started yet"
        if before is not None and old is not None and self._told.order == "start-first":
            failure = self._start(before, old)  # beside the new one, so that somebody answers all the time
        if new is not None:
            self._remove(new)
        if before is None or old is None:
            return ""
        # its name comes last: by that, settling sees that its policy is back too
        self._hands.set_restart(old, before.restart)
        self._hands.name(old, labels.name_of(self._told.service, slot))
        return self._start(before, old) if failure else ""

    def _start(self, before: Before, old: Container) -> str:
        """Start it if it ran before, and wait until it is as well as it was; why it is not, if so."""
        if not before.up:
            return ""
        try:
            self._hands.start(old)
            if before.well:
                Patient(self._hands, old.id, ()).await_ready()
        except (BackendUnavailableError, DeadlineError, LeaseLostError):
            raise  # nothing more can be done here
        except BackendError as error:
            return error.sentence
        return ""

    def _remove(self, new: Replica) -> None:
        container = self._hands.read(new.id)
        if container is not None:
            self._hands.stop(container, self._told.grace)
            self._hands.remove(new.id)


def _slots(told: Return, standing: Standing, request: str) -> set[int]:
    made = {slot for slot, one in standing.current.items() if one.deployment == request}
    return {*told.before, *made}


def _said(told: Return, site: str, ctx: Reader) -> str:
    standing = stand_on(told.service, told.environment, site, ctx)
    return f"{standing.text} is back on {site}" if told.before else f"Nothing of it is left on {site}"
