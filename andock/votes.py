"""People's words on a request: votes on the plan that waits for them, and reviews of what needed none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from andock.entries import read_ids
from andock.ledger import RING_AGAIN, Ledger
from andock.messages import State, Vote


class Counted(Enum):
    """What a person's word came to, when it did not open an attempt."""

    NOT_ASKED = 0  # any more
    OTHER_PLAN = -1
    TOO_LATE = -2
    VOTED_BEFORE = -3
    MORE_NEEDED = -4


@dataclass(frozen=True, slots=True)
class Ballot:
    """How a vote is counted."""

    state: State  # in which the request asks for it
    gives: str  # numbers of the needs that it counts for, `0,2`
    counts: str  # how many votes each need takes, `2,1,1`
    record: bytes
    messages: tuple[str, ...] = ()  # that are due once it is counted


class Votes:
    """All of one installation. Who acts on them checks their signatures; this only counts them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._redis = ledger.redis
        self._open = ledger.key("open")
        self._reviews = ledger.key("reviews")

    def count(self, vote: Vote, sealed: bytes, ballot: Ballot) -> Counted | int:
        """Take a person's word on a plan: the new attempt's number once it is enough, or what it came to."""
        keys = [self._request(vote.request), self._open, self._ledger.outbox, self._ledger.audit]
        args = (
            vote.request, ballot.state.value, vote.plan, vote.actor.key, sealed, RING_AGAIN, ballot.gives,
            ballot.counts, ballot.record, *ballot.messages,
        )  # fmt: skip
        answer = int(self._ledger.scripts.run("vote", keys, *args))
        return answer if answer > 0 else Counted(answer)

    def answer(self, answer: Vote, sealed: bytes, record: bytes, message: str) -> int:
        """Take a person's answer to a paused request: the new attempt's number, or 0 if it is not asked."""
        keys = [self._request(answer.request), self._open, self._ledger.outbox, self._ledger.audit]
        args = (answer.request, answer.question, sealed, RING_AGAIN, record, message)
        return int(self._ledger.scripts.run("answer", keys, *args))

    def drop(self, request: str, voters: Iterable[str]) -> None:
        """Forget votes that do not count any more; for the attempt that owns the request."""
        fields = [f"{kind}:{voter}" for voter in voters for kind in ("vote", "for")]
        if fields:
            self._redis.hdel(self._request(request), *fields)

    def start_clock(self, request: str, seconds: float, message: str) -> bool:
        """The question stands in Slack: its time to be answered runs from now; whether it did not before."""
        keys = [self._request(request), self._open, self._ledger.outbox]
        return bool(self._ledger.scripts.run("clock", keys, request, seconds, message))

    def begin_reminders(self, requests: Sequence[str]) -> tuple[str, ...]:
        """Those of them that people are to be reminded of now: once a request."""
        pipe = self._redis.pipeline(transaction=False)
        for request in requests:
            pipe.hsetnx(self._request(request), "reminded", "1")
        return tuple(request for request, new in zip(requests, pipe.execute(), strict=True) if new)

    def ask_review(self, request: str, by: float) -> None:
        """Somebody has to look at this request until then (seconds since the epoch)."""
        self._redis.zadd(self._reviews, {request: by})

    def end_review(self, request: str) -> bool:
        """Somebody has looked at it; whether that was still asked for."""
        return bool(self._redis.zrem(self._reviews, request))

    def overdue_reviews(self) -> tuple[str, ...]:
        """Requests that nobody has looked at in time."""
        return read_ids(self._redis.zrangebyscore(self._reviews, "-inf", time.time()))

    def _request(self, request: str) -> str:
        return self._ledger.key("request", request)
