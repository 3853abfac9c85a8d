"""vSphere: the only package that speaks to vCenters. Implements `andock.ports.vsphere`."""

from workers.vsphere.alarm_watch import AlarmWatcher
from workers.vsphere.client import PyVmomiVSphere
from workers.vsphere.event_watch import EventWatcher
from workers.vsphere.rehearsal import rehearse
from workers.vsphere.session import Sessions
from workers.vsphere.tagging import NoTagsError, TagService, read_tags
from workers.vsphere.trace import VcenterTrace
from workers.vsphere.watcher import SiteWatcher, TagReader, watch

__all__ = [
    "AlarmWatcher",
    "EventWatcher",
    "NoTagsError",
    "PyVmomiVSphere",
    "Sessions",
    "SiteWatcher",
    "TagReader",
    "TagService",
    "VcenterTrace",
    "read_tags",
    "rehearse",
    "watch",
]
