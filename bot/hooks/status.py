"""How a request is, in the words of GitHub's deployment statuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias, assert_never

from andock.entries import Entry, Post
from andock.errors import Changed
from andock.messages import Failed, Request, State, Succeeded, Vote
from andock.operation import Plan, Value

NO_CHANGE = "no_change"  # code of the failure that says it is there already: what a CI wants on a rerun
LONGEST = 140  # characters of a description, as GitHub takes them

DeploymentState: TypeAlias = Literal[
    "pending", "queued", "in_progress", "success", "failure", "error", "inactive"
]


class ApprovalCount(Value):
    """How many people have agreed, of how many."""

    given: int
    needed: int


class DeploymentStatus(Value):
    """What `GET /hooks/deploy/REQUEST` says; names and states are those of GitHub's deployment statuses."""

    request: str
    state: DeploymentState
    description: str
    environment: str
    log_url: str
    target_url: str
    created_at: datetime
    updated_at: datetime
    approvals: ApprovalCount
    changed: Changed | None = None  # of what failed: what it had done before


def describe(
    entry: Entry, request: Request, plan: Plan | None, votes: Sequence[Vote], workspace: str
) -> DeploymentStatus:
    """The status of a request; `votes` are on its plan, `workspace` is the address of the voters' Slack."""
    link = _permalink(workspace, entry.posts.get("main"))
    result = entry.result
    return DeploymentStatus(
        request=entry.id,
        state=_state(entry),
        description=_cut(_description(entry)),
        environment=_environment(plan, request),
        log_url=link,
        target_url=link,
        created_at=_moment(entry.accepted),
        updated_at=_moment(
            max([entry.accepted, *(vote.at for vote in votes), entry.seen, entry.ended or 0.0])
        ),
        approvals=_approvals(entry),
        changed=result.changed if isinstance(result, Failed) else None,
    )


def _state(entry: Entry) -> DeploymentState:
    match entry.state:
        case State.ACCEPTED | State.WAITING | State.HELD:
            return "queued"
        case State.CONFIRMING | State.APPROVING | State.PAUSED:
            return "pending"
        case State.RUNNING:
            return "in_progress"
        case State.SUCCEEDED:
            return "success"
        case State.FAILED | State.CANCELLED | State.EXPIRED:
            return _end(entry)
        case _:
            assert_never(entry.state)


def _end(entry: Entry) -> DeploymentState:
    """`error` where Andock could not do it or cannot tell; `inactive` what nobody wants any more."""
    result = entry.result
    if isinstance(result, Failed) and result.code == NO_CHANGE:
        return "success"
    if not isinstance(result, Failed) or result.changed is Changed.UNKNOWN:
        return "error"
    if result.changed is Changed.NOTHING and result.code in ("cancelled", "expired"):
        return "inactive"
    return "error" if result.retryable and not result.mendable else "failure"


def _description(entry: Entry) -> str:
    match entry.result:
        case Succeeded(outcome=outcome):
            return outcome.summary
        case Failed(sentence=sentence):
            return sentence
    approval, progress = entry.approval, entry.progress
    match entry.state:
        case State.APPROVING if approval is not None:
            return f"Waits for {approval.needed} in Slack; given: {len(entry.votes)}."
        case State.CONFIRMING:
            return "Waits for the author's Go ahead in Slack."
        case State.WAITING:
            return f"Waits for {entry.holder}."
        case State.PAUSED:
            return "Stopped halfway. Somebody says in Slack whether to go on or to roll back."
        case State.HELD:
            return f"Held by a halt: {entry.holder}."
        case State.RUNNING if progress is not None and progress.total:
            return f"Step {min(progress.done + 1, progress.total)} of {progress.total}: {progress.text}"
        case _:
            return "A worker has it." if entry.state is State.RUNNING else "A worker takes it next."


def _approvals(entry: Entry) -> ApprovalCount:
    if entry.approval is None:
        return ApprovalCount(given=0, needed=0)
    return ApprovalCount(given=len(entry.votes), needed=sum(need.count for need in entry.approval.needs))


def _environment(plan: Plan | None, request: Request) -> str:
    """What was asked for; of an operation without this parameter, where its targets are."""
    targets = plan.targets if plan is not None else ()
    return str(request.params.get("environment") or next((target.environment for target in targets), ""))


def _permalink(workspace: str, post: Post | None) -> str:
    """The message in Slack, as `chat.getPermalink` names it; empty until it stands there."""
    if post is None:
        return ""
    return f"{workspace.rstrip('/')}/archives/{post.channel}/p{post.ts.replace('.', '')}"


def _cut(sentence: str) -> str:
    """One line without markup, short enough for GitHub."""
    line = " ".join(sentence.replace("`", "").replace("*", "").split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)
