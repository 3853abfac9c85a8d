"""Who is in the user groups that policy names: signed snapshots in Redis of what Slack said last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import structlog
from pydantic import Field

from andock.errors import SignatureError
from andock.ledger import Ledger
from andock.messages import Actor, team_outside
from andock.operation import Value
from andock.rulebook import Policy
from andock.shelf import Tell
from andock.signing import Signer, Verifier

log = structlog.get_logger()
KEPT = 7 * 86_400  # seconds; break-glass is decided on what was last known, however old
ASKED = 20_000  # ms in which whoever asks Slack about a group is left alone with it


class Membership(Value):
    """Who is in one user group. Signed by the bot that asked Slack."""

    version: Literal[1] = 1
    instance: str
    group: str = Field(description="Slack user group id")
    members: frozenset[str] = Field(description="Slack user ids")
    at: float = Field(description="when Slack said so, seconds since the epoch")


@dataclass(frozen=True)
class Memberships:
    """All that is known of some user groups."""

    known: Mapping[str, Membership]
    unknown: tuple[str, ...] = ()  # groups of which there is no snapshot

    @property
    def at(self) -> float:
        """When Slack said the oldest of it, seconds since the epoch; 0 if nothing is known of a group."""
        if self.unknown:
            return 0.0
        return min((membership.at for membership in self.known.values()), default=0.0)

    def groups_of(self, user: str) -> tuple[str, ...]:
        """The user groups that somebody is in, as far as is known."""
        return tuple(group for group, known in self.known.items() if user in known.members)

    def actor(self, actor: Actor) -> Actor:
        """The actor with their groups as they are known here; who does not ask in Slack is in none."""
        if not actor.in_slack:
            return actor
        return actor.model_copy(update={"usergroups": self.groups_of(actor.user), "groups_at": self.at})


@dataclass(frozen=True)
class Roster:
    """The snapshots as they lie in Redis. Raises redis' own errors when Redis is away."""

    ledger: Ledger
    verifier: Verifier
    tell: Tell

    def read(self, groups: Sequence[str]) -> Memberships:
        """What is known of these groups; a snapshot that no bot of ours signed counts as none."""
        if not groups:
            return Memberships({})
        keys = [self._key(group) for group in groups]
        sealed = cast("list[bytes | None]", self.ledger.redis.mget(keys))
        opened = {group: self._open(group, body) for group, body in zip(groups, sealed, strict=True)}
        known = {group: membership for group, membership in opened.items() if membership is not None}
        return Memberships(known, tuple(group for group in groups if group not in known))

    def know(self, actor: Actor, groups: Sequence[str]) -> Actor:
        """The actor with what is known of their groups now, unless less is known than when they asked."""
        known = self.read(groups)
        return known.actor(actor) if known.at >= actor.groups_at else actor

    def people_of(self, policy: Policy, groups: Sequence[str]) -> tuple[str, ...]:
        """Slack user ids of everybody in these groups of the policy, as far as is known."""
        named = [policy.groups[name] for name in groups]
        known = self.read(sorted({one for group in named for one in group.usergroups})).known
        people: list[str] = []
        for group in named:
            people += sorted(user for user in group.users if not team_outside(user))
            for usergroup in sorted(group.usergroups & known.keys()):
                people += sorted(known[usergroup].members)
        return tuple(dict.fromkeys(people))

    def write(self, membership: Membership, signer: Signer) -> None:
        """Let everybody know who is in a group."""
        self.ledger.redis.set(self._key(membership.group), signer.sign(membership), ex=KEPT)

    def reserve(self, group: str) -> bool:
        """Whether the caller is the one to ask Slack about a group now; another bot may be at it."""
        key = self.ledger.key("members", group, "asking")
        return bool(self.ledger.redis.set(key, "1", px=ASKED, nx=True))

    def _key(self, group: str) -> str:
        return self.ledger.key("members", group)

    def _open(self, group: str, sealed: bytes | None) -> Membership | None:
        if sealed is None:
            return None
        try:
            opened = self.verifier.open(sealed, Membership, by="bot")
        except SignatureError as error:
            log.warning("forged_membership_not_believed", group=group)
            self.tell(error.sentence, sealed)
            return None
        if opened.group != group or self.ledger.prefix != f"andock:{opened.instance}:":
            log.warning("moved_membership_not_believed", group=group)
            self.tell("it was moved from another place", sealed)
            return None
        return opened
