"""What of a service runs on the engines now, as its containers' labels say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from andock.belonging import SERVICE_LABEL
from andock.errors import BackendUnavailableError, NameTakenError, UserError
from andock.naming import list_names, reached
from andock.operation import Reader
from andock.operations.service import labels
from andock.operations.service.labels import Version, keeper_of, name_of
from andock.ports.containers import ContainerRow
from andock.ports.services import Place, Service
from andock.ports.sites import Listing

UP = frozenset({"running", "restarting", "paused"})


@dataclass(frozen=True, slots=True)
class Replica:
    """One container of a service."""

    row: ContainerRow
    slot: int
    version: Version
    config: str
    parts: Mapping[str, str]  # digits for each thing of its config
    deployment: str  # the request that made it
    asker: str  # the name of who asked for that
    made: str  # when, as people read it
    healthy: tuple[Version, ...]  # newest first: what was healthy here before it
    keeper: str = ""  # the deployment that set it aside

    @property
    def id(self) -> str:
        """Its full id."""
        return self.row.id

    @property
    def is_up(self) -> bool:
        """Whether it runs, or its engine sees to it that it does."""
        return self.row.state in UP

    @property
    def is_well(self) -> bool:
        """Whether it runs, and is healthy if it has a health check."""
        return self.row.state == "running" and self.row.health in {"", "healthy"}

    def list_changes(self, service: Service) -> tuple[str, ...]:
        """The things of its config that the service's file says otherwise: `ports`, `environment MODE`."""
        then = service.parts
        names = dict.fromkeys((*then, *self.parts))
        return tuple(name for name in names if then.get(name) != self.parts.get(name))

    @property
    def said(self) -> str:
        """What an agreement is bound to: identity and whether it is up, which health is not a part of."""
        return f"{self.version.written}, config {self.config}, {'up' if self.is_up else 'down'}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A service on one engine."""

    site: str
    service: str
    current: Mapping[int, Replica] = field(default_factory=dict)  # by slot
    kept: tuple[Replica, ...] = ()  # set aside by deployments
    strangers: Mapping[str, ContainerRow] = field(default_factory=dict)  # other containers, by name

    def made_by(self, request: str, slot: int) -> Replica | None:
        """The replica that a deployment has made in this slot."""
        found = self.current.get(slot)
        return found if found is not None and found.deployment == request else None

    def kept_by(self, request: str, slot: int) -> Replica | None:
        """The replica of this slot that a deployment has set aside."""
        return next((one for one in self.kept if one.keeper == request and one.slot == slot), None)

    @property
    def versions(self) -> tuple[Version, ...]:
        """Each version that it has here, in the order of the slots."""
        found = {one.version.digest: one.version for _, one in sorted(self.current.items())}
        return tuple(found.values())

    @property
    def text(self) -> str:
        """`v1.2.2 (0123456789ab)`, or that it has nothing yet."""
        return " and ".join(version.full for version in self.versions) or "nothing yet"

    def refuse_strangers(self, slots: Iterable[int]) -> None:
        """Raises NameTakenError when somebody else's container has a replica's name."""
        for slot in slots:
            other = self.strangers.get(name_of(self.service, slot))
            if other is not None:
                raise NameTakenError(other.name, self.site, other.id)


def stand_on(service: str, environment: str, site: str, ctx: Reader) -> Standing:
    """The service on one engine.

    Raises:
        BackendUnavailableError: the engine does not answer.
    """
    return _standing(service, environment, site, reached(ctx.containers.list_containers(site)).rows)


def survey(service: Service, place: Place, ctx: Reader) -> tuple[dict[str, Standing], Listing[ContainerRow]]:
    """The service on the engines of a place that answer, and the listing, which says who does not.

    Raises:
        UserError: an engine of the place is not one of this pool.
    """
    known = ctx.containers.sites()
    foreign = [site for site in place.engines if site not in known]
    if foreign:
        raise UserError(
            f"`{service.name}` runs on {list_names(foreign)} in {place.environment}, and the workers asked "
            "have no such engine; ask those of its pool, with `--pool`."
        )
    listing = ctx.containers.list_containers(among=place.engines)
    standings = {
        site: _standing(
            service.name, place.environment, site, [row for row in listing.rows if row.site == site]
        )
        for site in listing.searched
    }
    return standings, listing


def survey_all(service: Service, place: Place, ctx: Reader) -> dict[str, Standing]:
    """The service on all engines of a place.

    Raises:
        BackendUnavailableError: one of them does not answer. The others as `survey`.
    """
    standings, listing = survey(service, place, ctx)
    for away in listing.not_reached:
        raise BackendUnavailableError(f"Engine `{away.site}`", away.why)
    return standings


def doubts(standings: Iterable[Standing]) -> tuple[str, ...]:
    """Why what runs on these engines proves no version; empty if it proves the one that they all have."""
    found = list(standings)
    said = []
    for one in found:
        if not one.current:
            said.append(f"{one.site} has nothing of it")
        said += [
            f"`{replica.row.name}` on {one.site} is {replica.row.health or replica.row.state}"
            for replica in one.current.values()
            if not replica.is_well
        ]
        said += [
            f"{one.site} still keeps `{replica.row.name}` (`container remove {one.site}/{replica.row.name}`)"
            for replica in one.kept
        ]
    versions = {version.digest for one in found for version in one.versions}
    if len(versions) > 1:
        said.append("the engines run different versions: " + ", ".join(f"{s.site} {s.text}" for s in found))
    return tuple(said)


def _standing(service: str, environment: str, site: str, rows: Iterable[ContainerRow]) -> Standing:
    current: dict[int, Replica] = {}
    kept: list[Replica] = []
    strangers: dict[str, ContainerRow] = {}
    for row in rows:
        replica = _replica(row, service, environment)
        if replica is None:
            strangers[row.name] = row
        elif replica.keeper:
            kept.append(replica)
        elif row.name == name_of(service, replica.slot):
            current[replica.slot] = replica
    return Standing(site, service, dict(sorted(current.items())), tuple(kept), strangers)


def _replica(row: ContainerRow, service: str, environment: str) -> Replica | None:
    said = row.labels
    slot = said.get(labels.SLOT, "")
    if said.get(SERVICE_LABEL) != service or said.get(labels.ENVIRONMENT) != environment:
        return None
    if not slot.isdecimal():
        return None
    return Replica(
        row=row,
        slot=int(slot),
        version=Version(said.get(labels.VERSION, ""), said.get(labels.DIGEST, "")),
        config=said.get(labels.CONFIG, ""),
        parts=labels.read_parts(said.get(labels.PARTS, "")),
        deployment=said.get(labels.DEPLOYMENT, ""),
        asker=said.get(labels.ASKER, ""),
        made=said.get(labels.MADE, ""),
        healthy=tuple(Version.parse(text) for text in said.get(labels.HEALTHY, "").split()),
        keeper=keeper_of(row.name),
    )
