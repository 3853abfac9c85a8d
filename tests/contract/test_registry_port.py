"""The same cases on the fake and on a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from andock.errors import BackendUnavailableError, Changed, TargetNotFoundError
from andock.ports.registry import ImageName, Registry
from andock.refusals import ImageNotAllowedError
from config.sites import ImageRegistry, SecretReference
from sandbox.engine import IMAGE, Engine, start_engine
from sandbox.processes import free_port
from sandbox.registry import Registry as SandboxRegistry
from sandbox.registry import start_registry
from tests.fakes.registry import FakeRegistry
from workers.containers import HttpRegistry

OTHER = "sha256:" + "0" * 64


@dataclass
class World:
    """A registry that allows `team/*`, holds `team/web:1.0` and `:1.1`, and what its digest is."""

    port: Registry
    away: Registry
    away_address: str
    address: str
    digest: str

    def name(self, rest: str) -> ImageName:
        return ImageName.parse(f"{self.address}/{rest}")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[SandboxRegistry]:
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    for tag in ("1.0", "1.1"):
        name = f"{registry.address}/team/web"
        engine.api.call("POST", f"/images/{quote(IMAGE)}/tag", query={"repo": name, "tag": tag})
        registry.push(engine, f"{name}:{tag}")
    yield registry
    registry.stop()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        address, digest = "registry.lab:5000", "sha256:" + "1" * 64
        allow = [f"{address}/team/*"]
        held = {f"{address}/team/web:{tag}": digest for tag in ("1.0", "1.1")}
        away = FakeRegistry(allow, away="connection refused")
        made = {digest: datetime.now(UTC)}
        return World(FakeRegistry(allow, held, made), away, address, address, digest)
    real: SandboxRegistry = request.getfixturevalue("registry")
    nobody = f"127.0.0.1:{free_port()}"
    digest = real.digest("team/web", "1.0")
    return World(port_to(real), port_to(real, address=nobody), nobody, real.address, digest)


def port_to(registry: SandboxRegistry, address: str = "") -> HttpRegistry:
    """`address` is asked in the registry's place."""
    site = ImageRegistry(
        user=registry.user,
        password=SecretReference(env="P"),
        insecure=True,
        allow=(f"{address or registry.address}/team/*",),
    )
    return HttpRegistry({address or registry.address: site}, Path("/"), {"P": registry.password})


def test_a_tag_becomes_the_digest_that_it_names(world: World) -> None:
    resolved = world.port.resolve(world.name("team/web:1.0"))
    assert resolved.name.digest == world.digest
    assert resolved.name.familiar == f"{world.address}/team/web:1.0@{world.digest}"
    assert resolved.name.pinned == f"{world.address}/team/web@{world.digest}"
    assert resolved.size > 0
    assert resolved.platforms == ()


def test_a_digest_is_found_as_it_is(world: World) -> None:
    assert world.port.resolve(world.name(f"team/web@{world.digest}")).name.digest == world.digest


def test_tags_are_listed(world: World) -> None:
    assert world.port.tags(world.name("team/web")) == ("1.0", "1.1")


def test_versions_say_what_each_tag_stands_for_and_when_that_was_made(world: World) -> None:
    found = world.port.versions(world.name("team/web"), 50, 10.0)
    assert [(tag.name, tag.digest) for tag in found.tags] == [("1.1", world.digest), ("1.0", world.digest)]
    assert found.total == 2
    for tag in found.tags:
        assert tag.made is not None
        assert timedelta() <= datetime.now(UTC) - tag.made < timedelta(days=1)


def test_of_many_tags_the_highest_are_asked_for(world: World) -> None:
    found = world.port.versions(world.name("team/web"), 1, 10.0)
    assert ([tag.name for tag in found.tags], found.total) == (["1.1"], 2)


def test_versions_of_what_is_missing_or_not_allowed_or_away_are_refused(world: World) -> None:
    with pytest.raises(TargetNotFoundError):
        world.port.versions(world.name("team/nobody"), 50, 10.0)
    with pytest.raises(ImageNotAllowedError):
        world.port.versions(world.name("other/web"), 50, 10.0)
    with pytest.raises(BackendUnavailableError):
        world.away.versions(ImageName.parse(f"{world.away_address}/team/web"), 50, 10.0)


@pytest.mark.parametrize("rest", ["team/web:1.2", f"team/web@{OTHER}"])
def test_an_image_that_is_missing_is_told_with_the_nearest_tags(world: World, rest: str) -> None:
    with pytest.raises(TargetNotFoundError) as caught:
        world.port.resolve(world.name(rest))
    assert caught.value.sentence.startswith(f"No image `{world.address}/{rest}` on `{world.address}`.")
    assert f"Did you mean `{world.address}/team/web:1." in caught.value.sentence
    assert caught.value.changed is Changed.NOTHING


def test_a_repository_that_is_missing_is_told(world: World) -> None:
    with pytest.raises(TargetNotFoundError, match=r"No image .*team/nobody:1"):
        world.port.resolve(world.name("team/nobody:1"))
    with pytest.raises(TargetNotFoundError, match=r"No image .*team/nobody"):
        world.port.tags(world.name("team/nobody"))


@pytest.mark.parametrize("rest", ["teams/web:1.0", "web:1.0", "other/team/web:1.0"])
def test_what_is_not_allowed_is_refused_and_nobody_asked(world: World, rest: str) -> None:
    with pytest.raises(ImageNotAllowedError) as caught:
        world.port.resolve(world.name(rest))
    assert f" is not allowed. Allowed are: `{world.address}/team/*`." in caught.value.sentence
    with pytest.raises(ImageNotAllowedError):
        world.away.resolve(ImageName.parse(f"{world.away_address}/{rest}"))
    with pytest.raises(ImageNotAllowedError):
        world.port.check_allowed(ImageName.parse("busybox"))


def test_a_registry_that_is_away_changes_nothing(world: World) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        world.away.resolve(ImageName.parse(f"{world.away_address}/team/web:1.0"))
    assert caught.value.backend == f"Registry `{world.away_address}`"
    assert caught.value.why == "connection refused"
    assert caught.value.retryable
