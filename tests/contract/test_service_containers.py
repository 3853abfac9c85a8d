"""What the containers of services need besides: the same cases on the fake and on a real engine."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from andock.errors import BackendRejectedError, TargetNotFoundError, UserError
from andock.operation import Ports, Reader
from andock.operations.service.hindrances import refuse_missing_volumes
from andock.ports.container_changes import LocalImage, NewContainer
from andock.ports.container_insight import Limits
from andock.ports.containers import Container, Containers
from andock.ports.registry import ImageName
from andock.ports.services import HealthCheck, Place, Service
from sandbox.engine import IMAGE, LABEL, Engine, start_engine
from tests.contract.test_containers_port import DEAD, LIVE, engines_of
from tests.fakes.containers import FakeContainers
from tests.unit.operations.container.chat import Eye
from workers.containers import DockerContainers

SERVE = ("sh", "-c", 'mkdir /w; echo "$SAID" > /w/ready; exec httpd -f -p 80 -h /w')
UNLIMITED = Limits(restart="unless-stopped")


class World(Protocol):
    """A live engine behind a port, with the image IMAGE and a network `back`."""

    @property
    def port(self) -> Containers: ...
    @property
    def owner(self) -> dict[str, str]: ...
    def make_volume(self, name: str) -> None: ...


@dataclass
class FakeWorld:
    port: FakeContainers
    owner: dict[str, str]

    def make_volume(self, name: str) -> None:
        self.port.hold_volume(LIVE, name)


@dataclass
class RealWorld:
    port: DockerContainers
    owner: dict[str, str]
    engine: Engine

    def make_volume(self, name: str) -> None:
        self.engine.api.call("POST", "/volumes/create", body={"Name": name, "Labels": self.owner})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture
def real(engine: Engine) -> Iterator[RealWorld]:
    port = DockerContainers(engines_of(engine))
    owner = {LABEL: engine.owner}
    for name in ("back", "front"):
        engine.api.call("POST", "/networks/create", body={"Name": name, "Labels": owner})
    yield RealWorld(port, owner, engine)
    port.close()
    engine.remove_labelled()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "real":
        found: RealWorld = request.getfixturevalue("real")
        return found
    fake = FakeContainers({LIVE: "dev", DEAD: "dev"})
    fake.local_images[IMAGE] = LocalImage("sha256:11", 2_000_000)
    return FakeWorld(fake, {})


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def free_range(size: int) -> int:
    """The first of so many ports in a row that nobody has, below those that clients are given."""
    for first in range(20_011, 30_000, 17):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + size):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    pytest.fail("no ports are free")


def make(world: World, name: str, **fields: object) -> str:
    settings: dict[str, object] = {"limits": UNLIMITED, "command": SERVE, "labels": world.owner, **fields}
    made = world.port.create(LIVE, NewContainer(name=name, image=IMAGE, **settings))  # type: ignore[arg-type]  each case's own
    world.port.start(LIVE, made)
    return made


def test_it_is_in_several_networks(world: World) -> None:
    new = NewContainer(
        name="api-1", image=IMAGE, limits=UNLIMITED, command=SERVE, labels=world.owner, network="back",
        aliases=("api",),
    )  # fmt: skip
    made = world.port.create(LIVE, new)
    world.port.join_network(LIVE, made, "front", ("api",))
    world.port.start(LIVE, made)
    networks = world.port.read_container(LIVE, made).networks
    assert [said.split()[0] for said in networks] == ["back", "front"]


def test_a_name_that_is_taken_is_refused(world: World) -> None:
    make(world, "api-1")
    with pytest.raises(BackendRejectedError, match="in use"):
        make(world, "api-1")


def test_it_is_asked_by_http(world: World) -> None:
    made = make(world, "api-1", environment={"SAID": "yes"})
    assert world.port.is_near(LIVE)
    until(lambda: world.port.probe(LIVE, made, 80, "/ready") == "")
    world.port.stop(LIVE, made, 1)
    assert world.port.probe(LIVE, made, 80, "/ready") != ""


def test_one_that_is_gone_is_not_asked(world: World) -> None:
    with pytest.raises(TargetNotFoundError):
        world.port.probe(LIVE, "0" * 64, 80, "/")


def test_an_external_volume_must_be_there_before(world: World) -> None:
    service = Service(
        name="api", image=ImageName.parse(IMAGE), volumes=("kept:/data",), external_volumes=("kept",)
    )
    place, ctx = Place("dev", (LIVE,)), Reader(watch=Eye(), ports=Ports(containers=world.port))
    with pytest.raises(UserError, match=f"{LIVE} has no volume `kept`"):
        refuse_missing_volumes(service, place, ctx)
    world.make_volume("kept")
    refuse_missing_volumes(service, place, ctx)


# --- the real one alone ---------------------------------------------------------------------------------


def read(real: RealWorld, container: str) -> Container:
    return real.port.read_container(LIVE, container)


def test_its_variables_and_volume_are_there(real: RealWorld) -> None:
    real.make_volume("data")
    made = make(real, "api-1", environment={"SAID": "it's me"}, volumes=("data:/w",))
    until(lambda: not real.port.probe(LIVE, made, 80, "/ready"))
    assert read(real, made).mounts == ("data -> /w",)
    again = make(real, "api-2", command=("sh", "-c", "cat /w/ready; sleep 60"), volumes=("data:/w:ro",))
    until(lambda: "it's me" in real.port.logs(LIVE, again, tail=1))


def test_what_it_answers_decides(real: RealWorld) -> None:
    made = make(real, "api-1")
    until(lambda: not real.port.probe(LIVE, made, 80, "/ready"))
    assert real.port.probe(LIVE, made, 80, "/nothing-here") == "it answers 404"
    assert real.port.probe(LIVE, made, 81, "/") == "connection refused"


def test_of_a_range_of_ports_each_gets_one_that_is_free(real: RealWorld) -> None:
    first = free_range(4)
    ports = (f"127.0.0.1:{first}-{first + 3}:80",)
    made = [make(real, f"api-{slot}", ports=ports) for slot in (1, 2)]
    taken = {published.port for one in made for published in read(real, one).published}
    assert len(taken) == 2
    assert all(first <= port <= first + 3 for port in taken)
    until(lambda: not any(real.port.probe(LIVE, one, 80, "/ready") for one in made))


def test_its_health_is_checked_as_was_said(real: RealWorld) -> None:
    good = HealthCheck(
        ("CMD-SHELL", "wget -q -O- http://127.0.0.1/ready"), interval=0.2, timeout=5, retries=9
    )
    bad = HealthCheck(("CMD-SHELL", "echo no database; false"), interval=0.1, timeout=5, retries=1)
    well, ill = make(real, "api-1", healthcheck=good), make(real, "api-2", healthcheck=bad)
    until(lambda: read(real, well).health == "healthy")
    until(lambda: read(real, ill).health == "unhealthy")
    assert read(real, ill).last_check == "no database"


def test_what_a_health_check_says_is_told_without_secrets(real: RealWorld) -> None:
    said = HealthCheck(("CMD-SHELL", "echo xoxb-1234567890-abcdefghijkl; false"), interval=0.1, retries=1)
    ill = make(real, "api-1", healthcheck=said)
    until(lambda: read(real, ill).health == "unhealthy")
    assert "xoxb" not in read(real, ill).last_check


def test_the_room_on_this_machines_disk_is_known(real: RealWorld) -> None:
    free = real.port.free_space(LIVE)
    assert free is not None
    assert free > 0
