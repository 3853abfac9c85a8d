"""What an operation is: one declaration from which grammar, help, policy facts, queue and record derive.

Declaring registers nothing; `andock.catalogue` finds the declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from pydantic import Field

from andock.errors import CatalogueError
from andock.plan import OnFailure as OnFailure  # noqa: PLC0414  offered here too: an operation needs one import
from andock.plan import Plan as Plan  # noqa: PLC0414  as above
from andock.plan import Step as Step  # noqa: PLC0414  as above
from andock.plan import Target as Target  # noqa: PLC0414  as above
from andock.ports.charts import Charts
from andock.ports.containers import Containers
from andock.ports.display import Display
from andock.ports.records import Guide, Records
from andock.ports.registry import Registry
from andock.ports.services import Services
from andock.ports.trace import Trace
from andock.ports.votes import Votes
from andock.ports.vsphere import VSphere
from andock.ports.watch import Watch
from andock.values import Value as Value  # noqa: PLC0414  as above

OWN_LABEL = "andock.role"  # what bears it on an engine is Andock's own, or its Redis


class Risk(StrEnum):
    """How much harm an operation can do; policy speaks of it."""

    READ = "read"
    CHANGE = "change"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"


class Backend(StrEnum):
    """Which kind of site an operation works on, and so which workers perform it."""

    VSPHERE = "vsphere"
    DOCKER = "docker"
    DESK = "desk"  # Andock's own desk: answered by the bot out of the ledger


class Params(Value):
    """Checked parameters of an operation. A field's description is its help text."""


P = TypeVar("P", bound=Params)
F = TypeVar("F")


class Offer(Value):
    """A button under an outcome that types a command for the person who clicks it."""

    label: str
    command: str
    danger: bool = False


class Link(Value):
    """A button under an outcome that opens a page in the person's own browser."""

    label: str
    url: str


class Table(Value):
    """Rows for people; the first column names the thing."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Attachment(Value):
    """A file beside an outcome, kept in the ledger for a day."""

    kept = frozenset({"name", "output"})
    name: str
    output: str = Field(description="its id among the kept outputs")
    size: int = Field(description="bytes")


class Outcome(Value):
    """What an operation has to say; `andock.rendering` turns it into text and blocks."""

    summary: str
    fields: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    text: str = Field(default="", description="shown as it is, in a fixed font; long text becomes a file")
    filename: str = Field(default="output.txt", description="the name under which long text is uploaded")
    notes: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    links: tuple[Link, ...] = ()
    attachment: Attachment | None = None


# --- what became of a step ------------------------------------------------------------------------------


class Done(Value):
    """The step's effect is there; the text's first line says so, more lines are shown as they are."""

    text: str
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class NotDone:
    """Proven: the step had no effect, and nothing of it is under way."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It cannot be told; a person has to look."""

    text: str


Settled: TypeAlias = Done | NotDone | Unknown


class Phase(StrEnum):
    """Where one step of a plan is."""

    BEGUN = "begun"
    DONE = "done"
    NOT_DONE = "not done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class End:
    """How one step ended, and how what it changed was put back, for an operation's own report."""

    phase: Phase
    text: str = ""
    undone: Phase | None = None  # None: nothing was put back
    undone_text: str = ""


class Mark(Value):
    """A checkpoint inside a step, stored before the next thing is done."""

    kept = frozenset({"task"})
    begun_at: float = Field(description="the worker's clock, seconds since the epoch")
    site_time: float = Field(
        default=0.0, description="the site's own clock when the step began, if it was asked"
    )
    task: str = Field(default="", description="the vCenter task that does it, as soon as there is one")


# --- contexts -------------------------------------------------------------------------------------------


def _as_it_is(plan: Plan) -> Plan:
    return plan


@dataclass(frozen=True)
class Reader:
    """What `plan`, `find` and `settle` may use: reads only, and an eye on the deadline."""

    watch: Watch
    site: str | None = None  # the site that the person named, if any
    actor: str = ""  # the name of who asked, for what stays in the backend's own records
    request: str = ""  # its id, by which a change knows again what it made
    ports: Ports = field(default_factory=lambda: Ports())  # noqa: PLW0108  Ports is declared below
    display: Display | None = None  # a read's; a change's progress is told by the runner
    warn: Callable[[Plan], Plan] = (
        _as_it_is  # a read that shows a plan: adds freezes in force and others' locks
    )

    @property
    def vsphere(self) -> VSphere:
        """This worker's vCenters.

        Raises:
            CatalogueError: the operation declares another backend than the one it asks.
        """
        if self.ports.vsphere is None:
            raise CatalogueError("an operation asked for vSphere in a process that has none")
        return self.ports.vsphere

    @property
    def containers(self) -> Containers:
        """This worker's engines; raises as `vsphere`."""
        if self.ports.containers is None:
            raise CatalogueError("an operation asked for Docker in a process that has none")
        return self.ports.containers

    @property
    def registry(self) -> Registry:
        """The registries that images come from; raises as `vsphere`."""
        if self.ports.registry is None:
            raise CatalogueError("an operation asked for a registry in a process that has none")
        return self.ports.registry

    @property
    def services(self) -> Services:
        """What config/services/ describes; raises as `vsphere`."""
        if self.ports.services is None:
            raise CatalogueError("an operation asked for services in a process that has none")
        return self.ports.services


@dataclass(frozen=True)
class Ports:
    """The backends that a process holds credentials for, and where they show what is done."""

    vsphere: VSphere | None = None
    containers: Containers | None = None
    registry: Registry | None = None
    charts: Charts | None = None
    trace: Trace | None = None
    services: Services | None = None


class Checkpoint(Protocol):
    """Stores the mark of the step under way before anything else is done."""

    def __call__(self, mark: Mark) -> None:
        """Raises LeaseLostError when another attempt owns the request."""
        ...


@dataclass(frozen=True)
class Writer(Reader):
    """What `apply` may use: the ports' changing methods, and a place for its marks."""

    checkpoint: Checkpoint = field(kw_only=True)
    mark: Mark = field(kw_only=True)


@dataclass(frozen=True)
class Desk:
    """What an operation of Andock's own desk may use."""

    records: Records
    guide: Guide
    votes: Votes
    user: str  # key of who asks: team and user
    name: str
    now: float  # seconds since the epoch


# --- declarations ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found(Generic[F]):
    """What a read found, each thing with the target that policy judges before the read goes on."""

    rows: tuple[tuple[Target, F], ...]
    notes: tuple[str, ...] = ()
    empty: str = "Nothing found."


@dataclass(frozen=True, kw_only=True)
class Read(Generic[P, F]):
    """An operation that changes nothing.

    `find` resolves what is asked about; policy judges each; `run` answers about what it let through. With
    `many`, what policy refuses is left out and counted; otherwise one refusal refuses all.
    """

    name: str
    summary: str
    params: type[P]
    backend: Backend
    find: Callable[[P, Reader], Found[F]]
    run: Callable[[P, Reader, Found[F]], Outcome]
    many: bool = False
    time_limit: timedelta = timedelta(seconds=30)
    examples: tuple[str, ...] = ()
    risk: Risk = Risk.READ


@dataclass(frozen=True, kw_only=True)
class Change(Generic[P]):
    """An operation that changes its targets, by a plan of steps that the runner takes."""

    name: str
    summary: str
    params: type[P]
    backend: Backend
    risk: Risk
    plan: Callable[[P, Reader], Plan]
    apply: Callable[[Step, Writer], Done]
    settle: Callable[[Step, Reader, Mark], Settled]
    report: Callable[[Plan, Mapping[int, End]], Outcome] | None = None  # None: a table of its steps
    time_limit: timedelta = timedelta(minutes=10)
    undo_limit: timedelta = timedelta(0)  # on top of it, for putting back what was changed
    long: bool = False  # usually takes many minutes, as a migration does: waits on a queue of its own
    short: str = ""  # one word that may be typed in its name's place
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DeskOperation(Generic[P]):
    """An operation of Andock itself, answered by the bot out of the ledger."""

    name: str
    summary: str
    params: type[P]
    risk: Risk
    run: Callable[[P, Desk], Outcome]
    backend: Backend = Backend.DESK
    time_limit: timedelta = timedelta(seconds=5)
    examples: tuple[str, ...] = ()
    on_request: bool = False  # on a request that one may have asked for oneself: then no rule is needed


# Any: one catalogue holds operations over all parameter types; each keeps its own checked by mypy inside.
Operation: TypeAlias = Read[Any, Any] | Change[Any] | DeskOperation[Any]
