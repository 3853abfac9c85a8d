from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.demo.containers import CONTAINERS
from sandbox.demo.fleet import FLEET
from sandbox.demo.tour import list_scenes

ROOT = Path(__file__).resolve().parents[3]


def start_demo(state: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", "--state", str(state), "--own-engine", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(300)  # a minute of talking, more where other tests run beside it
@pytest.mark.parametrize("run", ["first", pytest.param("second", marks=pytest.mark.long)])
def test_the_tour_happens(
    run: str, tmp_path_factory: pytest.TempPathFactory, leftovers: Callable[[Path], list[str]]
) -> None:
    state = tmp_path_factory.getbasetemp() / "demo"
    demo = start_demo(state, "--once")
    output, _ = demo.communicate(timeout=280)
    assert demo.returncode == 0, output
    for number, scene in enumerate(list_scenes(fleet=True), start=1):
        assert f"=== {number}. {scene.title}" in output
    assert "NOT SHOWN" not in output
    for line in (
        "ops-1 types: /vm restart web-01",
        "andock (only visible to ops-1)",
        "andock (edited)",
        "[Go ahead] [Cancel]",
        "vCenter: one snapshot of web-02 was taken",
        "vCenter: web-04 is poweredOn, has 3 CPUs, 4096 MiB and ",
        "vCenter: web-03 has the tag env=test",
        "green since",
        "[file: web-01-stats.png (",
        "GET /health 200",
        "rule: built in: full members only",
        "rule: production databases are left alone (policy.yaml:",
        "Did you mean `vm restart`",
        "Changes on all sites are halted by lead-1",
        "1 image on 1 engine",  # and none of an earlier run's registry
        "which Andock reaches by a socket",
        "which Andock reaches by mutual TLS",
        "which Andock reaches by SSH",
        "is not allowed by `powers:`",
        "is not allowed by `exec:`",
        "[file: shop.png (",
        "Lost: its writable layer of 2.9 MiB",
        'ops-1 types into "Are you sure?": shop',
        "edge-2, edge-3: api answers `v1.1.0`",
    ):
        assert line in output
    assert not leftovers(state)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_step_that_did_not_happen_ends_it_with_an_error(
    tmp_path: Path, leftovers: Callable[[Path], list[str]]
) -> None:
    demo = start_demo(tmp_path, "--once", "--without", "docker")
    output, _ = demo.communicate(timeout=280)
    assert demo.returncode == 1, output
    ended = output.partition("scenes did not happen as they must")[2]
    for scene in (*CONTAINERS, *FLEET):
        assert scene.title in ended
    assert "Restart several" not in ended
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_interrupted_demo_stops_everything(
    number: signal.Signals, tmp_path: Path, leftovers: Callable[[Path], list[str]]
) -> None:
    demo = start_demo(tmp_path)
    assert demo.stdout is not None
    waited_for = "Andock:" if number == signal.SIGINT else "=== 2."
    assert any(waited_for in line for line in demo.stdout)
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, output
    assert "Stopped." in output
    assert not leftovers(tmp_path)
