"""Connections to Docker engines: keys checked once in the parent, sockets opened in the job."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import docker
import docker.constants
import docker.errors
import docker.tls
import requests
import urllib3.exceptions

from andock.errors import BackendUnavailableError, UnknownSiteError
from config.sites import Engine
from workers.containers import secrets
from workers.containers.faults import reading
from workers.containers.tunnels import CONNECT_SECONDS, Tunnel

OLDEST_API = "1.40"  # of 2019; older ones lack what is asked of them here
TRUSTED_FOR = 1.0  # seconds in which a connection that was opened ahead is believed to be alive
_LOCAL = "unix://"
_MOST_AHEAD = 4  # engines that are connected to ahead: more than a machine has, and soon done
_AHEAD_SECONDS = 0.2  # for their answers: meanwhile a job may come that is about another engine
READ_SECONDS = 30  # for every other answer; a stop's or restart's grace comes on top


class EngineClient(docker.APIClient):
    """One engine's API, for one process at a time.

    The SDK lets REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE overrule the engine's own CA (docker/docker-py#2433),
    and asks for the API's version by a slow call. Here the environment has no say, and the version comes with
    the ping that shows at once whether anybody is there.
    """

    folder: str | None = None  # where it keeps its images, once it was asked
    ahead_since = 0.0  # when it was connected, monotonic, if there was no job for it yet

    def __init__(self, url: str, tls: docker.tls.TLSConfig | None, *, within: float | None = None) -> None:
        """Asks for the engine's version, which has to come within so many seconds, or CONNECT_SECONDS."""
        self._within = within
        super().__init__(base_url=url, version=None, timeout=READ_SECONDS, tls=tls or False)

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """As the SDK's, but connecting takes CONNECT_SECONDS at most, whatever the answer may take.

        A read whose connection breaks off before the answer is asked once more, on a new connection: an
        engine may have ended while the old one lay open, and be back. A change never is.
        """
        kwargs["timeout"] = (CONNECT_SECONDS, kwargs.get("timeout") or READ_SECONDS)
        try:
            return super().request(method, url, *args, **kwargs)
        except requests.ConnectionError as error:
            broke_off = any(isinstance(cause, urllib3.exceptions.ProtocolError) for cause in error.args)
            if method != "GET" or not broke_off:
                raise
        return super().request(method, url, *args, **kwargs)

    def hear(self, within: float | None = None) -> requests.Response:
        """Its answer to a ping, within so many seconds or CONNECT_SECONDS. Raises requests' errors."""
        response = self.get(f"{self.base_url}/_ping", timeout=within or CONNECT_SECONDS)
        response.raise_for_status()
        return response

    def _retrieve_server_version(self) -> str:
        # The SDK's constructor calls this, before anything else goes over the wire.
        self.trust_env = False
        response = self.hear(self._within)
        offered = response.headers.get("Api-Version", "")
        if not re.fullmatch(r"\d+\.\d+", offered):
            raise docker.errors.DockerException("what answers there is no Docker engine")
        if _order(offered) < _order(OLDEST_API):
            raise docker.errors.DockerException(
                f"its API is {offered}, too old: Andock needs {OLDEST_API} or newer, dockerd 19.03 at least"
            )
        return min(offered, docker.constants.DEFAULT_DOCKER_API_VERSION, key=_order)


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


class Engines:
    """The engines of one pool and this process' connections to them.

    An RQ worker's parent calls `prepare`; each job opens what it needs by `client`, closes it by `close`.
    Threads may share an object. Of several that ask one engine, one has to have asked it before.
    """

    def __init__(
        self, engines: Mapping[str, Engine], base: Path, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Opens nothing.

        Args:
            engines: by name, in the order of sites.yaml.
            base: the folder that relative file names start from.
            environ: where keys given as {env: NAME} are.
        """
        self._engines = dict(engines)
        self._base = base
        self._environ = environ
        self._tls: dict[str, docker.tls.TLSConfig | None] = {}
        self._tunnels: dict[str, Tunnel] = {}
        # by process as well: a socket that crossed a fork has two readers, and neither gets its answers
        self._clients: dict[tuple[int, str], EngineClient] = {}

    def names(self) -> tuple[str, ...]:
        """Names of the engines, in the order of sites.yaml."""
        return tuple(self._engines)

    def engine(self, name: str) -> Engine:
        """What sites.yaml says of an engine.

        Raises:
            UnknownSiteError: it has none of that name.
        """
        if name not in self._engines:
            raise UnknownSiteError(name, similar=difflib.get_close_matches(name, self._engines, n=2))
        return self._engines[name]

    def prepare(self) -> None:
        """Check certificates and keys, once, and see that ssh is under way to engines behind it.

        Waits for no engine. The main thread calls it.

        Raises:
            ConfigError: a certificate or key is missing, unreadable, or does not fit the other.
        """
        for name in self._engines:
            self._tls_of(name)
        self.wake(self._engines)

    @property
    def edition(self) -> object:
        """What a horse inherits that may change: it compares unequal then."""
        return tuple((name, tunnel.edition) for name, tunnel in self._tunnels.items())

    def wake(self, names: Iterable[str]) -> None:
        """See that ssh is under way to those of these engines that are behind it, before threads ask them.

        Raises:
            UnknownSiteError: one of the names is no engine's. ConfigError: as `prepare`.
        """
        for name in names:
            self.engine(name)
            tunnel = self._tunnel_to(name)
            if tunnel is not None:
                tunnel.wake()

    def client(self, name: str) -> EngineClient:
        """This process' connection, opened at the first call.

        Raises:
            UnknownSiteError: no engine has that name.
            BackendUnavailableError: it does not answer; known after CONNECT_SECONDS at the latest.
            ConfigError: as `prepare`.
        """
        engine = self.engine(name)
        client = self._clients.get((os.getpid(), name))
        if client is not None and not self._still_there(client):
            self.forget(name)
            client = None
        if client is None:
            client = self._clients[os.getpid(), name] = self._connect(name, engine)
        return client

    def warm_up(self, enough: Callable[[], bool]) -> None:
        """In a horse that has no job yet: connect to engines behind local sockets, until `enough`.

        Others would be asked by each worker for each job that is about another engine. One that does not
        answer at once is left to the job that needs it.
        """
        local = [name for name, engine in self._engines.items() if engine.url.startswith(_LOCAL)]
        for name in local[:_MOST_AHEAD]:
            if enough():
                return
            with contextlib.suppress(BackendUnavailableError):
                client = self._connect(name, self._engines[name], _AHEAD_SECONDS)
                client.ahead_since = time.monotonic()
                self._clients[os.getpid(), name] = client

    def _still_there(self, client: EngineClient) -> bool:
        """Whether an engine that was connected to before there was a job answers now, as a new one would."""
        since, client.ahead_since = client.ahead_since, 0.0
        if not since or time.monotonic() - since < TRUSTED_FOR:
            return True
        try:
            client.hear()
        except (requests.RequestException, OSError):
            return False
        return True

    def forget(self, name: str) -> None:
        """Close one connection, so that the next call finds out quickly whether the engine is still there."""
        client = self._clients.pop((os.getpid(), name), None)
        if client is not None:
            client.close()

    def close(self) -> None:
        """Close all connections that this process has opened."""
        for name in self._engines:
            self.forget(name)
        for tunnel in self._tunnels.values():
            tunnel.close()

    def _connect(self, name: str, engine: Engine, within: float | None = None) -> EngineClient:
        tls, tunnel = self._tls_of(name), self._tunnel_to(name)
        if tunnel is None:
            with reading(name):
                return EngineClient(engine.url, tls, within=within)
        url = tunnel.open()
        try:
            with reading(name):
                return EngineClient(url, None)
        except BackendUnavailableError as error:
            raise BackendUnavailableError(error.backend, tunnel.explain(error.why)) from error

    def _tls_of(self, name: str) -> docker.tls.TLSConfig | None:
        if name not in self._tls:
            tls = self._engines[name].tls
            self._tls[name] = None if tls is None else secrets.load_tls(name, tls, self._base, self._environ)
        return self._tls[name]

    def _tunnel_to(self, name: str) -> Tunnel | None:
        engine = self._engines[name]
        if name not in self._tunnels and engine.ssh is not None:
            known = secrets.load_ssh(name, engine.url, engine.ssh, self._base, self._environ)
            self._tunnels[name] = known
        return self._tunnels.get(name)
