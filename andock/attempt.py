"""One attempt's hold on a request: a renewed lease, a deadline and the cancel flag."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

import structlog
from redis.exceptions import RedisError

from andock.errors import CancelledError, Changed, DeadlineError, LeaseLostError
from andock.ledger import LEASE, Field, Lease, Ledger

log = structlog.get_logger()
LISTEN = 1.0  # seconds within which a running attempt hears that a person asked to cancel
MARGIN = 2.0  # seconds before the lease's end at which an attempt that could not renew stops touching things


class Attempt:
    """Owns a claimed request until it is parked, concluded or lost. Implements `Watch`."""

    def __init__(self, ledger: Ledger, request: str, owner: str) -> None:
        self.request = request
        self.owner = owner
        self.number = 0
        self._ledger = ledger
        self._renewed = time.monotonic()
        self._lost = False
        self._cancelled = False
        self._deadline = time.monotonic() + 60
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    @classmethod
    def claim(cls, ledger: Ledger, request: str, number: int) -> Self | None:
        """Take the request's lease, or None when there is nothing to do for this doorbell."""
        attempt = cls(ledger, request, secrets.token_hex(8))
        attempt.number = ledger.claim(request, number, attempt.owner)
        return attempt if attempt.number else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def limit(self, span: timedelta) -> None:
        """Set the deadline, from now."""
        self._deadline = time.monotonic() + span.total_seconds()

    def cancel(self) -> None:
        """A person asked to stop before this attempt began."""
        self._cancelled = True

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - time.monotonic()

    def look(self, *, percent: int | None = None, text: str = "") -> None:  # noqa: ARG002  a read shows none
        """Go on, or stop; see `Watch`."""
        self.check_lease()
        if self._cancelled:
            raise CancelledError("Cancelled while it ran.")
        if self.remaining() <= 0:
            raise DeadlineError("Its time limit passed before it ended.", changed=Changed.UNKNOWN)

    def check_lease(self) -> None:
        """Raises LeaseLostError when another attempt may own the request."""
        if self._lost or time.monotonic() - self._renewed > LEASE / 1000 - MARGIN:
            raise LeaseLostError("this attempt's lease is over")

    def note(self, fields: Mapping[str, Field], *, message: str = "", due: int = 0) -> None:
        """Store fields while owning the request; raises LeaseLostError otherwise."""
        self.check_lease()
        self._ledger.note(self.request, self.owner, fields, message=message, due=due)

    def _renew(self) -> None:
        while not self._stop.wait(min(LISTEN, LEASE / 3000)):
            asked = time.monotonic()  # the lease counts from before the call, not from its answer
            try:
                if asked - self._renewed < LEASE / 3000:
                    self._cancelled = self._cancelled or bool(self._ledger.cancelled_by(self.request))
                    continue
                lease = self._ledger.renew(self.request, self.owner)
            except RedisError as error:
                log.warning("lease_not_renewed", request=self.request, error=type(error).__name__)
                continue
            if lease is Lease.LOST:
                self._lost = True
                return
            self._renewed = asked
            self._cancelled = self._cancelled or lease is Lease.CANCEL


@dataclass(frozen=True)
class Undisturbed:
    """An attempt that does not hear of a cancellation. Implements `Watch`.

    Who cancels must first be told what became of what was begun, or have it put back.
    """

    attempt: Attempt

    @property
    def request(self) -> str:
        """The request's id."""
        return self.attempt.request

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self.attempt.remaining()

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        """Go on, or stop for any reason but a cancellation."""
        with contextlib.suppress(CancelledError):
            self.attempt.look(percent=percent, text=text)
