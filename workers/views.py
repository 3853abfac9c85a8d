"""What of a request a message shows."""

from __future__ import annotations

from andock.entries import Entry
from andock.messages import Failed, Request, State
from andock.operation import Plan
from andock.rendering.request import ApprovalView, FailureView, ProgressView, RequestView


def view_of(entry: Entry, request: Request, plan: Plan | None) -> RequestView:
    """What a request's message shows of it, and of its plan."""
    result, progress = entry.result, entry.progress
    failure = None
    if isinstance(result, Failed):
        failure = FailureView(result.code, result.sentence, result.changed, result.rule)
    return RequestView(
        id=entry.id,
        command=request.command,
        user=request.actor.user,
        author=request.actor.author.rpartition("/")[2],
        reason=request.reason,
        link=request.link,
        usage=request.usage,
        state=entry.state.value,
        attempt=entry.attempt,
        plan=plan,
        progress=ProgressView(progress.done, progress.total, progress.text, progress.percent, progress.board)
        if progress
        else None,
        outcome=result.outcome if result is not None else progress.so_far if progress else None,
        failure=failure,
        holder=entry.holder,
        private=request.reply.private,
        asked_at=entry.accepted,
        due=request.due,
        finished_at=entry.ended,
        answer_by=entry.answer_by,
        phrase=entry.phrase,
        approval=_approval_view(entry),
        mentions=entry.approval.people if entry.approval and entry.state is State.APPROVING else (),
        cancelled_by=entry.cancelled_by,
    )


def _approval_view(entry: Entry) -> ApprovalView | None:
    if entry.approval is None:
        return None
    given = tuple(voter.rpartition("/")[2] for voter in sorted(entry.votes))
    return ApprovalView(entry.approval.needed, entry.approval.rule, given, entry.approval.as_of)
