"""What a person says to a request that waits for them: the buttons' words, for phones and screen readers."""

from __future__ import annotations

from pydantic import Field

from andock.operation import Desk, DeskOperation, Outcome, Params, Risk

_ID = "The request's id, as its message shows it."


class VoteParams(Params):
    """What `request approve`, `deny`, `go-on` and `roll-back` take."""

    id: str = Field(min_length=1, max_length=40, description=_ID)
    reason: str = Field(default="", max_length=300, description="Why; everybody reads it.")


class WithdrawParams(Params):
    """What `request withdraw` takes."""

    id: str = Field(min_length=1, max_length=40, description=_ID)


class ReviewParams(Params):
    """What `request review` takes."""

    id: str = Field(min_length=1, max_length=40, description=_ID)
    note: str = Field(default="", max_length=300, description="What was found; it is recorded.")


def approve(params: VoteParams, desk: Desk) -> Outcome:
    """One vote for the plan as it is shown now; see `andock.ports.votes.Votes`."""
    return Outcome(summary=desk.votes.approve(params.id, params.reason))


def deny(params: VoteParams, desk: Desk) -> Outcome:
    """One No ends it."""
    return Outcome(summary=desk.votes.deny(params.id, params.reason))


def withdraw(params: WithdrawParams, desk: Desk) -> Outcome:
    """The asker's own request, while nothing of it has begun."""
    return Outcome(summary=desk.votes.withdraw(params.id))


def review(params: ReviewParams, desk: Desk) -> Outcome:
    """Says that somebody looked at a break-glass."""
    return Outcome(summary=desk.votes.review(params.id, params.note))


def go_on(params: VoteParams, desk: Desk) -> Outcome:
    """What failed stays as it was put back; the rest is changed."""
    return Outcome(summary=desk.votes.go_on(params.id, params.reason))


def roll_back(params: VoteParams, desk: Desk) -> Outcome:
    """All that was changed so far is put back."""
    return Outcome(summary=desk.votes.roll_back(params.id, params.reason))


# Their risk is read: whose word counts is the approval's own rule to say, not that of a rule about changes.
REQUEST_APPROVE = DeskOperation(
    name="request approve",
    summary="Agree to a plan that waits for approval.",
    params=VoteParams,
    risk=Risk.READ,
    run=approve,
    examples=("request approve rk3mp8d2qxvw", 'request approve rk3mp8d2qxvw --reason "seen with the DBA"'),
)

REQUEST_DENY = DeskOperation(
    name="request deny",
    summary="Say No to a plan that waits for approval; it ends there.",
    params=VoteParams,
    risk=Risk.READ,
    run=deny,
    examples=('request deny rk3mp8d2qxvw --reason "not during the backup"',),
)

REQUEST_WITHDRAW = DeskOperation(
    name="request withdraw",
    summary="Take your own request back while nothing of it has begun.",
    params=WithdrawParams,
    risk=Risk.READ,
    run=withdraw,
    examples=("request withdraw rk3mp8d2qxvw",),
)

REQUEST_REVIEW = DeskOperation(
    name="request review",
    summary="Say that you have looked at what somebody did by breaking the glass.",
    params=ReviewParams,
    risk=Risk.READ,
    run=review,
    examples=('request review rk3mp8d2qxvw --note "right thing to do"',),
)

# These two change things, so policy says who may.
REQUEST_GO_ON = DeskOperation(
    name="request go-on",
    summary="Let a request that was stopped halfway go on with what is left.",
    params=VoteParams,
    risk=Risk.CHANGE,
    run=go_on,
    examples=("request go-on rk3mp8d2qxvw",),
)

REQUEST_ROLL_BACK = DeskOperation(
    name="request roll-back",
    summary="Let a request that was stopped halfway put back what it changed.",
    params=VoteParams,
    risk=Risk.CHANGE,
    run=roll_back,
    examples=('request roll-back rk3mp8d2qxvw --reason "errors in the log"',),
)
