"""What the runner gives an operation, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from andock.operation import Mark, Ports, Reader, Step, Writer
from tests.fakes.containers import FakeContainers
from tests.fakes.display import Paper, Pen
from tests.fakes.registry import FakeRegistry


@dataclass
class Eye:
    """A `Watch` with as much time as the test says, and an end when the test says."""

    left: float = 600.0
    ends_with: Exception | None = None
    looks: int = 0

    def remaining(self) -> float:
        return self.left

    def look(self, *, percent: int | None = None, text: str = "") -> None:  # noqa: ARG002  the Watch's words
        self.looks += 1
        if self.ends_with is not None:
            raise self.ends_with


@dataclass
class Chat:
    """Two engines, and the contexts of one request."""

    containers: FakeContainers = field(
        default_factory=lambda: FakeContainers({"edge-1": "dev", "edge-2": "prod"})
    )
    eye: Eye = field(default_factory=Eye)
    marks: list[Mark] = field(default_factory=list)
    paper: Paper = field(default_factory=Paper)
    pen: Pen = field(default_factory=Pen)
    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry(allow=("docker.io/library/busybox",)))

    def reader(self, site: str | None = None) -> Reader:
        ports = Ports(containers=self.containers, registry=self.registry, charts=self.pen)
        return Reader(watch=self.eye, site=site, ports=ports, display=self.paper)

    def writer(self, site: str | None = None) -> Writer:
        return Writer(
            watch=self.eye,
            site=site,
            ports=Ports(containers=self.containers, registry=self.registry),
            checkpoint=self.checkpoint,
            mark=Mark(begun_at=0.0),
        )

    def checkpoint(self, mark: Mark) -> None:
        self.marks.append(mark)

    def state(self, step: Step) -> str:
        return self.containers.read_container(step.target.site, step.target.id).state
