"""Each process, started afresh, has loaded only what it may hold."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
VENDORS = ("pyVmomi", "pyVim", "docker", "slack_sdk", "slack_bolt", "matplotlib")
STARTS = {
    "bot": "import bot.__main__, bot.server",
    "supervisor": "import workers.__main__, workers.supervisor",
    "rq vsphere": """
import workers.__main__, workers.performers, workers.vsphere
from andock.catalogue import load_catalogue
load_catalogue()
""",
    "watcher": "import workers.__main__, workers.vcenters",
    "rq docker": """
import workers.__main__, workers.performers, workers.containers
from andock.catalogue import load_catalogue
load_catalogue()
""",
    "courier": "import workers.__main__, workers.courier",
    "janitor": "import workers.__main__, workers.janitor",
    "recorder": "import workers.__main__, workers.recorder",
    "andock": """
import andock.__main__
from andock.catalogue import load_catalogue
load_catalogue()
""",
}
MAY_HOLD = {
    "bot": {"slack_sdk", "slack_bolt"},
    "supervisor": set[str](),
    "rq vsphere": {"pyVmomi", "pyVim"},
    "watcher": {"pyVmomi", "pyVim"},
    "rq docker": {"docker"},
    "courier": {"slack_sdk"},
    "janitor": set[str](),
    "recorder": set[str](),
    "andock": set[str](),
}


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@cache
def loaded_by(source: str) -> set[str]:
    script = f"{source}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("process", STARTS)
def test_a_process_loads_no_vendor_sdk_but_its_own(process: str) -> None:
    found = {name.partition(".")[0] for name in loaded_by(STARTS[process])} & set(VENDORS)

    assert found <= MAY_HOLD[process]


@pytest.mark.parametrize("process", ["bot", "courier", "janitor", "recorder", "andock", "supervisor"])
def test_only_workers_of_a_backend_can_read_its_credentials(process: str) -> None:
    assert "config.credentials" not in loaded_by(STARTS[process])


def test_the_andock_command_loads_neither_bot_nor_workers() -> None:
    found = {name.partition(".")[0] for name in loaded_by(STARTS["andock"])}

    assert found.isdisjoint({"bot", "workers", "config", "sandbox"})


@pytest.mark.parametrize("process", [name for name in STARTS if name != "andock"])
def test_no_process_loads_the_sandbox_or_the_other_side(process: str) -> None:
    found = {name.partition(".")[0] for name in loaded_by(STARTS[process])}

    assert "sandbox" not in found
    assert len(found & {"bot", "workers"}) == 1
