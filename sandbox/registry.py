"""A registry for images: Debian's docker-registry on loopback, with a login and samples to pull."""

from __future__ import annotations

import base64
import ctypes
import ctypes.util
import http.client
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from sandbox.certificates import Pair
from sandbox.engine import Engine
from sandbox.engine.images import build_samples
from sandbox.engine.services import NAME as SERVICE
from sandbox.engine.services import VERSIONS, build_version
from sandbox.processes import LOOPBACK, Child, accepts_connections, free_port, start

USER = "puller"
START_SECONDS = 20.0
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class RegistryError(RuntimeError):
    """There is no registry to start, or it does not have what it should."""


class Registry:
    """A registry that answers. Engines take one on loopback without TLS."""

    def __init__(
        self, state: Path, *, certificate: Pair | None = None, auth: Mapping[str, object] | None = None
    ) -> None:
        """`certificate` is for TLS in plain HTTP's place, `auth` for tokens in the place of a password."""
        self._certificate = certificate
        self._auth = auth
        self._folder = state.resolve() / "registry"
        self._child: Child | None = None
        self.port = free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        self.user = USER
        self.password = secrets.token_urlsafe(12)

    @property
    def login(self) -> dict[str, str]:
        """What an engine is given to push and pull with."""
        return {"username": self.user, "password": self.password, "serveraddress": self.address}

    def start(self) -> None:
        """Start it at its address; what it holds is still there.

        Raises:
            RegistryError: there is no docker-registry.
            ProcessError: it does not come up.
        """
        program = shutil.which("docker-registry")
        if program is None:
            raise RegistryError("no docker-registry: run `make setup` (Debian: docker-registry)")
        self._folder.mkdir(parents=True, exist_ok=True)
        passwords = self._folder / "htpasswd"
        passwords.write_text(f"{self.user}:{_bcrypt(self.password)}\n")
        settings = self._folder / "config.yml"
        document: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
            "http": {"addr": self.address, "secret": secrets.token_hex(16)},
            "auth": self._auth or {"htpasswd": {"realm": "sandbox", "path": str(passwords)}},
        }
        if self._certificate is not None:
            files = {"certificate": str(self._certificate.cert), "key": str(self._certificate.key)}
            document["http"]["tls"] = files
        settings.write_text(yaml.safe_dump(document))
        self._child = start([program, "serve", settings], log=self._folder / "log")
        self._child.wait_ready(lambda: accepts_connections(self.port), START_SECONDS)

    def stop(self) -> None:
        """End it; again is harmless."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def fill(self, engine: Engine) -> tuple[str, ...]:
        """Build the sample images on the engine and push them as `team/web:1` and so on; their full names.

        The engine keeps none of them, so that a pull has something to fetch.

        Raises:
            EngineError, RegistryError: one could not be built or pushed.
        """
        engine.import_busybox()
        names = build_samples(engine.api, f"{self.address}/team/")
        for name in names:
            self.push(engine, name)
            engine.api.call("DELETE", f"/images/{quote(name)}", query={"force": "1"})
        return names

    def fill_service(self, engine: Engine, versions: Sequence[str] = VERSIONS) -> Mapping[str, str]:
        """Build these versions of `team/api` on the engine and push them; their digests. It keeps none.

        Raises:
            EngineError, RegistryError: one could not be built or pushed.
        """
        digests = {}
        for version in versions:
            name = build_version(engine.api, engine.owner, f"{self.address}/team/{SERVICE}", version)
            digests[version] = self.push(engine, name)
            engine.api.call("DELETE", f"/images/{quote(name)}", query={"force": "1"})
        return digests

    def retag(self, repository: str, tag: str, to: str) -> str:
        """Let the tag stand for what `to` stands for, as a push of other content would; the digest.

        Raises:
            RegistryError: there is no `to`.
        """
        status, _, manifest = self._exchange("GET", f"/v2/{repository}/manifests/{to}", {"Accept": MANIFEST})
        if status != http.HTTPStatus.OK:
            raise RegistryError(f"no {repository}:{to} in the registry ({status})")
        self._exchange("PUT", f"/v2/{repository}/manifests/{tag}", {"Content-Type": MANIFEST}, manifest)
        return self.digest(repository, tag)

    def push(self, engine: Engine, name: str) -> str:
        """Push an image that the engine has by this full name; its digest.

        Raises:
            RegistryError: it did not arrive.
        """
        repository, _, tag = name.rpartition(":")
        path = f"/images/{quote(repository)}/push"
        engine.api.call("POST", path, query={"tag": tag}, login=self.login)
        return self.digest(repository.removeprefix(f"{self.address}/"), tag)

    def digest(self, repository: str, tag: str) -> str:
        """The digest of a tag, `sha256:...`.

        Raises:
            RegistryError: it is not there.
        """
        headers = {"Accept": MANIFEST}
        status, answer = self.call("HEAD", f"/v2/{repository}/manifests/{tag}", headers=headers)
        if status != http.HTTPStatus.OK:
            raise RegistryError(f"no {repository}:{tag} in the registry ({status})")
        return answer["docker-content-digest"]

    def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, dict[str, str]]:
        """One request with the login: its status, and the answer's headers in lower case."""
        status, answered, _ = self._exchange(method, path, headers or {}, body)
        return status, answered

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Authorization": f"Basic {login}", **headers})
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return response.status, answered, response.read()
        finally:
            connection.close()


def start_registry(state: Path) -> Registry:
    """A registry that is ready, with what an earlier one in this folder held. Raises as `Registry.start`."""
    registry = Registry(state)
    registry.start()
    return registry


def _bcrypt(password: str) -> str:
    """The hash that docker-registry asks for. The system's own crypt has it; Python 3.13 no longer does."""
    crypt = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes = crypt(password.encode(), b"$2b$04$" + secrets.token_hex(11).encode())
    return hashed.decode()
