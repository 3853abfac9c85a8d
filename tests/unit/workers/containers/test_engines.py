from __future__ import annotations

import os
import socket
import statistics
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from andock.errors import BackendUnavailableError, ConfigError, OutcomeUnknownError, UnknownSiteError
from config.sites import Engine, EngineTls, SecretReference
from sandbox.engine import IMAGE, LABEL, start_engine
from sandbox.engine import Engine as SandboxEngine
from sandbox.gate import Gate
from sandbox.processes import free_port
from workers.containers import DockerContainers, Engines
from workers.containers.engines import CONNECT_SECONDS, EngineClient


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def tcp(port: int) -> Engine:
    return Engine(url=f"tcp://127.0.0.1:{port}", environment="dev", insecure=True)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxEngine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


def test_the_version_is_agreed_on_once_a_connection_whatever_is_asked(
    engine: SandboxEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    request = EngineClient.request

    def noted(client: EngineClient, method: str, url: str, **kwargs: Any) -> requests.Response:
        asked.append(url)
        return request(client, method, url, **kwargs)

    monkeypatch.setattr(EngineClient, "request", noted)
    port = DockerContainers(Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path))
    for _ in range(3):
        port.list_containers()
        port.read_disk("edge-1")
        port.list_events(["edge-1"], timedelta(minutes=1), most=5)
    port.close()

    assert [url.rpartition("/")[2] for url in asked].count("_ping") == 1
    assert not [url for url in asked if url.endswith("/version")]
    assert len({url.split("/")[3] for url in asked if not url.endswith("/_ping")}) == 1


def test_three_dead_engines_of_five_cost_one_time_out(engine: SandboxEngine, tmp_path: Path) -> None:
    engine.run_container("web", ["sleep", "1000"])
    live = Engine(url=engine.url, environment="dev")
    with ExitStack() as stack:
        port = DockerContainers(
            Engines(
                {
                    "live-1": live,
                    "refusing": tcp(free_port()),
                    "silent-1": tcp(stack.enter_context(silent_port())),
                    "silent-2": tcp(stack.enter_context(silent_port())),
                    "live-2": live,
                },
                tmp_path,
            )
        )
        stack.callback(port.close)
        began = time.monotonic()
        listing = port.list_containers()
        took = time.monotonic() - began
    assert CONNECT_SECONDS <= took < CONNECT_SECONDS + 0.5
    assert [(row.site, row.name) for row in listing.rows] == [("live-1", "web"), ("live-2", "web")]
    assert listing.searched == ("live-1", "live-2")
    assert {away.site: away.why for away in listing.not_reached} == {
        "refusing": "connection refused",
        "silent-1": "no answer in time",
        "silent-2": "no answer in time",
    }


def test_an_engine_that_hangs_is_known_to_be_away_within_three_seconds(
    engine: SandboxEngine, tmp_path: Path
) -> None:
    port = DockerContainers(Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path))
    engine.pause()
    try:
        began = time.monotonic()
        with pytest.raises(BackendUnavailableError, match="no answer in time"):
            port.server_time("edge-1")
        assert time.monotonic() - began < 3
    finally:
        engine.resume()
    assert port.server_time("edge-1").tzinfo is not None
    port.close()


def test_a_read_whose_connection_breaks_off_is_asked_once_more(engine: SandboxEngine, tmp_path: Path) -> None:
    with Gate(engine.url) as gate:
        port = DockerContainers(Engines({"edge-1": Engine(environment="dev", **gate.site)}, tmp_path))
        lost = gate.cut("GET .*/info")
        assert port.server_time("edge-1").tzinfo is not None
        assert lost.met.is_set()
        gate.cut("GET .*/info", times=2)
        with pytest.raises(BackendUnavailableError, match="the connection was lost"):
            port.server_time("edge-1")
        port.close()


def test_a_change_whose_connection_breaks_off_is_told_once(engine: SandboxEngine, tmp_path: Path) -> None:
    engine.run_container("told-once", ["sleep", "1000"])
    with Gate(engine.url) as gate:
        port = DockerContainers(Engines({"edge-1": Engine(environment="dev", **gate.site)}, tmp_path))
        gate.cut("POST .*/stop")
        with pytest.raises(OutcomeUnknownError):
            port.stop("edge-1", "told-once", 0)
        assert sum("/stop" in call for call in gate.calls) == 1
        port.close()


def test_what_answers_must_be_an_engine(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        engines = Engines({"web": tcp(server.getsockname()[1])}, tmp_path)
        child = os.fork()
        if child == 0:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            os._exit(0)
        with pytest.raises(BackendUnavailableError, match="what answers there is no Docker engine"):
            engines.client("web")
        os.waitpid(child, 0)


def test_an_engine_whose_api_is_too_old_is_told_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        engines = Engines({"edge-1": tcp(server.getsockname()[1])}, tmp_path)
        child = os.fork()
        if child == 0:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nApi-Version: 1.24\r\nContent-Length: 2\r\n\r\nOK")
            os._exit(0)
        with pytest.raises(BackendUnavailableError, match=r"API is 1\.24, too old: Andock needs 1\.40"):
            engines.client("edge-1")
        os.waitpid(child, 0)


def test_the_version_is_what_both_sides_know(engine: SandboxEngine, tmp_path: Path) -> None:
    engines = Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path)
    client = engines.client("edge-1")
    assert client.api_version == client.version(api_version=False)["ApiVersion"]
    engines.close()


def test_a_connection_is_kept_for_the_job_and_not_beyond(engine: SandboxEngine, tmp_path: Path) -> None:
    engines = Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path)
    first = engines.client("edge-1")
    assert engines.client("edge-1") is first
    engines.close()
    assert engines.client("edge-1") is not first
    engines.close()


def test_a_job_speaks_on_the_connection_that_was_opened_before_it_came(
    engine: SandboxEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = Engines({"edge-1": Engine(url=engine.url, environment="dev"), "tcp": tcp(1)}, tmp_path)
    engines.warm_up(lambda: True)  # there is a job already
    assert engines._clients == {}

    engines.warm_up(lambda: False)
    ahead = list(engines._clients.values())
    monkeypatch.setattr(engines, "_connect", None)

    assert [engines.client("edge-1")] == ahead
    engines.close()


def test_an_engine_that_says_nothing_keeps_no_horse_from_getting_ready(
    engine: SandboxEngine, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        urls = {"silent": f"unix://{tmp_path}/s", "edge-1": engine.url}
        engines = Engines({name: Engine(url=url, environment="dev") for name, url in urls.items()}, tmp_path)
        began = time.monotonic()
        engines.warm_up(lambda: False)
        assert time.monotonic() - began < CONNECT_SECONDS / 2
        assert [name for _, name in engines._clients] == ["edge-1"]
    engines.close()


def test_an_engine_that_has_fallen_silent_since_it_was_connected_to_is_soon_said_to_be_away(
    engine: SandboxEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.containers.engines.TRUSTED_FOR", 0.0)
    monkeypatch.setattr("workers.containers.engines.CONNECT_SECONDS", 0.5)
    engines = Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path)
    engines.warm_up(lambda: False)
    engine.pause()
    try:
        began = time.monotonic()
        with pytest.raises(BackendUnavailableError, match="no answer in time"):
            engines.client("edge-1")
        assert time.monotonic() - began < 3
    finally:
        engine.resume()
    assert engines.client("edge-1").ping()
    engines.close()


def test_a_connection_never_crosses_a_fork(engine: SandboxEngine, tmp_path: Path) -> None:
    engines = Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path)
    parents = engines.client("edge-1")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            childs = engines.client("edge-1")
            status = 0 if childs is not parents and childs.ping() else 2
            engines.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert engines.client("edge-1") is parents
    assert parents.ping()
    engines.close()


def test_opening_costs_a_few_milliseconds(engine: SandboxEngine, tmp_path: Path) -> None:
    engines = Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path)
    taken = []
    for _ in range(10):
        began = time.perf_counter()
        engines.client("edge-1")
        taken.append(time.perf_counter() - began)
        engines.close()
    assert statistics.median(taken) < 0.05


def test_an_unknown_engine_is_told_with_the_nearest(tmp_path: Path) -> None:
    engines = Engines({"edge-1": tcp(1)}, tmp_path)
    with pytest.raises(UnknownSiteError, match="Did you mean `edge-1`"):
        engines.client("edge-2")


def test_a_missing_certificate_stops_the_worker_at_its_start(tmp_path: Path) -> None:
    tls = EngineTls(ca=Path("ca.pem"), cert=Path("cert.pem"), key=SecretReference(file=Path("key.pem")))
    engines = Engines({"edge-1": Engine(url="tcp://h:2376", environment="dev", tls=tls)}, tmp_path)
    with pytest.raises(ConfigError, match=r"engines.edge-1.tls: .*ca.pem cannot be read"):
        engines.prepare()


def test_a_missing_variable_stops_the_worker_at_its_start(tmp_path: Path) -> None:
    tls = EngineTls(ca=Path("ca.pem"), cert=Path("cert.pem"), key=SecretReference(env="EDGE_KEY"))
    site = Engine(url="tcp://h:2376", environment="dev", tls=tls)
    with pytest.raises(ConfigError, match="EDGE_KEY is not set"):
        Engines({"edge-1": site}, tmp_path, environ={}).prepare()


def test_a_socket_that_may_not_be_opened_says_the_fix(engine: SandboxEngine, tmp_path: Path) -> None:
    if_not_root = os.fork()
    if if_not_root == 0:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path).client("edge-1")
        except BackendUnavailableError as error:
            status = 0 if "group `docker`" in error.sentence else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(if_not_root, 0)[1]) == 0


def run_with(engine: SandboxEngine, script: str, *, tty: bool) -> str:
    settings = {
        "Image": IMAGE,
        "Cmd": ["sh", "-c", script],
        "Tty": tty,
        "Labels": {LABEL: engine.owner},
    }
    made = str(engine.api.call("POST", "/containers/create", body=settings)["Id"])
    engine.api.call("POST", f"/containers/{made}/start")
    engine.api.call("POST", f"/containers/{made}/wait")
    return made


@pytest.mark.parametrize("tty", [False, True])
def test_both_streams_of_a_log_with_and_without_a_terminal(
    engine: SandboxEngine, tmp_path: Path, tty: bool
) -> None:
    made = run_with(engine, r"printf '\033[31mred\033[0m\n'; sleep 0.1; printf 'caf\351\n' >&2", tty=tty)
    port = DockerContainers(Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path))
    assert list(port.logs("edge-1", made, tail=10)) == ["red", "caf\ufffd"]
    port.close()


def test_a_flood_in_a_log_is_read_without_holding_it(engine: SandboxEngine, tmp_path: Path) -> None:
    made = run_with(engine, "yes $(seq 400 | tr '\\n' ' ') | head -n 5000", tty=False)
    port = DockerContainers(Engines({"edge-1": Engine(url=engine.url, environment="dev")}, tmp_path))
    tracemalloc.start()
    size = sum(len(line) for line in port.logs("edge-1", made, tail=5000))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    port.close()
    assert size > 7_000_000
    assert most < 1_500_000
