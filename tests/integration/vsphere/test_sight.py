"""An account that sees nothing at a simulated vCenter's root folder: said once, never taken for green."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from andock.alarm_feed import AlarmFeed
from andock.event_feed import EventFeed
from andock.ledger import Ledger
from andock.outbox import Outbox
from andock.signing import Verifier, load_signer
from andock.site_events import USUAL
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import SITE, entry_of, until
from workers.vsphere import AlarmWatcher, EventWatcher, Sessions, alarm_watch, event_watch
from workers.vsphere.alarm_watch import _states_in
from workers.vsphere.properties import Collector

CPU = "alarm.VmCPUUsageAlarm"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (alarm_watch, event_watch):
        monkeypatch.setattr(module, "LONGEST_PAUSE", 0.5)


@contextmanager
def not_permitted_at_the_root(simulator: Simulator) -> Iterator[None]:
    """Nobody has a role on the root folder while the block runs; the account has one on the datacenter."""
    service = SmartConnect(
        host=simulator.host,
        port=simulator.port,
        user=simulator.user,
        pwd=simulator.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=10,
    )
    manager = service.content.authorizationManager
    root = service.content.rootFolder
    permissions = manager.RetrieveEntityPermissions(root, False)
    manager.SetEntityPermissions(root.childEntity[0], permissions)
    manager.SetEntityPermissions(root, [])
    try:
        yield
    finally:
        manager.SetEntityPermissions(root, permissions)
        Disconnect(service)


@dataclass
class Watched:
    """Watchers of alarms and events on one simulator, and what they let be told."""

    ledger: Ledger
    verifier: Verifier
    keys: Path
    simulator: Simulator

    def said(self, kind: str) -> list[str]:
        """The texts of all notices whose ids begin so."""
        keys = self.ledger.redis.scan_iter(self.ledger.key("notice", f"{kind}*"))
        names = [key.decode().rpartition(":")[2] for key in keys]
        read = (Outbox(self.ledger).read_notice(name, self.verifier) for name in names)
        return sorted(one.text for one in read if one is not None)

    @contextmanager
    def running(self) -> Iterator[None]:
        password = SecretStr(self.simulator.password)
        sessions = Sessions({SITE: entry_of(self.simulator)}, {SITE: password}, Path("/"))
        stop, allowed = threading.Event(), threading.Event()
        allowed.set()
        signer = load_signer(self.keys, "worker")
        alarms = AlarmFeed(self.ledger, signer, self.verifier, site=SITE, channel="C0ALARMS")
        events = EventFeed(self.ledger, signer, self.verifier, site=SITE, channel="C0ALARMS")
        watchers = (
            AlarmWatcher(SITE, sessions, alarms, allowed, stop),
            EventWatcher(SITE, sessions, events, USUAL, allowed, stop),
        )
        threads = [threading.Thread(target=one.run) for one in watchers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(15)
                assert not thread.is_alive()


@pytest.fixture
def watched(ledger: Ledger, verifier: Verifier, keys: Path, simulator: Simulator) -> Watched:
    return Watched(ledger, verifier, keys, simulator)


def test_that_nothing_is_seen_is_said_once_with_the_way_out_and_once_when_it_is_over(
    watched: Watched,
) -> None:
    with not_permitted_at_the_root(watched.simulator):
        for _ in range(2):  # a watcher that is started again does not repeat it
            with watched.running():
                assert until(lambda: len(watched.said("blind")) == 2)
                time.sleep(1)  # in which it is tried again
        alarms, events = watched.said("blind")
    assert alarms == (
        "⚠️ lab: alarms are not seen: the account lacks System.View and System.Read on the root folder. Fix: "
        "give it a role with System.View and System.Read on the root folder, with Propagate to children; see "
        "docs/vsphere-role.md."
    )
    assert "lab: events are not seen" in events
    with watched.running():
        assert until(lambda: all(text.startswith("✅") for text in watched.said("blind")))
    assert watched.said("blind") == ["✅ lab: alarms are seen again.", "✅ lab: events are seen again."]


def test_an_alarm_is_not_green_because_it_cannot_be_seen_any_more(watched: Watched) -> None:
    control = watched.simulator.control
    vm = control.create_vm(f"hidden-{time.monotonic_ns()}")
    control.set_alarm("VirtualMachine", vm.id, CPU, "red")
    try:
        with watched.running():
            assert until(lambda: watched.said("alarm"))
        with not_permitted_at_the_root(watched.simulator), watched.running():
            assert until(lambda: watched.said("blind"))
            assert watched.said("alarm")[0].startswith("🔴")
        with watched.running():
            assert until(lambda: any("alarms are seen again" in text for text in watched.said("blind")))
            control.set_alarm("VirtualMachine", vm.id, CPU, "green")
            assert until(lambda: watched.said("alarm")[0].startswith("✅"))
    finally:
        control.set_alarm("VirtualMachine", vm.id, CPU, "green")


def test_a_vcenter_that_does_not_say_what_its_account_may_is_watched_all_the_same(watched: Watched) -> None:
    control = watched.simulator.control
    vm = control.create_vm(f"unasked-{time.monotonic_ns()}")
    control.set_rules([Rule("FetchUserPrivilegeOnEntities", fault="UserNotFound")])
    try:
        with watched.running():
            control.set_alarm("VirtualMachine", vm.id, CPU, "red")
            assert until(lambda: watched.said("alarm"))
        assert watched.said("blind") == []
    finally:
        control.set_rules([])
        control.set_alarm("VirtualMachine", vm.id, CPU, "green")


def test_a_property_that_may_not_be_read_any_more_ends_the_watch_and_no_alarm() -> None:
    fault = vim.fault.NoPermission()
    missing = vmodl.query.PropertyCollector.MissingProperty(path="triggeredAlarmState", fault=fault)
    change = Collector.ObjectUpdate(kind="modify", obj=vim.Folder("group-d1", None), missingSet=[missing])
    news = Collector.UpdateSet(version="2", filterSet=[Collector.FilterUpdate(objectSet=[change])])
    with pytest.raises(vim.fault.NoPermission):
        _states_in(news)
