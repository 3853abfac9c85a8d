"""A service over three engines, and the contexts of one deployment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from andock.operation import End, Mark, Phase, Plan, Ports, Reader, Step, Writer
from andock.operations.service.taking import take_step
from andock.ports.container_insight import Limits
from andock.ports.containers import Container
from andock.ports.registry import ImageName
from andock.ports.services import Place, Rollout, Service
from tests.fakes.containers import FakeContainers
from tests.fakes.registry import FakeRegistry
from tests.fakes.services import FakeServices
from tests.unit.operations.container.chat import Eye

IMAGE = "registry.lab:5000/team/api"
V1, V2, V3 = (f"sha256:{digit * 64}" for digit in "123")
QUICK = Rollout(monitor=0.0)
API = Service(
    name="api",
    image=ImageName.parse(f"{IMAGE}:v1"),
    limits=Limits(restart="unless-stopped"),
    update=QUICK,
    rollback=QUICK,
    places={
        "staging": Place("staging", ("edge-1",)),
        "prod": Place("prod", ("edge-2", "edge-3", "edge-4"), after="staging"),
    },
)
ENGINES = {"edge-1": "staging", "edge-2": "prod", "edge-3": "prod", "edge-4": "prod"}


@dataclass
class Stage:
    """Four engines, a registry with three versions, one service."""

    containers: FakeContainers = field(default_factory=lambda: FakeContainers(dict(ENGINES)))
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    services: FakeServices = field(default_factory=FakeServices)
    eye: Eye = field(default_factory=Eye)
    marks: list[Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        for tag, digest in (("v1", V1), ("v2", V2), ("v3", V3)):
            self.registry.hold(f"{IMAGE}:{tag}", digest)
        self.services.hold(API)

    def change_service(self, **fields: object) -> Service:
        """Let the service's file say otherwise."""
        self.services.hold(replace(self.services.held["api"], **fields))  # type: ignore[arg-type]  each test's own
        return self.services.held["api"]

    def reader(self, request: str = "r1", actor: str = "") -> Reader:
        return Reader(watch=self.eye, request=request, actor=actor, ports=self._ports)

    def writer(self, request: str = "r1") -> Writer:
        return Writer(
            watch=self.eye,
            request=request,
            ports=self._ports,
            checkpoint=self.marks.append,
            mark=Mark(begun_at=0.0),
        )

    @property
    def _ports(self) -> Ports:
        return Ports(containers=self.containers, registry=self.registry, services=self.services)

    def take(self, plan: Plan, request: str = "r1") -> dict[int, End]:
        """Take all steps, as the runner does when nothing fails."""
        ends = {}
        for number, step in enumerate(plan.steps):
            done = take_step(step, self.writer(request))
            ends[number] = End(Phase.DONE, done.text)
        return ends

    def deploy(self, plan: Callable[[Reader], Plan], request: str) -> Plan:
        """Plan and take."""
        made = plan(self.reader(request))
        self.take(made, request)
        return made

    def on(self, site: str) -> dict[str, Container]:
        """The containers of an engine, by name."""
        return {row.name: row for (where, _), row in self.containers.held.items() if where == site}

    def version_on(self, site: str, name: str = "api-1") -> str:
        row = self.on(site)[name]
        assert row.state == "running"
        return row.labels["andock.version"]


def texts(steps: Sequence[Step]) -> list[str]:
    return [f"{step.action} {step.target.site}" for step in steps]
