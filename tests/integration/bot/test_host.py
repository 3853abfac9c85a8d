"""`andock run` on the host: who may say that they are somebody else."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.integration.bot.conftest import ROOT


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`andock run` in an installation whose Redis is not even asked for."""
    environ = {name: value for name, value in os.environ.items() if name != "ANDOCK_SANDBOX"}
    return subprocess.run(
        [sys.executable, "-m", "andock", "run", *words],
        cwd=ROOT,
        env=environ | {"SLACK_BOT_TOKEN": "xoxb-not-used", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nobody_asks_as_somebody_else_outside_a_sandbox() -> None:
    done = run("vm list", "--as", "U0OPS1", "--channel", "C0OPS")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--as: works in a sandbox only. Fix: ask as yourself, without it.\n"


def test_somebody_else_asks_somewhere() -> None:
    done = run("vm list", "--as", "U0OPS1", ANDOCK_SANDBOX="1")

    assert done.returncode == 2
    assert "--as and --channel go together" in done.stderr
