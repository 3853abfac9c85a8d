"""A list over twenty engines, three of them dead in three ways; the live ones by socket, TLS and SSH."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from andock.ports.containers import ContainerRow
from andock.ports.sites import Listing
from config.sites import Engine as Site
from sandbox.certificates import Authority
from sandbox.engine import Engine, Transport, start_engine
from sandbox.processes import free_port
from workers.containers import DockerContainers, Engines
from workers.containers.engines import CONNECT_SECONDS

LIVE = 17


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, ...]]:
    folder = tmp_path_factory.mktemp("engines")
    started = tuple(
        start_engine(folder, name=transport.value, own=True, transport=transport) for transport in Transport
    )
    for engine in started:
        engine.import_busybox()
    yield started
    for engine in started:
        engine.stop()


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def site(**said: object) -> Site:
    return Site.model_validate({"environment": "dev", **said})


def best_of_three(sites: dict[str, Site], folder: Path) -> tuple[float, Listing[ContainerRow]]:
    """The seconds that a first list takes at best, since other work on the machine only adds to it."""
    took = []
    for _ in range(3):
        port = DockerContainers(Engines(sites, folder))
        began = time.monotonic()
        listing = port.list_containers()
        took.append(time.monotonic() - began)
        port.close()
    return min(took), listing


def test_three_dead_engines_of_twenty_cost_one_connect_time_out(
    engines: tuple[Engine, ...], silent: str, tmp_path: Path
) -> None:
    planted = [engine.run_container(f"app-{engine.owner}", ["sleep", "1000"]) for engine in engines]
    live = {f"live-{n:02}": site(**engines[n % len(engines)].site) for n in range(LIVE)}
    secure = next(engine for engine in engines if "tls" in engine.site)
    tls = dict(secure.site["tls"], ca=str(Authority(tmp_path, "another").pem))  # type: ignore[call-overload]  # a document
    dead = {
        "refusing": site(url=f"tcp://127.0.0.1:{free_port()}", insecure=True),
        "black-hole": site(url=silent, insecure=True),
        "other-ca": site(url=secure.url, tls=tls),
    }
    live_take, _ = best_of_three(live, tmp_path)
    took, listing = best_of_three({**live, **dead}, tmp_path)

    assert took < CONNECT_SECONDS + live_take + 0.5
    assert listing.searched == tuple(live)
    seen = {row.id for row in listing.rows}
    assert seen >= set(planted)
    assert {away.site: away.why for away in listing.not_reached} == {
        "refusing": "connection refused",
        "black-hole": "no answer in time",
        "other-ca": "its certificate was not accepted: unable to get local issuer certificate; "
        "see tls.ca of this engine",
    }
