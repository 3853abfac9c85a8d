"""kill -9 of a worker while the engine has its call: one effect on the engine, and an end that is proven."""

from __future__ import annotations

import json
import secrets
import time

import pytest
from redis import Redis

from sandbox.engine import IMAGE
from sandbox.installation import Installation
from tests.e2e.test_crashes import end_of, kill_worker, type_command, until

pytestmark = pytest.mark.long  # test_crashes.py says the same of a restart

OBEDIENT = "mkfifo /f; trap exit TERM; read x < /f"
HELD = 1.0  # seconds in which the worker has sent its call to an engine that hangs


@pytest.fixture
def name(installation: Installation) -> str:
    name = f"crash-{secrets.token_hex(3)}"
    installation.engine.run_container(name, ["sh", "-c", OBEDIENT])
    return name


def crash_during(installation: Installation, command: str, *, destroys: bool = False) -> str:
    """Type it (and the name again), let the engine hang as soon as the step is marked, and kill the worker.

    Then the engine goes on: it has the call in its socket and acts on it later, or never got it.
    """
    redis = Redis.from_url(installation.redis.url)
    keys = f"andock:{installation.sites['instance']}:request:*"
    before = {key for key in redis.scan_iter(keys, count=1000) if redis.type(key) == b"hash"}
    after = type_command(installation, f"/{command}")
    if destroys:
        type_name(installation, after)

    def marked() -> bool:
        new = [key for key in redis.scan_iter(keys, count=1000) if key not in before]
        return any(b'"site_time"' in (redis.hget(key, "mark:0") or b"") for key in new)

    until(marked)
    installation.engine.pause()
    try:
        time.sleep(HELD)
        kill_worker(installation, "docker")
    finally:
        installation.engine.resume()
    return after


def type_name(installation: Installation, after: str) -> None:
    slack = installation.slack
    asked = slack.wait("C0OPS", "U0OPS1", author="app", after_ts=after, regex="Type the name", timeout=30)
    button = asked.button("Type the name …")
    slack.click("U0OPS1", asked, button.action_id)
    slack.wait_form("U0OPS1", title="Are you sure?")
    slack.submit("U0OPS1", {"text": json.loads(button.value)["phrase"]})


def test_a_killed_worker_kills_once(installation: Installation, name: str) -> None:
    after = crash_during(installation, f"container kill {name}", destroys=True)

    said = end_of(installation, f"container kill {name}", after).spoken
    assert "Done" in said
    assert installation.engine.inspect(name).state == "exited"


def test_what_was_to_be_made_is_made_once_or_said_to_be_half_made(installation: Installation) -> None:
    name = f"crash-{secrets.token_hex(3)}"
    command = f"container run {IMAGE} --name {name} --memory 32m --cpus 0.2"
    after = crash_during(installation, f"{command} --yes -- sh -c '{OBEDIENT}'")

    said = end_of(installation, f"container run --name {name}", after).spoken
    state = installation.engine.inspect(name).state
    if "Done" in said:
        assert state == "running"
    else:
        assert "Outcome unknown" in said
        assert f"`{name}` was made and not started" in said
        assert state == "created"
