"""Where our own simulator cannot be built, any `vcsim` on the PATH is a vCenter for the sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import sandbox.vcenter
from sandbox.processes import accepts_connections
from sandbox.vcenter import VARIABLE, ControlError, Inventory, start_vcenter
from sandbox.vcenter.binary import BuildError

# listens as vcsim does, and writes down what it was told to have
STUB = f"""#!{sys.executable}
import pathlib, socket, sys
flags = dict(word.lstrip("-").split("=") for word in sys.argv[1:])
pathlib.Path(sys.argv[0]).with_suffix(".flags").write_text(repr(flags))
host, port = flags["l"].split(":")
with socket.create_server((host, int(port))) as server:
    while True:
        server.accept()
"""


@pytest.fixture
def unbuildable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Go."""

    def refuse() -> Path:
        raise BuildError("no Go here")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sandbox.vcenter, "build_simulator", refuse)


@pytest.mark.usefixtures("unbuildable")
def test_a_vcsim_on_the_path_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcsim"
    program.write_text(STUB)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    vcenter = start_vcenter(tmp_path / "state", inventory=Inventory(vms=7))

    assert accepts_connections(vcenter.port)
    assert (vcenter.user, vcenter.password) == ("user", "pass")
    assert "'vm': '7'" in program.with_suffix(".flags").read_text()
    with pytest.raises(ControlError, match="cannot be steered"):
        vcenter.control.calls()
    vcenter.stop()
    assert not accepts_connections(vcenter.port)


@pytest.mark.usefixtures("unbuildable")
def test_without_one_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BuildError, match="no Go here"):
        start_vcenter(tmp_path / "state")
