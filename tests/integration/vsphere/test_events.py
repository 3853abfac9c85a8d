"""Events of a simulated vCenter, told through a real Redis: each once, together, others' than Andock's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pyVmomi import vim

from andock.audit import Journal
from andock.event_feed import EventFeed
from andock.indexing import IndexWriter
from andock.ledger import Ledger
from andock.messages import Actor
from andock.outbox import Outbox
from andock.signing import Verifier, load_signer
from andock.site_events import USUAL
from bot.mutes import ActorMutes
from sandbox.vcenter import Inventory, Rule, VmState, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import SITE, entry_of, until
from workers.vsphere import EventWatcher, Sessions, SiteWatcher, TagReader, TagService, watch, watcher
from workers.vsphere.references import refer

LOST, BACK, OFF = "HostConnectionLostEvent", "HostConnectedEvent", "VmPoweredOffEvent"
WAIT = "WaitForUpdatesEx"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "WAIT", 1)


@dataclass
class Channel:
    """What is due in the channel, as a courier would find it: one text for each notice."""

    ledger: Ledger
    verifier: Verifier
    keys: Path
    sessions: Sessions | None = None

    def said(self, about: str = "") -> list[str]:
        """The texts of all notices that speak of this, the oldest first."""
        pattern = self.ledger.key("notice", "event*")
        names = [key.decode().rpartition(":")[2] for key in self.ledger.redis.scan_iter(pattern)]
        read = [Outbox(self.ledger).read_notice(name, self.verifier) for name in names]
        found = [one for one in read if one is not None and about in one.text]
        assert all(one.channel == "C0EVENTS" for one in found)
        return [one.text for one in sorted(found, key=lambda one: one.at)]

    def feed(self) -> EventFeed:
        signer = load_signer(self.keys, "worker")
        return EventFeed(self.ledger, signer, self.verifier, site=SITE, channel="C0EVENTS")

    @contextmanager
    def watched(self, simulator: Simulator, kinds: Sequence[str] = USUAL) -> Iterator[None]:
        """A watcher that tells events, as the process does it; it has looked once when the block begins."""
        sessions = Sessions({SITE: entry_of(simulator)}, {SITE: SecretStr(simulator.password)}, Path("/"))
        stop = threading.Event()
        tags = TagReader(SITE, TagService(sessions.account(SITE)), stop, lambda: False)
        events = EventWatcher(SITE, sessions, self.feed(), kinds, tags.allowed, stop)
        one = SiteWatcher(SITE, sessions, IndexWriter(self.ledger, SITE), tags, stop, events=events)
        thread = threading.Thread(target=watch, args=([one], stop))
        thread.start()
        try:
            assert until(lambda: self.feed().since() is not None)
            yield
        finally:
            stop.set()
            thread.join(15)
            assert not thread.is_alive()


@pytest.fixture
def channel(ledger: Ledger, verifier: Verifier, keys: Path) -> Channel:
    return Channel(ledger, verifier, keys)


@pytest.fixture
def vm(simulator: Simulator) -> Iterator[VmState]:
    """A VM of this test alone, and a host that it runs on."""
    yield simulator.control.create_vm(f"happens-{time.monotonic_ns()}", power_on=True)
    simulator.control.set_rules([])


def happen(simulator: Simulator, vm: VmState, event: str = OFF, *, user: str = "CORP\\admin") -> None:
    simulator.control.post_event(event, "VirtualMachine", vm.id, user=user)


def test_a_host_that_is_lost_and_comes_back_is_told_in_a_sentence_each(
    simulator: Simulator, channel: Channel, sessions: Sessions
) -> None:
    session = sessions.open(SITE)
    host = session.read(lambda one: refer(vim.Folder, one.login.root, one.stub).childEntity[0].hostFolder)
    hosts = session.read(lambda _: host.childEntity[0].host)
    session.close()
    lost = hosts[0]._moId
    with channel.watched(simulator):
        simulator.control.post_event(LOST, "HostSystem", lost, text="Host is not responding")
        assert until(lambda: channel.said("host-lost"))
        simulator.control.post_event(BACK, "HostSystem", lost, text="Connected to it", user="CORP\\admin")
        assert until(lambda: channel.said("host-back"))
    first, second = channel.said()
    assert first.startswith("🔴 *host-lost* · `DC0_C0_H0` (lab) · <!date^")
    assert first.endswith("· Host is not responding")
    assert second.startswith("🟢 *host-back*")
    assert second.endswith("· Connected to it · by CORP\\admin")


def test_what_happens_within_a_second_is_one_message(
    simulator: Simulator, channel: Channel, vm: VmState
) -> None:
    other = simulator.control.create_vm(f"other-{time.monotonic_ns()}")
    with channel.watched(simulator):
        for one in (vm, other, vm):
            happen(simulator, one)
        assert until(lambda: channel.said(other.name))
    (said,) = channel.said()
    assert said.startswith("*3 events* on lab:\n")
    assert said.count("vm-off") == 3


def test_of_a_storm_the_newest_are_shown_and_the_others_counted(
    simulator: Simulator, channel: Channel, vm: VmState
) -> None:
    with channel.watched(simulator):
        for number in range(20):
            simulator.control.post_event(LOST, "VirtualMachine", vm.id, text=f"number {number}.")
        assert until(lambda: any("number 19." in text for text in channel.said()))
    told = channel.said()
    assert len(told) <= 3  # it took the test a moment to post them
    counted = sum(int(text[1:].split()[0]) if text.startswith("*") else 1 for text in told)
    assert counted == 20


def test_what_was_before_the_first_look_and_other_kinds_are_not_told(
    simulator: Simulator, channel: Channel, vm: VmState
) -> None:
    happen(simulator, vm)
    with channel.watched(simulator, kinds=["vm-off"]):
        happen(simulator, vm, LOST)
        happen(simulator, vm, "VmFailedMigrateEvent")
        happen(simulator, vm, user="CORP\\late")
        assert until(lambda: channel.said("CORP\\late"))
    (said,) = channel.said()
    assert said.startswith("🔴 *vm-off*")


def test_a_watcher_that_is_started_again_repeats_nothing_and_tells_what_happened_meanwhile(
    simulator: Simulator, channel: Channel, vm: VmState
) -> None:
    with channel.watched(simulator):
        happen(simulator, vm, user="first")
        assert until(lambda: channel.said("by first"))
    happen(simulator, vm, user="meanwhile")
    with channel.watched(simulator):
        assert until(lambda: channel.said("by meanwhile"))
        happen(simulator, vm, user="later")
        assert until(lambda: channel.said("by later"))
    assert [text.rpartition(" ")[2] for text in channel.said()] == ["first", "meanwhile", "later"]


def test_who_dies_before_the_cursor_moved_says_it_again_in_the_same_message(
    simulator: Simulator, channel: Channel, vm: VmState, ledger: Ledger
) -> None:
    place = ledger.key("events", SITE)
    with channel.watched(simulator):
        before = ledger.redis.get(place)
        happen(simulator, vm, user="first")
        assert until(lambda: channel.said("by first"))
    assert before is not None
    ledger.redis.set(place, before)  # as it lay there when the message was due already
    happen(simulator, vm, user="second")
    with channel.watched(simulator):
        assert until(lambda: channel.said("by second"))
    (said,) = channel.said()
    assert said.startswith("*2 events*")


def test_two_watchers_tell_an_event_once(simulator: Simulator, channel: Channel, vm: VmState) -> None:
    with channel.watched(simulator), channel.watched(simulator):
        for name in ("first", "second"):
            happen(simulator, vm, user=name)
            assert until(lambda name=name: channel.said(f"by {name}"))  # type: ignore[misc]  # mypy on defaults
    assert len(channel.said()) == 2


@pytest.mark.parametrize(
    "rule",
    [
        Rule(WAIT, count=1, fault="NotAuthenticated"),
        Rule(WAIT, count=2, drop=True),
        Rule(WAIT, count=2, http=503),
        Rule("CreateCollectorForEvents", count=1, fault="SystemError"),
    ],
)
def test_whatever_ends_a_watch_events_are_told_after_it_and_none_twice(
    simulator: Simulator, channel: Channel, vm: VmState, rule: Rule
) -> None:
    with channel.watched(simulator):
        happen(simulator, vm, user="before")
        assert until(lambda: channel.said("by before"))
        simulator.control.set_rules([rule])
        simulator.control.expire_sessions()
        happen(simulator, vm, user="after")
        assert until(lambda: channel.said("by after"))
        assert len(channel.said()) == 2


def test_a_vcenter_that_counts_its_events_anew_is_heard(tmp_path: Path, channel: Channel) -> None:
    simulator = start_vcenter(tmp_path, inventory=Inventory(vms=1))
    try:
        with channel.watched(simulator):
            for number in range(3):
                happen(simulator, simulator.control.create_vm(f"early-{number}"), user="before")
            assert until(lambda: channel.said("early-2"))
            simulator.kill()
            simulator.restart()
            happen(simulator, simulator.control.create_vm("late"), user="after")
            assert until(lambda: channel.said("`late`"))
            happen(simulator, simulator.control.create_vm("later"), user="after")
            assert until(lambda: channel.said("`later`"))
    finally:
        simulator.stop()
    assert len([text for text in channel.said() if "early-2" in text]) == 1


def test_a_mute_by_entity_and_kind_keeps_events_away_and_they_stay_away(
    simulator: Simulator, channel: Channel, vm: VmState, journal: Journal
) -> None:
    mutes = ActorMutes(journal, Actor(team="T1", user="U0OPS1", name="ops-1"))
    mutes.mute(vm.name, "vm-*", datetime.now(UTC) + timedelta(hours=1))
    with channel.watched(simulator):
        happen(simulator, vm, user="muted")
        happen(simulator, vm, LOST, user="loud")
        assert until(lambda: channel.said("by loud"))
        mutes.unmute(vm.name, "vm-*")
        happen(simulator, vm, user="again")
        assert until(lambda: channel.said("by again"))
    assert channel.said("by muted") == []


def test_what_andock_did_itself_and_its_notes_are_not_told_back(
    simulator: Simulator, channel: Channel, vm: VmState, sessions: Sessions
) -> None:
    def as_andock(call: Callable[[vim.VirtualMachine, vim.event.EventManager], object]) -> None:
        session = sessions.open(SITE)
        events = refer(vim.event.EventManager, session.login.events, session.stub)
        call(refer(vim.VirtualMachine, vm.id, session.stub), events)
        session.close()

    with channel.watched(simulator, kinds=["vm-off", "note"]):
        as_andock(lambda machine, events: events.LogUserEvent(machine, "ops-1 asked Andock in chat"))
        as_andock(lambda machine, _: machine.PowerOffVM_Task())
        happen(simulator, vm, "GeneralUserEvent", user="CORP\\admin")
        assert until(lambda: channel.said("by CORP"))
    (said,) = channel.said()
    assert said.startswith("🔵 *note*")


def test_a_cursor_that_somebody_else_wrote_is_not_believed(
    simulator: Simulator, channel: Channel, vm: VmState, ledger: Ledger
) -> None:
    ledger.redis.set(ledger.key("events", SITE), b'made.up.Cursor.{"key":99999999}')
    assert channel.feed().since() is None
    with channel.watched(simulator):
        happen(simulator, vm, user="heard")
        assert until(lambda: channel.said("by heard"))
