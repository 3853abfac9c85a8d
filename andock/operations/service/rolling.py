"""Rolls a version out on one engine, replica by replica; the old containers are set aside and not removed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from andock.errors import BackendError, BackendRejectedError, Changed, UserError
from andock.operation import Done, Mark, NotDone, Reader, Settled, Step, Writer
from andock.operations.service import labels
from andock.operations.service.assignment import Assignment, assignment_of, return_of
from andock.operations.service.hands import NEVER, Hands
from andock.operations.service.health import Patient
from andock.operations.service.making import new_container
from andock.operations.service.standing import Replica, Standing, stand_on
from andock.ports.containers import Container, ContainerRow
from andock.ports.services import Service

_NAP_SECONDS = 0.25


def apply_roll(step: Step, ctx: Writer) -> Done:
    """Bring the version in, from wherever an earlier attempt left it.

    Raises:
        BackendError: a new container did not become healthy or did not stay so; its last lines are below.
        UserError: the service's file was changed since this was planned.
    """
    told, hands = assignment_of(step), Hands(step, ctx)
    with hands.honest():
        service = ctx.services.read(told.service)
        if service.config != told.config:
            raise UserError(f"The file of `{service.name}` was changed since this was planned. Ask again.")
        rolling = _Rolling(step, told, service, hands)
        standing = hands.await_engine(rolling.look)
        taken_up = hands.touched = rolling.is_begun(standing)
        if not taken_up:
            _refuse_without_image(hands, told)
            if told.delay:
                _pause(hands, told.delay)
                standing = hands.await_engine(rolling.look)
        hands.begin()
        rolling.roll(standing)
    again = ", taken up where it was left" if taken_up else ""
    many = "" if told.replicas == 1 else f" with {told.replicas} replicas"
    return Done(text=f"{told.version.full} is healthy on {hands.site}{many} after {hands.seconds} s{again}.")


def settle_roll(step: Step, ctx: Reader, mark: Mark) -> Settled:  # noqa: ARG001  the engine says it all
    """Done: all replicas are there, and have run long enough. Else it is taken up again.

    An engine does not say since when a health check passes, and knows nothing of `checks`; what has either is
    taken up again and watched anew, which finds everything else done.
    """
    told = assignment_of(step)
    if told.checks:
        return NotDone()
    standing = stand_on(told.service, told.environment, step.target.site, ctx)
    if set(standing.current) != set(range(1, told.replicas + 1)):
        return NotDone()
    if any(one.is_up for one in standing.kept if one.keeper == ctx.request):
        return NotDone()
    clock = ctx.containers.server_time(step.target.site)
    for replica in standing.current.values():
        if not is_wanted(replica, told, ctx.request) or replica.row.health:
            return NotDone()
        started = ctx.containers.read_container(step.target.site, replica.id).started_at
        if started is None or clock - started < timedelta(seconds=told.monitor):
            return NotDone()
    return Done(text=f"{told.version.full} is healthy on {step.target.site}.")


def is_wanted(replica: Replica, told: Assignment, request: str) -> bool:
    """Whether a container is what the deployment wants in its slot."""
    same = replica.version.digest == told.version.digest and replica.config == told.config
    return same and replica.is_well and (not told.fresh or replica.deployment == request)


class _Rolling:
    """One engine's part of a deployment, under way."""

    def __init__(self, step: Step, told: Assignment, service: Service, hands: Hands) -> None:
        self._before = return_of(step).before
        self._told = told
        self._service = service
        self._hands = hands
        self._request = hands.ctx.request

    def look(self) -> Standing:
        """The service on this engine now."""
        return stand_on(self._told.service, self._told.environment, self._hands.site, self._hands.ctx)

    def is_begun(self, standing: Standing) -> bool:
        """Whether an earlier attempt has left something of this deployment."""
        made = any(one.deployment == self._request for one in standing.current.values())
        return made or any(one.keeper == self._request for one in standing.kept)

    def roll(self, standing: Standing) -> None:
        """All slots, one after the other, and then those that are too many."""
        for slot in range(1, self._told.replicas + 1):
            self._roll_slot(slot, standing)
        for slot in {*self._before, *standing.current}:
            if slot > self._told.replicas:
                self._retire(slot, standing)

    def _roll_slot(self, slot: int, standing: Standing) -> None:
        new, current = standing.made_by(self._request, slot), standing.current.get(slot)
        old = self._kept(slot, standing)
        if new is None and current is not None:
            if is_wanted(current, self._told, self._request):
                return
            aside = self._set_aside(current)
            old = old or aside
        standing.refuse_strangers([slot])
        if self._told.order == "stop-first":
            # an engine makes the one while the other ends: nobody answers for a shorter time
            with ThreadPoolExecutor(1, thread_name_prefix="make") as threads:
                making = threads.submit(self._bring_in, slot, new, standing)
                self._stop(old)
            self._start(making.result())
            return
        self._start(self._bring_in(slot, new, standing))
        # the new one has taken its time, in which somebody may have removed the old one
        self._stop(self._hands.read(old.id) if old is not None else None)

    def _stop(self, old: ContainerRow | None) -> None:
        """Stop it, and see to it that its engine does not start it again."""
        if old is None:
            return
        self._hands.stop(old, self._told.grace)
        # not before: an engine that changes this, or is asked for it, waits while it looks after the health
        stopped = self._hands.read(old.id)
        if stopped is not None:
            self._hands.stop(stopped, self._told.grace)  # it was down when it was listed, and came up since
            self._hands.set_restart(stopped, NEVER)

    def _bring_in(self, slot: int, new: Replica | None, standing: Standing) -> Container:
        """The new container, made and in its networks, but not started."""
        container = self._must_be_there(new.id if new is not None else self._make(slot, standing))
        for network in self._service.networks[1:]:
            if network not in {said.partition(" ")[0] for said in container.networks}:
                self._hands.join(container.id, network, self._service.name)
        return container

    def _start(self, container: Container) -> None:
        self._hands.start(container)
        patient = Patient(self._hands, container.id, self._told.checks)
        patient.await_ready()
        if self._told.monitor:
            patient.monitor(self._told.monitor)

    def _make(self, slot: int, standing: Standing) -> str:
        """The new container; its id.

        A create that an attempt before this one has begun may come true at this moment, and is ours too.
        """
        self._hands.tell(f"making {labels.name_of(self._service.name, slot)}")
        version, old = self._told.version, self._old(slot, standing)
        new = new_container(
            self._service, self._told, slot, self._request, self._history(old), self._hands.ctx.services
        )
        try:
            return self._hands.create(new)
        except BackendRejectedError as error:
            made = self.look().made_by(self._request, slot)
            if made is None:
                why = f"{error.why}; `{new.name}` {version.full} was not made"
                raise BackendRejectedError(error.backend, why, changed=error.changed) from error
            return made.id

    def _old(self, slot: int, standing: Standing) -> Replica | None:
        """What the new container comes after: its slot's old one, else another replica."""
        replicas = (*standing.kept, *standing.current.values())
        found = {one.id: one for one in replicas}
        before = self._before.get(slot) or next(iter(self._before.values()), None)
        return found.get(before.id) if before is not None else None

    def _history(self, old: Replica | None) -> list[labels.Version]:
        if old is None:
            return []
        version = self._told.version
        if self._told.back:
            return labels.forget(version, old.healthy)
        well = any(before.well for before in self._before.values() if before.id == old.id)
        return labels.remember(version, old.version, well=well, healthy=old.healthy)

    def _set_aside(self, replica: Replica) -> ContainerRow:
        """Out of the way, by name; it runs on."""
        self._hands.name(replica.row, labels.kept_name(self._service.name, replica.slot, self._request))
        return replica.row

    def _kept(self, slot: int, standing: Standing) -> ContainerRow | None:
        """What this deployment has set aside of a slot before."""
        kept = standing.kept_by(self._request, slot)
        return kept.row if kept is not None else None

    def _retire(self, slot: int, standing: Standing) -> None:
        current = standing.current.get(slot)
        aside = self._set_aside(current) if current is not None else None
        self._stop(self._kept(slot, standing) or aside)

    def _must_be_there(self, container: str) -> Container:
        found = self._hands.read(container)
        if found is None:
            raise BackendError(
                f"A container of `{self._service.name}` on {self._hands.site} was removed by somebody else.",
                changed=Changed.NOTHING,
            )
        return found


def _refuse_without_image(hands: Hands, told: Assignment) -> None:
    """Before anything is touched: its pull may have failed, or somebody has removed it since."""
    if hands.ctx.containers.local_image(hands.site, told.name.pinned) is None:
        raise BackendError(
            f"{hands.site} does not have the image of {told.version.full}; nothing was touched."
        )


def _pause(hands: Hands, seconds: float) -> None:
    """The time between two batches."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        hands.tell(f"begins in {left:.0f} s")
        time.sleep(min(_NAP_SECONDS, left))
