"""A job that does nothing, on an RQ worker with the settings of Andock's own."""

from __future__ import annotations

import os

from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

QUEUE = "noop"


def do_nothing() -> None:
    """The job."""


def make_queue(redis: Redis) -> Queue:
    """The queue that the worker listens on."""
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def main() -> None:
    """Work until the process is stopped."""
    redis = Redis.from_url(os.environ["REDIS_URL"])
    Worker(
        [make_queue(redis)],
        connection=redis,
        serializer=JSONSerializer,
        worker_ttl=45,
        maintenance_interval=30,
        job_monitoring_interval=5,
    ).work(with_scheduler=False, logging_level="WARNING")


if __name__ == "__main__":
    main()
