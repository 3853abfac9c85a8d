"""A vCenter that takes connections and says nothing: known within 3 s, and no burden to the others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from andock.errors import BackendUnavailableError
from sandbox.redis_server import RedisServer
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import SITE
from workers.vsphere import Sessions, inventory, session

PROMISE = 3.0  # seconds
# how many seconds a worker takes before it begins a job
WORKER = """
import time
from andock.operation import Backend
from config.installation import load_installation
from config.settings import Settings, read_settings
from workers.performers import prepare_worker
from workers.vsphere import session
session.TRY_AGAIN_AFTER = 0.0
settings = read_settings(Settings)
installation = load_installation(settings)
worker = prepare_worker(installation, settings, Backend.VSPHERE, "vsphere", "a-queue")
began = time.monotonic()
worker.before_fork()
print(time.monotonic() - began)
"""


@pytest.fixture
def hanging(simulator: Simulator, sessions: Sessions) -> Iterator[Simulator]:
    """The simulator, which the test may `hang`."""
    yield simulator
    simulator.wake()


@pytest.fixture
def silent() -> Iterator[tuple[int, ...]]:
    """Ports where connections are taken and nothing is ever said."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        yield tuple(server.getsockname()[1] for server in servers)


@pytest.mark.parametrize("why", ["the probe is due", "a job flagged the session"])
def test_a_vcenter_that_falls_silent_while_a_session_is_held_is_waited_for_once(
    hanging: Simulator, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    sessions.ensure(SITE)
    if why == "the probe is due":
        monkeypatch.setattr(session, "PROBE_AFTER", 0.0)
    else:
        hanging.control.expire_sessions()
        job = sessions.open(SITE)
        job.read(inventory.scan_names)
        job.close()
    hanging.hang()

    began = time.monotonic()
    sessions.prepare()
    job = sessions.open(SITE)
    with pytest.raises(BackendUnavailableError, match="no answer within"):
        job.read(inventory.scan_names)
    took = time.monotonic() - began
    job.close()

    assert took < PROMISE


def test_a_held_session_is_spoken_in_again_when_its_vcenter_is_back(
    hanging: Simulator, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.ensure(SITE)
    monkeypatch.setattr(session, "PROBE_AFTER", 0.0)
    hanging.hang()
    sessions.prepare()
    hanging.wake()
    hanging.control.calls()
    monkeypatch.setattr(session, "AWAY_FOR", 0.0)

    job = sessions.open(SITE)
    assert job.read(inventory.scan_names)
    job.close()

    assert "Login" not in hanging.control.calls()


def test_three_silent_vcenters_cost_a_worker_one_connect_time_out_and_the_healthy_one_is_logged_in_to(
    simulator: Simulator, silent: tuple[int, ...], redis_server: RedisServer, keys: Path, tmp_path: Path
) -> None:
    entry = {"user": simulator.user, "password": {"env": "PASSWORD"}, "tls": {"verify": False}}
    entry |= {"host": simulator.host, "environment": "dev"}
    ports = {**{f"away-{number}": port for number, port in enumerate(silent)}, SITE: simulator.port}
    sites = {"vcenters": {name: {**entry, "port": port} for name, port in ports.items()}}
    (tmp_path / "sites.yaml").write_text(yaml.safe_dump(sites))
    (tmp_path / "policy.yaml").write_text("rules: [{name: all, allow: ['*']}]")
    simulator.control.calls()

    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        env={
            **os.environ,
            "REDIS_URL": redis_server.url,
            "ANDOCK_CONFIG_DIR": str(tmp_path),
            "ANDOCK_KEYS_DIR": str(keys),
            "PASSWORD": simulator.password,
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert float(done.stdout.splitlines()[-1]) < PROMISE
    assert simulator.control.calls()["Login"] == 1
