"""A pool's vCenters: the sessions that its workers and its watcher open, and the watcher itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial

from andock.alarm_feed import AlarmFeed
from andock.event_feed import EventFeed
from andock.indexing import IndexWriter
from andock.operation import Backend
from andock.signing import Signer, load_signer
from config.credentials import read_secret
from config.installation import Installation
from config.settings import Settings
from workers.vsphere import AlarmWatcher, EventWatcher, Sessions, SiteWatcher, TagReader, TagService, watch


def open_vcenters(installation: Installation, settings: Settings, names: Sequence[str]) -> Sessions:
    """Sessions with these vCenters, with their passwords; nothing is connected yet."""
    vcenters = {name: installation.sites.vcenters[name] for name in names}
    base = settings.config_dir
    passwords = {
        name: read_secret(vcenter.password, of=name, base=base) for name, vcenter in vcenters.items()
    }
    return Sessions(vcenters, passwords, base)


def watch_pool(installation: Installation, settings: Settings, pool: str, stop: threading.Event) -> bool:
    """Keep the inventory index of a pool's vCenters current until `stop`; see `workers.vsphere.watch`."""
    sites = installation.sites
    names = [name for name in sites.names(Backend.VSPHERE) if sites.pool_of(name) == pool]
    sessions = open_vcenters(installation, settings, names)
    signer = load_signer(settings.keys_dir, "worker")
    return watch([_watcher(installation, sessions, name, signer, stop) for name in names], stop)


def _watcher(
    installation: Installation, sessions: Sessions, name: str, signer: Signer, stop: threading.Event
) -> SiteWatcher:
    decides = partial(tags_decide, installation, name)
    tags = TagReader(name, TagService(sessions.account(name)), stop, decides)
    ledger, verifier = installation.ledger, installation.verifier
    told, happens = installation.sites.alarms, installation.sites.events_of(name)
    alarms, events = None, None
    if told.channel:
        feed = AlarmFeed(ledger, signer, verifier, site=name, channel=told.channel, least=told.least)
        alarms = AlarmWatcher(name, sessions, feed, tags.allowed, stop)
    if happens.channel and happens.kinds:
        news = EventFeed(ledger, signer, verifier, site=name, channel=happens.channel)
        events = EventWatcher(name, sessions, news, happens.kinds, tags.allowed, stop)
    return SiteWatcher(name, sessions, IndexWriter(ledger, name), tags, stop, alarms, events)


def tags_decide(installation: Installation, site: str) -> bool:
    """Whether what may be done to this vCenter's VMs depends on their tags, by the policy as it is now."""
    if any(rule.tag is not None for rule in installation.sites.vcenters[site].environments):
        return True
    operations = [one.name for one in installation.catalogue if one.backend is Backend.VSPHERE]
    return any(
        rule.labels
        and (not rule.sites or site in rule.sites)
        and any(fnmatchcase(name, glob) for name in operations for glob in (*rule.allow, *rule.deny))
        for rule in installation.policy.current().rules
    )
