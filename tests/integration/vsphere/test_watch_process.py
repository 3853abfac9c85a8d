"""The watcher as a process: started by the worker's supervisor, killed, started again."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis

from andock.indexing import IndexWriter
from andock.inventory import Inventory
from andock.ledger import Ledger
from andock.signing import make_keys
from sandbox.installation.configuration import SITE, default_policy, describe_sites, write_configuration
from sandbox.installation.procfile import list_children, read_command
from sandbox.processes import Child, start
from sandbox.redis_server import RedisServer
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import until

ROOT = Path(__file__).resolve().parents[3]
STARTED_WITHIN = 60.0  # seconds until a process that was started has filled the index, on a busy machine


@dataclass
class Site:
    """A configured installation with nothing but a vCenter, and what runs of it."""

    index: Inventory
    writer: IndexWriter
    simulator: Simulator
    env: dict[str, str]
    folder: Path
    running: list[Child] = field(default_factory=list)

    def start(self, *words: str) -> Child:
        """`python -m workers ...`."""
        log = self.folder / f"log-{len(self.running)}"
        child = start([sys.executable, "-m", "workers", *words], log=log, cwd=ROOT, env=self.env)
        self.running.append(child)
        return child

    def names(self) -> set[str]:
        return set(self.index.names(SITE) or ())


@pytest.fixture
def site(simulator: Simulator, redis_server: RedisServer, redis: Redis, tmp_path: Path) -> Iterator[Site]:
    instance = f"t{secrets.token_hex(4)}"
    write_configuration(tmp_path, describe_sites(instance, simulator, {}, None, {}), default_policy())
    make_keys(tmp_path / "keys")
    env = {
        **os.environ,
        "REDIS_URL": redis_server.url,
        "ANDOCK_CONFIG_DIR": str(tmp_path),
        "ANDOCK_KEYS_DIR": str(tmp_path / "keys"),
        "LAB_PASSWORD": simulator.password,
    }
    ledger = Ledger(redis, instance)
    site = Site(Inventory(ledger), IndexWriter(ledger, SITE), simulator, env, tmp_path)
    yield site
    for child in site.running:
        child.kill()


def test_a_watcher_that_is_killed_and_started_again_goes_on_before_the_index_is_stale(site: Site) -> None:
    first = site.start("watch", "vsphere", "vsphere")
    site.simulator.control.create_vm("before-kill")
    assert until(lambda: "before-kill" in site.names(), STARTED_WITHIN), first.output()
    first.kill()
    second = site.start("watch", "vsphere", "vsphere")
    site.simulator.control.create_vm("after-kill")

    def goes_on() -> bool:
        names = site.names()
        assert "before-kill" in names, "the index was not to be read in between"
        return "after-kill" in names

    assert until(goes_on, STARTED_WITHIN), second.output()


def test_it_stops_when_asked_and_another_one_writes_at_once(site: Site) -> None:
    first = site.start("watch", "vsphere", "vsphere")
    assert until(site.names, STARTED_WITHIN), first.output()
    os.kill(first.pid, signal.SIGTERM)
    assert until(lambda: not first.alive, 15)
    assert site.writer.hold(), "it did not let go of the index"
    site.writer.release()
    second = site.start("watch", "vsphere", "vsphere")
    site.simulator.control.create_vm("second-writes")
    assert until(lambda: "second-writes" in site.names(), STARTED_WITHIN), second.output()
    assert site.simulator.password not in first.output() + second.output()


def test_the_workers_line_starts_one_for_its_pool(site: Site) -> None:
    line = site.start("vsphere")

    def watchers() -> list[int]:
        return [pid for pid in list_children(line.pid) if "watch" in read_command(pid)]

    assert until(site.names, STARTED_WITHIN), line.output()
    (watcher,) = watchers()
    os.kill(watcher, signal.SIGKILL)
    assert until(lambda: watchers() not in ([], [watcher]), STARTED_WITHIN), line.output()
