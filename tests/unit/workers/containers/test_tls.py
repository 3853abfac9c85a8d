"""Mutual TLS against a real dockerd."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import docker.tls
import pytest
import requests

from andock.errors import BackendUnavailableError, Changed, ConfigError, OpsError
from config.sites import Engine, EngineTls, SecretReference
from sandbox.certificates import Authority, Pair
from sandbox.engine.daemon import Daemon
from sandbox.processes import free_port
from workers.containers import DockerContainers, Engines


@dataclass(frozen=True)
class SecureEngine:
    folder: Path
    url: str
    authority: Authority
    client: Pair

    def site(
        self, *, ca: Path | None = None, pair: Pair | None = None, key: SecretReference | None = None
    ) -> Engine:
        pair = pair or self.client
        tls = EngineTls(
            ca=ca or self.authority.pem, cert=pair.cert, key=key or SecretReference(file=pair.key)
        )
        return Engine(url=self.url, environment="dev", tls=tls)


@contextmanager
def started(folder: Path, authority: Authority, server: Pair) -> Iterator[SecureEngine]:
    """A dockerd with this certificate, and what a client of its authority needs."""
    url = f"tcp://127.0.0.1:{free_port()}"
    arguments: list[str | Path] = ["--host", url, "--tlsverify", "--tlscacert", authority.pem]
    daemon = Daemon(folder, [*arguments, "--tlscert", server.cert, "--tlskey", server.key])
    daemon.start()
    yield SecureEngine(folder, url, authority, authority.issue("client"))
    daemon.clear()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureEngine]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder, "authority")
    with started(folder, authority, authority.issue("server")) as engine:
        yield engine


@pytest.fixture
def other_bundle(secure: SecureEngine, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """A company's bundle in the environment, as a hardened host has it."""
    company = Authority(secure.folder, "company")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(company.pem))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(company.pem))
    return company


def test_the_engines_own_ca_wins_over_the_environments(secure: SecureEngine, other_bundle: Authority) -> None:
    plain = docker.tls.TLSConfig(
        client_cert=(str(secure.client.cert), str(secure.client.key)),
        ca_cert=str(secure.authority.pem),
        verify=True,
    )
    with (
        docker.APIClient(base_url=secure.url, tls=plain, version="1.41") as trapped,
        pytest.raises(
            requests.exceptions.SSLError  # so the trap is there
        ),
    ):
        trapped.ping()
    port = DockerContainers(Engines({"edge-1": secure.site()}, Path("/")))
    assert port.list_containers().searched == ("edge-1",)
    assert port.server_time("edge-1").tzinfo is not None
    port.close()


def test_names_are_relative_to_the_file_that_has_them(secure: SecureEngine) -> None:
    tls = EngineTls(
        ca=Path("authority.pem"), cert=Path("client.pem"), key=SecretReference(file=Path("client-key.pem"))
    )
    engines = Engines({"edge-1": Engine(url=secure.url, environment="dev", tls=tls)}, secure.folder)
    engines.prepare()
    assert engines.client("edge-1").ping()
    engines.close()


def test_a_key_from_the_environment_is_in_no_folder(
    secure: SecureEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pair = secure.authority.issue("moved")
    key = pair.key.read_text()
    pair.key.unlink()
    site = secure.site(pair=pair, key=SecretReference(env="EDGE_KEY"))
    engines = Engines({"edge-1": site}, Path("/"), environ={"EDGE_KEY": key})
    engines.prepare()
    assert engines.client("edge-1").ping()
    engines.forget("edge-1")
    assert engines.client("edge-1").ping()  # it can be read more than once
    assert not list(tmp_path.iterdir())
    assert not [path for path in secure.folder.iterdir() if path.is_file() and key in path.read_text()]
    engines.close()


def test_without_a_client_certificate_of_its_ca_the_engine_refuses(secure: SecureEngine) -> None:
    stranger = Authority(secure.folder, "stranger").issue("client-of-another")
    engines = Engines({"edge-1": secure.site(pair=stranger)}, Path("/"))
    with pytest.raises(BackendUnavailableError, match=r"did not accept our certificate.*see tls.cert"):
        engines.client("edge-1")


def test_an_engine_of_another_ca_is_not_spoken_to(secure: SecureEngine) -> None:
    other = Authority(secure.folder, "another")
    engines = Engines({"edge-1": secure.site(ca=other.pem)}, Path("/"))
    with pytest.raises(BackendUnavailableError, match=r"its certificate was not accepted.*see tls.ca"):
        engines.client("edge-1")


def test_an_engine_with_tls_spoken_to_without(secure: SecureEngine) -> None:
    engines = Engines({"edge-1": Engine(url=secure.url, environment="dev", insecure=True)}, Path("/"))
    with pytest.raises(OpsError, match="HTTP request to an HTTPS server"):
        engines.client("edge-1")


def test_a_key_of_another_certificate_stops_the_worker_at_its_start(secure: SecureEngine) -> None:
    other = secure.authority.issue("other")
    site = secure.site(key=SecretReference(file=other.key))
    with pytest.raises(ConfigError, match="do not fit"):
        Engines({"edge-1": site}, Path("/")).prepare()


def test_a_ca_that_is_none_stops_the_worker_at_its_start(secure: SecureEngine, tmp_path: Path) -> None:
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate\n")
    with pytest.raises(ConfigError, match=r"ca\.pem is no certificate"):
        Engines({"edge-1": secure.site(ca=nonsense)}, Path("/")).prepare()


@pytest.mark.parametrize(
    ("names", "ends", "why"),
    [
        (["127.0.0.1"], timedelta(minutes=-1), "its certificate has expired; renew it there"),
        (["10.9.8.7"], timedelta(days=1), "its certificate is for another address; use one in sites.yaml"),
    ],
    ids=["expired", "another name"],
)
def test_a_certificate_that_is_not_right_is_told_by_what_is_wrong_with_it(
    tmp_path: Path, names: list[str], ends: timedelta, why: str
) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.issue("server", names=names, ends=datetime.now(UTC) + ends)
    with started(tmp_path, authority, pair) as engine:
        engines = Engines({"edge-1": engine.site()}, Path("/"))
        with pytest.raises(BackendUnavailableError, match=why) as caught:
            engines.client("edge-1")
    assert caught.value.changed is Changed.NOTHING


def test_our_own_certificate_that_has_expired(secure: SecureEngine) -> None:
    old = secure.authority.issue("old", ends=datetime.now(UTC) - timedelta(minutes=1))
    engines = Engines({"edge-1": secure.site(pair=old)}, Path("/"))
    with pytest.raises(BackendUnavailableError, match=r"did not accept our certificate.*see tls.cert"):
        engines.client("edge-1")
