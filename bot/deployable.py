"""What a person could deploy, and where, as far as policy can tell before a version is known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from andock import policy as rules
from andock.errors import OpsError
from andock.messages import Actor
from andock.operation import Operation
from andock.operations.service.targets import target_of
from andock.policy import Policy
from andock.ports.registry import ImageName
from andock.ports.services import Place, Service
from config.services import ServiceFiles

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Deployable:
    """A service, and the environments to which somebody may bring it."""

    service: str
    image: ImageName
    environments: tuple[str, ...]


@dataclass(frozen=True)
class ServiceShelf:
    """All services, each read again only when its file has changed: a form must open within three seconds."""

    files: ServiceFiles
    _known: dict[str, tuple[_Stamp, Service | None]] = field(default_factory=dict)

    def all(self) -> Iterator[Service]:
        """Those whose file is right; nobody can deploy the others, and whoever names one is told."""
        for name in self.files.names():
            service = self._read(name)
            if service is not None:
                yield service

    def _read(self, name: str) -> Service | None:
        try:
            stat = self.files.path(name).stat()  # before it is read: what changes meanwhile is read again
        except OSError:
            return None
        stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        known = self._known.get(name)
        if known is None or known[0] != stamp:
            try:
                known = (stamp, self.files.read(name))
            except OpsError:
                known = (stamp, None)
            self._known[name] = known
        return known[1]


@dataclass(frozen=True)
class DeployRight:
    """One person's right to deploy in one channel."""

    policy: Policy
    operation: Operation
    actor: Actor
    channel: str

    def among(self, shelf: ServiceShelf) -> dict[str, Deployable]:
        """What they could deploy, by the service's name."""
        found = {}
        for service in shelf.all():
            places = [place for place in service.places.values() if self._covers(service, place)]
            if places:
                environments = tuple(place.environment for place in places)
                found[service.name] = Deployable(service.name, service.image, environments)
        return found

    def _covers(self, service: Service, place: Place) -> bool:
        """Whether a rule could allow it on every engine of the place; one denial would refuse all."""
        question = rules.Question(
            self.actor, self.operation.name, self.operation.risk, self.channel, params=None, now=time.time()
        )
        decisions = [
            rules.could_allow(self.policy, question, target=target_of(service, place, engine))
            for engine in place.engines
        ]
        return not any(isinstance(decision, rules.Denied) for decision in decisions)
