from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_sdk import WebClient

from sandbox.slack.client import Workspace
from tests.integration.slack.bots import Bot


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.start(tmp_path / "slack") as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for many refusals: nothing that they do changes it, and no rate limit is in the way."""
    with Workspace.start(tmp_path_factory.mktemp("slack")) as running:
        running.set_limits(enabled=False)
        yield running


@pytest.fixture
def bot(workspace: Workspace) -> Iterator[Bot]:
    app = Bot(workspace)
    yield app
    app.close()


@pytest.fixture
def client(workspace: Workspace) -> WebClient:
    return WebClient(token=workspace.bot_token, base_url=workspace.api_url)
