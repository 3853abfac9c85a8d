"""What the steps of a deployment are told, as their arguments carry it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from andock.operation import Step, Value
from andock.operations.service.labels import Version
from andock.ports.registry import ImageName
from andock.ports.services import Check, Order

PULL, ROLL, RESTORE, CLEAN = "pull", "roll", "restore", "clean"


class Before(Value):
    """A container that a deployment finds in a slot."""

    id: str
    up: bool
    well: bool = Field(description="it runs, and is healthy if it has a health check")
    restart: str = Field(description="its restart policy, which it gets back")


class Assignment(Value):
    """One engine's part of a deployment."""

    service: str
    environment: str
    image: str = Field(description="with tag and digest")
    config: str
    replicas: int
    order: Order
    monitor: float = Field(description="seconds")
    checks: tuple[Check, ...] = Field(default=(), description="what each new container must pass")
    grace: int = Field(description="seconds from TERM to KILL")
    delay: float = Field(default=0.0, description="seconds to wait before it begins")
    asker: str = Field(default="", description="the name of who asked for it")
    fresh: bool = Field(default=False, description="containers are made anew even where nothing differs")
    back: bool = Field(default=False, description="it goes back to a version of before")
    met: tuple[str, ...] = Field(
        default=(), description="engines of the environment that have it already and are left alone"
    )

    @property
    def name(self) -> ImageName:
        """The image, by its digest."""
        return ImageName.parse(self.image)

    @property
    def version(self) -> Version:
        """The version that comes in."""
        return Version.of(self.name)


class Return(Value):
    """How an engine's part of a deployment is put back."""

    service: str
    environment: str
    order: Order
    grace: int
    before: Mapping[int, Before] = Field(description="by slot")


def assignment_of(step: Step) -> Assignment:
    """What a step of a deployment, but no undo, is told."""
    return Assignment.model_validate(step.args)


def return_of(step: Step) -> Return:
    """What a `restore` is told, or what the undo of a `roll` would be."""
    return Return.model_validate(step.args if step.undo is None else step.undo.args)
