"""One request as it lies in the ledger, and the marks of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import Field, TypeAdapter

from andock.approvals import Approval
from andock.errors import Changed
from andock.messages import Progress, Result, State
from andock.operation import Mark, Offer, Phase, Value

RESULT: TypeAdapter[Result] = TypeAdapter(Result)


class StepMark(Value):
    """The stored checkpoint of one step."""

    phase: Phase
    mark: Mark | None = None
    text: str = ""
    changed: Changed = Changed.NOTHING
    offers: tuple[Offer, ...] = ()
    trace: str = ""  # what shows the step in its backend's own records


class Post(Value):
    """Where a message of a request stands in Slack."""

    channel: str
    ts: str
    said: str = Field(default="", description="the SHA-256 of what it says; empty when that is not known")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as it lies in the ledger; what is sealed is believed only with its signature checked."""

    id: str
    sealed: bytes
    state: State
    attempt: int
    accepted: float  # seconds since the epoch, Redis' clock
    ended: float | None
    owner: str
    plan: bytes  # sealed by the worker that made it, see `andock.seals`; empty if there is none
    digest: str
    approval: Approval | None
    phrase: str  # what the asker types again before something is destroyed
    votes: Mapping[str, bytes]  # sealed, by the voter's key
    marks: Mapping[int, bytes]  # sealed, by the step's number; none before a step was begun
    progress: Progress | None
    result: Result | None
    holder: str
    answer_by: float | None  # when a plan that was shown expires unanswered, seconds since the epoch
    posts: Mapping[str, Post]
    cancelled_by: str = ""  # who asked to cancel it; empty if nobody did
    question: str = ""  # which was asked when it was last paused
    answers: Mapping[str, bytes] = field(default_factory=dict)  # sealed, by the question
    decided: str = (
        ""  # what policy said last, as far as it was recorded: the plan's digest, the decision, the rule
    )
    seen: float = 0.0  # when an earlier attempt was last at work, seconds since the epoch; 0 if none was

    @property
    def rule(self) -> str:
        """The rule by which others had to agree; empty if none had to."""
        return self.approval.rule if self.approval is not None else ""


def read_entry(request: str, raw: Mapping[bytes, bytes]) -> Entry:
    """The entry that a request's hash is."""

    def text(name: str) -> str:
        return raw.get(name.encode(), b"").decode()

    def value(name: str, model: type[Any]) -> Any:
        body = raw.get(name.encode())
        return model.model_validate_json(body) if body else None

    def family(prefix: str, model: type[Any]) -> dict[str, Any]:
        start = prefix.encode()
        return {
            name[len(start) :].decode(): model.model_validate_json(body)
            for name, body in raw.items()
            if name.startswith(start)
        }

    def sealed_family(prefix: str) -> dict[str, bytes]:
        start = prefix.encode()
        return {name[len(start) :].decode(): body for name, body in raw.items() if name.startswith(start)}

    result = raw.get(b"result")
    return Entry(
        id=request,
        sealed=raw.get(b"sealed", b""),
        state=State(text("state")),
        attempt=int(text("attempt") or 0),
        accepted=int(text("accepted") or 0) / 1000,
        ended=int(text("ended")) / 1000 if raw.get(b"ended") else None,
        owner=text("owner"),
        plan=raw.get(b"plan", b""),
        digest=text("digest"),
        approval=value("approval", Approval),
        phrase=text("phrase"),
        votes=sealed_family("vote:"),
        marks={int(number): mark for number, mark in sealed_family("mark:").items()},
        progress=value("progress", Progress),
        result=RESULT.validate_json(result) if result else None,
        holder=text("holder"),
        answer_by=float(text("answer_by")) if raw.get(b"answer_by") else None,
        posts=family("post:", Post),
        cancelled_by=text("cancel"),
        question=text("question"),
        decided=text("decided"),
        answers=sealed_family("answer:"),
        seen=float(text("seen") or 0) / 1000,
    )


def read_ids(members: object) -> tuple[str, ...]:
    """Ids of requests as they lie in an index; what is no text is none of ours."""
    return tuple(member.decode() for member in cast("list[bytes]", members) if member.isascii())
