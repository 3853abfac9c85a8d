"""The RQ worker that Andock runs: one queue, a horse that dies with it, a doorbell that runs nothing else."""

from __future__ import annotations

import ctypes
import os
import re
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now, str_to_date

from andock.doorbell import ENTRY
from workers.standby import Call, Standby

log = structlog.get_logger()
Refuse: TypeAlias = Callable[[str, bytes], None]
BEAT = timedelta(seconds=10)  # between two signs of life; Redis forgets a worker after 105 s without one
_PR_SET_PDEATHSIG = 1
_JOB = re.compile(rb"^[A-Za-z0-9_-]{1,100}\Z")
_REQUEST = re.compile(r"^r[a-z0-9]{6,40}$")
_KEPT = (b"data", b"origin", b"status", b"created_at", b"enqueued_at", b"timeout", b"worker_name")
_STATES = {status.value.encode() for status in JobStatus}
_LATEST = 1_000_000  # attempt of a request; none has as many
_LONGEST = 86_400  # seconds; no operation's limit is longer


def _is_date(value: bytes) -> bool:
    try:
        str_to_date(value)
    except (ValueError, OverflowError):
        return False
    return True


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


_READ_BY_RQ = {
    b"created_at": _is_date,
    b"enqueued_at": _is_date,
    b"origin": _is_text,
    b"worker_name": _is_text,
}


class DoorbellJob(Job):
    """A job hash read as hostile: only `perform(request, attempt)` can be run through it.

    RQ imports and calls whatever name lies in Redis, also as callbacks, and a malformed hash ends the worker
    process. So only known keys are read, each checked, and `restore` never raises on their values.
    """

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> Job:  # noqa: A002  rq's
        """The job; what lies in its place and is no hash counts as none."""
        try:
            return super().fetch(id, connection, serializer)
        except ResponseError as error:
            raise NoSuchJobError(id) from error

    refused = False  # it was looked into, and is no doorbell
    content = b""  # what lies in Redis in the place of its call

    def restore(self, raw_data: Any) -> None:
        """Take over the checked part of a job hash."""
        kept = {key: raw_data[key] for key in _KEPT if key in raw_data}
        if kept.get(b"status") not in _STATES:
            kept[b"status"] = JobStatus.QUEUED.value.encode()
        for name, reads in _READ_BY_RQ.items():
            if not reads(kept.get(name, b"")):
                kept.pop(name, None)
        timeout = kept.pop(b"timeout", b"")
        self.content = kept.get(b"data", b"")
        super().restore(kept)
        self.timeout = int(timeout) if timeout.isdigit() and int(timeout) <= _LONGEST else 60
        self.description = "doorbell"
        self.result_ttl = 0
        self.failure_ttl = 3600

    def _deserialize_data(self) -> None:
        self.refused = True
        super()._deserialize_data()  # type: ignore[no-untyped-call]  # rq
        rung = self._args
        legal = (
            self._func_name == ENTRY
            and self._instance is None
            and not self._kwargs
            and isinstance(rung, (list, tuple))
            and len(rung) == 2  # noqa: PLR2004  request and attempt
            and isinstance(rung[0], str)
            and _REQUEST.match(rung[0])
            and isinstance(rung[1], int)
            and 1 <= rung[1] <= _LATEST
        )
        if not legal:
            self._func_name, self._args, self._kwargs, self._instance = "(refused)", (), {}, None
            raise PermissionError("a job other than a doorbell was refused")
        self.refused = False


class DoorbellQueue(Queue):
    """A queue from which ids that RQ cannot carry are dropped: they end the worker, and the next one too."""

    refuse: Refuse = staticmethod(lambda _why, _content: None)

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:
        """The next id, moved to where it is kept until its horse begins."""
        moved = super().lmove(connection, queue_key, timeout)
        if moved is None or _JOB.match(moved[1]):
            return moved
        kept = IntermediateQueue.get_intermediate_queue_key(queue_key)
        connection.lrem(kept, 0, moved[1])
        cls.refuse("its id is none of ours", moved[1])
        return queue_key, b"refused"  # there is no such job, so RQ takes the next


class HorseWorker(Worker):
    """A worker whose horse dies with it, and whom a second stop does not kill.

    Stock `kill_horse` takes the process group of pid 0, its own, while a stopped-callback runs.

    The next job's horse stands by: it was forked, and has opened its connections, before the job came. What
    it inherited may have changed since then; such a one is let go, and another forked.

    Attributes:
        before_fork: in the parent, refreshes what horses inherit, and returns what compares unequal once that
            has changed.
        warm_up: in the horse that stands by; gets ready until it is called.
        clients: of Redis, besides the worker's own, that jobs use.
        refuse: is told why a job was refused, and what it was.
    """

    max_connection_wait_time = 2.0  # rq's: a minute, for which requests would wait once Redis is back
    before_fork: Callable[[], object] = staticmethod(lambda: None)
    warm_up: Callable[[Call], None] = staticmethod(lambda _call: None)
    clients: tuple[Redis, ...] = ()
    refuse: Refuse = staticmethod(lambda _why, _content: None)
    _standby: Standby | None = None
    _edition: object = None

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Wait for a job, with a horse that stands by."""
        if self._standby is None:
            self._standby = Standby.fork(self.before_fork(), self._stand_by)
        return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Let the parent refresh what horses inherit, then run the job in a horse."""
        self._edition = self.before_fork()
        super().execute_job(job, queue)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Let the horse that stands by do the job, or fork one if that cannot."""
        standby, self._standby = self._standby, None
        if standby is not None and standby.edition != self._edition:
            standby.dismiss()
        elif standby is not None and self.execution is not None:
            if standby.call(job.id, self.execution.id):
                self._horse_pid = standby.pid
                return
            standby.bury()
        super().fork_work_horse(job, queue)

    def _stand_by(self, call: Call) -> None:
        """Be the horse that stands by, and then the horse."""
        self.setup_work_horse_signals()
        try:
            for client in (self.connection, *self.clients):
                client.ping()
            self.warm_up(call)
        except Exception as error:  # noqa: BLE001  whatever fails here is met again, and told, by the job itself
            log.info("not_warmed_up", error=type(error).__name__)
        words = call.wait()
        if not words:
            return
        job_id, execution = words
        job = self.job_class.fetch(job_id, connection=self.connection, serializer=self.serializer)
        self.execution = Execution(execution, job_id, self.connection, self.name)
        self.main_work_horse(job, self.queues[0])

    def teardown(self) -> None:
        """Let the horse that stands by go first."""
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.dismiss()
        super().teardown()  # type: ignore[no-untyped-call]  # rq

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """As rq's, but at once, as each of its three commands alone waits until Redis has it on disk.

        RQ beats before and after it takes a job; one that was told to be alive a moment ago beats no more.
        """
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            return
        if timeout is None and self.last_heartbeat and now() - self.last_heartbeat < BEAT:
            return
        with self.connection.pipeline() as beat:
            super().heartbeat(timeout, beat)
            beat.execute()

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",  # noqa: ARG002  rq's
        execution: Any = None,
    ) -> None:
        """As rq's, but the traceback stays out of Redis: it may hold a secret, and the log has it without.

        Called in the horse, which has looked into the job, unless the horse died.
        """
        if isinstance(job, DoorbellJob) and job.refused:
            self.refuse("it is no doorbell", job.content)
        super().handle_job_failure(job, queue, started_job_registry, "see the worker's log", execution)

    def procline(self, message: str) -> None:
        """Nothing: `ps` shows a part's own command line, and RQ's would show ids of requests."""

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Kill the horse and its group; without a horse, do nothing."""
        pid = self.horse_pid
        if not pid:
            return
        try:
            os.killpg(pid, sig)  # the horse made itself the leader of its group
        except ProcessLookupError:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                return

    def setup_work_horse_signals(self) -> None:
        """In the horse: die with the worker, also when it is killed, and outlive a SIGTERM.

        Whoever stops a whole control group at once, as systemd does, asks the horse too; its worker waits for
        it. It is no SIG_IGN, which programs that the job starts would inherit.
        """
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]  # rq
        signal.signal(signal.SIGTERM, lambda _signum, _frame: None)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.pid:
            os._exit(1)


def make_worker(
    redis: Redis,
    queue: str,
    before_fork: Callable[[], object],
    refuse: Refuse,
    warm_up: Callable[[Call], None] = lambda _call: None,
    clients: tuple[Redis, ...] = (),
) -> HorseWorker:
    """A worker on exactly one queue: on two, RQ loses jobs that were popped when it dies.

    What the others are for, `HorseWorker` says.
    """

    class WatchedQueue(DoorbellQueue):
        """One that tells of what it drops."""

    WatchedQueue.refuse = staticmethod(refuse)
    worker = HorseWorker(
        [WatchedQueue(queue, connection=redis, serializer=JSONSerializer, job_class=DoorbellJob)],
        connection=redis,
        serializer=JSONSerializer,
        job_class=DoorbellJob,
        queue_class=WatchedQueue,
        worker_ttl=45,
        maintenance_interval=30,
        job_monitoring_interval=5,
    )
    worker.before_fork = before_fork
    worker.warm_up = warm_up
    worker.clients = clients
    worker.refuse = refuse
    return worker
