"""Containers exchanged by hand while clients ask: what a deployment is measured against."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from sandbox.balancer import Balancer
from sandbox.engine import Engine, start_engine
from sandbox.engine.services import PORT
from sandbox.registry import Registry, start_registry
from tests.e2e.traffic import traffic

OLD, NEW = "v1.0.0", "v1.1.0"
PORTS = range(18080, 18084)
Eventually = Callable[..., bool]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Registry]:
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    registry.fill_service(engine, [OLD, NEW])
    for tag in (OLD, NEW):
        query = {"fromImage": f"{registry.address}/team/api", "tag": tag}
        engine.api.call("POST", "/images/create", query=query, login=registry.login)
    yield registry
    registry.stop()


@pytest.fixture
def balancer(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    folder = tmp_path_factory.mktemp("balancer")
    balancer = Balancer(folder, [(engine.address, port) for port in PORTS])
    balancer.start()
    yield balancer
    balancer.stop()
    engine.remove_labelled()


def run(engine: Engine, registry: Registry, name: str, version: str) -> None:
    """Start a container on a free port of the range, and wait until it is healthy."""
    published = [{"HostPort": f"{PORTS[0]}-{PORTS[-1]}"}]
    settings = {
        "Image": f"{registry.address}/team/api:{version}",
        "HostConfig": {"PortBindings": {f"{PORT}/tcp": published}},
    }
    engine.api.call("POST", "/containers/create", query={"name": name}, body=settings)
    engine.api.call("POST", f"/containers/{name}/start")
    deadline = time.monotonic() + 20
    while engine.api.call("GET", f"/containers/{name}/json")["State"]["Health"]["Status"] != "healthy":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def remove(engine: Engine, name: str) -> None:
    engine.api.call("POST", f"/containers/{name}/stop", query={"t": "10"})
    engine.api.call("DELETE", f"/containers/{name}")


def test_start_first_with_a_graceful_end_no_request_fails(
    engine: Engine, registry: Registry, balancer: Balancer, eventually: Eventually
) -> None:
    for slot in (1, 2):
        run(engine, registry, f"api-{slot}", OLD)
    assert eventually(lambda: len(balancer.up) == 2)
    with traffic(balancer.url) as seen:
        seen.wait_for(OLD)
        for slot in (1, 2):
            old = f"api-{slot}-before"
            engine.api.call("POST", f"/containers/api-{slot}/rename", query={"name": old})
            run(engine, registry, f"api-{slot}", NEW)
            remove(engine, old)
        seen.wait_for(NEW)
    assert seen.failed == []
    assert set(seen.answers) == {OLD, NEW}


def test_stop_first_of_the_only_container_requests_fail_and_are_counted(
    engine: Engine, registry: Registry, balancer: Balancer
) -> None:
    run(engine, registry, "api-1", OLD)
    with traffic(balancer.url) as seen:
        seen.wait_for(OLD)
        remove(engine, "api-1")
        run(engine, registry, "api-1", NEW)
        seen.wait_for(NEW)
    assert [failure for failure in seen.failed if "503" in failure]
