"""policy.yaml as it is now: read again when the file has changed, and kept as it was while it is broken."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from andock.errors import ConfigError
from andock.operation import Operation
from andock.rulebook import Policy
from config.policy import load_policy
from config.sites import Sites

log = structlog.get_logger()
LOOK = 1.0  # seconds between looks at the file
SETTLED = 1.0  # seconds that a file must be left alone: half a policy may allow more than the whole
_Stamp = tuple[int, int, int]


class LivePolicy:
    """The policy that counts. Any thread may ask."""

    def __init__(self, path: Path, *, operations: Iterable[Operation], sites: Sites) -> None:
        """Read it for the first time.

        Raises:
            ConfigError: it is wrong; later that is said by `fault`.
        """
        self._path = path
        self._operations = tuple(operations)
        self._sites = sites
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._seen = _stamp(path)
        self._policy, self._read = self._load(), self._seen
        self._fault = ""
        self._emptied: _Stamp | None = None

    @property
    def fault(self) -> str:
        """What is wrong with the file as it is now, in one sentence; empty when it is what counts."""
        return self._fault

    @property
    def edition(self) -> str:
        """Names the file that counts and the one that was looked at last; the same for whoever sees them."""
        return f"{self._read} {self._seen}"

    def current(self) -> Policy:
        """The policy; looks at the file at most once a second."""
        if time.monotonic() - self._looked >= LOOK and self._lock.acquire(blocking=False):
            try:
                self._looked = time.monotonic()
                self._look()
            finally:
                self._lock.release()
        return self._policy

    def look_soon(self) -> None:
        """Look at the file as soon as somebody asks for the policy. May be called from a signal's handler."""
        self._looked = -LOOK

    def _look(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._seen or not self._settled(stamp):
            return
        policy, fault = self._policy, ""
        try:
            policy = self._load()
        except ConfigError as error:
            fault = error.sentence
        if _stamp(self._path) != stamp:
            return  # written while it was read, and read again at the next look
        if not fault:
            log.info("policy_read", rules=len(policy.rules))
            self._policy, self._read = policy, stamp
        elif fault != self._fault:
            log.error("policy_broken", fault=fault)
        self._seen, self._fault = stamp, fault

    def _settled(self, stamp: _Stamp | None) -> bool:
        """Whether nobody is writing the file just now."""
        if stamp is None:
            return True
        # the kernel empties a file a moment before it says that it was changed
        emptied, self._emptied = self._emptied, None if stamp[2] else stamp
        return abs(time.time() - stamp[0] / 1e9) >= SETTLED and (stamp[2] > 0 or emptied == stamp)

    def _load(self) -> Policy:
        return load_policy(self._path, operations=self._operations, sites=self._sites)


def _stamp(path: Path) -> _Stamp | None:
    """Changes when the file does; None when there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
