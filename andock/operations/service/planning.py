"""The plan of a deployment: pull everywhere, roll in batches, and take away what was set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from andock.belonging import container_target
from andock.errors import NoChangeError
from andock.naming import list_names
from andock.operation import OnFailure, Plan, Reader, Step
from andock.operations.service.assignment import (
    CLEAN,
    PULL,
    RESTORE,
    ROLL,
    Assignment,
    Before,
    Return,
)
from andock.operations.service.engines import Readiness, ask_each, read_readiness
from andock.operations.service.hindrances import (
    powers_of,
    refuse_missing_networks,
    refuse_missing_volumes,
    refuse_unasked_checks,
    warn_of_disk,
    warn_of_leftovers,
    warn_of_others,
)
from andock.operations.service.labels import Version
from andock.operations.service.ports import choose_order
from andock.operations.service.standing import Replica, Standing
from andock.operations.service.targets import target_of
from andock.operations.service.wording import write_checks
from andock.ports.registry import ImageName, Resolved
from andock.ports.services import Order, Place, Rollout, Service
from andock.powers import check_powers
from andock.sizes import write_size

_ON_FAILURE: Mapping[str, OnFailure] = {
    "pause": OnFailure.ASK,
    "rollback": OnFailure.UNDO,
    "continue": OnFailure.GO_ON,
}


@dataclass(frozen=True)
class Wanted:
    """What is to run in a place, and how it comes in."""

    service: Service
    place: Place
    resolved: Resolved
    rollout: Rollout
    replicas: int  # on each engine
    fresh: bool = False  # containers are made anew even where nothing differs
    back: bool = False  # it goes back to a version of before
    met: tuple[str, ...] = ()  # engines of the place that have it already

    @property
    def version(self) -> Version:
        """The version that comes in."""
        return Version.of(self.resolved.name)

    def is_met_by(self, replica: Replica) -> bool:
        """Whether a container is what is wanted already."""
        same = replica.version.digest == self.version.digest and replica.config == self.service.config
        return same and replica.is_well and not self.fresh

    def is_met_on(self, standing: Standing) -> bool:
        """Whether nothing is to be done on an engine."""
        slots = set(range(1, self.replicas + 1))
        as_many = set(standing.current) == slots and not standing.kept
        return as_many and all(map(self.is_met_by, standing.current.values()))


def name_version(service: Service, version: str) -> ImageName:
    """The image of a service in the version that a person typed: a tag, or `sha256:...`.

    Raises:
        UserError: it is neither.
    """
    return ImageName.parse(f"{service.image.path}{'@' if version.startswith('sha256:') else ':'}{version}")


def resolve_held(service: Service, version: Version, place: Place, ctx: Reader) -> Resolved:
    """The image of a version that has run before. A registry is asked only if an engine lacks it.

    So what is there can be gone back to while the registry is away.

    Raises:
        ImageNotAllowedError, TargetNotFoundError, BackendError: from the registry and the engines.
    """
    name = replace(service.image, tag=version.tag, digest=version.digest)
    ctx.registry.check_allowed(name)
    held = ask_each(place.engines, lambda site: ctx.containers.local_image(site, name.pinned) is not None)
    if all(held.values()):
        return Resolved(name)
    return ctx.registry.resolve(name)


def plan_rollout(wanted: Wanted, standings: Mapping[str, Standing], ctx: Reader) -> Plan:
    """What a deployment would do; `standings` is the service on all engines of the place.

    Raises:
        NoChangeError: all engines have it already.
        NameTakenError: somebody else's container has a replica's name.
        NotListedError: `powers:` does not allow what the service asks for of its engines.
        UserError: the ports have no room, a network or an external volume is missing, or a check cannot
            be asked.
        BackendUnavailableError: an engine of the place does not answer.
    """
    service, place = wanted.service, wanted.place
    order, warnings = choose_order(service, wanted.rollout.order, wanted.replicas)
    powers = check_powers(wanted.resolved.name.familiar, powers_of(service), ctx.containers.allowances)
    refuse_unasked_checks(service, place, ctx)
    for standing in standings.values():
        standing.refuse_strangers(range(1, wanted.replicas + 1))
    refuse_missing_networks(service, place, ctx)
    refuse_missing_volumes(service, place, ctx)
    wanted = replace(wanted, met=tuple(site for site in place.engines if wanted.is_met_on(standings[site])))
    todo = [site for site in place.engines if site not in wanted.met]
    if not todo:
        raise NoChangeError(
            f"`{service.name}` {wanted.version.full} is what runs in {place.environment} already, healthy on "
            f"{list_names(place.engines)}."
        )
    said = [f"{site} has it already and is left alone" for site in wanted.met]
    ready = read_readiness({site: standings[site] for site in todo}, wanted.resolved, ctx)
    pulls = [site for site in todo if not ready[site].has_image]
    said += warn_of_disk(wanted.resolved.size, {site: ready[site].free for site in pulls})
    said += warn_of_leftovers(standings.values())
    said += warn_of_others(standings.values(), wanted.version, ctx.actor)
    batches = _batches(wanted, order, [(standings[site], ready[site]) for site in todo], ctx.actor)
    pulling = tuple(_pull(wanted, site) for site in pulls)
    return Plan(
        batches=(*((pulling,) if pulling else ()), *batches),
        warnings=(*warnings, *powers, *said),
        at_once=len(todo),
        max_fail=int(wanted.rollout.max_failure_ratio * len(todo)) + 1,
        touches=tuple(
            container_target(replica.row)
            for site in todo
            for replica in (*standings[site].current.values(), *standings[site].kept)
            if replica.keeper or not wanted.is_met_by(replica) or replica.slot > wanted.replicas
        ),
        on_failure=_ON_FAILURE[wanted.rollout.failure_action],
        closing=tuple(_clean(wanted, order, site) for site in todo),
        holds=(f"deploying:{place.environment}",),
        announce=service.announce,
    )


# --- the steps ------------------------------------------------------------------------------------------


def _batches(
    wanted: Wanted, order: Order, engines: list[tuple[Standing, Readiness]], asker: str
) -> list[tuple[Step, ...]]:
    width = wanted.rollout.parallelism or len(engines)
    cut = [engines[begin : begin + width] for begin in range(0, len(engines), width)]
    delays = (0.0 if number == 0 else wanted.rollout.delay for number in range(len(cut)))
    return [
        tuple(
            _roll(wanted, standing, ready, _assign(wanted, order, delay, asker)) for standing, ready in batch
        )
        for batch, delay in zip(cut, delays, strict=True)
    ]


def _assign(wanted: Wanted, order: Order, delay: float = 0.0, asker: str = "") -> Assignment:
    return Assignment(
        service=wanted.service.name,
        environment=wanted.place.environment,
        image=wanted.resolved.name.familiar,
        config=wanted.service.config,
        replicas=wanted.replicas,
        order=order,
        monitor=wanted.rollout.monitor,
        checks=wanted.service.checks,
        grace=wanted.service.stop_grace,
        delay=delay,
        asker=asker,
        fresh=wanted.fresh,
        back=wanted.back,
        met=wanted.met,
    )


def _pull(wanted: Wanted, site: str) -> Step:
    size = wanted.resolved.size
    return Step(
        action=PULL,
        target=target_of(wanted.service, wanted.place, site),
        text=f"pull {wanted.version.full} to {site}" + (f", {write_size(size)}" if size else ""),
        facts={"digest": wanted.version.digest},
        args=_assign(wanted, "stop-first").model_dump(mode="json"),
        doing="pulling",
        ended="pulled",
    )


def _roll(wanted: Wanted, standing: Standing, ready: Readiness, told: Assignment) -> Step:
    target = target_of(wanted.service, wanted.place, standing.site)
    old = {slot: _before(replica, ready) for slot, replica in standing.current.items()}
    facts = {f"slot {slot}": replica.said for slot, replica in standing.current.items()}
    facts |= {replica.row.name: replica.said for replica in standing.kept}
    put_back = Return(
        service=wanted.service.name,
        environment=wanted.place.environment,
        order=told.order,
        grace=told.grace,
        before=old,
    )
    return Step(
        action=ROLL,
        target=target,
        text=_text(wanted, told.order, standing),
        facts={
            "digest": wanted.version.digest,
            "config": wanted.service.config,
            "checks": write_checks(wanted.service.checks) or "none",
            **facts,
        },
        args=told.model_dump(mode="json"),
        doing="starting",
        ended="healthy",
        undo=Step(
            action=RESTORE,
            target=target,
            text=f"put {standing.text} back on {standing.site}",
            args=put_back.model_dump(mode="json"),
            doing="rolling back",
            ended="rolled back",
        ),
    )


def _before(replica: Replica, ready: Readiness) -> Before:
    restart = ready.restarts[replica.id]
    return Before(id=replica.id, up=replica.is_up, well=replica.is_well, restart=restart)


def _clean(wanted: Wanted, order: Order, site: str) -> Step:
    return Step(
        action=CLEAN,
        target=target_of(wanted.service, wanted.place, site),
        text=f"remove what was set aside on {site}",
        args=_assign(wanted, order).model_dump(mode="json"),
        doing="cleaning up",
        ended="healthy",
    )


def _text(wanted: Wanted, order: Order, standing: Standing) -> str:
    many = "" if wanted.replicas == 1 else f", {wanted.replicas} replicas"
    others = [one for one in standing.current.values() if one.config != wanted.service.config]
    things = dict.fromkeys(name for one in others for name in one.list_changes(wanted.service))
    changed = f", config: {', '.join(things)}" if others else ""
    return (
        f"roll `{wanted.service.name}` {wanted.version.full} out on {standing.site}, which runs "
        f"{standing.text}: {order}{many}{changed}"
    )
