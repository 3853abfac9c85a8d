"""How a deployment has ended: what the thread says of each engine, and what is on the engines."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from sandbox.engine import Engine, EngineError
from sandbox.installation.procfile import list_horses
from sandbox.slack.reports import Message
from tests.e2e.service_lab import END, NEW, Lab
from tests.e2e.test_crashes import until

CHANGES = "(POST|DELETE) .*/containers/"
UNTOUCHED = frozenset({"pending", "pulled", "pull failed"})  # pending, if it had the image before
OF_OLD = frozenset({"rolled back", *UNTOUCHED})
_ROW = re.compile(r"^(edge-\d) +(\w+(?: \w+)*?)(?:  .*)?$", re.MULTILINE)
_DIGEST = re.compile(r"\*Digest\*\s+(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Found:
    """One container of the service, with what its engine and its labels say of it."""

    id: str
    name: str
    slot: str
    version: str
    digest: str
    state: str
    health: str
    restart: str

    @property
    def is_settled(self) -> bool:
        """Whether it is as a replica is that nothing is being done with."""
        as_it_was = (self.name, self.restart) == (f"api-{self.slot}", "unless-stopped")
        return as_it_was and (self.state, self.health) == ("running", "healthy")


Standing = Mapping[str, tuple[Found, ...]]


def look(lab: Lab) -> Standing:
    """Every container of the service, also stopped ones, by engine."""
    return {name: _found_on(engine) for name, engine in lab.installation.engines.items()}


def _found_on(engine: Engine) -> tuple[Found, ...]:
    query = {"all": "1", "filters": {"label": ["andock.service=api"]}}
    found = []
    for listed in engine.api.call("GET", "/containers/json", query=query):
        with contextlib.suppress(EngineError):  # removed since
            found.append(_read(engine, listed["Id"]))
    return tuple(found)


def _read(engine: Engine, container: str) -> Found:
    read = engine.api.call("GET", f"/containers/{container}/json")
    labels = read["Config"]["Labels"]
    return Found(
        id=read["Id"],
        name=read["Name"].lstrip("/"),
        slot=labels["andock.slot"],
        version=labels["andock.version"],
        digest=labels["andock.digest"],
        state=read["State"]["Status"],
        health=read["State"].get("Health", {}).get("Status", "none"),
        restart=read["HostConfig"]["RestartPolicy"]["Name"],
    )


def told(message: Message) -> dict[str, str]:
    """The state of each engine that the message's table names."""
    return dict(_ROW.findall(message.spoken))


def compare(lab: Lab, message: Message, before: Standing, version: str = NEW) -> dict[str, str]:
    """Each engine runs exactly what the message says of it; what is said.

    Healthy is one settled container of the version and digest that the message names; all of `OF_OLD` are the
    very containers that were there before.
    """
    said, now = told(message), look(lab)
    assert set(said) == set(now), message.spoken
    for site, state in said.items():
        assert state in {"healthy", *OF_OLD}, message.spoken
        if state in OF_OLD:
            assert now[site] == before[site], f"{site} is {state}: {message.spoken}"
            continue
        (found,) = now[site]
        named = _DIGEST.search(message.spoken)
        assert named is not None
        assert (found.version, found.digest, found.slot) == (version, named[1], "1")
        assert found.is_settled, found
    old = [site for site, state in said.items() if state in OF_OLD]
    if "*Done*" in message.spoken:
        assert not old
    elif "*Rolled back*" in message.spoken:
        assert old == [*said]
        assert "All engines run what they ran before" in message.spoken
    return said


def begin(lab: Lab, version: str = NEW, *, user: str = "U0OPS1", channel: str = "C0OPS") -> str:
    """Ask for it; the time before that."""
    before = f"{time.time():.6f}"
    lab.installation.slack.type(user, channel, f"/deploy api {version} to prod --yes")
    return before


def end(lab: Lab, before: str, version: str = NEW, *, until: str = END, timeout: float = 120.0) -> Message:
    """Its answer, when it says this."""
    regex = rf"(?s)(?=.*(?:{until})).* · `service deploy api {version}"
    return lab.installation.slack.wait(
        "C0OPS", "U0OPS1", author="app", after_ts=before, regex=regex, timeout=timeout
    )


def request_of(lab: Lab, before: str, version: str = NEW) -> str:
    """The id of what was asked for."""
    return str(end(lab, before, version, until=".").payload["request"])


def kill_worker(lab: Lab, request: str, *, minutes: float = 0) -> None:
    """SIGKILL to the RQ worker that is at it, and so to what it runs; its lease lapsed so long ago."""
    workers = lab.installation.part_pids("worker-docker", "rq", "long")
    horses = {pid: list_horses(pid) for pid in workers if list_horses(pid)}
    assert horses
    for pid in horses:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(_is_there(pid) for pids in horses.values() for pid in pids))
    _pass_time(lab, request, minutes)


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _pass_time(lab: Lab, request: str, minutes: float) -> None:
    prefix = f"andock:{lab.installation.sites['instance']}"
    with Redis.from_url(lab.installation.redis.url) as redis:
        now = int(time.time() * 1000)
        assert redis.hget(f"{prefix}:request:{request}", "state") == b"running"
        redis.hset(f"{prefix}:request:{request}", "lease_until", str(int(now - 1 - minutes * 60_000)))
        redis.zadd(f"{prefix}:open", {request: now})
