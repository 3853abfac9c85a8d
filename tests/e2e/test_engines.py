"""Images, networks, volumes and engines from the typed command to their effect on real engines.

Three engines, by socket, TLS and SSH, and a registry; each test plants something and reads it back.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from sandbox.engine import LABEL, Engine, EngineError, Transport
from sandbox.engine.images import build_image
from sandbox.installation import Installation
from sandbox.registry import Registry
from tests.e2e.conftest import END, Chat
from tests.integration.workers.stalling import Stalling, stalling

OWN = "andock.role"
BIG = 24 * 1024 * 1024


@pytest.fixture(scope="module")
def way() -> Iterator[Stalling]:
    """A second address of the registry, which stalls in the midst of a big image."""
    with stalling("127.0.0.1:0", BIG // 2) as way:
        yield way


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, way: Stalling) -> Iterator[Installation]:
    login = {"user": "puller", "password": {"env": "LAB_REGISTRY_PASSWORD"}, "insecure": True}
    with Installation.start(
        tmp_path_factory.mktemp("fleet"),
        engines=3,
        own_engine=True,
        transports=list(Transport),
        registry=True,
        sites_extra={"registries": {way.address: login}},
        workers=("docker",),
    ) as running:
        running.slack.set_limits(enabled=False)
        assert running.registry is not None
        way.server = ("127.0.0.1", running.registry.port)
        yield running


@pytest.fixture
def chat(fleet: Installation) -> Chat:
    return Chat(fleet.slack)


@pytest.fixture
def registry(fleet: Installation) -> Registry:
    assert fleet.registry is not None
    return fleet.registry


@pytest.fixture
def edge(fleet: Installation) -> Engine:
    return fleet.engines["edge-2"]


@pytest.fixture
def planted(edge: Engine) -> str:
    """The name of an image on edge-2 that no container uses."""
    name = f"planted-{secrets.token_hex(3)}:1"
    build_image(edge.api, name, f"RUN echo {name} > /planted\n")
    return name


def has_image(engine: Engine, name: str) -> bool:
    try:
        engine.api.call("GET", f"/images/{quote(name)}/json")
    except EngineError:
        return False
    return True


def test_engine_list_has_all_three_ways_in(chat: Chat) -> None:
    said = chat.ask("/engine list").spoken

    assert "3 engines" in said
    for name in ("edge-1", "edge-2", "edge-3"):
        assert name in said
    assert "not reached" not in said


def test_engine_info_says_what_the_engine_itself_says(chat: Chat, fleet: Installation) -> None:
    engine = fleet.engines["edge-3"]
    version, info = engine.api.call("GET", "/version"), engine.api.call("GET", "/info")

    said = chat.ask("/engine info edge-3").spoken

    assert f"Docker {version['Version']}" in said
    assert info["DockerRootDir"] in said
    assert "runc" in said


def test_a_pull_brings_what_the_registry_has_to_every_engine(
    fleet: Installation, chat: Chat, registry: Registry
) -> None:
    name, digest = f"{registry.address}/team/web:1", registry.digest("team/web", "1")

    said = chat.ask(f"/image pull {name} --everywhere", timeout=60).spoken

    assert said.count(digest[:19]) == 3
    for engine in fleet.engines.values():
        assert digest in str(engine.api.call("GET", f"/images/{quote(name)}/json")["RepoDigests"])
    assert digest[:19] in chat.ask("/image list team/web").spoken


def test_several_engines_and_none_chosen_pulls_nothing(
    fleet: Installation, chat: Chat, registry: Registry
) -> None:
    said = chat.ask(f"/image pull {registry.address}/team/sick:1").spoken

    assert "Several engines could pull it: `edge-1`, `edge-2`, `edge-3`" in said
    assert not any(has_image(engine, f"{registry.address}/team/sick:1") for engine in fleet.engines.values())


def test_an_image_that_is_not_allowed_is_refused_and_one_that_is_missing_is_told_with_its_tags(
    chat: Chat, registry: Registry
) -> None:
    refused = chat.ask("/image pull evil.example:5000/team/web:1 --site edge-1").spoken
    missing = chat.ask(f"/image pull {registry.address}/team/web:7 --site edge-1").spoken

    assert f"is not allowed. Allowed are: {registry.address}/*" in refused.replace("`", "")
    assert f"Did you mean {registry.address}/team/web:1?" in missing.replace("`", "")
    assert "Changed: *nothing*" in missing


def test_image_info_and_history_show_what_was_built_in(chat: Chat, planted: str) -> None:
    assert planted in chat.ask(f"/image info {planted}").spoken
    assert f"echo {planted} &gt; /planted" in chat.ask(f"/image history {planted}").spoken.replace(
        ">", "&gt;"
    )


def test_image_remove_removes_it_after_a_look(chat: Chat, edge: Engine, planted: str) -> None:
    said = chat.destroy(f"/image remove {planted}").spoken

    assert "is removed" in said
    assert not has_image(edge, planted)


def test_reads_of_containers_on_several_engines_are_one_table(fleet: Installation, chat: Chat) -> None:
    name = f"many-{secrets.token_hex(3)}"
    for site in ("edge-2", "edge-3"):
        script = f"touch /planted-{site}; trap exit TERM; sleep 1000 & wait"
        fleet.engines[site].run_container(
            f"{name}-{site}", ["sh", "-c", script, name], labels={"planted": name}
        )
    meant = f"--label planted={name} --image *busybox* --health none"
    containers = {site: f"{name}-{site}" for site in ("edge-2", "edge-3")}

    top = chat.ask(f"/container top {meant}").spoken
    diff = chat.ask(f"/container diff {meant}").spoken
    info = chat.ask(f"/container info {meant}").spoken
    stats = chat.ask(f"/container stats {meant}").spoken

    assert "2 containers, 4 processes." in top
    assert "2 containers, 2 running." in info
    for site, container in containers.items():
        assert re.search(rf"{container}\W+{site}\W.*sleep 1000", top)
        assert f"{site}/{container} + /planted-{site}" in diff
        assert container in info
        assert container in stats
    alone = chat.ask("/container stats --engine edge-3").spoken
    assert containers["edge-3"] in alone
    assert containers["edge-2"] not in alone
    assert (
        f"`{containers['edge-2']}` on edge-2 has 2 processes"
        in chat.ask(f"/container top {name}-edge-2").spoken
    )


def test_an_image_in_use_is_refused_by_the_name_of_its_container(
    chat: Chat, edge: Engine, planted: str
) -> None:
    edge.run_container("holder", ["sleep", "1000"], image=planted)
    try:
        said = chat.ask(f"/image remove {planted}").spoken
    finally:
        edge.api.call("DELETE", "/containers/holder", query={"force": "1"})

    assert "used by holder" in said.replace("`", "")
    assert has_image(edge, planted)


def test_image_prune_takes_what_nothing_uses_and_keeps_what_it_was_told_to(
    chat: Chat, edge: Engine, planted: str
) -> None:
    kept = f"kept-{secrets.token_hex(3)}:1"
    build_image(edge.api, kept, f"RUN echo {kept} > /kept\n")
    own = f"own-{secrets.token_hex(3)}:1"
    build_image(edge.api, own, f"LABEL {OWN}=redis\n")

    said = chat.destroy(f"/image prune --all --keep {kept} --site edge-2").spoken

    assert "done" in said
    assert (has_image(edge, planted), has_image(edge, kept), has_image(edge, own)) == (False, True, True)


def test_networks_are_listed_and_shown_with_their_addresses(chat: Chat, edge: Engine) -> None:
    name = f"net-{secrets.token_hex(3)}"
    settings = {"Name": name, "Labels": {LABEL: edge.owner}, "IPAM": {"Config": [{"Subnet": "10.97.3.0/24"}]}}
    edge.api.call("POST", "/networks/create", body=settings)

    assert "10.97.3.0/24" in chat.ask(f"/network list {name}").spoken
    assert "10.97.3.0/24" in chat.ask(f"/network info {name}").spoken


def test_volume_prune_takes_unused_volumes_and_no_other(
    fleet: Installation, chat: Chat, edge: Engine
) -> None:
    names = {kind: f"{kind}-{secrets.token_hex(3)}" for kind in ("free", "held", "own")}
    for kind, name in names.items():
        labels = {LABEL: edge.owner, **({OWN: "redis"} if kind == "own" else {})}
        edge.api.call("POST", "/volumes/create", body={"Name": name, "Labels": labels})
    body = {
        "Image": "andock/busybox:sandbox",
        "Cmd": ["true"],
        "Labels": {LABEL: edge.owner},
        "HostConfig": {"Binds": [f"{names['held']}:/data"]},
    }
    edge.api.call("POST", "/containers/create", query={"name": "volume-holder"}, body=body)
    listed = chat.ask("/volume list").spoken
    assert all(name in listed for name in names.values())

    said = chat.destroy("/volume prune --all --site edge-2").spoken

    left = {volume["Name"] for volume in edge.api.call("GET", "/volumes")["Volumes"] or ()}
    assert "removed" in said
    assert {kind for kind, name in names.items() if name in left} == {"held", "own"}


def test_engine_disk_says_what_a_prune_then_frees(fleet: Installation, chat: Chat) -> None:
    engine = fleet.engines["edge-3"]
    name = f"done-{secrets.token_hex(3)}"
    made = engine.run_container(name, ["sh", "-c", "dd if=/dev/zero of=/x bs=1024 count=3000"])
    engine.api.call("POST", f"/containers/{made}/wait")
    engine.run_container(f"own-{name}", ["true"], labels={OWN: "redis"})
    engine.run_container(f"up-{name}", ["sleep", "1000"])
    owner = {LABEL: engine.owner}
    for kind in ("empty", "joined"):
        engine.api.call("POST", "/networks/create", body={"Name": f"{kind}-{name}", "Labels": owner})
    member = {"Container": f"up-{name}"}
    engine.api.call("POST", f"/networks/joined-{name}/connect", body=member)
    nameless = build_image(engine.api, f"{name}:1", f"RUN echo {name} > /planted\n")
    build_image(engine.api, f"{name}:1", f"RUN echo again {name} > /planted\n")

    disk = chat.ask("/engine disk edge-3").spoken
    assert f"container {name} on edge-3 (2.9 MiB)" in disk.replace("`", "")

    asked = chat.ask("/engine prune edge-3")
    assert nameless in asked.spoken
    chat.type_name(asked)

    networks = {network["Name"] for network in engine.api.call("GET", "/networks")}
    assert (f"empty-{name}" in networks, f"joined-{name}" in networks) == (False, True)
    assert (has_image(engine, nameless), has_image(engine, f"{name}:1")) == (False, True)
    left = {c["Names"][0] for c in engine.api.call("GET", "/containers/json", query={"all": "1"})}
    assert f"/{name}" not in left
    assert {f"/own-{name}", f"/up-{name}"} <= left


def test_an_engine_that_andock_runs_on_is_not_pruned(fleet: Installation, chat: Chat) -> None:
    engine = fleet.engines["edge-3"]
    name, volume = f"left-{secrets.token_hex(3)}", f"data-{secrets.token_hex(3)}"
    left = engine.run_container(name, ["true"])
    engine.api.call("POST", f"/containers/{left}/wait")
    engine.api.call("POST", "/volumes/create", body={"Name": volume, "Labels": {LABEL: engine.owner}})
    own = engine.run_container(f"own-{name}", ["sleep", "600"], labels={OWN: "redis"})
    try:
        for command in ("/engine prune edge-3", "/volume prune --all --site edge-3"):
            said = chat.ask(command).spoken.replace("`", "")
            assert f"edge-3 is refused: Andock itself runs on it (container own-{name})" in said
            assert "Prune it on its host" in said
    finally:
        engine.api.call("DELETE", f"/containers/{own}", query={"force": "1"})

    assert engine.inspect(left).state == "exited"
    assert volume in {found["Name"] for found in engine.api.call("GET", "/volumes")["Volumes"]}


def test_engine_events_tell_what_died(chat: Chat, edge: Engine) -> None:
    name = f"short-{secrets.token_hex(3)}"
    made = edge.run_container(name, ["sh", "-c", "exit 3"])
    edge.api.call("POST", f"/containers/{made}/wait")

    said = chat.ask(f"/engine events edge-2 --since 10m --grep {name}").spoken

    assert "die" in said
    assert "exitCode 3" in said


def test_a_worker_killed_in_the_midst_of_a_pull_is_settled_by_the_next_and_the_image_comes(
    fleet: Installation, chat: Chat, registry: Registry, way: Stalling
) -> None:
    engine = fleet.engine
    pushed = f"{registry.address}/team/big:1"
    build_image(engine.api, pushed, f"RUN head -c {BIG} /dev/urandom > /big\n")
    digest = registry.push(engine, pushed)
    engine.api.call("DELETE", f"/images/{quote(pushed)}", query={"force": "1"})
    name = f"{way.address}/team/big:1"

    begun = chat.ask(f"/image pull {name} --site edge-1", until=r"\d+ ?%|layers")
    assert way.stalled.wait(20)
    fleet.kill("worker-docker")
    way.over.set()
    assert not has_image(engine, name)
    fleet.restart("worker-docker")
    said = fleet.slack.wait("C0OPS", "U0OPS1", ts=begun.ts, regex=END, timeout=90).spoken

    assert "*Done*" in said
    assert digest in said
    assert digest in str(engine.api.call("GET", f"/images/{quote(name)}/json")["RepoDigests"])
