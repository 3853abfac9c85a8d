"""Services from chat: their files as they are now, and secrets that nobody sees."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import IMAGE
from sandbox.installation import Installation
from tests.e2e.conftest import Chat

FILE = """
services:
  api:
    image: {image}
    environment:
      LOG_LEVEL: debug
      TOKEN: {{file: api-token}}
    ports: ["8080-8081:80"]
    deploy: {{replicas: 2}}
    x-andock: {{environments: {{dev: {{engines: [edge-1]}}}}}}
"""


@pytest.fixture
def config(installation: Installation) -> Iterator[Path]:
    """The folder of sites.yaml, with a service in it."""
    folder = installation.state / "config"
    path = folder / "services" / "api.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(FILE.format(image=IMAGE))
    yield folder
    path.unlink()


def test_a_service_is_listed_and_shown_as_its_file_says_now(
    installation: Installation, chat: Chat, config: Path
) -> None:
    (config / "api-token").write_text(token := f"tulips-{secrets.token_hex(8)}")
    listed = chat.ask("/andock service list")
    assert "1 service on 1 engine." in listed.text
    assert "dev (edge-1)" in listed.text

    shown = chat.ask("/andock service info api").text
    assert "8080-8081:80" in shown
    assert "LOG_LEVEL=debug" in shown
    assert "TOKEN from file api-token of the worker" in shown
    assert token not in shown

    path = config / "services" / "api.yaml"
    path.write_text(path.read_text().replace("debug", "info"))
    assert "LOG_LEVEL=info" in chat.ask("/andock service info api").text


def test_a_services_secret_is_hidden_in_what_a_container_says(
    installation: Installation, chat: Chat, config: Path
) -> None:
    (config / "api-token").write_text(token := f"tulips-{secrets.token_hex(8)}")
    name = f"job-{secrets.token_hex(3)}"
    installation.engine.run_container(name, ["sh", "-c", f"echo it is {token} here; sleep 600"])

    said = chat.ask(f"/container logs {name}").text

    assert "it is [redacted] here" in said
    assert token not in said


def test_a_wrong_file_is_told_with_line_and_fix(chat: Chat, config: Path) -> None:
    path = config / "services" / "api.yaml"
    path.write_text(path.read_text().replace("    ports:", "    depends_on: [db]\n    ports:"))

    said = chat.say("/andock service info api")

    assert "services/api.yaml:8: `depends_on` is not supported. Fix: remove it" in said
