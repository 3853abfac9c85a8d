"""RQ as the doorbell: it says that a request waits, and nothing else. The ledger is the truth."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

from redis import Redis
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from andock.operation import Change, Operation, Risk

ENTRY = "workers.jobs.perform"
LISTED = 60.0  # seconds in which a queue is put on RQ's list once, in case that was lost
LAST_NET = timedelta(seconds=30)  # how much later than the operation's own limit RQ ends a job


class Doorbell:
    """Rings for an attempt of a request on the queue of the pool that serves its site."""

    def __init__(self, redis: Redis, instance: str, long_pools: Collection[str] = ()) -> None:
        self._redis = redis
        self._instance = instance
        self._long_pools = frozenset(long_pools)  # those with workers for long operations alone
        self._queues: dict[str, Queue] = {}
        self._listed: dict[str, float] = {}  # when each was put on RQ's list of queues

    def ring(self, pool: str, operation: Operation, request: str, attempt: int) -> None:
        """Ring once; a doorbell that was rung already for this attempt is left as it is.

        Raises:
            redis.exceptions.RedisError: Redis is away; the janitor rings when it is back.
        """
        name = queue_name(self._instance, pool, self._kind(pool, operation))
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue(name, connection=self._redis, serializer=JSONSerializer)
        # RQ would list the queue each time, for `rq info`; a unique job itself goes into no pipeline
        listing = self._redis.pipeline()
        try:
            queue.enqueue(
                ENTRY,
                args=(request, attempt),
                job_id=f"{request}-{attempt}",
                unique=True,  # else a lost reply puts the job on the queue twice: redis-py repeats RPUSH
                retry=None,
                result_ttl=0,
                failure_ttl=3600,
                job_timeout=int((longest(operation) + LAST_NET).total_seconds()),
                description=f"{operation.name} {request}",
                pipeline=listing,
            )
        except DuplicateJobError:
            return
        now = time.monotonic()
        if now - self._listed.get(name, -LISTED) >= LISTED:
            listing.execute()
            self._listed[name] = now

    def _kind(self, pool: str, operation: Operation) -> str:
        if operation.risk is Risk.READ:
            return "read"
        is_long = isinstance(operation, Change) and operation.long
        return "long" if is_long and pool in self._long_pools else "change"


def longest(operation: Operation) -> timedelta:
    """How long one attempt may take, with putting back what it changed."""
    return operation.time_limit + (operation.undo_limit if isinstance(operation, Change) else timedelta(0))


def queue_name(instance: str, pool: str, kind: str) -> str:
    """The RQ queue of a pool."""
    return f"{instance}.{pool}.{kind}"
