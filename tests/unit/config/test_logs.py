"""Logs are JSON lines, and what must not be read in them is not in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


SETUP = """
from andock.redaction import Redactor
from config.logs import start_logging
start_logging("INFO", "tried", Redactor(["hunter2-hunter2", "two\\nlines of it"]))
"""


def log_of(source: str, code: int = 0) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", SETUP + source],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_json_and_names_its_process() -> None:
    lines = log_of(
        """
import logging, structlog, threading
structlog.get_logger().info("ours", request="r1")
logging.getLogger("somebody.else").warning("two\\nlines %s", "here")
thread = threading.Thread(target=structlog.get_logger().info, args=("in a thread",))
thread.start()
thread.join()
"""
    )

    assert [line["event"] for line in lines] == ["ours", "two\nlines here", "in a thread"]
    assert {line["process"] for line in lines} == {"tried"}


def test_a_bound_request_is_on_every_line_also_of_libraries() -> None:
    lines = log_of(
        """
import logging, structlog
structlog.contextvars.bind_contextvars(request="r1")
structlog.get_logger().info("ours")
logging.getLogger("library").warning("theirs")
"""
    )

    assert [line["request"] for line in lines] == ["r1", "r1"]


def test_a_traceback_shows_no_values() -> None:
    lines = log_of(
        """
import structlog
def fail():
    password = "hunter2"
    body = {"text": "vm list hunter2"}
    raise ValueError("a bug")
try:
    fail()
except ValueError:
    structlog.get_logger().exception("internal_error")
"""
    )

    assert "a bug" in json.dumps(lines)
    assert "hunter2" not in json.dumps(lines)


def test_slacks_and_rqs_chatter_at_info_stays_out() -> None:
    lines = log_of(
        """
import logging
for name in ("slack_bolt", "slack_sdk", "slack_bolt.AsyncApp", "rq.worker", "uvicorn.access", "urllib3"):
    logging.getLogger(name).info("a body")
"""
    )

    assert lines == []


def test_secrets_are_hidden_in_every_text_of_a_line() -> None:
    lines = log_of(
        """
import logging, structlog
from pathlib import Path
secret = "hunter2-hunter2"
log = structlog.get_logger()
log.info("a " + secret, text="b " + secret, list=[1, {"c": secret}], pair=("x", secret), path=Path(secret))
log.info("fine", error=ValueError(secret), raw=secret.encode(), number=7, nothing=None)
logging.getLogger("library").warning("theirs %s %s", secret, "token=abc")
log.info("two\\nlines of it")
"""
    )

    assert "hunter2" not in json.dumps(lines)
    assert lines[0]["text"] == "b [redacted]"
    assert lines[0]["list"] == [1, {"c": "[redacted]"}]
    assert lines[1]["error"] == "ValueError('[redacted]')"
    assert (lines[1]["number"], lines[1]["nothing"]) == (7, None)
    assert lines[2]["event"] == "theirs [redacted] token=[redacted]"
    assert lines[3]["event"] == "[redacted]"


def test_secrets_are_hidden_in_the_text_of_an_exception_and_of_its_cause() -> None:
    lines = log_of(
        """
import structlog
try:
    try:
        raise OSError("login as hunter2-hunter2")
    except OSError as error:
        raise ValueError("a bug") from error
except ValueError:
    structlog.get_logger().exception("internal_error")
"""
    )

    assert "login as [redacted]" in json.dumps(lines)
    assert "hunter2" not in json.dumps(lines)


def test_what_nobody_catches_is_a_line_too_and_holds_no_secret() -> None:
    lines = log_of(
        """
import threading
def fail():
    raise ValueError("in a thread: hunter2-hunter2")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
raise ValueError("hunter2-hunter2")
""",
        code=1,
    )

    assert [line["event"] for line in lines] == ["thread_crashed", "crashed"]
    assert "hunter2" not in json.dumps(lines)
    assert json.dumps(lines).count("[redacted]") == 2
