"""What is recorded of everything that is asked and done, and the stream by which it reaches the recorder."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from pydantic import Field

from andock.cleaning import clean
from andock.events import Event
from andock.ledger import Ledger
from andock.messages import Actor, Failed, Request, Result, State
from andock.operation import Plan, Target, Value
from andock.receipts import SEALED, Receipts
from andock.signing import Signer, Verifier

__all__ = ["AuditRecord", "Event", "Journal"]  # Event is read from here too

MOST_READ = 20  # targets of a read that its record names
WITHIN = 2.0  # seconds that a change waits for its record to be on disk


class AuditRecord(Value):
    """One thing that happened. Signed by the process in which it happened."""

    kept = frozenset(
        {"instance", "id", "request", "operation", "actor", "author", "channel", "plan", "approvers"}
    )
    version: Literal[1] = 1
    instance: str = Field(default="", description="filled in when it is sealed")
    id: str = Field(default_factory=lambda: secrets.token_hex(8), description="a record twice is a replay")
    event: Event
    at: float = Field(default_factory=time.time, description="seconds since the epoch")
    request: str = ""
    attempt: int = 0
    operation: str = ""
    command: str = Field(default="", description="as people read it, redacted")
    actor: str = Field(default="", description="team/user of who did it, or empty when a process did")
    name: str = Field(default="", description="the actor's name")
    author: str = Field(default="", description="team/user of the person in whose name a hook asked")
    channel: str = ""
    rule: str = ""
    plan: str = Field(default="", description="the plan's digest")
    approvers: tuple[str, ...] = Field(default=(), description="team/user of each")
    targets: tuple[str, ...] = Field(default=(), description="kind:site/id name")
    environments: tuple[str, ...] = ()
    result: str = Field(default="", description="the decision, or the state at the end")
    changed: str = Field(default="", description="nothing, partly or unknown; empty for a success")
    seconds: float | None = Field(default=None, description="from asked to here")
    text: str = Field(default="", description="reason, sentence or id, redacted")


@dataclass(frozen=True)
class Journal:
    """Writes one process' records to the stream. Raises redis' own errors when Redis is away."""

    ledger: Ledger
    signer: Signer
    verifier: Verifier

    @property
    def stream(self) -> str:
        """The stream's key."""
        return self.ledger.audit

    def seal(self, record: AuditRecord) -> bytes:
        """The signed record, for a script that writes it together with what it is about."""
        clear = clean(record, self.ledger.redactor)
        return self.signer.sign(clear.model_copy(update={"instance": self.ledger.instance}))

    def write(self, record: AuditRecord) -> str:
        """Put a record on the stream; its place there."""
        return cast("bytes", self.ledger.redis.xadd(self.stream, {SEALED: self.seal(record)})).decode()

    def is_silent(self) -> bool:
        """Whether no recorder confirms anything at present."""
        return Receipts(self.ledger, self.verifier).silent(self.stream)

    def await_recorded(self, entry: str, record: AuditRecord, within: float = WITHIN) -> None:
        """Wait until the recorder says that the record, which stands at this place, is on disk.

        Raises:
            RecordNotConfirmedError: it did not say so within that many seconds, or Redis is away.
        """
        Receipts(self.ledger, self.verifier).await_receipt(entry, record.id, within)


def record_of(
    request: Request,
    event: Event,
    *,
    plan: Plan | None = None,
    targets: Sequence[Target] = (),
    digest: str = "",
    attempt: int = 0,
    rule: str = "",
    approvers: Iterable[Actor] = (),
    result: str = "",
    changed: str = "",
    text: str = "",
    by: Actor | None = None,
) -> AuditRecord:
    """What happened to a request; `by` whom, if not by its asker.

    A read has `targets` instead of a plan; of one step there are its target and the plan's `digest`.
    """
    actor = by or request.actor
    named = tuple(f"{target.key} {target.name}" for target in targets[:MOST_READ])
    if len(targets) > MOST_READ:
        named += (f"and {len(targets) - MOST_READ} more",)
    if plan is not None:
        targets = plan.targets
        named = tuple(f"{target.key} {target.name}" for target in targets)
    return AuditRecord(
        event=event,
        request=request.id,
        attempt=attempt,
        operation=request.operation,
        command=request.command,
        actor=actor.key,
        name=actor.name,
        author=request.actor.author,
        channel=request.channel,
        rule=rule,
        plan=plan.digest if plan is not None else digest,
        approvers=tuple(approver.key for approver in approvers),
        targets=named,
        environments=tuple(sorted({target.environment for target in targets})),
        result=result,
        changed=changed,
        seconds=round(time.time() - request.accepted_at, 3),
        text=text,
    )


def record_of_end(
    request: Request,
    result: Result,
    state: State,
    *,
    plan: Plan | None = None,
    targets: Sequence[Target] = (),
    attempt: int = 0,
    rule: str = "",
    approvers: Iterable[Actor] = (),
) -> AuditRecord:
    """How a request ended, by the rule that let it go ahead or refused it."""
    return record_of(
        request,
        Event.EXPIRED if state is State.EXPIRED else Event.CONCLUDED,
        plan=plan,
        targets=targets,
        attempt=attempt,
        result=state.value,
        rule=(result.rule if isinstance(result, Failed) else "") or rule,
        approvers=approvers,
        changed=result.changed.value if isinstance(result, Failed) else "",
        text=result.sentence if isinstance(result, Failed) else result.outcome.summary,
    )
