"""Registries with TLS, logins and tokens, with lists of platforms, and some that are no registries."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from andock.errors import BackendRejectedError, BackendUnavailableError, Changed, ConfigError
from andock.ports.registry import ImageName
from config.sites import ImageRegistry, SecretReference
from sandbox.certificates import Authority, Pair
from sandbox.engine import IMAGE, Engine, start_engine
from sandbox.registry import Registry
from workers.containers import HttpRegistry
from workers.containers.distribution import CONNECT_SECONDS, READ_SECONDS
from workers.containers.registry import _next_page

LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@contextmanager
def running(registry: Registry) -> Iterator[Registry]:
    registry.start()
    yield registry
    registry.stop()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with running(Registry(tmp_path)) as started:
        yield started


def push(engine: Engine, registry: Registry, rest: str) -> None:
    repository, _, tag = f"{registry.address}/{rest}".rpartition(":")
    engine.api.call("POST", f"/images/{quote(IMAGE)}/tag", query={"repo": repository, "tag": tag})
    engine.api.call("POST", f"/images/{quote(repository)}/push", query={"tag": tag}, login=registry.login)


def port_to(registry: Registry, **said: object) -> HttpRegistry:
    login = {"user": registry.user, "password": SecretReference(env="P"), "insecure": True}
    site = ImageRegistry.model_validate({**login, **said})
    return HttpRegistry({registry.address: site}, Path("/"), {"P": registry.password, "WRONG": "guess"})


def name_in(registry: Registry, rest: str) -> ImageName:
    return ImageName.parse(f"{registry.address}/{rest}")


def test_a_wrong_password_is_told_with_the_place_to_mend_it(registry: Registry) -> None:
    port = port_to(registry, password=SecretReference(env="WRONG"))
    with pytest.raises(BackendRejectedError) as caught:
        port.resolve(name_in(registry, "team/web:1"))
    assert caught.value.why == (
        f"it did not accept our login, see registries.{registry.address} in sites.yaml; "
        f"or `{registry.address}/team/web:1` may not be seen with it"
    )
    assert caught.value.changed is Changed.NOTHING


def test_a_registry_that_wants_a_login_where_none_is_given(registry: Registry) -> None:
    port = port_to(registry, user=None, password=None)
    with pytest.raises(BackendRejectedError, match="it wants a login, see registries"):
        port.resolve(name_in(registry, "team/web:1"))


def test_a_password_that_is_not_there_stops_the_worker_at_its_start(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="NOT_THERE is not set"):
        port_to(registry, password=SecretReference(env="NOT_THERE")).prepare()
    with pytest.raises(ConfigError, match=r"/nowhere/ca\.pem cannot be read"):
        port_to(registry, ca="/nowhere/ca.pem", insecure=False).prepare()


def test_a_login_is_never_shown(registry: Registry) -> None:
    login = port_to(registry).login(registry.address)
    assert registry.password not in repr(login)


def test_an_image_for_several_platforms_is_the_list_and_not_one_of_them(
    engine: Engine, registry: Registry
) -> None:
    push(engine, registry, "team/web:amd64")
    digest = registry.digest("team/web", "amd64")
    entries = [
        {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": {"os": system, "architecture": kind}}
        for system, kind in (("linux", "amd64"), ("linux", "arm64"), ("unknown", "unknown"))
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": entries}).encode()
    status, headers = registry.call(
        "PUT", "/v2/team/web/manifests/1", headers={"Content-Type": LIST}, body=body
    )
    assert status == 201
    resolved = port_to(registry).resolve(name_in(registry, "team/web:1"))
    assert resolved.name.digest == headers["docker-content-digest"] != digest
    assert resolved.platforms == ("linux/amd64", "linux/arm64")


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ('</v2/team/web/tags/list?n=2&last=b>; rel="next"', "/v2/team/web/tags/list?n=2&last=b"),
        ('<list?last=b>; rel="next"', "/v2/team/web/tags/list?last=b"),
        ('<https://elsewhere.example/v2/x/tags/list?last=b>; rel="next"', "/v2/x/tags/list?last=b"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_further_pages_of_tags_are_asked_of_the_same_registry(link: str, path: str) -> None:
    assert _next_page(link, "/v2/team/web/tags/list?n=2") == path


def test_its_own_ca_wins_over_the_environments(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path, "company").pem))
    authority = Authority(tmp_path, "authority")
    with running(Registry(tmp_path, certificate=authority.issue("server"))) as registry:
        push(engine, registry, "team/web:1")  # engines take any certificate on loopback
        name = name_in(registry, "team/web:1")
        port = port_to(registry, ca=str(authority.pem), insecure=False)
        assert port.resolve(name).name.digest.startswith("sha256:")
        with pytest.raises(BackendUnavailableError, match=r"not accepted.*see registries.*\.ca"):
            port_to(registry, insecure=False).resolve(name)


def test_a_token_is_fetched_with_the_login_for_what_is_asked(engine: Engine, tmp_path: Path) -> None:
    pair = Authority(tmp_path, "authority").issue("issuer")
    with token_server(pair) as (realm, seen):
        token = {"realm": realm, "service": "lab", "issuer": "lab", "rootcertbundle": str(pair.cert)}
        with running(Registry(tmp_path, auth={"token": token})) as registry:
            seen.login = f"{registry.user}:{registry.password}"
            push(engine, registry, "team/web:1")
            seen.scopes.clear()
            digest = port_to(registry).resolve(name_in(registry, "team/web:1")).name.digest
            assert digest.startswith("sha256:")
            assert seen.scopes == ["repository:team/web:pull"]
            with pytest.raises(BackendRejectedError, match="did not accept our login"):
                port_to(registry, password=SecretReference(env="WRONG")).resolve(
                    name_in(registry, "team/web:1")
                )


def test_a_password_never_goes_to_a_token_server_in_the_clear(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.issue("server")
    with token_server(pair) as (realm, seen):
        token = {"realm": realm, "service": "lab", "issuer": "lab", "rootcertbundle": str(pair.cert)}
        with running(Registry(tmp_path, auth={"token": token}, certificate=pair)) as registry:
            port = port_to(registry, ca=str(authority.pem), insecure=False)
            with pytest.raises(BackendRejectedError):
                port.resolve(name_in(registry, "team/web:1"))
    assert seen.scopes == []


def test_what_answers_must_be_a_registry() -> None:
    with page(b"<html>welcome</html>") as port, pytest.raises(BackendUnavailableError) as caught:
        port.resolve(ImageName.parse(f"{next(iter(port._registries))}/team/web:1"))
    assert caught.value.why == "what answers there is no registry"


def test_a_registry_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        port = HttpRegistry({address: ImageRegistry(insecure=True)}, Path("/"))
        began = time.monotonic()
        with pytest.raises(BackendUnavailableError, match="no answer in time"):
            port.resolve(ImageName.parse(f"{address}/team/web:1"))
        assert time.monotonic() - began < CONNECT_SECONDS + READ_SECONDS


@contextmanager
def page(body: bytes) -> Iterator[HttpRegistry]:
    """A web server with one page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # type: ignore[override]  # no log
            """Say nothing."""

    with serving(Page) as address:
        yield HttpRegistry({address: ImageRegistry(insecure=True)}, Path("/"))


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Seen:
    """What a token server was asked for, and whom it knows."""

    def __init__(self) -> None:
        self.login = ""
        self.scopes: list[str] = []


@contextmanager
def token_server(pair: Pair) -> Iterator[tuple[str, Seen]]:
    """Gives tokens as a registry's portal does, signed with the pair's key, to whoever has the login."""
    seen = Seen()

    class Tokens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = base64.b64decode(self.headers.get("Authorization", "").partition(" ")[2]).decode()
            query = parse_qs(urlsplit(self.path).query)
            if given != seen.login:
                self.send_error(401)
                return
            seen.scopes += query.get("scope", [])
            body = json.dumps({"token": sign(pair, query.get("scope", []))}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # type: ignore[override]  # no log
            """Say nothing."""

    with serving(Tokens) as address:
        yield f"http://{address}/token", seen


def sign(pair: Pair, scopes: list[str]) -> str:
    """A token of the registry's kind: a JWT with the certificate along."""
    key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate(pair.cert.read_bytes())
    der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    now = int(time.time())
    access = [
        {"type": kind, "name": name, "actions": actions.split(",")}
        for kind, name, actions in (scope.split(":") for scope in scopes)
    ]
    claims = {"iss": "lab", "sub": "", "aud": "lab", "exp": now + 60, "nbf": now - 5, "iat": now}
    parts = [
        {"typ": "JWT", "alg": "ES256", "x5c": [der]},
        {**claims, "jti": secrets.token_hex(4), "access": access},
    ]
    text = ".".join(encode(json.dumps(part).encode()) for part in parts)
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
