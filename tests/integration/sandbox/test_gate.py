"""What can go wrong between Andock and an engine or a registry, on real ones behind a gate."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import docker
import docker.errors
import pytest
import requests

from sandbox.engine import Engine, EngineError, start_engine
from sandbox.engine.api import Api
from sandbox.gate import FULL, Gate
from sandbox.registry import Registry, start_registry

FOREVER = ["sh", "-c", "mkfifo /f; trap exit TERM; read x < /f"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Registry]:
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    registry.fill_service(engine, ["v1.0.0", "v1.1.0"])
    yield registry
    registry.stop()


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    with Gate(engine.api.url) as gate:
        yield gate
    engine.remove_labelled()


@pytest.fixture
def client(gate: Gate) -> Iterator[docker.DockerClient]:
    """The SDK, with one connection for many calls."""
    client = docker.DockerClient(base_url=gate.url, timeout=20)
    yield client
    client.close()


@dataclass
class Call:
    """A call made beside the test; `result` is there once it is over."""

    make: Callable[[], object]
    result: object = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self.make()
        except EngineError as error:
            self.result = error

    def end(self) -> object:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.result


def stop(gate: Gate, name: str) -> Call:
    return Call(lambda: Api(gate.url).call("POST", f"/containers/{name}/stop"))


def test_without_a_fault_an_engine_is_as_without_a_gate(
    engine: Engine, gate: Gate, client: docker.DockerClient
) -> None:
    engine.run_container("web", ["sh", "-c", "echo hello; mkfifo /f; trap exit TERM; read x < /f"])
    assert [found.name for found in client.containers.list()] == ["web"]
    web = client.containers.get("web")
    assert web.exec_run(["cat", "/etc/group"]).output == b"root:x:0:\n"  # a connection that becomes a stream
    assert web.logs() == b"hello\n"
    web.stop()
    assert engine.inspect("web").state == "exited"
    assert any(call.endswith("/stop") for call in gate.calls)


def test_a_call_is_refused_as_an_engine_with_a_full_disk_refuses(
    engine: Engine, gate: Gate, client: docker.DockerClient
) -> None:
    gate.refuse("POST .*/containers/create", times=2)
    for _ in range(2):
        with pytest.raises(docker.errors.APIError, match=FULL) as refused:
            client.containers.create("andock/busybox:sandbox", FOREVER, name="web")
        assert refused.value.status_code == 500
    client.containers.create("andock/busybox:sandbox", FOREVER, name="web")
    assert engine.inspect("web").state == "created"


def test_a_call_that_is_cut_off_is_not_done_and_one_that_loses_its_answer_is(
    engine: Engine, gate: Gate, client: docker.DockerClient
) -> None:
    engine.run_container("web", FOREVER)
    gate.cut("POST .*/stop")
    with pytest.raises(requests.ConnectionError):
        client.api.stop("web")
    assert engine.inspect("web").state == "running"
    gate.lose("POST .*/stop")
    with pytest.raises(requests.ConnectionError):
        client.api.stop("web")
    assert engine.inspect("web").state == "exited"


def test_a_call_is_held_until_the_test_lets_it_go(engine: Engine, gate: Gate) -> None:
    engine.run_container("first", FOREVER)
    engine.run_container("second", FOREVER)
    held = gate.hold("POST .*/stop", skip=1)
    assert stop(gate, "first").end() is None
    assert not held.met.is_set()
    second = stop(gate, "second")
    held.wait_met()
    assert engine.inspect("second").state == "running"
    held.release()
    assert second.end() is None
    assert engine.inspect("second").state == "exited"


def test_a_held_call_can_be_broken_off_and_never_arrives(engine: Engine, gate: Gate) -> None:
    engine.run_container("web", FOREVER)
    held = gate.hold("POST .*/stop")
    call = stop(gate, "web")
    held.wait_met()
    held.break_off()
    assert isinstance(call.end(), EngineError)
    assert engine.inspect("web").state == "running"


def test_a_fault_that_nothing_meets_is_told(gate: Gate) -> None:
    with pytest.raises(TimeoutError, match=r"no call like POST .*/stop came within 0\.1 s"):
        gate.hold("POST .*/stop").wait_met(0.1)


def test_a_registry_goes_away_in_the_middle_of_a_pull(engine: Engine, registry: Registry) -> None:
    with Gate(f"tcp://{registry.address}") as way:
        stalled = way.stall("GET .*/blobs/", most=100_000)
        pull = Call(lambda: pull_by(engine, registry, way, "v1.0.0"))
        stalled.wait_met()
        registry.stop()
        began = time.monotonic()
        stalled.break_off()
        pull.end()
        assert time.monotonic() - began < 15
        assert not has(engine, f"{way.address}/team/api:v1.0.0")
    registry.start()


def test_a_slow_registry_ends_a_pull_when_it_goes_on(engine: Engine, registry: Registry) -> None:
    with Gate(f"tcp://{registry.address}") as way:
        stalled = way.stall("GET .*/blobs/", most=100_000)
        pull = Call(lambda: pull_by(engine, registry, way, "v1.1.0"))
        stalled.wait_met()
        assert not has(engine, f"{way.address}/team/api:v1.1.0")
        stalled.release()
        pull.end()
        assert has(engine, f"{way.address}/team/api:v1.1.0")


def pull_by(engine: Engine, registry: Registry, way: Gate, version: str) -> object:
    query = {"fromImage": f"{way.address}/team/api", "tag": version}
    return engine.api.call("POST", "/images/create", query=query, login=registry.login)


def has(engine: Engine, image: str) -> bool:
    listed = engine.api.call("GET", "/images/json")
    return image in {tag for found in listed for tag in found["RepoTags"] or ()}


def test_a_server_that_breaks_off_leaves_no_client_waiting() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, Gate(f"tcp://127.0.0.1:{server.getsockname()[1]}") as gate:
        host, port = gate.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"GET /blob HTTP/1.1\r\n\r\n")
            behind, _ = server.accept()
            assert behind.recv(100).startswith(b"GET /blob")
            behind.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe first of it")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            behind.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            behind.close()  # with a reset
            assert client.recv(1000) in {b"", b"the first of it"}
