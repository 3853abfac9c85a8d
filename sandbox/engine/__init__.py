"""A Docker engine for the sandbox: the machine's own, or one that it starts beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from sandbox.certificates import Authority
from sandbox.engine.api import Api, EngineError
from sandbox.engine.containers import (
    IMAGE,
    LABEL,
    Container,
    import_busybox,
    inspect_container,
    remove_images,
    remove_labelled,
    run_container,
)
from sandbox.engine.daemon import Daemon
from sandbox.engine.sshd import Sshd
from sandbox.processes import LOOPBACK, free_port

__all__ = ["IMAGE", "LABEL", "Container", "Engine", "EngineError", "Transport", "start_engine"]

USUAL_SOCKET = Path("/var/run/docker.sock")


class Transport(StrEnum):
    """How clients reach an engine; the sandbox itself always uses the socket."""

    UNIX = "unix"
    TLS = "tls"
    SSH = "ssh"


class Engine:
    """An engine that answers.

    Everything that is made here carries the label `andock.sandbox=<owner>` and is removed by it, so that an
    engine which the sandbox did not start keeps all else that it has.
    """

    def __init__(
        self,
        api: Api,
        owner: str,
        daemon: Daemon | None,
        *,
        url: str = "",
        site: Mapping[str, object] | None = None,
        sshd: Sshd | None = None,
    ) -> None:
        """`url` and `site` are what sites.yaml says of it: its address, and `tls` or `ssh` where needed."""
        self.url = url or api.url
        self.site: Mapping[str, object] = {"url": self.url, **(site or {})}
        self.owner = owner
        self.api = api
        self.sshd = sshd
        self._daemon = daemon

    @property
    def address(self) -> str:
        """Where ports that a container publishes on no particular address are reached."""
        return LOOPBACK if self._daemon is None else self._daemon.address

    @property
    def ours(self) -> bool:
        """Whether the sandbox started it."""
        return self._daemon is not None

    def import_busybox(self, tag: str = IMAGE) -> str:
        """Make an image of the machine's static busybox, unless it is there; its name."""
        return import_busybox(self.api, self.owner, tag)

    def run_container(
        self,
        name: str,
        command: Sequence[str],
        *,
        image: str = IMAGE,
        labels: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        restart: str = "no",
        memory: int = 0,
        ports: Mapping[int, int] | None = None,
        address: str = LOOPBACK,
    ) -> str:
        """Create and start a labelled container; its id. See `sandbox.engine.containers.run_container`."""
        return run_container(
            self.api,
            self.owner,
            name,
            command,
            image=image,
            labels=labels,
            environment=environment,
            restart=restart,
            memory=memory,
            ports=ports,
            address=address,
        )

    def inspect(self, name: str) -> Container:
        """A container by name or id.

        Raises:
            EngineError: there is none (status 404), or the engine cannot be reached.
        """
        return inspect_container(self.api, name)

    def remove_labelled(self, *, images: bool = False) -> None:
        """Remove what this sandbox has made; with `images`, its images too.

        On an own engine also what is made of images that were built on another of the sandbox's engines.
        """
        remove_labelled(self.api, None if self.ours else self.owner, images=images)

    def remove_images(self, reference: str) -> None:
        """Remove the names of images that are like this, such as `127.0.0.1:*/*/*`."""
        remove_images(self.api, reference)

    def stop(self) -> None:
        """Take away what this sandbox has made, and the engine itself if the sandbox started it.

        Images of an own engine stay in its data for the next start.
        """
        with contextlib.suppress(EngineError):  # it may have been killed
            self.remove_labelled(images=not self.ours)
        if self.sshd is not None:
            self.sshd.stop()
        if self._daemon is not None:
            self._daemon.clear()

    def kill(self) -> None:
        """End it as a crash would: its containers run on, its leftovers stay. `restart` brings it back."""
        self._own().kill()

    def restart(self) -> None:
        """Start it again at the same address with the same data; it may be running or killed."""
        daemon = self._own()
        daemon.terminate()
        daemon.start()

    def pause(self) -> None:
        """Let it hang: connections are taken, answers do not come, until `resume`."""
        pid = self._own().pid
        os.kill(pid, signal.SIGSTOP)
        while not _is_stopped(pid):
            time.sleep(0.01)

    def resume(self) -> None:
        """End a pause."""
        os.kill(self._own().pid, signal.SIGCONT)

    def _own(self) -> Daemon:
        if self._daemon is None:
            raise EngineError(f"{self.url} was not started by the sandbox, which leaves it alone")
        return self._daemon


def _is_stopped(pid: int) -> bool:
    """Whether all its threads are: each stops when it is next scheduled, and may answer until then."""
    stats = [task / "stat" for task in Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)


def start_engine(
    state: Path, *, name: str = "engine", own: bool = False, transport: Transport = Transport.UNIX
) -> Engine:
    """An engine that is ready; what an earlier run has left is removed.

    The one in DOCKER_HOST or at /var/run/docker.sock is taken if it answers; otherwise, with `own`, or for
    another transport than the socket, a dockerd is started. Several with different names run side by side.

    Args:
        state: the folder for data and logs.
        name: tells engines apart below `state`.
        own: start one, whatever the machine has.
        transport: how clients reach it; TLS and SSH come with certificates and keys made for it.

    Raises:
        EngineError: there is no engine to take, and none can be started.
        BridgeError: the engine's bridge cannot be made.
        ProcessError: dockerd does not come up; the sentence has the end of its log.
    """
    folder = state / name
    match transport:
        case Transport.UNIX:
            taken = None if own else _take_engine(Daemon(folder).key)
            engine = taken or _start_by_socket(folder)
        case Transport.TLS:
            engine = _start_with_tls(folder)
        case Transport.SSH:
            engine = _start_behind_ssh(folder)
        case _:
            assert_never(transport)
    engine.remove_labelled()
    return engine


def _take_engine(owner: str) -> Engine | None:
    """The machine's own engine, if it answers."""
    api = Api(os.environ.get("DOCKER_HOST") or f"unix://{USUAL_SOCKET}")
    return Engine(api, owner, None) if api.answers() else None


def _start_by_socket(folder: Path) -> Engine:
    daemon = Daemon(folder)
    daemon.start()
    return Engine(daemon.api, daemon.key, daemon)


def _start_with_tls(folder: Path) -> Engine:
    """On a loopback port besides its socket; it lets in whom its authority has signed."""
    authority = Authority(folder.resolve() / "tls", "ca")
    server, client = authority.issue("server"), authority.issue("client")
    address = f"tcp://{LOOPBACK}:{free_port()}"
    tls: list[str | Path] = [
        "--tlsverify",
        "--tlscacert",
        authority.pem,
        "--tlscert",
        server.cert,
        "--tlskey",
        server.key,
    ]
    daemon = Daemon(folder, ["--host", address, *tls])
    daemon.start()
    files = {"ca": str(authority.pem), "cert": str(client.cert), "key": {"file": str(client.key)}}
    return Engine(daemon.api, daemon.key, daemon, url=address, site={"tls": files})


def _start_behind_ssh(folder: Path) -> Engine:
    """By its socket, which an sshd of its own forwards."""
    daemon, sshd = Daemon(folder), Sshd(folder / "ssh")
    daemon.start()
    try:
        sshd.start()
    except BaseException:
        daemon.clear()
        raise
    return Engine(daemon.api, daemon.key, daemon, url=sshd.url(daemon.socket), site=sshd.site, sshd=sshd)
