"""What crosses Redis: requests and votes (signed), progress and results."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue

from andock.errors import Changed, OpsError, UserError
from andock.operation import Outcome, Value

CLI_TEAM = "cli"  # the team of an actor who asks on the host instead of in Slack
HOOK_TEAM = "hook"  # of a hook, by which another system asks in a person's name
CLOCK_TEAM = "schedule"  # of what asks by the clock
_ID_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_ID_LENGTH = 11
OUTSIDE = (CLI_TEAM, HOOK_TEAM, CLOCK_TEAM)


def team_outside(user: str) -> str:
    """The team of `cli:NAME`, `hook:NAME` and `schedule:NAME`; empty for a Slack user id."""
    return next((team for team in OUTSIDE if user.startswith(f"{team}:")), "")


class Actor(Value):
    """Who asks: a person of a workspace, with what the bot knew of them when they asked."""

    team: str
    user: str
    name: str
    usergroups: tuple[str, ...] = Field(default=(), description="Slack user group ids")
    groups_at: float = Field(
        default=0.0,
        description="when Slack last said so, seconds since the epoch; 0 if no group was asked for",
    )
    author: str = Field(default="", description="of a hook: team/user of the person in whose name it asks")

    @property
    def key(self) -> str:
        """Names the actor in indexes."""
        return f"{self.team}/{self.user}"

    @property
    def in_slack(self) -> bool:
        """Whether it is a person of the workspace: only they vote, and only they are in user groups."""
        return self.team not in OUTSIDE

    @property
    def person(self) -> str:
        """The user to tell: of a hook, the person in whose name it asks."""
        return self.author.rpartition("/")[2] or self.user

    def asks_for(self, other: Actor) -> bool:
        """Whether what this actor asks for is that person's own: they asked, or a hook did in their name."""
        return other.key in (self.key, self.author)


class Reply(Value):
    """Where the answer goes."""

    channel: str
    thread: str = ""
    private: bool = Field(description="only the asker may see it")
    direct: bool = Field(default=False, description="the channel is a direct message with the bot")


class Purpose(StrEnum):
    """What is wanted of an operation."""

    PERFORM = "perform"
    PLAN = "plan"  # resolve, decide and show the plan, change nothing
    EXPLAIN = "explain"  # resolve and decide, say what would be decided, change nothing


class Request(Value):
    """One person asking for one operation with checked parameters. Signed by the bot that accepted it."""

    version: Literal[1] = 1
    id: str
    instance: str
    purpose: Purpose = Purpose.PERFORM
    operation: str
    params: dict[str, JsonValue]
    site: str | None = None
    pool: str | None = Field(
        default=None, description="all sites of this pool: named by --pool, or by what the command is about"
    )
    confirmed: bool = Field(default=False, description="asked with --yes: several targets need no button")
    wait: bool = Field(default=False, description="asked with --wait: wait for a person's lock to end")
    emergency: str = Field(default="", description="asked with --break-glass: the reason")
    reason: str = Field(default="", description="why, as a hook said it")
    link: str = Field(default="", description="a page that says more, as a hook said it: the run of its CI")
    about: Actor | None = Field(default=None, description="can-i --as: whose right is asked about")
    command: str = Field(description="the canonical command text, for people")
    usage: str = Field(default="", description="how the operation is typed, for who named what is not there")
    actor: Actor
    channel: str = Field(description="where it was asked; policy judges it")
    reply: Reply
    accepted_at: float = Field(description="seconds since the epoch")
    not_after: float = Field(description="no change starts later than this, whoever rings")
    due: float = Field(default=0.0, description="asked by the clock: the time that it was asked for")


class Word(StrEnum):
    """What a person said to a plan."""

    GO_AHEAD = "go_ahead"  # the asker's own, to what they asked for
    APPROVE = "approve"  # somebody else's
    GO_ON = "go_on"  # to a paused request
    ROLL_BACK = "roll_back"  # to a paused request


class Vote(Value):
    """A person's word on one plan. Signed by the bot that took it."""

    version: Literal[1] = 1
    instance: str
    request: str
    plan: str = Field(description="the plan's digest that the person saw")
    word: Word = Word.GO_AHEAD
    actor: Actor = Field(description="with the user groups at the time of the vote")
    at: float = Field(description="seconds since the epoch")
    reason: str = ""
    typed: str = Field(default="", description="the name that was typed again before something is destroyed")
    question: str = Field(default="", description="which question of a paused request it answers")


class Notice(Value):
    """Words for a channel or a person that no request's message says. Signed by the process that says it."""

    kept = frozenset({"id", "instance", "channel", "user"})
    version: Literal[1] = 1
    id: str = Field(pattern=r"^[a-z0-9]{1,40}$", description="the same words twice have the same id")
    instance: str
    channel: str = Field(default="", description="channel id; empty when a person is told directly")
    user: str = Field(default="", description="Slack user id of whom to tell by direct message")
    text: str = Field(description="Slack markup, made by `andock.rendering`")
    at: float = Field(description="seconds since the epoch")


class Progress(Value):
    """How far a running request is."""

    done: int
    total: int
    text: str = ""
    percent: int | None = Field(default=None, ge=0, le=100, description="of the step under way")
    board: tuple[tuple[str, str], ...] = Field(default=(), description="each target and its state in a word")
    so_far: Outcome | None = Field(default=None, description="what a read that goes on has found already")


class Succeeded(Value):
    """The operation ended as asked."""

    status: Literal["succeeded"] = "succeeded"
    outcome: Outcome


class Failed(Value):
    """It did not; `changed` says what it had done before."""

    status: Literal["failed"] = "failed"
    code: str
    sentence: str
    changed: Changed
    retryable: bool = False
    rule: str = ""
    mendable: bool = Field(
        default=False, description="the asker can mend it, and is told alone if nobody saw it"
    )
    outcome: Outcome | None = Field(default=None, description="per-target results, where there were any")

    @classmethod
    def of(cls, error: OpsError, outcome: Outcome | None = None) -> Failed:
        """The failure that an error of ours is."""
        return cls(
            code=error.code,
            sentence=error.sentence,
            changed=error.changed,
            retryable=error.retryable,
            rule=getattr(error, "rule", ""),
            mendable=isinstance(error, UserError),
            outcome=outcome,
        )


Result: TypeAlias = Annotated[Succeeded | Failed, Field(discriminator="status")]


class State(StrEnum):
    """Where a request is. The last four are ends and never left again."""

    ACCEPTED = "accepted"  # a doorbell was or will be rung
    RUNNING = "running"  # an attempt holds its lease
    CONFIRMING = "confirming"  # parked with its plan, waits for a person's Go ahead
    APPROVING = "approving"  # parked with its plan, waits for other people's votes
    PAUSED = "paused"  # parked halfway, a person says whether to go on or to put everything back
    WAITING = "waiting"  # parked, another request holds a target
    HELD = "held"  # parked by `halt`
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """Whether the request is at its end."""
        return self in ENDED


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})


def make_request_id() -> str:
    """A new request's id: short enough to read out, and of RQ's alphabet for job ids."""
    number = secrets.randbelow(len(_ID_SIGNS) ** _ID_LENGTH)  # drawn at once: the kernel is asked each time
    signs = []
    for _ in range(_ID_LENGTH):
        number, place = divmod(number, len(_ID_SIGNS))
        signs.append(_ID_SIGNS[place])
    return "r" + "".join(signs)
