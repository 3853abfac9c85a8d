"""Changes the containers of a service on one engine, one marked call after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from andock.errors import (
    BackendError,
    BackendRejectedError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    LeaseLostError,
    OpsError,
    TargetNotFoundError,
)
from andock.operation import Mark, Step, Writer
from andock.operations.service.standing import UP
from andock.ports.container_changes import NewContainer
from andock.ports.container_insight import Limits
from andock.ports.containers import Container, ContainerRow

NEVER = "no"  # the restart policy of what is set aside
AWAY_SECONDS = 30.0  # that an engine may be away, as while it is restarted
_NAP_SECONDS = 0.25
T = TypeVar("T")


@dataclass
class Hands:
    """One step's way to its engine. Each change stores a mark first, by which ownership is looked at too."""

    step: Step
    ctx: Writer
    touched: bool = False  # whether something was changed, by this attempt or one before it
    begun: float = field(default_factory=time.monotonic)

    @property
    def site(self) -> str:
        """The engine."""
        return self.step.target.site

    @property
    def seconds(self) -> int:
        """How long the step has taken so far."""
        return round(time.monotonic() - self.begun)

    def tell(self, text: str) -> None:
        """Say how far it is, and hear whether it may go on; raises as `Watch.look`."""
        self.ctx.watch.look(text=text)

    def begin(self) -> None:
        """Leave the mark that settling needs; nothing is sent before it."""
        self.ctx.checkpoint(Mark(begun_at=time.time()))

    def await_engine(self, look: Callable[[], T]) -> T:
        """What the first look at an engine finds; one that is being restarted is waited for.

        Raises:
            BackendUnavailableError: it stays away. CancelledError, DeadlineError: as the watch says.
        """
        began = time.monotonic()
        while True:
            try:
                return look()
            except BackendUnavailableError:
                if time.monotonic() - began > AWAY_SECONDS:
                    raise
            self.tell(f"waiting for engine {self.site}")
            time.sleep(_NAP_SECONDS)

    def read(self, container: str) -> Container | None:
        """The container, or None when it is gone."""
        try:
            return self.ctx.containers.read_container(self.site, container)
        except TargetNotFoundError:
            return None

    # --- changes; each is harmless when its effect is there already -------------------------------------

    def create(self, new: NewContainer) -> str:
        """Make it; its id. Raises BackendRejectedError, as the port."""
        self._mark()
        return self.ctx.containers.create(self.site, new)

    def join(self, container: str, network: str, alias: str) -> None:
        """Put it into one more network."""
        self._mark()
        self.ctx.containers.join_network(self.site, container, network, (alias,))

    def start(self, container: Container) -> None:
        """Start it, unless it is up."""
        if container.state in UP:
            return
        self.tell(f"starting {container.name}")
        self._mark()
        self.ctx.containers.start(self.site, container.id)

    def stop(self, container: ContainerRow, grace: int) -> None:
        """Stop it, unless it is down."""
        if container.state not in UP:
            return
        self.tell(f"stopping {container.name}")
        self._mark()
        self.ctx.containers.stop(self.site, container.id, grace)

    def name(self, container: ContainerRow, name: str) -> None:
        """Name it so."""
        if container.name != name:
            self._mark()
            self.ctx.containers.rename(self.site, container.id, name)

    def set_restart(self, container: Container, policy: str) -> None:
        """Let the engine start it again when it is to."""
        if container.restart != policy:
            self._mark()
            self.ctx.containers.update(self.site, container.id, Limits(restart=policy))

    def remove(self, container: str) -> None:
        """Remove it; what is in volumes stays."""
        self._mark()
        try:
            self.ctx.containers.remove(self.site, container, force=True, volumes=False)
        except TargetNotFoundError:
            return

    def _mark(self) -> None:
        self.begin()
        self.touched = True

    # --- how it ends ------------------------------------------------------------------------------------

    @contextmanager
    def honest(self) -> Iterator[None]:
        """Around all of it: an error says that something was changed, once it was.

        Raises:
            BackendError, CancelledError, DeadlineError: with `Changed.PARTLY` where something was touched.
            LeaseLostError: as it came.
        """
        try:
            yield
        except LeaseLostError:
            raise
        except OpsError as error:
            if not self.touched or error.changed is Changed.PARTLY:
                raise
            raise self._partly(error) from error

    def _partly(self, error: OpsError) -> OpsError:
        match error:
            case CancelledError():
                return CancelledError(error.sentence, changed=Changed.PARTLY)
            case DeadlineError():
                return DeadlineError(error.sentence, changed=Changed.PARTLY)
            case BackendUnavailableError():
                what = f"{error.backend} went away while `{self.step.target.name}` was being changed there"
                return BackendError(f"{what} ({error.why}).", changed=Changed.PARTLY)
            case BackendRejectedError():
                return BackendRejectedError(error.backend, error.why, changed=Changed.PARTLY)
            case _ if error.changed is Changed.UNKNOWN:
                return error
            case _:
                return BackendError(error.sentence, changed=Changed.PARTLY)
