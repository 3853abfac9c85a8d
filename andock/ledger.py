"""The durable record of every request, in Redis. Every change of state is one Lua script in `scripts/`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import TypeAlias, cast

import structlog
from redis import Redis

from andock.cleaning import clean
from andock.entries import RESULT, Entry, read_entry, read_ids
from andock.errors import BackendUnavailableError, Changed, LeaseLostError
from andock.messages import Failed, Request, Result, State
from andock.operation import Value
from andock.ports.records import Halt
from andock.redaction import SHAPES_ONLY, Redactor
from andock.refusals import HaltedError
from andock.scripting import Scripts

log = structlog.get_logger()
LEASE = 15_000  # ms that an attempt may go without renewing
RING_AGAIN = 15_000  # ms after which an unclaimed doorbell is rung again
DEDUPE = 3_600  # seconds; longer than Slack's retries (5 min) and a restart of ours
RETENTION = 30 * 86_400  # seconds that a request is kept after its end
Field: TypeAlias = Value | str | bytes  # what a request's hash holds under one name; bytes are sealed


class Lease(Enum):
    """What became of an attempt's lease when it asked for more time."""

    LOST = 0
    KEPT = 1
    CANCEL = 2


class Ledger:
    """All requests of one installation. Raises redis' own errors when Redis is away.

    What a request's attempts say of it (plans, marks, progress, results) is stored without secrets.
    """

    def __init__(self, redis: Redis, instance: str, redactor: Redactor = SHAPES_ONLY) -> None:
        self.redis = redis
        self.instance = instance
        self.redactor = redactor
        self.prefix = f"andock:{instance}:"
        self.scripts = Scripts(redis)
        self.outbox = self.key("outbox")
        self.audit = self.key("audit")
        self.released = self.key("released")  # whose targets were let go of last, and when

    def key(self, *parts: str) -> str:
        """A key of this installation."""
        return self.prefix + ":".join(parts)

    def _request(self, request: str) -> str:
        return self.key("request", request)

    # --- the way of a request -------------------------------------------------------------------------

    def accept(
        self,
        request: Request,
        sealed: bytes,
        *,
        dedupe: str,
        record: bytes,
        pools: Sequence[str] = (),
        change: bool = False,
        message: str = "",
        message_due: int = 0,
    ) -> tuple[str, bool]:
        """Record a request once; returns its id and whether it is new (else the id of the first).

        At least one of `pools` must have a live worker, unless there are none. The `message`, if any,
        becomes due `message_due` ms from now. Two requests with the same `dedupe` are the same. `record` is
        the first audit record, sealed.

        Raises:
            HaltedError: a change, while all changes are halted.
            BackendUnavailableError: no worker of these pools lives.
        """
        keys = [
            self.key("seen", dedupe),
            self._request(request.id),
            self.key("open"),
            self.key("requests"),
            self.key("by", request.actor.key),
            self.outbox,
            self.key("halts"),
            self.audit,
            *(self.key("alive", pool) for pool in pools),
        ]
        answer, said = self.scripts.run(
            "accept", keys, request.id, sealed, DEDUPE, RETENTION, RING_AGAIN, int(change), message,
            message_due, RETENTION * 1000, record, "state", State.ACCEPTED.value,
        )  # fmt: skip
        match answer:
            case b"halted":
                halt = _halt("*", said)
                raise HaltedError("all sites", halt.by, halt.reason)
            case b"no_worker":
                raise BackendUnavailableError("No worker", f"none of pool {' or '.join(pools)} is running")
            case _:
                return said.decode(), answer == b"accepted"

    def claim(self, request: str, attempt: int, owner: str) -> int:
        """Take the request's lease; the attempt's number, or 0 when there is nothing to do."""
        keys = [self._request(request), self.key("open")]
        return int(self.scripts.run("claim", keys, request, owner, LEASE, attempt))

    def renew(self, request: str, owner: str) -> Lease:
        """Hold the lease for another `LEASE` ms."""
        keys = [self._request(request), self.key("open")]
        return Lease(int(self.scripts.run("renew", keys, request, owner, LEASE)))

    def note(
        self, request: str, owner: str, fields: Mapping[str, Field], *, message: str = "", due: int = 0
    ) -> None:
        """Store fields of a running request before the next thing is done.

        Raises:
            LeaseLostError: another attempt owns it.
        """
        keys = [self._request(request), self.outbox]
        if not self.scripts.run("note", keys, owner, message, due, *self._flat(fields)):
            raise LeaseLostError("another attempt owns this request")

    def park(
        self,
        request: str,
        owner: str,
        state: State,
        fields: Mapping[str, Field],
        *,
        look_again: int,
        messages: Sequence[str] = (),
        holder: str = "",
        waits_for: str = "",
    ) -> None:
        """Let go of a request until something happens, at the latest until `look_again` ms from now.

        The `holder` is shown to people. A waiting request is woken by the end of the request of that name, or
        of what `waits_for` names.

        Raises:
            LeaseLostError: another attempt owns it.
        """
        holder = self.redactor.redact(holder)
        keys = [
            self._request(request),
            self.key("open"),
            self.outbox,
            self.key("waiters", waits_for or holder),
            self.released,
        ]
        flat = self._flat({**fields, "holder": holder})
        args = (request, owner, state.value, look_again, len(messages), *messages, *flat)
        if not self.scripts.run("park", keys, *args):
            raise LeaseLostError("another attempt owns this request")

    def ring(self, request: str, states: Iterable[State], *, attempt_hint: int = 1) -> int:
        """Open a new attempt of a request that nobody works on; its number, or 0 if somebody does."""
        keys = [self._request(request), self.key("open")]
        return int(self.scripts.run("ring", keys, request, RING_AGAIN * attempt_hint, _names(states)))

    def conclude(
        self,
        request: str,
        result: Result,
        state: State,
        *,
        record: bytes,
        decided: bytes = b"",
        owner: str = "",
        states: Iterable[State] = (),
        messages: Sequence[str] = (),
    ) -> bool:
        """Write the end and its sealed audit record, once; False when it was not the caller's to write.

        `decided`, if any, is the sealed record of the decision that led there, and stands before it.
        """
        waiters = self.key("waiters", request)
        keys = [self._request(request), self.key("open"), self.outbox, waiters, self.audit, self.released]
        body = RESULT.dump_json(clean(result, self.redactor))
        args = (request, owner, _names(states), state.value, body, RETENTION, record, decided, *messages)
        return bool(self.scripts.run("conclude", keys, *args))

    def _flat(self, fields: Mapping[str, Field]) -> list[str | bytes]:
        flat: list[str | bytes] = []
        for name, value in fields.items():
            told = clean(value, self.redactor).model_dump_json() if isinstance(value, Value) else value
            flat += [name, told]
        return flat

    # --- reading --------------------------------------------------------------------------------------

    def read(self, request: str) -> Entry | None:
        """One request, or None when it is unknown or its retention is over."""
        return next(iter(self.read_many((request,))), None)

    def read_many(self, requests: Sequence[str]) -> tuple[Entry, ...]:
        """Those of the requests that are still kept, in the same order, in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        for request in requests:
            pipe.hgetall(self._request(request))
        raws = cast("list[dict[bytes, bytes] | Exception]", pipe.execute(raise_on_error=False))
        found = (_undamaged(request, raw) for request, raw in zip(requests, raws, strict=True))
        return tuple(entry for entry in found if entry is not None)

    def recent(self, *, actor: str | None, limit: int) -> tuple[Entry, ...]:
        """The newest requests, newest first, of one actor or of all."""
        index = self.key("by", actor) if actor else self.key("requests")
        return self.read_many(read_ids(self.redis.zrevrange(index, 0, limit - 1)))

    def due(self, limit: int) -> tuple[str, ...]:
        """Open requests at which it is time to look again."""
        found = self.redis.zrangebyscore(self.key("open"), "-inf", time.time() * 1000, start=0, num=limit)
        return read_ids(found)

    def open_requests(self) -> tuple[Entry, ...]:
        """Every request that has not ended, the next due first."""
        return self.read_many(read_ids(self.redis.zrange(self.key("open"), 0, -1)))

    def forget_open(self, request: str) -> None:
        """Stop looking at a request whose record is gone."""
        self.redis.zrem(self.key("open"), request)

    def look_again(self, request: str, delay: int) -> None:
        """Look at an open request again `delay` ms from now."""
        self.redis.zadd(self.key("open"), {request: time.time() * 1000 + delay}, xx=True)

    def look_again_at(self, times: Mapping[str, float]) -> None:
        """Look at open requests again, each at its time in seconds since the epoch."""
        if times:
            self.redis.zadd(self.key("open"), {request: at * 1000 for request, at in times.items()}, xx=True)

    def cancel(self, request: str, by: str, *, message: str = "") -> bool:
        """Ask whoever works on a request to stop between steps and in its waits; False if it has ended."""
        keys = [self._request(request), self.outbox]
        return bool(self.scripts.run("cancel", keys, by, message))

    def cancelled_by(self, request: str) -> str:
        """Who asked to cancel the request; empty if nobody did."""
        asked = cast("bytes | None", self.redis.hget(self._request(request), "cancel"))
        return asked.decode() if asked else ""

    # --- halts and live workers -----------------------------------------------------------------------

    def halt(self, halt: Halt) -> None:
        """Refuse new changes on a scope and hold queued ones."""
        body = json.dumps({"by": halt.by, "reason": halt.reason, "since": halt.since.timestamp()})
        self.redis.hset(self.key("halts"), halt.scope, body)

    def lift(self, scope: str) -> bool:
        """End the halt of a scope; whether there was one."""
        return bool(self.redis.hdel(self.key("halts"), scope))

    def halts(self) -> tuple[Halt, ...]:
        """All halts in force."""
        found = cast("dict[bytes, bytes]", self.redis.hgetall(self.key("halts")))
        return tuple(_halt(scope.decode(), body) for scope, body in sorted(found.items()))

    def say_alive(self, pool: str, seconds: int) -> None:
        """A pool's workers live for that long at least."""
        self.redis.set(self.key("alive", pool), "1", ex=seconds)

    def alive(self, pool: str) -> bool:
        """Whether a pool has a live worker."""
        return bool(self.redis.exists(self.key("alive", pool)))


def failed(code: str, sentence: str, changed: Changed = Changed.NOTHING) -> Failed:
    """A failure that no exception carried."""
    return Failed(code=code, sentence=sentence, changed=changed)


def _undamaged(request: str, raw: dict[bytes, bytes] | Exception) -> Entry | None:
    """The entry, or None when there is none that we could have written: one must not stop all others."""
    if isinstance(raw, Exception):
        if "WRONGTYPE" not in str(raw):
            raise raw
        log.error("damaged_record", request=request, error="no hash")
        return None
    try:
        return read_entry(request, raw) if raw else None
    except ValueError as error:
        log.error("damaged_record", request=request, error=type(error).__name__)  # noqa: TRY400  a traceback shows what was read
        return None


def _names(states: Iterable[State]) -> str:
    return ",".join(state.value for state in states)


def _halt(scope: str, body: bytes) -> Halt:
    stored = json.loads(body)
    return Halt(scope, stored["by"], stored["reason"], datetime.fromtimestamp(stored["since"], UTC))
