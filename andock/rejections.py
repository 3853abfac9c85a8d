"""What was forged, altered, replayed, or came from who never acts: recorded where it was refused.

A flood of it must not fill the record: of each kind a few at once and a few a minute are written, and how
many were left out is said with the next one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import structlog
from redis.exceptions import RedisError

from andock.audit import AuditRecord, Event, Journal
from andock.outbox import Outbox
from andock.shelf import Tell

log = structlog.get_logger()
RATE = (6.0, 20)  # records of one kind: a minute, and at once
LONGEST_ID = 40  # characters of a request's id; what is longer is none, and somebody's words


class Kind(StrEnum):
    """What was refused."""

    HTTP = "an HTTP request"
    PAYLOAD = "a payload"
    PERSON = "a person"
    CLICK = "an answer to a plan"
    JOB = "a job"
    REQUEST = "a stored request"
    NOTICE = "a stored notice"
    LOCK = "a stored lock"
    FREEZE = "a stored freeze"
    MEMBERSHIP = "a stored membership of a user group"


@dataclass(frozen=True)
class Rejections:
    """Those of one installation, signed by the process that refused. Any number of processes may write."""

    journal: Journal

    def record(
        self,
        kind: Kind,
        why: str,
        *,
        content: bytes | None = None,
        request: str = "",
        actor: str = "",
        name: str = "",
        channel: str = "",
        rule: str = "",
    ) -> None:
        """Record one refusal: of its content no more than size and SHA-256.

        It is refused also when Redis is away; then the log alone tells of it.
        """
        said = f"{kind} was refused: {why}"
        if content is not None:
            said += f" ({len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()})"
        try:
            if not self._may_write(kind):
                self._redis.hincrby(self._left_out, kind.name, 1)
                return
            self._write(
                kind,
                said,
                request=request[:LONGEST_ID],
                actor=actor,
                name=name,
                channel=channel,
                rule=rule,
            )
        except RedisError as error:
            log.warning("refusal_not_recorded", error=type(error).__name__)

    def teller(self, kind: Kind) -> Tell:
        """What a place is given that refuses things of one kind."""
        return lambda why, content: self.record(kind, why, content=content)

    def tell_left_out(self) -> None:
        """Say of what was left out how much that was; raises redis' own errors."""
        for name in cast("dict[bytes, bytes]", self._redis.hgetall(self._left_out)):
            kind = Kind.__members__.get(name.decode(errors="replace"))
            if kind is None:
                self._redis.hdel(self._left_out, name)
            elif self._may_write(kind):
                self._write(kind, f"{kind} was refused")

    def _write(self, kind: Kind, text: str, **fields: Any) -> None:
        pipe = self._redis.pipeline()
        pipe.hget(self._left_out, kind.name)
        pipe.hdel(self._left_out, kind.name)
        left_out = pipe.execute()[0]
        if left_out and left_out.isdigit():
            text += f"; {int(left_out)} more of this kind before it were left out of the record"
        self.journal.write(AuditRecord(event=Event.REFUSED, result="refused", text=text, **fields))

    def _may_write(self, kind: Kind) -> bool:
        budget = f"rejected:{kind.name}"
        return not Outbox(self.journal.ledger).spend(budget, per_minute=RATE[0], burst=RATE[1])

    @property
    def _redis(self) -> Any:
        return self.journal.ledger.redis

    @property
    def _left_out(self) -> str:
        return self.journal.ledger.key("rejected")
