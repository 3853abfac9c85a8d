"""The engines and the registry of an installation, and what the configuration says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.engine import Engine, Transport, start_engine
from sandbox.engine.services import NAME
from sandbox.gate import Gate
from sandbox.installation.configuration import Document, describe_registry
from sandbox.installation.inventory import run_containers
from sandbox.installation.services import describe_service, environment_rules
from sandbox.processes import LOOPBACK
from sandbox.registry import Registry, start_registry

REGISTRY = "registry"  # the name of its gate
FROM_REGISTRY = f"{LOOPBACK}:*/*/*"


@dataclass(frozen=True)
class Wish:
    """What an installation is to have; see `Installation.start`."""

    engines: int
    own_engine: bool
    transports: Sequence[Transport]
    registry: bool
    services: Mapping[str, Sequence[str]]
    gated: bool


@dataclass
class Fleet:
    """What runs.

    Attributes:
        engines: by site name.
        containers: names of those on the first engine.
        gates: by site name, and `registry`.
        environments: where the service `api` runs; none if there is no service.
    """

    engines: dict[str, Engine] = field(default_factory=dict)
    containers: tuple[str, ...] = ()
    registry: Registry | None = None
    gates: dict[str, Gate] = field(default_factory=dict)
    environments: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def image_address(self) -> str:
        """Where Andock and the engines find the registry."""
        if self.registry is None:
            raise RuntimeError("this installation was started without a registry")
        return self.gates[REGISTRY].address if REGISTRY in self.gates else self.registry.address

    @property
    def sites(self) -> dict[str, Document]:
        """What sites.yaml says of each engine, besides its environment."""
        rules = environment_rules(list(self.environments))
        more = {"environments": rules} if rules else {}
        return {
            name: {**(self.gates[name].site if name in self.gates else engine.site), **more}
            for name, engine in self.engines.items()
        }

    @property
    def registries(self) -> Document | None:
        """What sites.yaml says of the registry."""
        return None if self.registry is None else describe_registry(self.registry, self.image_address)

    @property
    def services(self) -> dict[str, str]:
        """The files of config/services/, by service."""
        return {NAME: describe_service(self.image_address, self.environments)} if self.environments else {}


def start_fleet(state: Path, wish: Wish, undo: ExitStack, tell: Callable[[str], None]) -> Fleet:
    """Start what is wished for; `undo` stops it.

    Raises:
        EngineError, RegistryError, ProcessError: a part cannot be started.
    """
    fleet = Fleet(environments=wish.services)
    for number in range(1, wish.engines + 1):
        _start_engine(state, f"edge-{number}", number, wish, fleet, undo, tell)
    if wish.registry or wish.services:
        tell("registry")
        fleet.registry = registry = start_registry(state)
        undo.callback(registry.stop)
        first = next(iter(fleet.engines.values()))
        if wish.registry:
            registry.fill(first)
        if wish.services:
            registry.fill_service(first)
        if wish.gated:
            fleet.gates[REGISTRY] = undo.enter_context(Gate(f"tcp://{registry.address}"))
    return fleet


def _start_engine(
    state: Path,
    name: str,
    number: int,
    wish: Wish,
    fleet: Fleet,
    undo: ExitStack,
    tell: Callable[[str], None],
) -> None:
    tell(f"Docker engine {name}")
    transport = wish.transports[number - 1] if number <= len(wish.transports) else Transport.UNIX
    engine = start_engine(state, name=name, own=wish.own_engine or number > 1, transport=transport)
    undo.callback(engine.stop)
    if engine.ours:  # the registry of an earlier start had another port: these names lead nowhere
        engine.remove_images(FROM_REGISTRY)
    if (
        number == 1 or not wish.services
    ):  # where a service runs, nothing else has to be told apart by its engine
        names = run_containers(engine)
        fleet.containers = fleet.containers or names
    fleet.engines[name] = engine
    if wish.gated and transport is Transport.UNIX:
        fleet.gates[name] = undo.enter_context(Gate(engine.api.url))
