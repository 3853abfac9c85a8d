"""A registry and engines behind TLS and SSH, as Andock's own tests use them."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import docker
import pytest

from sandbox.engine import IMAGE, LABEL, Engine, Transport, start_engine
from sandbox.processes import accepts_connections
from sandbox.registry import Registry, RegistryError, start_registry

Eventually = Callable[..., bool]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Registry]:
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    registry.fill(engine)
    yield registry
    registry.stop()


@pytest.fixture
def run(engine: Engine, registry: Registry) -> Iterator[Callable[[str], str]]:
    """Pulls a sample and runs it as it is; its id."""

    def pull_and_run(name: str) -> str:
        image = f"{registry.address}/team/{name}"
        query = {"fromImage": image, "tag": "1"}
        engine.api.call("POST", "/images/create", query=query, login=registry.login)
        settings = {"Image": f"{image}:1", "Labels": {LABEL: engine.owner}, "StopTimeout": 1}
        made = str(engine.api.call("POST", "/containers/create", query={"name": name}, body=settings)["Id"])
        engine.api.call("POST", f"/containers/{made}/start")
        return made

    yield pull_and_run
    engine.remove_labelled()


def status(engine: Engine, container: str) -> str:
    state = engine.api.call("GET", f"/containers/{container}/json")["State"]
    return str(state.get("Health", {}).get("Status") or f"{state['Status']} {state['ExitCode']}")


@pytest.mark.parametrize(
    ("name", "becomes"), [("web", "healthy"), ("sick", "unhealthy"), ("crash", "exited 3")]
)
def test_a_sample_behaves_as_its_name_says(
    engine: Engine, run: Callable[[str], str], eventually: Eventually, name: str, becomes: str
) -> None:
    made = run(name)
    assert eventually(lambda: status(engine, made) == becomes, 20)


def test_a_sample_logs_fifty_thousand_lines(
    engine: Engine, run: Callable[[str], str], eventually: Eventually
) -> None:
    made = run("chatty")
    client = docker.APIClient(base_url=engine.url)
    assert eventually(lambda: client.logs(made, tail=1) == b"line 50000\n", 20)
    assert client.logs(made).count(b"\n") == 50_000
    client.close()


def test_what_came_from_a_registry_can_be_removed_by_its_address_and_all_else_stays(
    engine: Engine, registry: Registry
) -> None:
    engine.import_busybox()
    image = f"{registry.address}/team/web"
    query = {"fromImage": image, "tag": "1"}
    engine.api.call("POST", "/images/create", query=query, login=registry.login)
    engine.api.call("POST", f"/images/{quote(image)}:1/tag", query={"repo": "kept", "tag": "1"})

    engine.remove_images("127.0.0.1:*/*/*")

    held = engine.api.call("GET", "/images/json")
    assert {tag for image in held for tag in image["RepoTags"]} == {IMAGE, "kept:1"}
    engine.remove_images("kept")


def test_what_was_pushed_has_a_digest_and_stays_over_a_restart(registry: Registry) -> None:
    digest = registry.digest("team/web", "1")
    assert digest.startswith("sha256:")
    registry.stop()
    assert not accepts_connections(registry.port)
    registry.start()
    assert registry.digest("team/web", "1") == digest
    with pytest.raises(RegistryError, match="no team/nobody:1"):
        registry.digest("team/nobody", "1")


def test_three_engines_by_socket_tls_and_ssh_run_side_by_side(tmp_path: Path) -> None:
    engines = [
        start_engine(tmp_path, name=name, own=True, transport=transport)
        for name, transport in (("a", Transport.UNIX), ("b", Transport.TLS), ("c", Transport.SSH))
    ]
    for engine in engines:
        engine.import_busybox()
        engine.run_container(f"on-{engine.owner}", ["sleep", "1000"])
    names = [[c["Names"] for c in engine.api.call("GET", "/containers/json")] for engine in engines]
    assert names == [[[f"/on-{engine.owner}"]] for engine in engines]

    ports = [int(engine.url.split(":")[2].partition("/")[0]) for engine in engines[1:]]
    for engine in engines:
        engine.stop()
    assert not any(accepts_connections(port) for port in ports)
    assert not [folder for engine in engines for folder in Path("/run").glob(f"andock-{engine.owner}*")]
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_tls_lets_in_whom_its_authority_signed_and_nobody_else(tmp_path: Path) -> None:
    engine = start_engine(tmp_path, transport=Transport.TLS)
    tls = tmp_path / "engine" / "tls"
    trust = ssl.create_default_context(cafile=tls / "ca.pem")
    with pytest.raises(OSError, match=r"bad certificate|certificate required"):
        ping(engine, trust)
    trust.load_cert_chain(tls / "client.pem", tls / "client-key.pem")
    assert ping(engine, trust) == b"OK"
    engine.stop()


def ping(engine: Engine, trust: ssl.SSLContext) -> bytes:
    connection = http.client.HTTPSConnection(engine.url.removeprefix("tcp://"), context=trust, timeout=5)
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_ssh_lets_in_the_key_made_for_it_and_no_other(tmp_path: Path) -> None:
    engine = start_engine(tmp_path, transport=Transport.SSH)
    assert engine.sshd is not None
    options = [
        "-F",
        "none",
        "-i",
        str(engine.sshd.key),
        "-o",
        f"UserKnownHostsFile={engine.sshd.known_hosts}",
    ]
    options += ["-o", "BatchMode=yes", "-p", str(engine.sshd.port), f"{engine.sshd.user}@127.0.0.1"]
    done = subprocess.run(["ssh", *options, "true"], capture_output=True, text=True, check=False, env=clean())
    assert done.returncode == 0, done.stderr
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    options[3] = str(other)
    done = subprocess.run(["ssh", *options, "true"], capture_output=True, text=True, check=False, env=clean())
    assert (done.returncode, "Permission denied" in done.stderr) == (255, True)
    engine.stop()


def clean() -> dict[str, str]:
    """No agent of the developer's helps."""
    return {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
