"""A worker's services: their secrets are read by it alone, and hidden from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from andock.errors import ConfigError
from andock.ports.services import SecretRef
from andock.redaction import Redactor
from config.services import ServiceFiles
from tests.unit.config.services import in_service, sites_in
from workers.services import FileServices

ENVIRON = {"API_TOKEN": "tulips-and-clogs"}


class World:
    """A folder of services, and the worker of edge-1."""

    def __init__(self, folder: Path) -> None:
        (folder / "services").mkdir()
        self.folder = folder
        self.redactor = Redactor()
        self.port = FileServices(ServiceFiles(folder, sites_in(folder)), ["edge-1"], self.redactor, ENVIRON)

    def write(self, environment: str, extension: str = "") -> None:
        text = in_service(f"environment: {environment}")
        if extension:
            text = in_service(f"environment: {environment}", extension)
        (self.folder / "services" / "api.yaml").write_text(text)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_secret_comes_from_the_workers_environment_or_a_file_beside_sites_yaml(world: World) -> None:
    (world.folder / "cert.pem").write_text("windmills\n")

    assert world.port.secret(SecretRef("env", "API_TOKEN"), "api") == "tulips-and-clogs"
    assert world.port.secret(SecretRef("file", "cert.pem"), "api") == "windmills"
    assert world.redactor.redact("tulips-and-clogs, windmills") == "[redacted], [redacted]"


def test_one_that_cannot_be_read_is_named_without_its_value(world: World) -> None:
    (world.folder / "binary").write_bytes(b"wind\xffmills")

    with pytest.raises(ConfigError, match=r"secret of service api: NOT_SET is not set"):
        world.port.secret(SecretRef("env", "NOT_SET"), "api")
    with pytest.raises(ConfigError, match="gone cannot be read"):
        world.port.secret(SecretRef("file", "gone"), "api")
    with pytest.raises(ConfigError, match="binary is not UTF-8") as error:
        world.port.secret(SecretRef("file", "binary"), "api")
    assert "mills" not in error.value.sentence


def test_secrets_of_the_pools_services_are_hidden_before_anybody_deploys(world: World) -> None:
    world.write("{TOKEN: {env: API_TOKEN}, GONE: {env: NOT_SET}}")

    world.port.learn()

    assert world.redactor.redact("it is tulips-and-clogs") == "it is [redacted]"


def test_secrets_of_other_pools_services_are_not_read(world: World) -> None:
    world.write("{TOKEN: {env: API_TOKEN}}", "x-andock: {environments: {prod: {engines: [far]}}}")

    world.port.learn()

    assert world.redactor.redact("it is tulips-and-clogs") == "it is tulips-and-clogs"


def test_a_changed_file_or_secret_is_learnt_and_the_old_one_stays_hidden(world: World) -> None:
    world.write("{CERT: {file: cert.pem}}")
    (world.folder / "cert.pem").write_text("windmills")
    world.port.learn()

    (world.folder / "cert.pem").write_text("watermills")
    world.port.learn()
    world.write("{CERT: {file: cert.pem}, TOKEN: {env: API_TOKEN}}")
    world.port.learn()

    said = world.redactor.redact("windmills, watermills, tulips-and-clogs")
    assert said == "[redacted], [redacted], [redacted]"


def test_a_file_that_is_broken_meanwhile_keeps_nobody_from_working(world: World) -> None:
    world.write("{TOKEN: {env: API_TOKEN}}")
    world.port.learn()

    (world.folder / "services" / "api.yaml").write_text("services: [")
    world.port.learn()

    assert world.port.names() == ("api",)
    assert world.redactor.redact("tulips-and-clogs") == "[redacted]"
