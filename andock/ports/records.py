"""What the desk's own operations (`request`, `halt`, `resume`, `help`) ask of the ledger and the bot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from andock.events import Event
from andock.ports.mutes import Mutes
from andock.ports.stops import Stops


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request as `request list` shows it."""

    id: str
    command: str
    actor: str  # display name of who asked
    user: str  # their key: team and user
    state: str
    asked_at: datetime  # aware, UTC
    summary: str = ""
    private: bool = False
    detail: tuple[tuple[str, str], ...] = ()  # label and value, for `request show`


@dataclass(frozen=True, slots=True)
class Halt:
    """A stop of all changes on one site, or on all (`*`)."""

    scope: str
    by: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which records of the audit are looked for; what is empty fits all."""

    words: tuple[str, ...] = ()
    by: str = ""
    target: str = ""  # a glob
    operation: str = ""  # a glob
    event: Event | None = None
    since: datetime | None = None  # aware
    limit: int = 20


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One record as `audit search` shows it."""

    at: datetime  # aware, UTC
    event: str
    actor: str
    operation: str
    command: str
    request: str
    rule: str
    result: str
    text: str
    on_disk: bool  # whether the recorder says so
    environments: tuple[str, ...] = ()  # of what it was done to
    seconds: float | None = None  # from asked to here


@dataclass(frozen=True, slots=True)
class AuditFindings:
    """What a search found, newest first."""

    rows: tuple[AuditRow, ...]
    back_to: datetime | None = None  # if time ran out: how far back was looked


class Records(Protocol):
    """The ledger, as far as chat may ask it."""

    @property
    def stops(self) -> Stops:
        """Locks and freezes."""
        ...

    @property
    def mutes(self) -> Mutes:
        """Alarms that are not told."""
        ...

    def recent(self, *, user: str | None, limit: int) -> tuple[RequestRow, ...]:
        """The newest requests, of one user, named by their key, or of all, newest first.

        Private ones are among them: whoever shows them leaves out those of others.
        """
        ...

    def show(self, request: str) -> RequestRow | None:
        """One request, or None; its detail only where policy lets the person read it now."""
        ...

    def halt(self, halt: Halt) -> None:
        """Refuse new changes on the scope and hold queued ones."""
        ...

    def resume(self, scope: str) -> tuple[RequestRow, ...]:
        """Lift the halt of this scope and ring for what was held; returns what was held."""
        ...

    def halts(self) -> tuple[Halt, ...]:
        """All halts in force."""
        ...

    def held(self, scope: str) -> tuple[RequestRow, ...]:
        """Requests that wait for this scope's halt to be lifted."""
        ...

    def sites(self) -> tuple[str, ...]:
        """Every site's name, for checking a scope."""
        ...

    def audit(self, query: AuditQuery) -> AuditFindings:
        """The newest genuine records that fit; none of other people's private requests."""
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say about one topic of the help."""

    operations: tuple[tuple[str, str], ...]  # usage line and summary of each
    parameters: tuple[tuple[str, str], ...] = ()  # how it is typed and what it means; of a single operation
    examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Guide(Protocol):
    """The help, made from the catalogue for one actor."""

    def overview(self) -> tuple[tuple[str, str], ...]:
        """Usage line and summary of every operation that this person may use."""
        ...

    def explain(self, topic: str) -> Explanation:
        """One operation with its parameters, or one noun's operations.

        Raises:
            UnknownOperationError: nothing has that name; says the nearest.
        """
        ...
