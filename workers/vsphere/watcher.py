"""Keeps the inventory index of vCenters current, by what each vCenter itself says has changed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from redis.exceptions import RedisError

from andock.errors import BackendRejectedError, BackendUnavailableError, OpsError
from andock.indexing import IndexLostError, IndexWriter
from workers.vsphere.alarm_watch import AlarmWatcher
from workers.vsphere.connection import ANSWER_WITHIN
from workers.vsphere.event_watch import EventWatcher
from workers.vsphere.faults import VENDOR_ERRORS, translate
from workers.vsphere.inventory import ROWS
from workers.vsphere.mirror import Labels, Mirror
from workers.vsphere.properties import IN_VIEW, Collector, specify, view_all
from workers.vsphere.session import REFUSED_FOR, Session, Sessions
from workers.vsphere.soap import call, serialize
from workers.vsphere.stream import AnswerReader
from workers.vsphere.tagging import NoTagsError, TagService, read_tags

log = structlog.get_logger()
WAIT = 2  # whole seconds that vCenter holds a call without news; the index is hardly ever older than that
ONCE = 1000  # objects in one answer
FIRST_PAUSE = 0.5  # seconds until the next try after a failure; doubles
LONGEST_PAUSE = 8.0
STAND_BY = 1.0  # seconds until it is looked again whether another watcher still writes
TAGS_EVERY = 10.0  # seconds; vCenter does not say when tags change
TAGS_WITHIN = 3.0  # seconds that a filling waits for the first look at tags
END_WITHIN = 10.0  # seconds that threads get to log out


class StoppedError(Exception):
    """The watcher was asked to stop."""


@dataclass
class TagReader:
    """Reads a vCenter's tags now and then, beside the watcher, which must not wait for them.

    Attributes:
        decides: whether policy or environments go by tags; then there is no index without them.
        labels: the VMs' tags; None until they are known.
        asked_at: monotonic, when vCenter was asked for these.
        known: set when they are.
        allowed: set while the account is known to be accepted: who logs in in vain again and again is locked.
    """

    site: str
    service: TagService
    stop: threading.Event
    decides: Callable[[], bool]
    labels: Labels | None = None
    asked_at: float = 0.0
    known: threading.Event = field(default_factory=threading.Event)
    allowed: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read until stopped; what is known stays known while vCenter does not answer."""
        complaint, pause = "", 0.0
        while not self.stop.wait(pause):
            pause = TAGS_EVERY
            if not self.allowed.wait(STAND_BY):
                pause = 0.0
                continue
            try:
                asked_at = time.monotonic()
                self.labels = self._read()
                self.asked_at = asked_at
            except OpsError as error:
                pause = REFUSED_FOR if isinstance(error, BackendRejectedError) else TAGS_EVERY
                if error.sentence != complaint:
                    log.warning("tags_not_read", site=self.site, error=error.sentence)
                complaint = error.sentence
            else:
                self.known.set()
                complaint = ""
        self.service.close()

    def _read(self) -> Labels:
        """All tags; none where there is no such service and nothing goes by them."""
        try:
            return read_tags(self.service, lambda service: service.all_tags())
        except NoTagsError:
            if self.decides():
                raise
            return {}


@dataclass
class SiteWatcher:
    """One thread's work on one vCenter.

    Every filling starts from nothing: a new session, a new filter, all machines. So whatever ends it, a lost
    session, a vCenter that restarts, an answer that got lost, needs no other cure than the next one.
    """

    site: str
    sessions: Sessions
    writer: IndexWriter
    tags: TagReader
    stop: threading.Event
    alarms: AlarmWatcher | None = None
    events: EventWatcher | None = None
    _pause: float = field(default=FIRST_PAUSE, init=False)

    def run(self) -> None:
        """Watch until stopped; nothing that fails ends it."""
        while not self.stop.is_set():
            try:
                if not self.writer.hold():
                    self.tags.allowed.clear()
                    self.stop.wait(STAND_BY)
                    continue
                self._watch()
            except StoppedError:
                break
            except IndexLostError:
                log.info("index_lost", site=self.site)
            except OpsError as error:
                log.warning("watch_broken", site=self.site, error=error.sentence, again_in=self._pause)
            except RedisError as error:
                log.warning("redis_away", site=self.site, error=type(error).__name__)
            self.stop.wait(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        with contextlib.suppress(RedisError):
            self.writer.release()

    def _watch(self) -> None:
        """Fill the index and follow what changes, in one session.

        Raises:
            StoppedError: when it is time.
            OpsError: vCenter does not answer, or refuses.
            IndexLostError, RedisError: as the writer.
        """
        session = self.sessions.open(self.site)
        try:
            self._await_tags(session)
            with view_all(session, list(ROWS)) as view:
                specification = specify([view], IN_VIEW, ROWS, skip=True)
                session.collector.CreateFilter(specification, partialUpdates=False)
                self._follow(session)
        except VENDOR_ERRORS as error:
            raise translate(error, site=self.site) from error
        finally:
            session.close()

    def _await_tags(self, session: Session) -> None:
        """Give the first look at tags a chance, once the account is known to be good."""
        self.tags.allowed.clear()
        log.info("watching", site=self.site, version=session.login.version)  # it logs in
        self.tags.allowed.set()
        if not self.tags.known.wait(TAGS_WITHIN) and self.tags.decides():
            raise BackendUnavailableError(self.site, "its tags are not known, and environments go by them")

    def _follow(self, session: Session) -> None:
        mirror = Mirror(self.site, self.sessions.vcenter(self.site))
        began, version, is_filled = time.monotonic(), "", False
        while not self.stop.is_set():
            news = _listen(session, version, mirror)
            version = news.version or version
            if news.is_more:
                if not self.writer.hold():
                    raise IndexLostError
                continue
            tags_lag, labels = time.monotonic() - self.tags.asked_at, self.tags.labels
            mirror.tag(labels or {})
            known = labels is not None
            if is_filled:
                self.writer.change(mirror.changes(), lag=news.age, tagged=known, tags_lag=tags_lag)
                continue
            rows = mirror.rows()
            self.writer.fill(rows, lag=news.age, tagged=known, tags_lag=tags_lag)
            is_filled, self._pause = True, FIRST_PAUSE
            seconds = round(time.monotonic() - began, 2)
            log.info("index_filled", site=self.site, vms=len(rows), seconds=seconds)
        raise StoppedError


@dataclass(frozen=True)
class _News:
    """The end of an answer: its version, if it had news, and whether more of them come at once."""

    version: str
    is_more: bool
    at: float  # monotonic, when the answer began to arrive

    @property
    def age(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.at


def _listen(session: Session, version: str, mirror: Mirror) -> _News:
    """Wait for news and let the mirror take them."""
    options = Collector.WaitOptions(maxWaitSeconds=WAIT, maxObjectUpdates=ONCE)
    asked = serialize(session.stub, session.collector, "WaitForUpdatesEx", version, options)
    reader, at = AnswerReader(), 0.0
    for piece in call(session.stub, asked, within=WAIT + ANSWER_WITHIN):
        at = at or time.monotonic()
        for seen in reader.feed(piece):
            mirror.take(seen)
    reader.close()
    return _News(reader.version, reader.truncated, at or time.monotonic())


def watch(watchers: Sequence[SiteWatcher], stop: threading.Event) -> bool:
    """Run these watchers side by side until `stop`; False when one ended by itself, which is our bug."""
    threads = [
        threading.Thread(target=run, name=watcher.site, daemon=True)
        for watcher in watchers
        for run in (
            watcher.run,
            watcher.tags.run,
            *(one.run for one in (watcher.alarms, watcher.events) if one),
        )
    ]
    for thread in threads:
        thread.start()
    while all(thread.is_alive() for thread in threads) and not stop.wait(1.0):
        pass
    is_asked = stop.is_set()
    stop.set()
    deadline = time.monotonic() + END_WITHIN
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return is_asked
