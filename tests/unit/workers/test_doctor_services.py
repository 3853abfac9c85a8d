"""What the doctor says of services' files and their secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.services import in_service, sites_in
from workers.doctor import Level
from workers.doctor.services import check_services, name_secrets

SECRETS = "environment: {A: {env: A_SECRET}, B: {env: NOT_SET}, C: {file: short}, D: {file: open}}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services").mkdir()
    return tmp_path


def findings(folder: Path) -> dict[str, tuple[Level, str]]:
    found = check_services(sites_in(folder), folder)
    assert len({one.what for one in found}) == len(found)
    return {one.what: (one.level, one.detail) for one in found}


def test_a_right_file_is_one_line_and_no_folder_none(folder: Path) -> None:
    assert findings(folder) == {}

    (folder / "services" / "api.yaml").write_text(in_service("image: redis:7"))

    assert findings(folder) == {"service api": (Level.OK, "redis:7 in staging")}


def test_a_wrong_one_fails_with_its_line_and_the_others_are_looked_at(folder: Path) -> None:
    (folder / "services" / "api.yaml").write_text(in_service("user: root"))
    (folder / "services" / "web.yml").write_text("")

    found = check_services(sites_in(folder), folder)

    assert [(one.level, one.what) for one in found] == [
        (Level.FAIL, "service api"),
        (Level.FAIL, "service web"),
    ]
    assert found[0].detail.endswith("api.yaml:4: `user` is not supported.")
    assert found[0].fix == "remove it, and say so in the image."


def test_secrets_that_cannot_be_read_or_hidden_are_named_and_never_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "tulips-and-clogs")
    (folder / "short").write_text("tulip")
    (folder / "short").chmod(0o600)
    (folder / "open").write_text("windmills")
    (folder / "open").chmod(0o644)
    (folder / "services" / "api.yaml").write_text(in_service(SECRETS))

    found = findings(folder)

    assert found["service api B"] == (
        Level.WARN,
        "env NOT_SET cannot be read here, and `B` comes from there",
    )
    assert found["service api C"] == (Level.WARN, "has fewer than 6 characters, which are not hidden")
    assert found["service api D file"][1].startswith(f"{folder}/open can be read by others")
    assert set(found) == {"service api", "service api B", "service api C", "service api D file"}
    assert not [text for _, text in found.values() if "tulip" in text or "windmills" in text]
    assert len(tuple(name_secrets(sites_in(folder), folder))) == 4
