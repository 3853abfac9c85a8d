"""Sees which alarms a vCenter has raised, and hands them to the feed that tells them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import structlog
from pyVmomi import vim
from redis.exceptions import RedisError

from andock.alarm_feed import AlarmFeed
from andock.alarms import Alarm
from andock.errors import OpsError
from workers.vsphere.faults import VENDOR_ERRORS, translate
from workers.vsphere.permissions import require_sight
from workers.vsphere.properties import Collector, collect, specify
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import plain
from workers.vsphere.session import Session, Sessions

log = structlog.get_logger()
WAIT = 2  # whole seconds that vCenter holds a call without news
AGAIN = 5.0  # seconds after which the same alarms are handed on again: a mute may be over
FIRST_PAUSE = 0.5  # seconds until the next try after a failure; doubles
LONGEST_PAUSE = 8.0
_STATES = "triggeredAlarmState"
_KINDS: Mapping[str, str] = {
    "vim.VirtualMachine": "VM",
    "vim.HostSystem": "host",
    "vim.Datastore": "datastore",
    "vim.ClusterComputeResource": "cluster",
}


@dataclass
class AlarmWatcher:
    """One thread's eye on one vCenter's alarms, in a session of its own.

    The root folder has the alarms of everything below it, so one property is all that is followed.

    Attributes:
        allowed: set while this process is the one that watches the vCenter, and its account is accepted.
    """

    site: str
    sessions: Sessions
    feed: AlarmFeed
    allowed: threading.Event
    stop: threading.Event
    _names: dict[str, str] = field(default_factory=dict, init=False)
    _pause: float = field(default=FIRST_PAUSE, init=False)

    def run(self) -> None:
        """Watch until stopped; nothing that fails ends it."""
        while not self.stop.is_set():
            if not self.allowed.wait(1.0):
                continue
            try:
                self._watch()
            except OpsError as error:
                log.warning("alarms_not_seen", site=self.site, error=error.sentence, again_in=self._pause)
            except RedisError as error:
                log.warning("redis_away", site=self.site, error=type(error).__name__)
            self.stop.wait(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _watch(self) -> None:
        """Follow the alarms in one session; raises OpsError and redis' own errors."""
        session = self.sessions.open(self.site)
        try:
            self._follow(session)
        except VENDOR_ERRORS as error:
            raise translate(error, site=self.site) from error
        finally:
            session.close()

    def _follow(self, session: Session) -> None:
        require_sight(session, self.feed.sight, "alarms")
        root = refer(vim.Folder, session.login.root, session.stub)
        wanted: dict[type, Sequence[str]] = {vim.Folder: (_STATES,)}
        session.collector.CreateFilter(specify([root], (), wanted), partialUpdates=False)
        options = Collector.WaitOptions(maxWaitSeconds=WAIT)
        version, raised, due = "", None, 0.0
        while self.allowed.is_set() and not self.stop.is_set():
            news = session.collector.WaitForUpdatesEx(version, options)
            if news is not None:
                version, said = news.version, _states_in(news)
                if said is not None:
                    raised, due = self._describe(session, said), 0.0
            if raised is not None and time.monotonic() >= due:
                self.feed.take(raised)
                due, self._pause = time.monotonic() + AGAIN, FIRST_PAUSE

    def _describe(self, session: Session, states: Sequence[Any]) -> list[Alarm]:
        """The alarms with the names of what they are on, each once."""
        self._learn_names(session, states)
        return [
            Alarm(
                instance=self.feed.instance,
                site=self.site,
                kind=_KINDS.get(_kind(state.entity), _kind(state.entity).rpartition(".")[2].lower()),
                entity_id=id_of(state.entity),
                entity=self._names.get(id_of(state.entity), id_of(state.entity)),
                alarm_id=id_of(state.alarm),
                name=self._names.get(id_of(state.alarm), "an alarm"),
                status="red" if state.overallStatus == "red" else "yellow",
                since=state.time.astimezone(UTC).timestamp(),
                acknowledged=(state.acknowledgedByUser or "somebody") if state.acknowledged else "",
            )
            for state in states
            if state.overallStatus in {"red", "yellow"}
        ]

    def _learn_names(self, session: Session, states: Sequence[Any]) -> None:
        """Ask for the names that are not known; with one call, however many."""
        subjects = {id_of(one): one for state in states for one in (state.entity, state.alarm)}
        self._names = {key: name for key, name in self._names.items() if key in subjects}
        unknown = [one for key, one in subjects.items() if key not in self._names]
        if not unknown:
            return
        start = [refer(type(one), id_of(one), session.stub) for one in unknown]
        wanted: dict[type, Sequence[str]] = {type(one): ("name",) for one in unknown}
        wanted |= {kind: ("info.name",) for kind in wanted if kind is vim.alarm.Alarm}
        for found in collect(session, start, (), wanted):
            self._names[found.id] = plain(found.get("name") or found.get("info.name", ""))


def _states_in(news: Any) -> list[Any] | None:
    """All states as they are now, which are said last; None where nothing is said of them.

    Raises vCenter's own error when they may not be read any more: nothing is green because of that.
    """
    states: list[Any] | None = None
    for change in (one for filtered in news.filterSet for one in filtered.objectSet):
        for missing in change.missingSet:
            raise missing.fault
        for prop in change.changeSet:
            if prop.name == _STATES:
                states = list(prop.val or ())
    return states


def _kind(entity: Any) -> str:
    return type(entity).__name__
