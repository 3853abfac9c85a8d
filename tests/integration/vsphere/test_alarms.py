"""Alarms of a simulated vCenter, told through a real Redis: each once, edited, closed, muted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from andock.alarm_feed import AlarmFeed
from andock.audit import Journal
from andock.indexing import IndexWriter
from andock.ledger import Ledger
from andock.messages import Actor, Notice
from andock.outbox import Outbox
from andock.signing import Verifier, load_signer
from bot.mutes import ActorMutes
from sandbox.vcenter import Inventory, Rule, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import SITE, entry_of, until
from workers.vsphere import (
    AlarmWatcher,
    Sessions,
    SiteWatcher,
    TagReader,
    TagService,
    alarm_watch,
    watch,
    watcher,
)

CPU, MEMORY = "alarm.VmCPUUsageAlarm", "alarm.VmMemoryUsageAlarm"
WAIT = "WaitForUpdatesEx"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "WAIT", 1)
    monkeypatch.setattr(alarm_watch, "WAIT", 1)
    monkeypatch.setattr(alarm_watch, "AGAIN", 0.2)


@dataclass
class Channel:
    """What is due in the channel, as a courier would find it: one text for each notice."""

    ledger: Ledger
    verifier: Verifier
    keys: Path

    def said(self, about: str) -> list[str]:
        """The texts, as they are now, of all notices about this entity."""
        pattern = self.ledger.key("notice", "alarm*")
        names = [key.decode().rpartition(":")[2] for key in self.ledger.redis.scan_iter(pattern)]
        read = [Outbox(self.ledger).read_notice(name, self.verifier) for name in names]
        found = [one for one in read if isinstance(one, Notice) and f"`{about}`" in one.text]
        assert all(one.channel == "C0ALARMS" for one in found)
        return [one.text for one in sorted(found, key=lambda one: one.at)]

    def due(self) -> int:
        """How many notices are due; they no longer are."""
        outbox = Outbox(self.ledger)
        taken = outbox.take(100)
        for one in taken:
            outbox.done(one)
        return len(taken)

    @contextmanager
    def watched(self, simulator: Simulator, *, least: Any = "yellow") -> Iterator[None]:
        """A watcher that tells alarms, as the process does it."""
        sessions = Sessions({SITE: entry_of(simulator)}, {SITE: SecretStr(simulator.password)}, Path("/"))
        stop = threading.Event()
        tags = TagReader(SITE, TagService(sessions.account(SITE)), stop, lambda: False)
        signer = load_signer(self.keys, "worker")
        feed = AlarmFeed(self.ledger, signer, self.verifier, site=SITE, channel="C0ALARMS", least=least)
        alarms = AlarmWatcher(SITE, sessions, feed, tags.allowed, stop)
        one = SiteWatcher(SITE, sessions, IndexWriter(self.ledger, SITE), tags, stop, alarms)
        thread = threading.Thread(target=watch, args=([one], stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(15)
            assert not thread.is_alive()

    def mutes(self, journal: Journal) -> ActorMutes:
        return ActorMutes(journal, Actor(team="T1", user="U0OPS1", name="ops-1"))


@pytest.fixture
def channel(ledger: Ledger, verifier: Verifier, keys: Path) -> Channel:
    return Channel(ledger, verifier, keys)


@pytest.fixture
def vm(simulator: Simulator) -> Iterator[tuple[str, str]]:
    """Name and id of a VM of this test alone; its alarms are green at the end."""
    name = f"alarmed-{time.monotonic_ns()}"
    made = simulator.control.create_vm(name)
    yield name, made.id
    simulator.control.set_rules([])
    for alarm in (CPU, MEMORY):
        simulator.control.set_alarm("VirtualMachine", made.id, alarm, "green")


def raise_alarm(simulator: Simulator, vm: str, status: Any, alarm: str = CPU) -> None:
    simulator.control.set_alarm("VirtualMachine", vm, alarm, status)


def test_an_alarm_is_one_message_from_yellow_over_red_to_green(
    simulator: Simulator, channel: Channel, vm: tuple[str, str]
) -> None:
    name, machine = vm
    with channel.watched(simulator):
        raise_alarm(simulator, machine, "yellow")
        assert until(lambda: channel.said(name))
        (said,) = channel.said(name)
        assert said.startswith(f"🟡 *Virtual machine CPU usage* on `{name}` (VM, lab) · yellow since <!date^")
        raise_alarm(simulator, machine, "red")
        assert until(lambda: channel.said(name)[0].startswith("🔴"))
        raise_alarm(simulator, machine, "green")
        assert until(lambda: channel.said(name)[0].startswith("✅"))
        assert len(channel.said(name)) == 1
        raise_alarm(simulator, machine, "red")
        assert until(lambda: len(channel.said(name)) == 2)


def test_who_acknowledged_it_is_in_the_message(
    simulator: Simulator, channel: Channel, vm: tuple[str, str]
) -> None:
    name, machine = vm
    service = SmartConnect(
        host=simulator.host,
        port=simulator.port,
        user=simulator.user,
        pwd=simulator.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=10,
    )
    with channel.watched(simulator):
        raise_alarm(simulator, machine, "red")
        assert until(lambda: channel.said(name))
        alarm = vim.alarm.Alarm(CPU, service._stub)
        service.content.alarmManager.AcknowledgeAlarm(alarm, vim.VirtualMachine(machine, service._stub))
        assert until(lambda: f"acknowledged by {simulator.user}" in channel.said(name)[0])
    Disconnect(service)


def test_a_watcher_that_is_started_again_repeats_nothing_and_closes_what_ended_meanwhile(
    simulator: Simulator, channel: Channel, vm: tuple[str, str]
) -> None:
    name, machine = vm
    with channel.watched(simulator):
        raise_alarm(simulator, machine, "red")
        raise_alarm(simulator, machine, "red", MEMORY)
        assert until(lambda: len(channel.said(name)) == 2)
    assert channel.due() == 2
    raise_alarm(simulator, machine, "green", MEMORY)
    with channel.watched(simulator):
        assert until(
            lambda: any(text.startswith("✅ *Virtual machine memory") for text in channel.said(name))
        )
        assert until(lambda: channel.due() == 1)
        assert len(channel.said(name)) == 2


def test_two_watchers_tell_an_alarm_once(simulator: Simulator, channel: Channel, vm: tuple[str, str]) -> None:
    name, machine = vm
    with channel.watched(simulator), channel.watched(simulator):
        raise_alarm(simulator, machine, "red")
        assert until(lambda: channel.said(name))
        raise_alarm(simulator, machine, "red", MEMORY)
        assert until(lambda: len(channel.said(name)) == 2)
    assert channel.due() == 2


@pytest.mark.parametrize(
    "rule",
    [
        Rule(WAIT, count=1, fault="NotAuthenticated"),
        Rule(WAIT, count=2, drop=True),
        Rule(WAIT, count=2, http=503),
        Rule("RetrievePropertiesEx", count=1, fault="ManagedObjectNotFound"),
    ],
)
def test_whatever_ends_a_watch_alarms_are_told_after_it_and_none_twice(
    simulator: Simulator, channel: Channel, vm: tuple[str, str], rule: Rule
) -> None:
    name, machine = vm
    with channel.watched(simulator):
        raise_alarm(simulator, machine, "red")
        assert until(lambda: channel.said(name))
        assert until(lambda: channel.due() == 1)  # it is kept before it is due
        simulator.control.set_rules([rule])
        simulator.control.expire_sessions()
        raise_alarm(simulator, machine, "red", MEMORY)
        assert until(lambda: len(channel.said(name)) == 2)
        assert until(lambda: channel.due() == 1)  # it is kept before it is due
        assert all(text.startswith("🔴") for text in channel.said(name))


def test_a_vcenter_that_restarts_without_the_alarm_has_it_closed(tmp_path: Path, channel: Channel) -> None:
    simulator = start_vcenter(tmp_path, inventory=Inventory(vms=1))
    try:
        with channel.watched(simulator):
            made = simulator.control.create_vm("restarted")
            raise_alarm(simulator, made.id, "red")
            assert until(lambda: channel.said("restarted"))
            simulator.kill()
            time.sleep(1)  # in which the watcher meets a vCenter that is away
            assert channel.said("restarted")[0].startswith("🔴")
            simulator.restart()
            assert until(lambda: channel.said("restarted")[0].startswith("✅"))
    finally:
        simulator.stop()


def test_what_is_muted_is_told_when_the_mute_is_over_if_it_is_still_raised(
    simulator: Simulator, channel: Channel, vm: tuple[str, str], journal: Journal
) -> None:
    name, machine = vm
    mutes = channel.mutes(journal)
    mutes.mute(name.upper(), "*cpu*", datetime.now(UTC) + timedelta(hours=1))
    with channel.watched(simulator):
        raise_alarm(simulator, machine, "red")
        raise_alarm(simulator, machine, "red", MEMORY)
        assert until(lambda: channel.said(name))
        time.sleep(0.5)  # in which the other would have come
        (said,) = channel.said(name)
        assert "memory" in said
        mutes.unmute(name, "*CPU*")
        assert until(lambda: len(channel.said(name)) == 2)


def test_a_mute_lets_go_on_what_is_told_already(
    simulator: Simulator, channel: Channel, vm: tuple[str, str], journal: Journal
) -> None:
    name, machine = vm
    with channel.watched(simulator):
        raise_alarm(simulator, machine, "red")
        assert until(lambda: channel.said(name))
        channel.mutes(journal).mute(f"{SITE}:{name}", "", datetime.now(UTC) + timedelta(hours=1))
        raise_alarm(simulator, machine, "green")
        assert until(lambda: channel.said(name)[0].startswith("✅"))


def test_where_only_red_ones_are_wanted_a_yellow_one_is_told_when_it_turns_red(
    simulator: Simulator, channel: Channel, vm: tuple[str, str]
) -> None:
    name, machine = vm
    with channel.watched(simulator, least="red"):
        raise_alarm(simulator, machine, "yellow")
        raise_alarm(simulator, machine, "red", MEMORY)
        assert until(lambda: channel.said(name))
        assert len(channel.said(name)) == 1
        raise_alarm(simulator, machine, "red")
        assert until(lambda: len(channel.said(name)) == 2)


def test_what_somebody_else_wrote_among_the_told_ones_is_not_closed_in_our_name(
    simulator: Simulator, channel: Channel, ledger: Ledger, vm: tuple[str, str]
) -> None:
    name, machine = vm
    ledger.redis.hset(ledger.key("alarms", SITE), "vm-1/alarm-1", b"made.up.Alarm.{}")
    with channel.watched(simulator):
        raise_alarm(simulator, machine, "red")
        assert until(lambda: channel.said(name))
    assert channel.due() == 1


def test_of_two_raised_at_once_only_the_muted_one_is_kept_back(
    simulator: Simulator, channel: Channel, journal: Journal
) -> None:
    quiet, loud = (simulator.control.create_vm(f"{kind}-{time.monotonic_ns()}") for kind in ("quiet", "loud"))
    channel.mutes(journal).mute("quiet-*", "*cpu*", datetime.now(UTC) + timedelta(hours=1))
    with channel.watched(simulator):
        for made in (quiet, loud):
            raise_alarm(simulator, made.id, "red")
        assert until(lambda: channel.said(loud.name))
        assert channel.said(quiet.name) == []
        for made in (quiet, loud):
            raise_alarm(simulator, made.id, "green")
        assert until(lambda: channel.said(loud.name)[0].startswith("✅"))
