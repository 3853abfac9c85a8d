"""Versions of images at a real registry: dates, lists for several platforms, and what takes too long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from andock.ledger import Ledger
from andock.ports.registry import ImageName
from andock.versions import VersionIndex
from config.sites import ImageRegistry, SecretReference
from sandbox.engine import Engine, start_engine
from sandbox.registry import MANIFEST, Registry, start_registry
from tests.fakes.registry import FakeRegistry
from workers.containers import HttpRegistry
from workers.containers.distribution import Answer
from workers.containers.versions import read_tags
from workers.versions import KeepingRegistry

LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Registry]:
    """It has `team/api` in two versions; the lower one was made after the higher one."""
    engine.import_busybox()
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    registry.fill_service(engine, ("v1.10.0", "v1.9.0"))
    yield registry
    registry.stop()


@pytest.fixture
def port(registry: Registry) -> HttpRegistry:
    site = ImageRegistry(user=registry.user, password=SecretReference(env="P"), insecure=True)
    return HttpRegistry({registry.address: site}, Path("/"), {"P": registry.password})


@pytest.fixture
def image(registry: Registry) -> ImageName:
    return ImageName.parse(f"{registry.address}/team/api")


def test_what_was_made_last_comes_first_whatever_its_number(port: HttpRegistry, image: ImageName) -> None:
    assert [tag.name for tag in port.versions(image, 50, 10.0).tags] == ["v1.9.0", "v1.10.0"]
    assert [tag.name for tag in port.versions(image, 1, 10.0).tags] == ["v1.10.0"]


def test_a_list_for_several_platforms_is_as_old_as_its_image(
    port: HttpRegistry, registry: Registry, image: ImageName
) -> None:
    held = {"mediaType": MANIFEST, "digest": registry.digest("team/api", "v1.9.0"), "size": 528}
    record = {**held, "platform": {"os": "unknown", "architecture": "unknown"}}
    listed = {**held, "platform": {"os": "linux", "architecture": "amd64"}}
    body = json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": [record, listed]}).encode()
    status, _ = registry.call(
        "PUT", "/v2/team/api/manifests/v1.11.0", headers={"Content-Type": LIST}, body=body
    )
    assert status == 201
    try:
        tags = {tag.name: tag for tag in port.versions(image, 50, 10.0).tags}
    finally:
        digest = port.resolve(ImageName.parse(f"{image.path}:v1.11.0")).name.digest
        registry.call("DELETE", f"/v2/team/api/manifests/{digest}")
    assert tags["v1.11.0"].made == tags["v1.9.0"].made is not None
    assert tags["v1.11.0"].digest == digest


def test_what_does_not_answer_in_time_or_is_gone_is_left_out() -> None:
    def get(path: str, _accept: str) -> Answer:
        if path.endswith("/slow"):
            time.sleep(1.5)
        if path.endswith("/gone"):
            raise requests.HTTPError
        return Answer(b'{"config": {}}', {})

    began = time.monotonic()
    tags = read_tags(get, "team/api", ("slow", "gone", "old"), most=50, within=0.5)

    assert time.monotonic() - began < 1.4
    assert [(tag.name, tag.made) for tag in tags] == [("old", None)]


def test_the_bot_finds_what_a_worker_heard_and_when(ledger: Ledger) -> None:
    held = {"registry.lab:5000/team/api:v1": "sha256:" + "1" * 64}
    index, image = VersionIndex(ledger), ImageName.parse("registry.lab:5000/team/api:v9")
    assert index.look(image) is None

    KeepingRegistry(FakeRegistry(held=held), index).versions(image, 50, 10.0)

    found = index.look(image)
    assert found is not None
    assert found.tags == (("v1", None),)
    assert abs(found.at - time.time()) < 5
    ledger.redis.set(ledger.key("versions", image.path), b"of another release")
    assert index.look(image) is None
