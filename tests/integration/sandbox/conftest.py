from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


@pytest.fixture
def eventually() -> Callable[..., bool]:
    return until


@pytest.fixture
def sandbox_script() -> Callable[[str], subprocess.Popen[str]]:
    """Runs a program that uses the sandbox, and gives it back once it has printed a line."""

    def run(source: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", source],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run
