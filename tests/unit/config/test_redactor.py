"""What each process knows to hide: what it logs in with, its keys, and what sites.yaml names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from andock.redaction import MARK, SHORTEST, Redactor
from andock.signing import make_keys
from config.redactor import make_redactor, name_unread
from config.settings import BotSettings, Settings, read_settings
from config.sites import Sites, load_sites
from tests.unit.config.conftest import ROOT, Write

BOT = {
    "REDIS_URL": "redis://andock:r%2Fedis-secret@10.0.0.1:6379/0",
    "SLACK_BOT_TOKEN": "the-bot-token",
    "SLACK_APP_TOKEN": "the-app-token",
    "SLACK_SIGNING_SECRET": "the-signing-secret",
}
SITES = """
engines:
  edge-1: {url: "unix:///s", environment: dev}
redact:
  secrets:
    - {env: APP_SECRET}
    - {file: app-token}
    - {env: WORKER_SECRET, processes: [worker-docker]}
  patterns: ["ACME-[0-9]{4,9}"]
"""


@pytest.fixture
def sites(write: Write) -> Sites:
    return load_sites(write(SITES))


def knows(redactor: Redactor, *secrets: str) -> bool:
    return all(redactor.redact(f"<{secret}>") == f"<{MARK}>" for secret in secrets)


def test_the_bot_hides_its_tokens_its_keys_and_redis_password(tmp_path: Path, sites: Sites) -> None:
    make_keys(tmp_path / "keys")
    settings = read_settings(BotSettings, {**BOT, "ANDOCK_KEYS_DIR": str(tmp_path / "keys")})

    redactor = make_redactor(settings, sites, environ={})

    assert knows(redactor, "the-bot-token", "the-app-token", "the-signing-secret", "ACME-1234")
    assert knows(redactor, "r%2Fedis-secret", "r/edis-secret")
    assert knows(redactor, (tmp_path / "keys" / "bot.key").read_text().strip())
    assert redactor.redact("10.0.0.1:6379 andock") == "10.0.0.1:6379 andock"


def test_a_url_without_a_password_is_no_secret(sites: Sites) -> None:
    redactor = make_redactor(read_settings(Settings, {}), sites, environ={})

    assert redactor.redact("redis://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"


def test_a_worker_hides_what_it_logs_in_with(sites: Sites) -> None:
    redactor = make_redactor(read_settings(Settings, {}), sites, ["vcenter-password"], {})

    assert knows(redactor, "vcenter-password")


def test_what_sites_yaml_names_is_hidden_where_it_can_be_read(tmp_path: Path, sites: Sites) -> None:
    settings = read_settings(Settings, {"ANDOCK_CONFIG_DIR": str(tmp_path)})
    (tmp_path / "app-token").write_text("token-of-the-app\n")

    redactor = make_redactor(settings, sites, environ={"APP_SECRET": "secret-of-the-app"})

    assert knows(redactor, "secret-of-the-app", "token-of-the-app")


def test_a_process_names_what_it_should_know_and_cannot_read(tmp_path: Path, sites: Sites) -> None:
    (tmp_path / "app-token").write_bytes(b"\xff\xfe")

    assert name_unread(sites, "bot", tmp_path, {}) == ("env APP_SECRET", "file app-token")
    assert name_unread(sites, "worker-docker", tmp_path, {"APP_SECRET": "x"}) == (
        "file app-token",
        "env WORKER_SECRET",
    )
    (tmp_path / "app-token").write_text("token")
    assert name_unread(sites, "keeper", tmp_path, {"APP_SECRET": "x"}) == ()


@pytest.mark.parametrize("text", ["a" * (SHORTEST - 1), ""])
def test_what_is_too_short_to_be_a_secret_is_not_hidden(sites: Sites, text: str) -> None:
    redactor = make_redactor(read_settings(Settings, {}), sites, [text], {})

    assert redactor.redact(f"<{text}>") == f"<{text}>"


def test_an_address_that_is_none_stops_the_start_without_being_repeated(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    (tmp_path / "sites.yaml").write_text(SITES)
    (tmp_path / "policy.yaml").write_text("rules: []\n")
    env = {
        "REDIS_URL": "redis://:hunter2/x@host:none/0",
        "ANDOCK_CONFIG_DIR": str(tmp_path),
        "ANDOCK_KEYS_DIR": str(tmp_path / "keys"),
        "PATH": "/usr/bin:/bin",
    }

    done = subprocess.run(
        [sys.executable, "-m", "workers", "janitor"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert "REDIS_URL: is no address" in done.stderr
    assert "hunter2" not in done.stderr
