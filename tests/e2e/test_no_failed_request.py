"""A version comes in while clients ask through a balancer: none of them is left without an answer."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandbox.balancer import Balancer
from sandbox.installation import Installation
from sandbox.installation.services import PORTS
from tests.e2e.conftest import Chat
from tests.e2e.traffic import traffic

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
PLACES = {"staging": ["edge-1"], "prod": ["edge-2", "edge-3"]}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    state = tmp_path_factory.mktemp("lab")
    with Installation.start(
        state, engines=3, own_engine=True, services=PLACES, workers=("docker",)
    ) as running:
        running.slack.set_limits(enabled=False)
        yield running


@pytest.fixture(scope="module")
def balancer(lab: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    """Before all ports that the service may have on both engines of prod; a version is out there."""
    servers = [(lab.engines[name].address, port) for name in PLACES["prod"] for port in PORTS]
    balancer = Balancer(tmp_path_factory.mktemp("balancer"), servers)
    balancer.start()
    assert "Done" in deploy(lab, "v1.0.0")
    deadline = time.monotonic() + 20
    while len(balancer.up) != 4:
        assert time.monotonic() < deadline, balancer.up
        time.sleep(0.05)
    yield balancer
    balancer.stop()


def deploy(lab: Installation, version: str) -> str:
    """From the question to its end, with two leads who agree; what is said then."""
    slack, chat = lab.slack, Chat(lab.slack)
    asked = chat.ask(f"/deploy api {version} to prod", until=r"Waits for approval", timeout=60)
    for lead in ("U0LEAD1", "U0LEAD2"):
        slack.click(lead, asked, "Approve", confirm=True)
    ends = r"\*(Done|Failed|Rolled back)"
    return slack.wait("C0OPS", "U0OPS1", ts=asked.ts, regex=ends, timeout=120).spoken


def test_with_two_replicas_start_first_no_request_fails_through_the_whole_roll_out(
    lab: Installation, balancer: Balancer
) -> None:
    with traffic(balancer.url) as seen:
        seen.wait_for("v1.0.0")
        assert "Done" in deploy(lab, "v1.1.0")
        seen.wait_for("v1.1.0")
    assert seen.failed == []
    assert set(seen.answers) == {"v1.0.0", "v1.1.0"}


def test_no_request_fails_while_a_version_that_turns_unhealthy_is_put_back(
    lab: Installation, balancer: Balancer
) -> None:
    with traffic(balancer.url) as seen:
        assert "Rolled back" in deploy(lab, "v2.0.0-late")
        late = seen.answers["v2.0.0-late"]
        seen.wait_for("v1.1.0" if seen.answers["v1.1.0"] else "v1.0.0", more=100)
        assert seen.answers["v2.0.0-late"] == late
    assert seen.failed == []
