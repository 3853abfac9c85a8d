"""How long one job waits for vCenters' answers: what it reads, never past its deadline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from andock.errors import BackendUnavailableError, Changed, DeadlineError
from andock.ports.watch import Watch

FOREVER = float("inf")


class Patience:
    """One thread's patience with one vCenter.

    Only reads are cut short: a change that is not waited for would be of unknown outcome without need.
    """

    def __init__(self, site: str, watch: Watch | None = None) -> None:
        """Without a `watch` there is no deadline."""
        self._site = site
        self._watch = watch
        self._reading = False

    def heed(self, watch: Watch | None) -> None:
        """From now on end reads when this one says so."""
        self._watch = watch

    def left(self) -> float:
        """Seconds for the next answer.

        Raises:
            DeadlineError: there are none, so that nothing should be asked any more.
        """
        if self._watch is None or not self._reading:
            return FOREVER
        left = self._watch.remaining()
        if left <= 0:
            raise DeadlineError(
                f"The time limit passed before {self._site} had answered.", changed=Changed.NOTHING
            )
        return left

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is asked in this block changes nothing.

        Raises:
            DeadlineError: the time was up before the answer came.
        """
        before, self._reading = self._reading, True
        try:
            yield
        except BackendUnavailableError:
            self.left()
            raise
        finally:
            self._reading = before
