"""The process: one ready line, a private state file, gone with its parent; and its signature."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sandbox.slack.client import Workspace
from sandbox.slack.delivery import Courier
from sandbox.slack.sockets import Sockets
from sandbox.slack.wire import Identity

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "sandbox.slack"], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline(), flush=True)
time.sleep(60)
"""


def test_the_ready_line_is_also_in_the_state_file(tmp_path: Path) -> None:
    with Workspace.start(tmp_path, "--bot-token", "xoxb-fixed", "--command", "/only") as workspace:
        written = json.loads((tmp_path / "slack.json").read_text())
        assert written["bot_token"] == workspace.bot_token == "xoxb-fixed"
        assert (tmp_path / "slack.json").stat().st_mode & 0o777 == 0o600
        again = Workspace.attach(tmp_path / "slack.json")
        assert again.control("app", {})["commands"] == {"/only": False}


def test_it_goes_when_its_parent_goes(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=root)
    assert parent.stdout is not None
    child = int(parent.stdout.readline().split()[0])
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def test_the_signature_is_that_of_slacks_documentation() -> None:
    identity = Identity("xoxb-1", "xapp-1", "8f742231b10e8888abcd99yyyzzz85a5")
    courier = Courier(identity, Sockets(identity, lambda: None))
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert courier.sign(body, "1531420618") == expected


def _is_alive(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return False
    os.kill(process_id, 0)
    return status.rpartition(")")[2].split()[0] != "Z"
