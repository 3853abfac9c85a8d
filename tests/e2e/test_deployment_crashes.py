"""Workers and engines that die in the midst of a deployment: it ends, and nothing is left mixed unsaid."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service_lab import END, NEW, OLD, Lab, everywhere, lab_with_a_service
from tests.e2e.test_crashes import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
# what a roll-out does to a container of an engine, in this order
DEEDS = ("no more restarts", "rename", "create", "start", "stop", "remove")
CHANGES = "(POST|DELETE) .*/containers/"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_with_a_service(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _old_everywhere(lab: Lab) -> Iterator[None]:
    assert lab.runs() == everywhere(OLD)
    yield
    lab.put_right()


def begin(lab: Lab, version: str) -> str:
    """Type it; the time before that."""
    before = f"{time.time():.6f}"
    lab.installation.slack.type("U0OPS1", "C0OPS", f"/deploy api {version} to prod --yes")
    return before


def end(lab: Lab, before: str, version: str = NEW) -> str:
    """What is said at the end of it."""
    slack, ends = lab.installation.slack, rf"{END} · `service deploy api {version}"
    return slack.wait("C0OPS", "U0OPS1", author="app", after_ts=before, regex=ends, timeout=180).spoken


def kill_workers(lab: Lab) -> None:
    """SIGKILL to those that deploy; their horses die with them."""
    words = ("worker-docker", "rq", "long")
    workers, horses = lab.installation.part_pids(*words), lab.installation.horse_pids(*words)
    assert workers
    assert horses
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in horses))


@pytest.mark.parametrize("arrives", [True, False], ids=["the call arrives", "the call is lost"])
@pytest.mark.parametrize("deed", DEEDS)
def test_a_worker_that_is_killed_on_the_second_engine_leaves_a_deployment_that_another_one_ends(
    lab: Lab, deed: str, arrives: bool
) -> None:
    held = lab.gate("edge-2").hold(CHANGES, skip=DEEDS.index(deed))
    before = begin(lab, NEW)
    held.wait_met(60)
    kill_workers(lab)
    if arrives:
        held.release()
    else:
        held.break_off()
    said = end(lab, before)
    assert lab.runs() == everywhere(NEW if "Done" in said else OLD), said
    assert "Done" in said or "Rolled back" in said


def test_an_engine_that_is_gone_is_named_and_asking_again_puts_it_right(lab: Lab) -> None:
    held = lab.gate("edge-2").hold(CHANGES, skip=DEEDS.index("stop"))
    before = begin(lab, NEW)
    held.wait_met(60)
    engine = lab.installation.engines["edge-2"]
    engine.kill()
    held.break_off()
    try:
        said = end(lab, before)
    finally:
        engine.restart()
    assert "edge-2 must be looked at" in said
    assert "edge-1, edge-3 run the old one" in said
    assert {name: lab.runs()[name] for name in ("edge-1", "edge-3")} == {
        name: {"api-1": OLD} for name in ("edge-1", "edge-3")
    }
    assert "Done" in lab.deploy(OLD).spoken
    assert lab.runs() == everywhere(OLD)


def test_two_deployments_at_once_come_one_after_the_other(lab: Lab) -> None:
    held = lab.gate("edge-1").hold(CHANGES)
    first = begin(lab, NEW)
    held.wait_met(60)
    second = begin(lab, "v1.2.0")
    lab.installation.slack.wait(
        "C0OPS", "U0OPS1", author="app", after_ts=second, contains="v1.2.0", timeout=60
    )
    held.release()
    assert "Done" in end(lab, first)
    assert "Done" in end(lab, second, "v1.2.0")
    assert lab.runs() == everywhere("v1.2.0")
