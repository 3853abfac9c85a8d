"""Images, networks, volumes and engines: the same cases on the fake and on a real engine and registry."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from andock.errors import BackendRejectedError, CancelledError, Changed, TargetNotFoundError, UnknownSiteError
from andock.operation import Ports, Reader
from andock.operations.image.inventory import IMAGE_HISTORY, IMAGE_INFO, InfoParams
from andock.ports.containers import Containers
from andock.ports.engines import Event
from andock.ports.images import Layer
from andock.ports.registry import ImageName
from andock.ports.sites import NotReached
from andock.redaction import Redactor
from config.sites import Engine as Site
from config.sites import EnvironmentRule, ImageRegistry, SecretReference
from sandbox.engine import IMAGE, LABEL, Engine, start_engine
from sandbox.engine.images import build_image
from sandbox.registry import Registry, start_registry
from tests.fakes.containers import FakeContainers
from tests.unit.operations.container.chat import Eye
from workers.containers import DockerContainers, Engines, HttpRegistry

LIVE, DEAD = "edge-1", "edge-2"
GONE = "sha256:" + "0" * 64


class World(Protocol):
    """A live engine with one image `IMAGE` and a dead engine, behind a port; `remote` is in its registry."""

    remote: ImageName
    host: str

    @property
    def port(self) -> Containers: ...

    def image(self) -> str: ...
    def run(self, name: str, *, mounts: Mapping[str, str] | None = None, network: str = "") -> str: ...
    def stop(self, container: str) -> None: ...
    def network(self, name: str) -> str: ...
    def volume(self, name: str) -> str: ...


@dataclass
class FakeWorld:
    port: FakeContainers
    remote: ImageName
    host: str = "host-1"

    def image(self) -> str:
        history = (Layer('CMD ["sh"]', 0), Layer("mkdir /planted", 1024), Layer("ADD", 2_000_000))
        return self.port.hold_image(
            LIVE, "planted:1", size=2_001_024, history=history, layers=2, command="sh",
            variables=("SECRET",), environment="prod", labels={"env": "prod"},
        )  # fmt: skip

    def run(self, name: str, *, mounts: Mapping[str, str] | None = None, network: str = "") -> str:
        made = self.port.run(LIVE, name)
        base = next((i for (_, i), image in self.port.images.items() if IMAGE in image.names), "")
        self.port.change(LIVE, made, image_id=base or self.port.hold_image(LIVE, IMAGE))
        use = self.port._users(LIVE, lambda c: c.id == made)
        for volume in mounts or ():
            self.port.hold_volume(LIVE, volume, size=7, used_by=use)
        if network:
            self.port.hold_network(LIVE, network, used_by=use, addresses=((name, "10.0.0.2/24"),))
        return made

    def stop(self, container: str) -> None:
        self.port.stop(LIVE, container, 1)
        for key, volume in self.port.volumes.items():
            use = self.port._users(LIVE, lambda c: c.id == container)
            self.port.hold_volume(key[0], key[1], size=volume.size, used_by=use)
        self.port.happened.append(Event(LIVE, self.port.now, "container", "die", "planted", "exitCode 0"))
        self.port.tick()

    def network(self, name: str) -> str:
        return self.port.hold_network(LIVE, name, subnets=("10.99.0.0/24 by 10.99.0.1",))

    def volume(self, name: str) -> str:
        return self.port.hold_volume(LIVE, name, size=0)


@dataclass
class RealWorld:
    port: DockerContainers
    engine: Engine
    remote: ImageName

    @property
    def host(self) -> str:
        return Path("/etc/hostname").read_text().strip()

    def image(self) -> str:
        text = "ENV SECRET=never-shown\nRUN mkdir /planted && dd if=/dev/zero of=/planted/x bs=1024 count=1\n"
        build_image(self.engine.api, "planted:1", f'LABEL env=prod\n{text}CMD ["sh"]\n')
        return str(self.engine.api.call("GET", "/images/planted:1/json")["Id"])

    def run(self, name: str, *, mounts: Mapping[str, str] | None = None, network: str = "") -> str:
        if network:
            self.network(network)
        binds = [f"{volume}:{folder}" for volume, folder in (mounts or {}).items()]
        script = "trap exit TERM; printf planted > /data/x 2>/dev/null; while :; do sleep 0.1; done"
        settings: dict[str, Any] = {
            "Image": IMAGE,
            "Cmd": ["sh", "-c", script],
            "Labels": {LABEL: self.engine.owner},
            "HostConfig": {"Binds": binds, **({"NetworkMode": network} if network else {})},
        }
        made = self.engine.api.call("POST", "/containers/create", query={"name": name}, body=settings)
        self.engine.api.call("POST", f"/containers/{made['Id']}/start")
        return str(made["Id"])

    def stop(self, container: str) -> None:
        self.port.stop(LIVE, container, 2)

    def network(self, name: str) -> str:
        labels = {LABEL: self.engine.owner}
        ipam = {"Config": [{"Subnet": "10.99.0.0/24", "Gateway": "10.99.0.1"}]}
        settings = {"Name": name, "Labels": labels, "CheckDuplicate": True, "IPAM": ipam}
        return str(self.engine.api.call("POST", "/networks/create", body=settings)["Id"])

    def volume(self, name: str) -> str:
        settings = {"Name": name, "Labels": {LABEL: self.engine.owner}}
        return str(self.engine.api.call("POST", "/volumes/create", body=settings)["Name"])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Registry]:
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    registry.fill(engine)
    yield registry
    registry.stop()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        fake = FakeContainers(
            {LIVE: "dev", DEAD: "dev"}, away={DEAD: "its socket is not there; is dockerd running?"}
        )
        fake.hold_image(LIVE, IMAGE)
        fake.hold_network(LIVE, "bridge", builtin=True)
        yield FakeWorld(fake, ImageName.parse(f"registry.lab:5000/team/web:1@sha256:{'1' * 64}"))
        return
    engine: Engine = request.getfixturevalue("engine")
    registry: Registry = request.getfixturevalue("registry")
    rules = (EnvironmentRule(tag="env=prod", **{"is": "prod"}),)
    sites = {
        LIVE: Site(url=engine.url, environment="dev", environments=rules),
        DEAD: Site(url="unix:///nowhere/docker.sock", environment="dev"),
    }
    known = ImageRegistry(user=registry.user, password=SecretReference(env="P"), insecure=True)
    logins = HttpRegistry({registry.address: known}, Path("/"), {"P": registry.password})
    port = DockerContainers(Engines(sites, Path("/")), registry=logins)
    remote = ImageName.parse(f"{registry.address}/team/web:1").at(registry.digest("team/web", "1"))
    yield RealWorld(port, engine, remote)
    port.close()
    engine.remove_labelled(images=True)
    engine.import_busybox()


def test_an_image_is_listed_with_its_names_and_who_uses_it(world: World) -> None:
    made = world.image()
    container = world.run("user")
    listing = world.port.list_images()
    rows = {name: row for row in listing.rows for name in row.names}
    planted = rows["planted:1"]
    assert (planted.id, planted.environment, planted.used_by) == (made, "prod", ())
    assert planted.size > 1_900_000
    assert [(use.id, use.name, use.running) for use in rows[IMAGE].used_by] == [(container, "user", True)]
    assert listing.searched == (LIVE,)
    assert [away.site for away in listing.not_reached] == [DEAD]
    with pytest.raises(UnknownSiteError):
        world.port.list_images("edge-9")


def test_an_image_can_be_read_with_its_layers_and_without_values_of_variables(world: World) -> None:
    image = world.port.read_image(LIVE, world.image())
    assert (image.names, image.platform, image.command) == (("planted:1",), "linux/amd64", "sh")
    assert "SECRET" in image.variables
    assert "never-shown" not in str(image)
    assert image.layers == 2
    assert any("mkdir /planted" in layer.command and layer.size >= 1024 for layer in image.history)
    assert image.history[0].command.startswith("CMD")


def test_a_secret_across_the_cut_of_a_command_leaves_none_of_it(engine: Engine) -> None:
    long = "x" * 190
    words = f'["{long}", "hunter2-hunter2"]'
    dockerfile = f"HEALTHCHECK CMD {long} hunter2-hunter2\nENTRYPOINT {words}\nCMD {words}\n"
    build_image(engine.api, "told:1", dockerfile + f"RUN : {long} hunter2-hunter2\n")
    sites = Engines({LIVE: Site(url=engine.url, environment="dev")}, Path("/"))
    hiding = DockerContainers(sites, redactor=Redactor(["hunter2-hunter2"]))
    ctx, params = Reader(watch=Eye(), site=None, ports=Ports(containers=hiding)), InfoParams(image="told:1")

    info = IMAGE_INFO.run(params, ctx, IMAGE_INFO.find(params, ctx))
    history = IMAGE_HISTORY.run(params, ctx, IMAGE_HISTORY.find(params, ctx))

    fields = dict(info.fields)
    for told in ("Entrypoint", "Command", "Health check"):
        assert fields[told] == f"{long} [redacte…"
    assert history.table is not None
    assert f": {long} [redac…" in [row[3] for row in history.table.rows]
    assert "hunter" not in f"{info} {history}"
    hiding.close()
    engine.remove_labelled(images=True)
    engine.import_busybox()


def test_a_pull_brings_the_digest_and_gives_it_the_tag(world: World) -> None:
    eye = Eye()
    world.port.pull_image(LIVE, world.remote, eye)
    row = next(row for row in world.port.list_images(LIVE).rows if world.remote.pinned in row.digests)
    assert f"{world.remote.path}:{world.remote.tag}" in row.names
    assert eye.looks >= 1
    world.port.pull_image(LIVE, world.remote, eye)  # again is harmless


def test_a_pull_of_what_the_registry_lost_fails_and_leaves_nothing(world: World) -> None:
    lost = world.remote.at(GONE)
    if isinstance(world, FakeWorld):
        world.port.pull_fails = "manifest unknown"
    with pytest.raises(BackendRejectedError, match=r"edge-1.*(manifest|not found)") as caught:
        world.port.pull_image(LIVE, lost, Eye())
    assert caught.value.changed is Changed.NOTHING
    assert not [row for row in world.port.list_images(LIVE).rows if lost.pinned in row.digests]


def test_a_pull_ends_when_the_watch_does(world: World) -> None:
    with pytest.raises(CancelledError):
        world.port.pull_image(LIVE, world.remote, Eye(ends_with=CancelledError("enough")))


def test_an_image_loses_its_names_one_by_one_and_then_is_gone(world: World) -> None:
    world.port.pull_image(LIVE, world.remote, Eye())
    row = next(row for row in world.port.list_images(LIVE).rows if world.remote.pinned in row.digests)
    for name in row.names:
        world.port.remove_image(LIVE, name)
    left = [found for found in world.port.list_images(LIVE).rows if found.id == row.id]
    if left:  # an engine keeps what it knows by its digest until that is gone too
        world.port.remove_image(LIVE, row.id)
    with pytest.raises(TargetNotFoundError, match="No image"):
        world.port.read_image(LIVE, row.id)
    with pytest.raises(TargetNotFoundError, match=r"No image `000000000000` on `edge-1`"):
        world.port.remove_image(LIVE, GONE)


def test_an_image_in_use_stays(world: World) -> None:
    world.run("user")
    with pytest.raises(BackendRejectedError, match="conflict: unable to remove") as caught:
        world.port.remove_image(LIVE, IMAGE)
    assert caught.value.changed is Changed.NOTHING


def test_a_network_is_listed_and_read_with_who_is_in_it(world: World) -> None:
    name = f"net-{secrets.token_hex(3)}"
    made = world.run("user", network=name)
    row = next(row for row in world.port.list_networks().rows if row.name == name)
    assert (row.driver, row.builtin, [use.id for use in row.used_by]) == ("bridge", False, [made])
    network = world.port.read_network(LIVE, row.id)
    assert [who for who, _ in network.addresses] == ["user"]
    assert next(r for r in world.port.list_networks(LIVE).rows if r.name == "bridge").builtin


def test_a_network_is_removed_once_nobody_is_in_it(world: World) -> None:
    name = f"net-{secrets.token_hex(3)}"
    made = world.network(name)
    row = next(row for row in world.port.list_networks(LIVE).rows if row.name == name)
    assert (row.id, row.used_by, row.subnets) == (made, (), ("10.99.0.0/24 by 10.99.0.1",))
    world.port.remove_network(LIVE, made)
    with pytest.raises(TargetNotFoundError, match="No network"):
        world.port.read_network(LIVE, made)
    with pytest.raises(TargetNotFoundError, match="No network"):
        world.port.remove_network(LIVE, made)


def test_a_volume_has_a_size_and_users_and_goes_when_they_have_gone(world: World) -> None:
    name = f"vol-{secrets.token_hex(3)}"
    made = world.run("user", mounts={name: "/data"})
    wait(lambda: volume_of(world, name).size > 0)
    assert [use.id for use in volume_of(world, name).used_by] == [made]
    read = world.port.read_volume(LIVE, name)
    assert (read.name, read.size, [use.id for use in read.used_by]) == (name, -1, [made])
    with pytest.raises(BackendRejectedError, match="in use"):
        world.port.remove_volume(LIVE, name)
    world.stop(made)
    world.port.remove_stopped(LIVE, made)
    if isinstance(world, FakeWorld):
        world.port.hold_volume(LIVE, name, used_by=())
    world.port.remove_volume(LIVE, name)
    assert name not in {row.name for row in world.port.list_volumes(LIVE).rows}
    for call in (world.port.remove_volume, world.port.read_volume):
        with pytest.raises(TargetNotFoundError, match="No volume"):
            call(LIVE, name)


def test_a_container_that_runs_is_not_removed_and_one_that_stopped_is(world: World) -> None:
    made = world.run("user")
    with pytest.raises(BackendRejectedError, match="cannot remove a running container"):
        world.port.remove_stopped(LIVE, made)
    world.stop(made)
    world.port.remove_stopped(LIVE, made)
    with pytest.raises(TargetNotFoundError):
        world.port.read_container(LIVE, made)


def test_engines_say_what_they_are(world: World) -> None:
    world.run("user")
    listing = world.port.list_engines()
    assert [(row.site, row.environment, row.running) for row in listing.rows] == [(LIVE, "dev", 1)]
    assert [away.site for away in listing.not_reached] == [DEAD]
    engine = world.port.read_engine(LIVE)
    assert (engine.storage, engine.host, engine.containers) == ("overlay2", world.host, 1)
    for version in (engine.version, engine.api, engine.containerd, engine.runc):
        assert version[0].isdigit()
    assert engine.cgroups.startswith("v")
    assert "runc" in engine.runtimes


def test_what_takes_room_is_told_by_kind(world: World) -> None:
    image = world.image()
    name = world.volume(f"vol-{secrets.token_hex(3)}")
    made = world.run("user")
    held = {entry.id: entry for entry in world.port.read_disk(LIVE).held}
    assert (held[image].kind, held[image].used, held[image].digest) == ("image", False, image)
    assert (held[made].kind, held[made].used) == ("container", True)
    assert (held[name].kind, held[name].used) == ("volume", False)
    assert world.port.read_disk(LIVE).layers > 0


def test_an_image_of_a_registry_takes_room_under_its_digest(world: World) -> None:
    world.port.pull_image(LIVE, world.remote, Eye())
    held = {entry.digest for entry in world.port.read_disk(LIVE).held if entry.kind == "image"}
    assert world.remote.digest in held


def test_an_empty_build_cache_frees_nothing(world: World) -> None:
    assert world.port.prune_cache(LIVE) == 0


def test_what_happened_since_a_time_is_told_oldest_first(world: World) -> None:
    since = world.port.server_time(LIVE)
    made = world.run("planted")
    world.stop(made)
    back = world.port.server_time(LIVE) - since
    events = world.port.list_events([LIVE], back, most=50).rows
    assert "die" in [event.action for event in events if event.name == "planted"]
    assert all(event.at >= since for event in events)
    assert list(events) == sorted(events, key=lambda event: event.at)
    assert len(world.port.list_events([LIVE], back, most=1).rows) == 1
    assert world.port.list_events([LIVE], timedelta(0), most=5).rows == ()


def test_reports_of_several_engines_mark_the_one_that_is_away(world: World) -> None:
    disks = world.port.list_disks([DEAD, LIVE])
    events = world.port.list_events([DEAD, LIVE], timedelta(hours=1), most=5)

    assert [disk.site for disk in disks.rows] == [LIVE]
    assert disks.rows[0] == world.port.read_disk(LIVE)
    for listing in (disks, events):
        assert listing.searched == (LIVE,)
        away = NotReached(DEAD, "its socket is not there; is dockerd running?")
        assert listing.not_reached == (away,)
    with pytest.raises(UnknownSiteError):
        world.port.list_disks(["edge-9"])
    with pytest.raises(UnknownSiteError):
        world.port.list_events([LIVE, "edge-9"], timedelta(hours=1), most=5)


def volume_of(world: World, name: str) -> Any:
    return next(row for row in world.port.list_volumes(LIVE).rows if row.name == name)


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("it did not become so")
        time.sleep(0.05)
