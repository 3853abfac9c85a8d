"""Whether a new container comes up well, and stays so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from andock.errors import BackendError, BackendUnavailableError, Changed, OpsError
from andock.operation import Reader
from andock.operations.service.hands import AWAY_SECONDS, NEVER, Hands
from andock.ports.containers import Container
from andock.ports.services import Check

LINES = 10  # of its log that are told when it fails
BACK_SECONDS = 10.0  # in which an engine that was restarted has started its containers again
FLAKES = 3  # failures of a check in a row, while it is watched, that are no accident
NAP_SECONDS = 0.1  # between two looks while it is watched
SHORTEST_NAP, LONGEST_NAP = 0.02, 0.25  # seconds between two looks while it is waited for
NAP_SHARE = 0.03  # of the time that it has been waited for: looks are seldom late, and few in a long wait
PROBE_SECONDS = 0.5  # between two rounds of checks


@dataclass
class Patient:
    """One new container that is looked at."""

    hands: Hands
    container: str
    checks: tuple[Check, ...]
    restarts: int | None = None  # at the first look
    away_since: float | None = None
    down_since: float | None = None
    probed_at: float = 0.0
    complaint: str = ""  # of the last round of checks
    patience: float = 0.0  # seconds that the check which complains may fail
    complaints: int = 0  # rounds in a row

    def await_ready(self) -> None:
        """Wait until it is healthy and its checks pass.

        How long it may be `starting` is the health check's own matter; the step's deadline counts besides.

        Raises:
            BackendError: it ended, is unhealthy, or does not pass; with its last lines below the sentence.
            CancelledError, DeadlineError: as the watch says.
        """
        began = time.monotonic()
        healthy_since: float | None = None
        while True:
            now = self._look()
            if now is not None and now.health != "starting":
                healthy_since = healthy_since or time.monotonic()
                if self._passes():
                    return
                if time.monotonic() - healthy_since > self.patience:
                    raise self._failure(now, self.complaint)
            name = now.name if now is not None else "the new container"
            waited = time.monotonic() - began
            self.hands.tell(f"waiting for health of {name}, {waited:.0f} s")
            time.sleep(_nap(now, waited))

    def monitor(self, seconds: float) -> None:
        """Watch it for so long, and on until a look finds it well; raises as `await_ready` when it is not.

        A look while its engine is away, while it may come back, is `starting` or fails a check ends nothing.
        """
        began = time.monotonic()
        while True:
            passed = time.monotonic() - began
            now = self._look()
            if now is not None:
                passes = self._passes()
                if passes and now.health != "starting" and passed >= seconds:
                    return
                if not passes and self.complaints >= FLAKES:
                    raise self._failure(now, self.complaint)
            name = now.name if now is not None else "the new container"
            self.hands.tell(f"watching {name}, {passed:.0f} of {seconds:.0f} s")
            left = seconds - passed
            time.sleep(min(NAP_SECONDS, left) if left > 0 else NAP_SECONDS)

    def _look(self) -> Container | None:
        """It as it is now; None while its engine is away for a moment.

        Raises:
            BackendError: it is gone, or not well. BackendUnavailableError: the engine stays away.
        """
        try:
            now = self.hands.read(self.container)
        except BackendUnavailableError:
            self.away_since = self.away_since or time.monotonic()
            if time.monotonic() - self.away_since > AWAY_SECONDS:
                raise
            return None
        if self.away_since is not None:
            self.away_since = self.restarts = None
        if now is None:
            gone = f"Somebody removed a container of `{self.hands.step.target.name}` on {self.hands.site}"
            raise BackendError(f"{gone} while it was looked at.", changed=Changed.PARTLY)
        if self._may_come_back(now):
            return None
        if self.restarts is None:
            self.restarts = now.restarts
        why = _complain(now, self.restarts)
        if why:
            raise self._failure(now, why)
        return now

    def _may_come_back(self, now: Container) -> bool:
        """Whether it is down only because its engine is being restarted, which starts it again then."""
        if now.state != "exited" or now.restart_policy in {"", NEVER}:
            self.down_since = None
            return False
        self.down_since = self.down_since or time.monotonic()
        return time.monotonic() - self.down_since < BACK_SECONDS

    def _passes(self) -> bool:
        """Whether its checks passed in their last round; a new round is not made at every look."""
        if not self.checks:
            return True
        if time.monotonic() - self.probed_at >= PROBE_SECONDS:
            self.complaint = self._ask()
            self.complaints = self.complaints + 1 if self.complaint else 0
            self.probed_at = time.monotonic()
        return not self.complaint

    def _ask(self) -> str:
        containers, site = self.hands.ctx.containers, self.hands.site
        for check in self.checks:
            try:
                why = containers.probe(site, self.container, check.port, check.path)
            except BackendUnavailableError as error:
                why = error.why
            if why:
                self.patience = check.within
                return f"does not pass its check `{check.path}` on port {check.port}: {why}"
        return ""

    def _failure(self, now: Container, why: str) -> BackendError:
        sentence = f"`{now.name}` on {now.site} {why}."
        said = last_lines(self.hands.ctx, now)
        return BackendError("\n".join([sentence, *said]), changed=Changed.PARTLY)


def _nap(now: Container | None, waited: float) -> float:
    """Seconds until the next look: a look before the first check of its health would see nothing."""
    due = now.check_every - waited if now is not None else 0.0
    return min(due if due > 0 else max(SHORTEST_NAP, waited * NAP_SHARE), LONGEST_NAP)


def last_lines(ctx: Reader, container: Container) -> list[str]:
    """What it wrote last, without secrets; nothing where its engine does not tell."""
    return _quietly(lambda: list(ctx.containers.logs(container.site, container.id, tail=LINES)))


def _quietly(read: Callable[[], list[str]]) -> list[str]:
    # the lines are beside the point of the failure that is told with them
    try:
        return read()
    except OpsError:
        return []


def _complain(now: Container, restarts: int) -> str:
    """What is wrong with it, or nothing."""
    if now.restarts > restarts or now.state == "restarting":
        return f"ended with exit code {now.exit_code} and was started again by its engine"
    if now.state != "running":
        return f"is {now.state} (exit code {now.exit_code})"
    if now.health == "unhealthy":
        said = " ".join(now.last_check.split())[:200]
        return f"is unhealthy: {said or 'its health check says nothing'}"
    return ""
