"""One simulated vCenter for a module, and sessions with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from andock.indexing import IndexWriter
from andock.inventory import Inventory as Index
from andock.ledger import Ledger
from andock.ports.vsphere import VmRow
from config.sites import EnvironmentRule, SecretReference, Vcenter, VcenterTls
from sandbox.vcenter import Inventory, start_vcenter
from sandbox.vcenter import Vcenter as Simulator
from workers.vsphere import Sessions, SiteWatcher, TagReader, TagService, watch

SITE = "lab"
RULES = (
    EnvironmentRule(folder="*/prod/*", **{"is": "prod"}),
    EnvironmentRule(tag="env=stage", **{"is": "stage"}),
)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_vcenter(tmp_path_factory.mktemp("vcenter"), inventory=Inventory(vms=2))
    yield simulator
    simulator.stop()


def entry_of(simulator: Simulator, rules: tuple[EnvironmentRule, ...] = RULES) -> Vcenter:
    """The simulator as sites.yaml names it."""
    return Vcenter(
        host=simulator.host,
        port=simulator.port,
        user=simulator.user,
        password=SecretReference(env="UNUSED"),
        tls=VcenterTls(verify=False),
        environment="dev",
        environments=rules,
    )


@pytest.fixture
def sessions(simulator: Simulator) -> Iterator[Sessions]:
    sessions = Sessions({SITE: entry_of(simulator)}, {SITE: SecretStr(simulator.password)}, Path("/"))
    yield sessions
    simulator.control.set_rules([])
    simulator.control.set_page(0)
    sessions.close()


def until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@dataclass
class Watching:
    """A watcher at work in this process, and the index that it keeps."""

    index: Index
    simulator: Simulator
    stop: threading.Event
    thread: threading.Thread
    sessions: Sessions

    def row(self, vm: str) -> VmRow | None:
        """The VM's row, if there are an index and such a row."""
        found = self.index.named(SITE, vm)
        return next((row for row in found.rows if row.id == vm), None) if found else None

    def names(self) -> set[str]:
        """Of all VMs in the index; none if there is no index."""
        return set(self.index.names(SITE) or ())

    def is_filled(self) -> bool:
        return self.index.age(SITE) is not None

    def end(self) -> None:
        """Stop as a process does on SIGTERM."""
        self.stop.set()
        self.thread.join(15)
        assert not self.thread.is_alive()


@contextmanager
def watching(
    simulator: Simulator,
    ledger: Ledger,
    *,
    password: str = "",
    tags_decide: bool = False,
    rules: tuple[EnvironmentRule, ...] = RULES,
) -> Iterator[Watching]:
    """A watcher on the simulator while the block runs; it may not have filled its index yet."""
    secret = SecretStr(password or simulator.password)
    sessions = Sessions({SITE: entry_of(simulator, rules)}, {SITE: secret}, Path("/"))
    stop = threading.Event()
    tags = TagReader(SITE, TagService(sessions.account(SITE)), stop, lambda: tags_decide)
    watcher = SiteWatcher(SITE, sessions, IndexWriter(ledger, SITE), tags, stop)
    thread = threading.Thread(target=watch, args=([watcher], stop))
    thread.start()
    running = Watching(Index(ledger), simulator, stop, thread, sessions)
    try:
        yield running
    finally:
        running.end()
        simulator.control.set_rules([])
        simulator.control.set_page(0)


@pytest.fixture
def watched(simulator: Simulator, ledger: Ledger) -> Iterator[Watching]:
    """A watcher that has filled its index."""
    with watching(simulator, ledger) as running:
        assert until(running.is_filled)
        yield running
