"""What of Andock runs on engines: its processes' containers, its Redis, and so which engines are its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from andock.belonging import container_target, engine_target
from andock.errors import BackendUnavailableError
from andock.ledger import Ledger
from andock.operation import OWN_LABEL, Target
from andock.ports.containers import Containers, Published
from andock.protection import Protection
from andock.refusals import ProtectedTargetError
from andock.residents import KEPT, Residents
from config import installation
from config.settings import Settings
from config.sites import Engine as Site
from sandbox.engine import Engine, start_engine
from sandbox.processes import free_port
from sandbox.redis_server import RedisServer
from tests.fakes.containers import FakeContainers
from workers.containers import DockerContainers, Engines
from workers.own import EngineSurroundings

ELSEWHERE = "redis://198.51.100.9:6379/0"  # for documentation: nobody's
SITES = {
    "edge-1": Site(url="unix:///run/docker.sock", environment="dev"),
    "edge-2": Site(url="tcp://198.51.100.2:2375", insecure=True, environment="dev"),
}


@dataclass
class Ground:
    """Two engines in memory, of which the first is on this machine."""

    containers: FakeContainers
    residents: Residents

    def run(
        self,
        name: str,
        site: str = "edge-1",
        *,
        address: str = "",
        published: tuple[str, int] | None = None,
        **labels: str,
    ) -> str:
        made = self.containers.run(site, name, labels=labels)
        ports = (Published("6379/tcp", *published),) if published else ()
        self.containers.change(site, made, published=ports, addresses={"bridge": address} if address else {})
        return made

    def look(
        self,
        url: str = ELSEWHERE,
        here: frozenset[str] = frozenset(),
        targets: Collection[Target] | None = None,
    ) -> Protection:
        surroundings = EngineSurroundings(Protection(containers=here), here, self.residents, url, SITES)
        meant = targets_on(self.containers) if targets is None else targets
        return surroundings.look(meant, self.containers)


@pytest.fixture
def ground(ledger: Ledger) -> Ground:
    return Ground(FakeContainers(dict.fromkeys(SITES, "dev")), Residents(ledger))


def targets_on(containers: Containers) -> list[Target]:
    """All containers and all engines."""
    targets = [container_target(row) for row in containers.list_containers().rows]
    return targets + [engine_target(site, "dev") for site in containers.sites()]


def refused(own: Protection, containers: Containers) -> set[str]:
    """The containers that are refused, as `engine/name`, and the engines."""
    found = set()
    for target in targets_on(containers):
        try:
            own.refuse_own([target])
        except ProtectedTargetError:
            found.add(target.name if target.kind == "engine" else f"{target.site}/{target.name}")
    return found


def test_where_nothing_of_andock_runs_nothing_is_refused(ground: Ground) -> None:
    ground.run("web", address="172.17.0.2", published=("0.0.0.0", 6379))
    ground.run("web", "edge-2", address="172.17.0.2", published=("0.0.0.0", 6379))

    assert refused(ground.look(), ground.containers) == set()


def test_the_workers_own_container_and_its_engine_are(ground: Ground) -> None:
    own = ground.run("worker")
    ground.run("web")
    ground.run("web-2", "edge-2")

    assert refused(ground.look(here=frozenset({own[:12]})), ground.containers) == {"edge-1/worker", "edge-1"}


def test_so_are_the_containers_that_other_processes_told(ground: Ground) -> None:
    ground.residents.tell([ground.run("bot", "edge-2")])

    assert refused(ground.look(), ground.containers) == {"edge-2/bot", "edge-2"}


def test_what_is_told_only_adds_to_what_is_known(ground: Ground) -> None:
    own = ground.run("worker")
    ground.run("web")
    ground.residents.ledger.redis.zadd(ground.residents.ledger.key("residents"), {"web": 1, "": 2, "0": 3})

    assert refused(ground.look(here=frozenset({own})), ground.containers) == {"edge-1/worker", "edge-1"}


def test_of_what_was_told_the_newest_are_kept(ground: Ground) -> None:
    first, last = "0" * 64, "f" * 64
    ground.residents.tell([first])
    ground.residents.tell([f"{number:064x}" for number in range(1, KEPT)])
    ground.residents.tell([last])

    assert first not in ground.residents.read()
    assert last in ground.residents.read()
    assert len(ground.residents.read()) == KEPT


def test_an_engine_is_own_only_while_something_of_andock_is_up_there(ground: Ground) -> None:
    made = ground.run("old", **{OWN_LABEL: "redis"})
    assert refused(ground.look(), ground.containers) == {"edge-1/old", "edge-1"}

    ground.containers.stop("edge-1", made, 1)
    assert refused(ground.look(), ground.containers) == {"edge-1/old"}


@pytest.mark.parametrize(
    ("url", "made", "in_container"),
    [
        pytest.param("redis://172.17.0.7:6379/0", {"address": "172.17.0.7"}, False, id="its address"),
        pytest.param("redis://127.0.0.1:7001", {"published": ("127.0.0.1", 7001)}, False, id="its port"),
        pytest.param(
            "rediss://localhost:7001", {"published": ("0.0.0.0", 7001)}, False, id="its port, anywhere"
        ),
        pytest.param("redis://their-redis", {}, True, id="its name beside us"),
        pytest.param(
            "redis://cache:6379",
            {"com.docker.compose.service": "cache"},
            True,
            id="its service's name beside us",
        ),
    ],
)
def test_redis_is_known_by(ground: Ground, url: str, made: Mapping[str, object], in_container: bool) -> None:
    here = frozenset({ground.run("worker")}) if in_container else frozenset()
    ours = {"edge-1/worker"} if in_container else set()
    ground.run("their-redis", **made)  # type: ignore[arg-type]
    # it has the same name, address and port, where nobody is meant by them
    ground.run("their-redis", "edge-2", **made)  # type: ignore[arg-type]

    found = refused(ground.look(url, here), ground.containers)

    assert found == {"edge-1/their-redis", "edge-1", *ours}


def test_on_another_host_redis_is_known_by_its_published_port(ground: Ground) -> None:
    ground.run("redis", "edge-2", published=("0.0.0.0", 6379))
    ground.run("other", "edge-2", published=("0.0.0.0", 6380))

    assert refused(ground.look("redis://198.51.100.2"), ground.containers) == {"edge-2/redis", "edge-2"}


def test_an_engine_that_cannot_say_what_it_holds_is_not_changed(ground: Ground) -> None:
    ground.run("web", "edge-2")
    (web,) = (container_target(row) for row in ground.containers.list_containers().rows)
    ground.containers.away["edge-2"] = "no route"

    for targets in ([web], [engine_target("edge-2", "dev")]):
        with pytest.raises(BackendUnavailableError, match="edge-2"):
            ground.look(targets=targets)


def test_of_containers_that_are_changed_only_their_engines_are_asked(ground: Ground) -> None:
    ground.run("redis", published=("127.0.0.1", 7001))
    ground.run("web")
    redis, web = (container_target(row) for row in ground.containers.list_containers().rows)
    ground.containers.away["edge-2"] = "no route"

    for target, name in ((redis, "redis"), (web, "web")):
        own = ground.look("redis://127.0.0.1:7001", targets=[target])
        with pytest.raises(ProtectedTargetError) if name == "redis" else nullcontext():
            own.refuse_own([target])


def test_a_container_that_has_another_name_by_now_is_known_all_the_same(ground: Ground) -> None:
    made = ground.run("redis", published=("127.0.0.1", 7001))
    (redis,) = (container_target(row) for row in ground.containers.list_containers().rows)
    ground.containers.rename("edge-1", made, "store")

    with pytest.raises(ProtectedTargetError):
        ground.look("redis://127.0.0.1:7001", targets=[redis]).refuse_own([redis])


@pytest.fixture
def settings(tmp_path: Path, keys: Path) -> Settings:
    (tmp_path / "sites.yaml").write_text("engines:\n  edge-1: {url: 'unix:///s', environment: dev}\n")
    (tmp_path / "policy.yaml").write_text("rules: []\n")
    return Settings.model_validate({"ANDOCK_CONFIG_DIR": tmp_path, "ANDOCK_KEYS_DIR": keys})


def test_each_process_tells_its_container_when_it_starts(
    settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ("a" * 64, "a" * 12)
    monkeypatch.setattr(installation, "find_container_ids", lambda: ids)
    monkeypatch.setattr(installation, "start_logging", lambda *_: None)
    reached = settings.model_copy(update={"redis_url": SecretStr(redis_server.url)})

    started = installation.start_process(reached, "keeper", "courier")

    assert set(ids) <= Residents(started.ledger).read()


def test_without_redis_a_process_starts_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "find_container_ids", lambda: ("a" * 64,))
    monkeypatch.setattr(installation, "start_logging", lambda *_: None)
    away = settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{free_port()}/0")})

    assert installation.start_process(away, "bot").sites.instance == "main"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


def test_on_a_real_engine_redis_is_found_by_its_port_and_by_its_address(
    engine: Engine, ledger: Ledger
) -> None:
    port = free_port()
    engine.run_container("web", ["sleep", "600"])
    engine.run_container("store", ["sleep", "600"], ports={6379: port}, address=engine.address)
    address = engine.api.call("GET", "/containers/store/json")["NetworkSettings"]["IPAddress"]
    sites = {"edge-1": Site(url=engine.url, environment="dev")}
    containers = DockerContainers(Engines(sites, Path("/")))
    surroundings = EngineSurroundings(Protection(), frozenset(), Residents(ledger), "", sites)
    try:
        for url in (f"redis://{engine.address}:{port}/0", f"redis://{address}:6379"):
            own = replace(surroundings, redis_url=url).look(targets_on(containers), containers)
            assert refused(own, containers) == {"edge-1/store", "edge-1"}
            store = next(target for target in targets_on(containers) if target.name == "store")
            own = replace(surroundings, redis_url=url).look([store], containers)
            assert refused(own, containers) >= {"edge-1/store"}
        own = replace(surroundings, redis_url=ELSEWHERE).look(targets_on(containers), containers)
        assert refused(own, containers) == set()
    finally:
        containers.close()
        engine.remove_labelled()
