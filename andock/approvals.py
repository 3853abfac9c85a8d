"""Who may agree to a plan, and whether enough people have: pure decisions over votes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import Field

from andock.messages import Actor, Vote, Word
from andock.operation import Value
from andock.policy import Approvals, NeedsApproval, Policy

FRESH = 900.0  # seconds; who was in a user group longer ago than this cannot vote on that ground


class Need(Value):
    """One thing that is asked for: so many people of these groups."""

    count: int
    groups: tuple[str, ...]
    requester: bool = Field(default=False, description="whether the asker's own approval counts")
    people: tuple[str, ...] = Field(default=(), description="Slack user ids that could give it when asked")

    @classmethod
    def of(cls, asked: Approvals, people: Sequence[str] = ()) -> Need:
        """The need that a rule's approvals are."""
        return cls(count=asked.count, groups=asked.from_, requester=asked.requester, people=tuple(people))


class Approval(Value):
    """What others must agree to before a plan is done; put to them with the plan."""

    rule: str
    needs: tuple[Need, ...]
    within: float = Field(description="seconds from the message that asks")
    as_of: str = Field(
        default="", description="how old the memberships are that it was decided on, if too old"
    )

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who could give one of them."""
        return tuple(dict.fromkeys(person for need in self.needs for person in need.people))

    @property
    def needed(self) -> str:
        """`2 approvals from leads`."""
        return describe(self.needs)

    @property
    def counts(self) -> str:
        """How many votes each need takes, for the script that counts: `2,1`."""
        return ",".join(str(need.count) for need in self.needs)


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A vote that does not count any more, or never did."""

    voter: str
    why: str


def describe(needs: Iterable[Need]) -> str:
    """`2 approvals from leads and 1 approval from dba`."""
    return " and ".join(
        f"{need.count} approval{'s' * (need.count != 1)} from {' or '.join(need.groups)}" for need in needs
    )


def put_together(decision: NeedsApproval, people: Sequence[Sequence[str]], as_of: str = "") -> Approval:
    """What is asked for, with the people who could give each of the needs."""
    return Approval(
        rule=decision.rule,
        needs=tuple(Need.of(need, able) for need, able in zip(decision.needs, people, strict=True)),
        within=min(need.within for need in decision.needs).total_seconds(),
        as_of=as_of,
    )


def needs_given_by(
    policy: Policy, needs: Sequence[Need], voter: Actor, asker: Actor, now: float
) -> tuple[int, ...]:
    """Numbers of the needs that this person's approval counts for; empty: it counts for nothing.

    A user group counts only while it is known to be so. People on the host, hooks and the clock never do,
    and neither does the person in whose name a hook asks, whatever a rule says of requesters.
    """
    if not voter.in_slack or voter.key == asker.author:
        return ()
    known = voter if now - voter.groups_at <= FRESH else voter.model_copy(update={"usergroups": ()})
    return tuple(
        number
        for number, need in enumerate(needs)
        if (need.requester or voter.key != asker.key)
        and any(group in policy.groups and policy.groups[group].holds(known) for group in need.groups)
    )


def is_met(needs: Sequence[Need], given: Iterable[tuple[int, ...]]) -> bool:
    """Whether the votes, each with the needs that it counts for, are enough for all needs."""
    got = [0] * len(needs)
    for numbers in given:
        for number in numbers:
            got[number] += 1
    return all(got[number] >= need.count for number, need in enumerate(needs))


def sort_votes(
    policy: Policy,
    needs: Sequence[Need],
    votes: Sequence[tuple[Vote, Actor]],
    *,
    asker: Actor,
    plan: str,
    now: float,
    latest: float,
) -> tuple[tuple[tuple[Vote, tuple[int, ...]], ...], tuple[Lapsed, ...]]:
    """The votes that count, each with its needs, and those that do not, each with the reason.

    Args:
        policy: as it is now.
        needs: what is to be met.
        votes: each with its voter as groups are known now.
        asker: whose own vote counts only where a rule says so.
        plan: digest of the plan that would be done now.
        now: seconds since the epoch.
        latest: when the last vote that can count was given.
    """
    counted = []
    lapsed = []
    for vote, voter in votes:
        then = needs_given_by(policy, needs, vote.actor, asker, vote.at)
        still = needs_given_by(policy, needs, voter, asker, now)
        both = tuple(number for number in then if number in still)
        if vote.word is not Word.APPROVE or vote.plan != plan:
            lapsed.append(Lapsed(vote.actor.key, "it was given to another plan"))
        elif vote.at > latest:
            lapsed.append(Lapsed(vote.actor.key, "it came too late"))
        elif not both:
            lapsed.append(Lapsed(vote.actor.key, f"{vote.actor.name} is no longer one of those who may"))
        else:
            counted.append((vote, both))
    return tuple(counted), tuple(lapsed)
