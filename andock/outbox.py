"""The durable list of messages that are due in Slack. A member is `<request>` or `<request>|<kind>`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import structlog
from redis import Redis

from andock.cleaning import clean
from andock.entries import Post
from andock.errors import SignatureError
from andock.ledger import Ledger
from andock.messages import Notice
from andock.signing import SIGNERS, Signer, Verifier

log = structlog.get_logger()
NOTICE = "notice"  # the kind of a message that belongs to no request
APPROVER = "approver"  # the kind of a direct message that asks for an approval, before the person's id
REMINDER = "reminder"
MIRROR = "mirror"  # the kind of a message that tells another channel the same, before that channel
NOTICE_KEPT = 7 * 86_400  # seconds; a workspace that is away for longer has other sorrows
POST_KEPT = 30 * 86_400  # seconds that it is known where a notice stands
_MEMBER = re.compile(rb"^[a-z0-9]+\|[A-Za-z0-9:#_-]+\Z")
CLAIM = 30_000  # ms that a courier may take for one message


@dataclass(frozen=True, slots=True)
class Due:
    """A message that a courier holds: which request, and which of its messages."""

    request: str
    kind: str

    @property
    def member(self) -> str:
        """As it lies in Redis."""
        return f"{self.request}|{self.kind}"


class Outbox:
    """Messages go out at least once; what is posted is the state as it is then, so progress coalesces."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._redis: Redis = ledger.redis
        self._due = ledger.outbox
        self._claimed = ledger.key("outbox", "claimed")

    def take(self, limit: int) -> tuple[Due, ...]:
        """Claim due messages for 30 s, results first; a claim that lapsed is taken over."""
        taken = cast(
            "list[bytes]", self._ledger.scripts.run("take", [self._due, self._claimed], limit, CLAIM)
        )
        for member in taken:
            if not _MEMBER.match(member):
                self._redis.zrem(self._claimed, member)  # nobody of us wrote that
        return tuple(Due(*member.decode().split("|", 1)) for member in taken if _MEMBER.match(member))

    def done(self, due: Due) -> None:
        """The message shows the state as it was read; if that moved on meanwhile, it is due again already."""
        self._redis.zrem(self._claimed, due.member)

    def again(self, due: Due, delay: int) -> None:
        """Give a message back; it is due `delay` ms from now."""
        pipe = self._redis.pipeline()
        pipe.zadd(self._due, {due.member: time.time() * 1000 + delay}, nx=True)
        pipe.zrem(self._claimed, due.member)
        pipe.execute()

    def remind(self, requests: Iterable[str]) -> None:
        """Let the approvers of these be reminded now."""
        now = time.time() * 1000
        due = {Due(request, REMINDER).member: now for request in requests}
        if due:
            self._redis.zadd(self._due, due, nx=True)

    def begin_post(self, due: Due) -> int:
        """Count a try to post a message of a request; more than one: an earlier one may have arrived."""
        return int(self._redis.hincrby(self._ledger.key("request", due.request), f"tries:{due.kind}", 1))

    def record_post(self, due: Due, post: Post) -> None:
        """Remember where a request's message stands."""
        place = self._ledger.key("request", due.request)
        self._redis.hset(place, f"post:{due.kind}", post.model_dump_json())

    def tell(self, notice: Notice, signer: Signer) -> bool:
        """Let a notice go out; False when one with this id went out or is due already."""
        key = self._ledger.key(NOTICE, notice.id)
        sealed = signer.sign(clean(notice, self._ledger.redactor))
        if not self._redis.set(key, sealed, ex=NOTICE_KEPT, nx=True):
            return False
        self._ring(notice)
        return True

    def edit(self, notice: Notice, signer: Signer) -> None:
        """Let the notice with this id say something else by now, whether it was said already or not."""
        sealed = signer.sign(clean(notice, self._ledger.redactor))
        self._redis.set(self._ledger.key(NOTICE, notice.id), sealed, ex=NOTICE_KEPT)
        self._ring(notice)

    def begin_notice(self, notice: str) -> int:
        """Count a try to post a notice; more than one: an earlier one may have arrived unnoticed."""
        tries = self._ledger.key(NOTICE, notice, "tries")
        pipe = self._redis.pipeline()
        pipe.incr(tries)
        pipe.expire(tries, POST_KEPT)
        return int(pipe.execute()[0])

    def record_notice(self, notice: str, post: Post) -> None:
        """Remember where a notice stands, so that it can be edited there."""
        self._redis.set(self._ledger.key(NOTICE, notice, "post"), post.model_dump_json(), ex=POST_KEPT)

    def place_of_notice(self, notice: str) -> Post | None:
        """Where a notice stands; None if it was not said, or long ago, or nobody can read where."""
        body = cast("bytes | None", self._redis.get(self._ledger.key(NOTICE, notice, "post")))
        try:
            return Post.model_validate_json(body) if body else None
        except ValueError:  # one must not stop all others
            log.error("damaged_record", notice=notice)  # noqa: TRY400  a traceback shows what was read
            return None

    def _ring(self, notice: Notice) -> None:
        pipe = self._redis.pipeline()
        # whole ms, as the script counts: with a fraction it is not due yet when the bell rings
        pipe.zadd(self._due, {message(notice.id, NOTICE): int(time.time() * 1000)})
        pipe.publish(self._due, "")
        pipe.execute()

    def read_notice(self, notice: str, verifier: Verifier) -> Notice | None:
        """A notice that is due; None when it is no longer kept.

        Raises:
            SignatureError: no process of ours wrote it, or it was put in another's place.
        """
        sealed = cast("bytes | None", self._redis.get(self._ledger.key(NOTICE, notice)))
        if sealed is None:
            return None
        read = verifier.open(sealed, Notice, by=SIGNERS)
        if read.id != notice:
            raise SignatureError("a stored notice was moved from another place")
        return read

    def next_due(self) -> float | None:
        """Seconds until the next message is due, 0 if one is; None when there is none."""
        first = cast("list[tuple[bytes, float]]", self._redis.zrange(self._due, 0, 0, withscores=True))
        return max(0.0, first[0][1] / 1000 - time.time()) if first else None

    def spend(self, budget: str, *, per_minute: float, burst: int, leave: int = 0) -> int:
        """Take a token of a budget shared by all couriers, leaving some; 0, or the ms until there is one."""
        keys = [self._ledger.key("budget", budget)]
        return int(self._ledger.scripts.run("budget", keys, per_minute, burst, leave))

    def listen(self) -> Any:
        """A subscription that hears a message whenever the outbox changes."""
        bell = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py
        bell.subscribe(self._due)
        return bell


def message(request: str, kind: str = "main") -> str:
    """The outbox member for one message of a request."""
    return Due(request, kind).member


def approver(request: str, user: str) -> str:
    """The outbox member for the direct message that asks a person to approve."""
    return Due(request, f"{APPROVER}:{user}").member


def reminder(request: str) -> str:
    """The outbox member for the reminder at half time."""
    return Due(request, REMINDER).member
