from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.processes import ProcessError, accepts_connections, free_port, start

Script = Callable[[str], subprocess.Popen[str]]
PARENT = """
import sys, time
from pathlib import Path
from sandbox.processes import start
child = start(["sleep", "1000"], log=Path({log!r}))
print(child.pid, flush=True)
time.sleep(1000)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_ends_with_its_parent(
    tmp_path: Path, sandbox_script: Script, eventually: Callable[..., bool], number: signal.Signals
) -> None:
    parent = sandbox_script(PARENT.format(log=str(tmp_path / "log")))
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)

    parent.send_signal(number)
    parent.communicate(timeout=10)

    assert eventually(lambda: gone(child))


def test_ready_is_a_line_that_it_writes(tmp_path: Path) -> None:
    child = start(["sh", "-c", "echo port 42; sleep 1000"], log=tmp_path / "log")
    assert child.wait_ready(re.compile(r"port \d+"), 5) == "port 42"
    assert child.alive
    child.stop()
    assert not child.alive


def test_lines_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log"
    start(["sh", "-c", "echo ready; sleep 1000"], log=log, ready=re.compile("ready")).stop()

    with pytest.raises(ProcessError, match="not ready within"):
        start(["sleep", "1000"], log=log, ready=re.compile("ready"), timeout=0.1)


def test_a_child_that_dies_early_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="ended before it was ready") as failure:
        start(["sh", "-c", "echo no such flag; exit 3"], log=tmp_path / "log", ready=lambda: False)
    assert "no such flag" in str(failure.value)


def test_a_child_that_is_never_ready_is_stopped(tmp_path: Path, eventually: Callable[..., bool]) -> None:
    with pytest.raises(ProcessError, match="not ready within"):
        start(
            ["sh", "-c", "echo $$; exec sleep 1000"], log=tmp_path / "log", ready=lambda: False, timeout=0.2
        )
    assert eventually(lambda: gone(int((tmp_path / "log").read_text())))


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="no-such-program cannot be started"):
        start(["no-such-program"], log=tmp_path / "log")


def test_stop_takes_the_whole_group_even_if_it_ignores_the_signal(
    tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    script = "trap '' TERM; (trap '' TERM; sleep 1000) & echo $!; sleep 1000"
    child = start(["sh", "-c", script], log=tmp_path / "log")
    grandchild = int(child.wait_ready(re.compile(r"^\d+$", re.MULTILINE), 5))

    started = time.monotonic()
    child.stop(grace=0.2)
    child.stop()

    assert time.monotonic() - started < 2
    assert eventually(lambda: gone(grandchild))
    assert gone(child.pid)


def test_a_child_is_started_from_the_main_thread(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def attempt() -> None:
        try:
            start(["true"], log=tmp_path / "log")
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_a_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    child = start(["sleep", "1000"], log=tmp_path / "log")
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    child.stop()


def test_a_free_port_has_no_listener() -> None:
    assert not accepts_connections(free_port())
