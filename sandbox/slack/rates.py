"""How often the app may call: Slack's tiers, and about one message a second into a channel."""

import math
import time
from dataclasses import dataclass

from sandbox.slack.wire import RateLimitedError

# Calls a minute. A bucket holds one minute's worth unless told otherwise: Slack promises "50+ a minute",
# not an even spread. Messages are special: about one a second in each channel, with short bursts, and a
# cap of several hundred a minute over the workspace.
TIER_2, TIER_3, TIER_4 = 20, 50, 100
CHANNEL_KEY = "chat.postMessage:channel"
WORKSPACE_KEY = "chat.postMessage:workspace"
HOOK_KEY = "response_url"


@dataclass(frozen=True)
class Limit:
    """`per_minute` calls on average, `burst` of them at once."""

    per_minute: float
    burst: int


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Rates:
    """Token buckets by method (and channel); `enabled` turns all of them off, for load tests."""

    def __init__(self) -> None:
        """Slack's limits."""
        self.enabled = True
        self.limits: dict[str, Limit] = {
            CHANNEL_KEY: Limit(60, 5),
            WORKSPACE_KEY: Limit(300, 300),
            HOOK_KEY: Limit(60, 5),
        }
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def declare(self, key: str, per_minute: float) -> None:
        """A method's tier; keeps a limit that somebody set before."""
        self.limits.setdefault(key, Limit(per_minute, int(per_minute)))

    def set(self, key: str, per_minute: float, burst: int) -> None:
        """Another limit for one key; its buckets start full."""
        self.limits[key] = Limit(per_minute, burst)
        self._buckets = {bucket: value for bucket, value in self._buckets.items() if bucket[0] != key}

    def reset(self) -> None:
        """Fill every bucket."""
        self._buckets.clear()

    def spend(self, key: str, part: str = "") -> None:
        """Take one call out of the bucket.

        Raises:
            RateLimitedError: the bucket is empty; nothing was taken.
        """
        limit = self.limits.get(key)
        if limit is None or not self.enabled:
            return
        now = time.monotonic()
        bucket = self._buckets.setdefault((key, part), _Bucket(limit.burst, now))
        rate = limit.per_minute / 60
        bucket.tokens = min(limit.burst, bucket.tokens + (now - bucket.filled_at) * rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            raise RateLimitedError(max(1, math.ceil((1 - bucket.tokens) / rate)))
        bucket.tokens -= 1
