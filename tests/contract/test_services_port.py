"""The same cases on the fake and on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from andock.errors import ConfigError, TargetNotFoundError, UserError
from andock.ports.registry import ImageName
from andock.ports.services import Place, SecretRef, Service, Services
from andock.redaction import Redactor
from config.services import ServiceFiles
from tests.fakes.services import FakeServices
from tests.unit.config.services import in_service, sites_in
from workers.services import FileServices

TOKEN = SecretRef("env", "API_TOKEN")
API = Service(
    "api",
    ImageName.parse("redis:7"),
    environment={"TOKEN": TOKEN},
    places={"staging": Place("staging", ("edge-1",))},
)


@pytest.fixture(params=["fake", "real"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Services:
    """The service `api`, and `web`, whose file is wrong."""
    if request.param == "fake":
        return FakeServices(
            held={"api": API},
            secrets={TOKEN: "tulips-and-clogs"},
            broken={"web": "services/web.yaml:3: `build` is not supported."},
        )
    folder = tmp_path / "services"
    folder.mkdir()
    (folder / "api.yaml").write_text(in_service("image: redis:7\nenvironment: {TOKEN: {env: API_TOKEN}}"))
    (folder / "web.yaml").write_text("services:\n  web:\n    build: .\n")
    files = ServiceFiles(tmp_path, sites_in(tmp_path))
    return FileServices(files, ["edge-1"], Redactor(), {"API_TOKEN": "tulips-and-clogs"})


def test_a_service_is_what_its_file_says(port: Services) -> None:
    found = port.read("api")

    assert (found.name, found.image, found.environment) == (API.name, API.image, API.environment)
    assert found.places == API.places


def test_names_are_those_of_all_files_also_of_wrong_ones(port: Services) -> None:
    assert port.names() == ("api", "web")


def test_a_wrong_file_is_refused_with_its_line(port: Services) -> None:
    with pytest.raises(UserError, match=r"services/web.yaml:3: `build` is not supported"):
        port.read("web")


def test_one_that_is_not_there_gets_the_nearest_names(port: Services) -> None:
    with pytest.raises(TargetNotFoundError) as error:
        port.read("apu")
    assert "api" in error.value.similar


def test_a_secret_is_read_or_named(port: Services) -> None:
    assert port.secret(TOKEN, "api") == "tulips-and-clogs"
    with pytest.raises(ConfigError, match="secret of service api: GONE is not set"):
        port.secret(SecretRef("env", "GONE"), "api")
