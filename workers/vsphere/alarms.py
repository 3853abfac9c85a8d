"""Triggered alarms and events over pyVmomi."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

from pyVmomi import vim

from andock.ports.sites import Listing
from andock.ports.vsphere import Alarm, Event, Subject
from workers.vsphere.faults import VENDOR_ERRORS
from workers.vsphere.hosts import name_alarms
from workers.vsphere.properties import collect, of_kind
from workers.vsphere.references import id_of, refer
from workers.vsphere.rows import plain
from workers.vsphere.session import Session
from workers.vsphere.subjects import read_subjects, refer_to
from workers.vsphere.tags import TagsClient

# Any: pyVmomi's data objects have untyped constructors.
_Filter: Any = vim.event.EventFilterSpec


class AlarmsClient(TagsClient):
    """Implements `andock.ports.vsphere.alarms.Alarms`."""

    def list_alarms(self, site: str | None = None) -> Listing[Alarm]:
        """See the port. Three calls: the root shows all that is triggered below it."""

        def ask(session: Session) -> tuple[Alarm, ...]:
            root = refer(vim.Folder, session.login.root, session.stub)
            found = collect(session, [root], (), {vim.Folder: ("triggeredAlarmState",)})
            states = [state for one in found for state in one.get("triggeredAlarmState", ())]
            states = [state for state in states if str(state.overallStatus) in {"red", "yellow"}]
            names = name_alarms(session, of_kind(found, vim.Folder).values())
            vcenter = self._sessions.vcenter(session.site)
            subjects = read_subjects(session, vcenter, (one.entity for one in states), self._labels_of)
            return tuple(
                Alarm(
                    id=id_of(state.alarm),
                    name=names.get(id_of(state.alarm)) or "an alarm",
                    status=str(state.overallStatus),
                    since=state.time.astimezone(UTC),
                    subject=subjects[id_of(state.entity)],
                    acknowledged=bool(state.acknowledged),
                    acknowledged_by=state.acknowledgedByUser or "",
                )
                for state in states
                if id_of(state.entity) in subjects
            )

        return self._ask_all(site, lambda session: session.read(ask))

    def acknowledge(self, subject: Subject, alarm: str) -> None:
        """See the port."""

        def call(session: Session) -> None:
            definition = refer(vim.alarm.Alarm, alarm, session.stub)
            _content(session).alarmManager.AcknowledgeAlarm(definition, refer_to(session, subject))

        self._send(subject.site, call, target=subject.name, what="acknowledge an alarm of")

    def read_events(self, subject: Subject, since: datetime, most: int) -> tuple[Event, ...]:
        """See the port. A collector of vCenter's gives the newest page, whatever is older."""

        def ask(session: Session) -> tuple[Event, ...]:
            wanted = _Filter(
                entity=_Filter.ByEntity(entity=refer_to(session, subject), recursion="all"),
                time=_Filter.ByTime(beginTime=since),
            )
            collector = _content(session).eventManager.CreateCollectorForEvents(wanted)
            try:
                collector.SetCollectorPageSize(most)
                found = [_event(one) for one in collector.latestPage]
            finally:
                with contextlib.suppress(*VENDOR_ERRORS):  # it ends with the session at the latest
                    collector.DestroyCollector()
            newest = sorted((one for one in found if one.at >= since), key=lambda one: one.at, reverse=True)
            return tuple(newest[:most])

        return self._session(subject.site).read(ask, target=subject.name)


def _content(session: Session) -> Any:
    """The managers of this vCenter; a bare host has no alarms, a vCenter always."""
    return refer(vim.ServiceInstance, "ServiceInstance", session.stub).RetrieveContent()


def _event(event: Any) -> Event:
    kind = getattr(event, "eventTypeId", "") or type(event).__name__.rpartition(".")[2]
    text = plain(event.fullFormattedMessage or "").strip() or kind
    return Event(event.createdTime.astimezone(UTC), kind, text, event.userName or "")
