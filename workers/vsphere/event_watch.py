"""Sees what happens on a vCenter, and hands it to the feed that tells it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pyVmomi import vim
from redis.exceptions import RedisError

from andock.errors import OpsError
from andock.event_feed import EventFeed
from andock.site_events import KINDS, SiteEvent, kind_of
from workers.vsphere.faults import VENDOR_ERRORS, translate
from workers.vsphere.permissions import own_name, require_sight
from workers.vsphere.properties import Collector, specify
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import plain
from workers.vsphere.session import Session, Sessions

log = structlog.get_logger()
WAIT = 2  # whole seconds that vCenter holds a call without news
TOGETHER = 1  # whole seconds in which what happens is told in one message
PAGE = 200  # events that vCenter shows at a time; so many within a second are not told one by one anyway
OVERLAP = timedelta(minutes=1)  # hosts' clocks differ: an event may bear an earlier time than one before it
FIRST_PAUSE = 0.5  # seconds until the next try after a failure; doubles
LONGEST_PAUSE = 8.0
_PAGE = "latestPage"
# Any: pyVmomi's data objects have untyped constructors.
_Filter: Any = vim.event.EventFilterSpec


@dataclass
class EventWatcher:
    """One thread's eye on one vCenter's events, in a session of its own.

    vCenter sorts out the kinds and keeps the newest of them in one property, which is followed; so it costs
    the same however much else happens.

    Attributes:
        kinds: those of `andock.site_events.KINDS` that are told.
        allowed: set while this process is the one that watches the vCenter, and its account is accepted.
    """

    site: str
    sessions: Sessions
    feed: EventFeed
    kinds: Sequence[str]
    allowed: threading.Event
    stop: threading.Event
    _pause: float = field(default=FIRST_PAUSE, init=False)

    def run(self) -> None:
        """Watch until stopped; nothing that fails ends it."""
        while not self.stop.is_set():
            if not self.allowed.wait(1.0):
                continue
            try:
                self._watch()
            except OpsError as error:
                log.warning("events_not_seen", site=self.site, error=error.sentence, again_in=self._pause)
            except RedisError as error:
                log.warning("redis_away", site=self.site, error=type(error).__name__)
            self.stop.wait(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _watch(self) -> None:
        """Follow the events in one session; raises OpsError and redis' own errors."""
        session = self.sessions.open(self.site)
        try:
            self._follow(session)
        except VENDOR_ERRORS as error:
            raise translate(error, site=self.site) from error
        finally:
            session.close()

    def _follow(self, session: Session) -> None:
        instance = refer(vim.ServiceInstance, "ServiceInstance", session.stub)
        began = instance.CurrentTime().astimezone(UTC)
        require_sight(session, self.feed.sight, "events")
        since = self.feed.since()
        first = began if since is None else datetime.fromtimestamp(since, UTC)
        with self._collect(session, first - OVERLAP) as collector:
            wanted: dict[type, Sequence[str]] = {vim.event.EventHistoryCollector: (_PAGE,)}
            session.collector.CreateFilter(specify([collector], (), wanted), partialUpdates=False)
            self._listen(session, began.timestamp(), own_name(session))

    @contextlib.contextmanager
    def _collect(self, session: Session, since: datetime) -> Iterator[Any]:
        """A collector of vCenter's for the kinds that are told."""
        root = refer(vim.Folder, session.login.root, session.stub)
        manager = refer(vim.event.EventManager, session.login.events, session.stub)
        collector = manager.CreateCollectorForEvents(
            _Filter(
                entity=_Filter.ByEntity(entity=root, recursion="all"),
                time=_Filter.ByTime(beginTime=since),
                eventTypeId=[type_ for kind in self.kinds for type_ in KINDS[kind].types],
            )
        )
        try:
            collector.SetCollectorPageSize(PAGE)
            yield collector
        finally:
            with contextlib.suppress(*VENDOR_ERRORS):  # it ends with the session at the latest
                collector.DestroyCollector()

    def _listen(self, session: Session, now: float, own: str) -> None:
        """Hand on what is new, gathered for a moment, so that what comes together is told together."""
        version, page, due = "", None, 0.0
        while self.allowed.is_set() and not self.stop.is_set():
            within = WAIT if page is None else TOGETHER
            news = session.collector.WaitForUpdatesEx(version, Collector.WaitOptions(maxWaitSeconds=within))
            if news is not None:
                is_first, version = not version, news.version
                page = _page_in(news)
                due = due or time.monotonic() + (0 if is_first else TOGETHER)
            if page is not None and time.monotonic() >= due:
                events = [_describe(self.site, one) for one in page if one.userName != own]
                self.feed.take([one for one in events if one.name], now, cut=len(page) >= PAGE)
                page, due, self._pause = None, 0.0, FIRST_PAUSE


def _page_in(news: Any) -> list[Any]:
    """The newest events as they are now."""
    page: list[Any] = []
    for change in (one for filtered in news.filterSet for one in filtered.objectSet):
        for prop in change.changeSet:
            if prop.name == _PAGE:
                page = list(prop.val or ())
    return page


def _describe(site: str, event: Any) -> SiteEvent:
    type_ = getattr(event, "eventTypeId", "") or type(event).__name__.rpartition(".")[2]
    name, thing = _entity(event)
    return SiteEvent(
        site=site,
        key=event.key,
        at=event.createdTime.astimezone(UTC).timestamp(),
        name=kind_of(type_),
        entity=name,
        entity_id=thing,
        text=plain(event.fullFormattedMessage or "").strip() or type_,
        user=event.userName or "",
    )


def _entity(event: Any) -> tuple[str, str]:
    """Name and id of what it happened to: the smallest thing that it names."""
    for part, what in (
        ("vm", "vm"),
        ("ds", "datastore"),
        ("host", "host"),
        ("computeResource", "computeResource"),
    ):
        argument = getattr(event, part, None)
        if argument is not None:
            return plain(argument.name), id_of(getattr(argument, what))
    return plain(getattr(event, "objectName", None) or "vCenter"), getattr(event, "objectId", None) or ""
