"""A worker opens its vCenters for one job, whose deadline ends what it reads of them."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

import pytest

from andock.errors import Changed, DeadlineError
from andock.operation import Backend
from andock.signing import make_keys
from config.installation import load_installation
from config.settings import Settings, read_settings
from sandbox.installation.configuration import SITE, default_policy, describe_sites, write_configuration
from sandbox.redis_server import RedisServer
from sandbox.vcenter import Vcenter as Simulator
from tests.fakes.vsphere import TinyWatch
from workers import performers
from workers.jobs import Performer


def test_the_jobs_own_deadline_ends_its_reads(
    simulator: Simulator, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = f"t{secrets.token_hex(4)}"
    write_configuration(tmp_path, describe_sites(instance, simulator, {}, None, {}), default_policy())
    make_keys(tmp_path / "keys")
    for name, value in {
        "REDIS_URL": redis_server.url,
        "ANDOCK_CONFIG_DIR": str(tmp_path),
        "ANDOCK_KEYS_DIR": str(tmp_path / "keys"),
        "LAB_PASSWORD": simulator.password,
    }.items():
        monkeypatch.setenv(name, value)
    installed: list[Performer] = []
    monkeypatch.setattr(performers, "install", installed.append)
    monkeypatch.setattr("workers.vsphere.power._CLOCK_KEPT", 0.0)  # asked each time
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # it is this process' own
    settings = read_settings(Settings)
    performers.prepare_worker(load_installation(settings), settings, Backend.VSPHERE, "vsphere", "none")
    watch = TinyWatch(seconds=60.0)
    with installed[0].open_ports(watch) as ports:
        assert ports.vsphere is not None
        assert ports.vsphere.server_time(SITE).tzinfo is not None
        watch.seconds = 0.0
        with pytest.raises(DeadlineError, match=f"passed before {SITE} had answered") as late:
            ports.vsphere.server_time(SITE)
    assert late.value.changed is Changed.NOTHING
