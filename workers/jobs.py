"""The one RQ entry point: a doorbell was rung for an attempt of a request."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog

from andock.attempt import Attempt
from andock.errors import Changed, LeaseLostError
from andock.ledger import failed
from andock.messages import State
from andock.operation import Phase, Ports
from andock.ports.watch import Watch
from andock.runner import Runner
from andock.seals import genuine_marks

log = structlog.get_logger()
MOST_ATTEMPTS = 5  # a request whose attempts keep dying is given up as unknown


@dataclass(frozen=True)
class Performer:
    """What a worker process prepared before the fork: the runner, and how a horse opens its backends.

    What it opens them for is the watch, whose deadline ends their reads.
    """

    runner: Runner
    open_ports: Callable[[Watch], AbstractContextManager[Ports]]


_performer: list[Performer] = []


def install(performer: Performer) -> None:
    """Set what `perform` uses; once, before the worker takes its first job."""
    _performer[:] = [performer]


def perform(request: str, attempt: int) -> None:
    """Perform one attempt of a request. Runs in a horse; returns nothing, the ledger holds the result."""
    performer = _performer[0]
    ledger = performer.runner.ledger
    structlog.contextvars.bind_contextvars(request=request)
    held = Attempt.claim(ledger, request, attempt)
    if held is None:
        log.info("nothing_to_do", attempt=attempt)
        return
    with held:
        try:
            with performer.open_ports(held) as ports:
                performer.runner.perform(held, ports)
        except LeaseLostError:
            log.warning("lease_lost", attempt=held.number)
        except Exception:
            # the job boundary: a bug of ours, or RQ's time limit; both are recorded, and RQ hears of them too
            log.exception("internal_error", attempt=held.number)
            _record_crash(performer.runner, held)
            raise


def _record_crash(runner: Runner, attempt: Attempt) -> None:
    """End the request, unless a step was begun: then the lease lapses and another attempt settles it."""
    entry = runner.ledger.read(attempt.request)
    if entry is None:
        return
    marks = genuine_marks(entry, runner.verifier, runner.instance)
    if attempt.number < MOST_ATTEMPTS and any(mark.phase is Phase.BEGUN for mark in marks.values()):
        return
    changed = Changed.UNKNOWN if entry.marks else Changed.NOTHING
    result = failed("internal_error", f"Internal error {attempt.request}: see the worker's log.", changed)
    runner.end_failed(attempt, entry, result, State.FAILED)
