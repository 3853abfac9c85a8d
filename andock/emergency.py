"""Break-glass: a change that goes ahead without its approvals, told to people and put up for review."""

from __future__ import annotations

import time

from andock.audit import Event, record_of
from andock.means import Means
from andock.messages import Notice, Request
from andock.operation import Plan
from andock.policy import BreakGlass
from andock.rendering.notices import broke_glass


def break_glass(means: Means, request: Request, plan: Plan, rule: str, glass: BreakGlass, as_of: str) -> None:
    """Record it, tell whom the rule names, and ask for a review; before anything is touched.

    `as_of` says how old the memberships are that let the asker do it, if they are too old.
    """
    why = f"{request.emergency} ({as_of})" if as_of else request.emergency
    means.journal.write(
        record_of(request, Event.BROKE_GLASS, plan=plan, rule=rule, result="allowed", text=why)
    )
    review_by = time.time() + glass.review.total_seconds()
    means.votes.ask_review(request.id, review_by)
    text = broke_glass(request, rule, review_by, as_of)
    groups = [name for name in glass.tell if name in means.policy.groups]
    told = [(name, "") for name in glass.tell if name not in groups]
    told += [
        ("", user) for user in means.roster.people_of(means.policy, groups) if user != request.actor.user
    ]
    for number, (channel, user) in enumerate(told):
        notice = Notice(
            id=f"{request.id}glass{number}",
            instance=means.instance,
            channel=channel,
            user=user,
            text=text,
            at=time.time(),
        )
        means.outbox.tell(notice, means.journal.signer)
