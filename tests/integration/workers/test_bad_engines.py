"""What can be wrong with an engine or an image, as people meet it: one clear sentence each, and what changed.

Every row runs against a real engine, registry or server that is wrong in this way.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from andock.errors import CancelledError, Changed, OpsError
from andock.operation import Mark, Ports, Writer
from andock.operations.engine.prune import ENGINE_PRUNE
from andock.operations.engine.prune import PruneParams as EnginePrune
from andock.operations.image.pull import IMAGE_PULL, PullParams
from andock.operations.image.removal import IMAGE_REMOVE, RemoveParams
from config.sites import Engine as Site
from config.sites import ImageRegistry, SecretReference
from sandbox.certificates import Authority
from sandbox.engine import IMAGE, Engine, start_engine
from sandbox.engine.daemon import Daemon
from sandbox.engine.images import build_image
from sandbox.processes import free_port
from sandbox.registry import Registry, start_registry
from tests.integration.workers.stalling import stalling
from tests.unit.operations.container.chat import Eye
from workers.containers import DockerContainers, Engines, HttpRegistry

BIG = 24 * 1024 * 1024


@dataclass
class World:
    """An engine, a registry with `team/web:1` and `team/big:1`, and a port to both."""

    engine: Engine
    registry: Registry
    folder: Path

    def containers(self, site: Site | None = None) -> DockerContainers:
        known = site or Site(url=self.engine.url, environment="dev")
        return DockerContainers(Engines({"edge-1": known}, Path("/")), registry=self.logins())

    def logins(self, allow: tuple[str, ...] = (), address: str = "") -> HttpRegistry:
        login = {"user": self.registry.user, "password": SecretReference(env="P")}
        known = ImageRegistry.model_validate({**login, "insecure": True, "allow": allow})
        environ = {"P": self.registry.password}
        return HttpRegistry({address or self.registry.address: known}, Path("/"), environ)

    def image(self, name: str) -> str:
        return f"{self.registry.address}/team/{name}"


def writer(containers: DockerContainers, registry: HttpRegistry, eye: Eye | None = None) -> Writer:
    return Writer(
        watch=eye or Eye(),
        site=None,
        ports=Ports(containers=containers, registry=registry),
        checkpoint=lambda _mark: None,
        mark=Mark(begun_at=0.0),
    )


def pull(world: World, name: str, site: Site | None = None, allow: tuple[str, ...] = ()) -> None:
    """`image pull`, as a worker performs it."""
    containers = world.containers(site)
    try:
        ctx = writer(containers, world.logins(allow))
        for step in IMAGE_PULL.plan(PullParams(image=name), ctx).steps:
            IMAGE_PULL.apply(step, ctx)
    finally:
        containers.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    engine = start_engine(folder, own=True)
    registry = start_registry(folder)
    registry.fill(engine)
    big = f"{registry.address}/team/big:1"
    # random, or it would travel in a few bytes
    build_image(engine.api, big, f"RUN head -c {BIG} /dev/urandom > /big\n")
    registry.push(engine, big)
    engine.api.call("DELETE", f"/images/{quote(big)}", query={"force": "1"})
    yield World(engine, registry, folder)
    registry.stop()
    engine.stop()


def not_allowed(world: World) -> None:
    pull(world, world.image("web:1"), allow=(f"{world.registry.address}/base/*",))


def other_registry(world: World) -> None:
    pull(world, "registry.example:5000/team/web:1")


def missing_image(world: World) -> None:
    pull(world, world.image("web:2"))


def registry_away(world: World) -> None:
    world.registry.stop()
    try:
        pull(world, world.image("web:1"))
    finally:
        world.registry.start()


def image_lost_in_between(world: World) -> None:
    """The registry has it while it is planned, and no longer when the engine asks."""
    containers = world.containers()
    ctx = writer(containers, world.logins())
    step = IMAGE_PULL.plan(PullParams(image=world.image("sick:1")), ctx).steps[0]
    gone = step.facts["digest"].replace("sha256:", "sha256:0")[:71]
    named = f"{world.image('sick:1')}@{gone}"
    try:
        IMAGE_PULL.apply(step.model_copy(update={"args": {"image": named}}), ctx)
    finally:
        containers.close()


def engine_full(world: World) -> None:
    """Its data is on a file system of 16 MiB, and the image has 24."""
    folder = world.folder / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True)
    try:
        small = start_engine(folder, name="small", own=True)
        try:
            pull(world, world.image("big:1"), Site(url=small.url, environment="dev"))
        finally:
            small.stop()
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def engine_killed_while_pulling(world: World) -> None:
    """Killed as soon as the pull is under way, and not there when it is asked what became of it."""
    pull_and(world, world.engine.kill)


def engine_restarted_while_pulling(world: World) -> None:
    """The same, and back again at once."""
    pull_and(world, lambda: (world.engine.kill(), world.engine.restart()))


def pull_and(world: World, do: Callable[[], object]) -> None:
    """Pull through a way that stalls in the midst of the image, and do it then."""
    with stalling(world.registry.address, BIG // 4) as way:

        class Trigger(Eye):
            def look(self, *, percent: int | None = None, text: str = "") -> None:
                super().look(percent=percent, text=text)
                if way.stalled.is_set() and not way.over.is_set():
                    way.over.set()
                    do()

        registry = world.logins(address=way.address)
        site = Site(url=world.engine.url, environment="dev")
        containers = DockerContainers(Engines({"edge-1": site}, Path("/")), registry=registry)
        ctx = writer(containers, registry, Trigger())
        step = IMAGE_PULL.plan(PullParams(image=f"{way.address}/team/big:1"), ctx).steps[0]
        try:
            IMAGE_PULL.apply(step, ctx)
        finally:
            containers.close()
            world.engine.restart()


def image_in_use(world: World) -> None:
    world.engine.run_container("user", ["sleep", "1000"])
    containers = world.containers()
    try:
        IMAGE_REMOVE.plan(RemoveParams(image=(IMAGE,)), writer(containers, world.logins()))
    finally:
        containers.close()
        world.engine.remove_labelled()


def nothing_to_prune(world: World) -> None:
    containers = world.containers()
    try:
        ENGINE_PRUNE.plan(EnginePrune(), writer(containers, world.logins()))
    finally:
        containers.close()


def engine_hangs(world: World) -> None:
    world.engine.pause()
    try:
        pull(world, world.image("web:1"))
    finally:
        world.engine.resume()


def no_socket(world: World) -> None:
    pull(world, world.image("web:1"), Site(url="unix:///nowhere/docker.sock", environment="dev"))


def refused(world: World) -> None:
    site = Site(url=f"tcp://127.0.0.1:{free_port()}", environment="dev", insecure=True)
    pull(world, world.image("web:1"), site)


def socket_not_ours(world: World) -> None:
    """As a user who is not in the group of the socket; its error comes back by a pipe."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            pull(world, world.image("web:1"))
        except OpsError as error:
            os.write(writing, f"{error.changed}|{error.sentence}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        changed, _, sentence = said.read().partition("|")
    raise OpsError(sentence, changed=Changed(changed))


def tls_with(world: World, ends: datetime, names: tuple[str, ...], name: str) -> None:
    folder = world.folder / name
    authority = Authority(folder, "authority")
    server, client = authority.issue("server", names=names, ends=ends), authority.issue("client")
    url = f"tcp://127.0.0.1:{free_port()}"
    arguments: list[str | Path] = ["--host", url, "--tlsverify", "--tlscacert", authority.pem]
    daemon = Daemon(folder / "engine", [*arguments, "--tlscert", server.cert, "--tlskey", server.key])
    daemon.start()
    tls = {"ca": str(authority.pem), "cert": str(client.cert), "key": {"file": str(client.key)}}
    try:
        pull(world, world.image("web:1"), Site.model_validate({"url": url, "environment": "dev", "tls": tls}))
    finally:
        daemon.clear()


def tls_expired(world: World) -> None:
    tls_with(world, datetime.now(UTC) - timedelta(hours=1), ("127.0.0.1",), "expired")


def tls_of_another_name(world: World) -> None:
    tls_with(world, datetime.now(UTC) + timedelta(hours=1), ("10.1.2.3", "edge.example"), "renamed")


def api_too_old(world: World) -> None:
    """A server that answers as dockerd 1.12 did."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nApi-Version: 1.24\r\nContent-Length: 2\r\n\r\nOK")

        threading.Thread(target=answer, daemon=True).start()
        site = Site(url=f"tcp://127.0.0.1:{server.getsockname()[1]}", environment="dev", insecure=True)
        pull(world, world.image("web:1"), site)


RESTARTED = (
    "Engine `edge-1` was told and did not answer (the connection was lost). "
    "The image is not there; pull it again."
)
NO_RIGHT = "its socket may not be opened; add the worker's user to the group `docker`"
OTHER_NAME = "its certificate is for another address; use one in sites.yaml that it was made for"
OLD_API = "its API is 1.24, too old: Andock needs 1.40 or newer, dockerd 19.03 at least"
AWAY = "Engine `edge-1` was not reached ({}); nothing was changed."
# what happens, how its sentence begins ({r} is the registry), what it says that changed
TABLE: tuple[tuple[Callable[[World], None], str, Changed], ...] = (
    (not_allowed, "Image `{r}/team/web:1` is not allowed. Allowed are: `{r}/base/*`.", Changed.NOTHING),
    (
        other_registry,
        "Image `registry.example:5000/team/web:1` is not allowed. Allowed are:",
        Changed.NOTHING,
    ),
    (missing_image, "No image `{r}/team/web:2` on `{r}`. Did you mean `{r}/team/web:1`?", Changed.NOTHING),
    (registry_away, "Registry `{r}` was not reached (connection refused); nothing", Changed.NOTHING),
    (image_lost_in_between, "Engine `edge-1` refused: manifest for {r}/team/sick@sha256:", Changed.NOTHING),
    (
        engine_full,
        "Engine `edge-1` refused: no space left on device; its disk is full: see what takes it",
        Changed.NOTHING,
    ),
    (engine_killed_while_pulling, "Engine `edge-1` was pulling `127.0.0.1:", Changed.UNKNOWN),
    (engine_restarted_while_pulling, RESTARTED, Changed.NOTHING),
    (image_in_use, f"`{IMAGE}` is used by `user`; it must be used by no container", Changed.NOTHING),
    (nothing_to_prune, "Nothing to prune on edge-1: ", Changed.NOTHING),
    (engine_hangs, AWAY.format("no answer in time"), Changed.NOTHING),
    (no_socket, AWAY.format("its socket is not there; is dockerd running?"), Changed.NOTHING),
    (refused, AWAY.format("connection refused"), Changed.NOTHING),
    (socket_not_ours, AWAY.format(NO_RIGHT), Changed.NOTHING),
    (tls_expired, AWAY.format("its certificate has expired; renew it there"), Changed.NOTHING),
    (tls_of_another_name, AWAY.format(OTHER_NAME), Changed.NOTHING),
    (api_too_old, AWAY.format(OLD_API), Changed.NOTHING),
)


@pytest.mark.parametrize(
    ("happens", "says", "changed"), TABLE, ids=[row[0].__name__.replace("_", " ") for row in TABLE]
)
def test_it_is_told_in_one_sentence_with_what_changed(
    world: World, happens: Callable[[World], None], says: str, changed: Changed
) -> None:
    began = time.monotonic()
    with pytest.raises(OpsError) as caught:
        happens(world)
    assert caught.value.sentence.startswith(says.replace("{r}", world.registry.address))
    assert "\n" not in caught.value.sentence
    assert caught.value.changed is changed
    assert time.monotonic() - began < 60


def test_a_pull_tells_how_far_it_is_and_stops_in_the_engine_too_when_it_is_cancelled(world: World) -> None:
    with stalling(world.registry.address, BIG // 2) as way:
        told: list[tuple[int | None, str]] = []

        class Impatient(Eye):
            def look(self, *, percent: int | None = None, text: str = "") -> None:
                told.append((percent, text))
                if way.stalled.is_set():
                    raise CancelledError("enough")

        registry = world.logins(address=way.address)
        site = Site(url=world.engine.url, environment="dev")
        containers = DockerContainers(Engines({"edge-1": site}, Path("/")), registry=registry)
        ctx = writer(containers, registry, Impatient())
        step = IMAGE_PULL.plan(PullParams(image=f"{way.address}/team/big:1"), ctx).steps[0]
        with pytest.raises(CancelledError):
            IMAGE_PULL.apply(step, ctx)
        wait_for(lambda: "Not continuing with pull after error: context canceled" in engine_log(world))
        containers.close()
    assert any(percent is not None and 0 < percent < 100 for percent, _ in told)
    assert all(text.startswith(f"pull `{way.address}/team/big:1@sha256:") for _, text in told)


def engine_log(world: World) -> str:
    return (world.folder / "engine" / "log").read_text()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("it did not become so")
        time.sleep(0.05)
