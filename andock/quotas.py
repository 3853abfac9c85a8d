"""How many commands a minute are taken from one person, one hook and in one channel, over all bots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andock.ledger import Ledger
from andock.messages import Actor
from andock.refusals import TooManyCommandsError
from andock.rulebook import Limits


@dataclass(frozen=True)
class Quotas:
    """Buckets in Redis. Raises redis' own errors when Redis is away."""

    ledger: Ledger

    def charge(self, limits: Limits, actor: Actor, channel: str, dedupe: str) -> None:
        """Count one command; the same `dedupe` again costs nothing once it was accepted.

        Raises:
            TooManyCommandsError: the person or the channel has no more this minute; nothing was counted.
        """
        wanted = [
            ("you have", ("user", actor.key), limits.user.per_minute),
            ("this channel has", ("channel", channel), limits.channel.per_minute),
        ]
        self._charge([(whose, key, most) for whose, key, most in wanted if most is not None], dedupe)

    def charge_hook(self, hook: str, per_minute: int, dedupe: str) -> None:
        """Count one command of a hook; otherwise as `charge`."""
        self._charge([(f"hook `{hook}` has", ("hook", hook), per_minute)], dedupe)

    def _charge(self, limited: Sequence[tuple[str, tuple[str, str], int]], dedupe: str) -> None:
        if not limited:
            return
        keys = [self.ledger.key("seen", dedupe)]
        keys += [self.ledger.key("quota", kind, name) for _, (kind, name), _ in limited]
        empty, wait = self.ledger.scripts.run("limit", keys, *(most for _, _, most in limited))
        if empty:
            whose, _, most = limited[int(empty) - 1]
            raise TooManyCommandsError(whose, most, int(wait) / 1000)
