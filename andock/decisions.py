"""What policy can decide about a request, and what it may ask for before the request goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from pydantic import Field

from andock.durations import Duration
from andock.operation import Value


class Approvals(Value):
    """How many people of which groups must agree, within what time."""

    count: int = Field(ge=1, le=10)
    from_: tuple[str, ...] = Field(alias="from", min_length=1, description="groups")
    within: Duration = timedelta(minutes=15)
    requester: bool = Field(default=False, description="whether the asker's own approval counts")


class BreakGlass(Value):
    """Who may go ahead at once for a reason, who is told of it, and when somebody must have looked at it."""

    to: tuple[str, ...] = Field(min_length=1, description="groups")
    tell: tuple[str, ...] = Field(min_length=1, description="groups, whose people are told, and channel ids")
    review: Duration = Field(default=timedelta(hours=24), description="within which it must be looked at")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Go on; with `confirm`, after the asker's Go ahead; with `emergency`, without the approvals it needs."""

    rule: str
    confirm: bool = False
    emergency: BreakGlass | None = None
    as_of: float | None = None  # when Slack last said who is in the user groups, if that was too long ago


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """Others must agree first: every one of `needs` is to be met.

    `break_glass` is there when the asker's belonging to its groups would do instead. Of several rules it
    names the groups of all, and whoever breaks the glass must be in a group of each: ask `decide`.
    """

    rule: str
    needs: tuple[Approvals, ...]
    break_glass: BreakGlass | None = None
    as_of: float | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """No; `reason` is a clause without a full stop."""

    rule: str
    reason: str
    as_of: float | None = None


Decision: TypeAlias = Allowed | NeedsApproval | Denied
