from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from andock.signing import make_keys
from sandbox.redis_server import RedisServer, start_redis
from sandbox.slack.client import Workspace
from sandbox.vcenter import Inventory, Vcenter, start_vcenter
from workers.doctor import Finding, examine

Doctor = Callable[[], dict[str, Finding]]
Change = Callable[..., None]


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that a test may set wrongly, whatever the others use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REDIS_URL", raising=False)
        server = start_redis(tmp_path_factory.mktemp("doctor"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def vcenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vcenter]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ANDOCK_SANDBOX_VCENTER_URL", raising=False)
        server = start_vcenter(tmp_path_factory.mktemp("doctor"), inventory=Inventory(hosts=1, vms=1))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace.start(tmp_path_factory.mktemp("slack")) as running:
        running.set_limits(enabled=False)
        yield running


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_redis: RedisServer, workspace: Workspace
) -> Path:
    """A folder with a good configuration and no site that answers; the environment names it."""
    make_keys(tmp_path / "keys")
    write_sites(tmp_path, engines={"edge-1": {"url": f"unix://{tmp_path}/nobody.sock", "environment": "dev"}})
    (tmp_path / "policy.yaml").write_text("rules:\n  - {name: all read, allow: ['*'], risk: [read]}\n")
    for name, value in {
        "REDIS_URL": own_redis.url,
        "ANDOCK_CONFIG_DIR": str(tmp_path),
        "ANDOCK_KEYS_DIR": str(tmp_path / "keys"),
        "ANDOCK_SLACK_API_URL": workspace.api_url,
        "SLACK_BOT_TOKEN": workspace.bot_token,
        "SLACK_APP_TOKEN": workspace.app_token,
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def doctor(home: Path) -> Doctor:
    """Runs all checks; the findings by what was looked at."""

    def look() -> dict[str, Finding]:
        found = examine()
        assert len({finding.what for finding in found}) == len(found), "each line speaks of its own thing"
        return {finding.what: finding for finding in found}

    return look


@pytest.fixture
def write(home: Path) -> Change:
    """Writes sites.yaml anew."""

    def change(**sections: Any) -> None:
        write_sites(home, **sections)

    return change


def write_sites(folder: Path, **sections: Any) -> None:
    # through JSON, so that paths become text
    (folder / "sites.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(sections, default=str))))
