"""What is asked for by the clock: once a day whoever looks, late if it was missed, decided by policy."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from andock.audit import AuditRecord, Event
from andock.errors import ConfigError
from andock.messages import Request
from andock.outbox import NOTICE, Outbox
from andock.signing import make_keys
from bot.assembly import make_intake
from bot.clock import Clock
from bot.identity import Channel
from bot.intake import Intake
from config.installation import load_installation
from config.settings import Settings, read_settings
from config.watching import Digest
from sandbox.redis_server import RedisServer

ALLOWED = """
groups:
  clock: {users: ["schedule:snapshots"]}
rules:
  - {name: digests, allow: ["snapshot report"], to: [clock]}
"""
NOBODY = "rules:\n  - {name: everyone reads, allow: ['*'], risk: [read], to: [everyone]}\n"
DAILY = Digest(command="snapshot report --older-than 7d", channel="C0OPS", at="08:00", zone="Europe/Berlin")  # type: ignore[arg-type]  # as YAML has it


def berlin(text: str) -> float:
    """Seconds since the epoch of a winter's day in Berlin."""
    return datetime.fromisoformat(f"{text}+01:00").timestamp()


@dataclass
class Bots:
    """Any number of bots with one installation's configuration, at a time that the test sets."""

    intake: Intake
    now: float = 0.0
    member: bool = True
    digests: dict[str, Digest] = field(default_factory=lambda: {"snapshots": DAILY})

    async def find(self, channel: str) -> Channel:
        return Channel(channel, direct=False, writable=self.member)

    def start(self) -> Clock:
        return Clock(self.intake, self.digests, self.find, admin="C0ADMIN", now=lambda: self.now)

    def look(self, at: str, *, bots: int = 2) -> None:
        """That many bots that have just been started look at the same time, twice."""
        self.now = berlin(at)
        redis, ledger = self.intake.ledger.redis, self.intake.ledger
        for seen in redis.scan_iter(ledger.key("seen", "*")):  # they are kept for an hour
            redis.delete(seen)

        async def all_of_them() -> None:
            clocks = [self.start() for _ in range(bots)]
            for _ in range(2):
                await asyncio.gather(*(clock.look() for clock in clocks))

        asyncio.run(all_of_them())

    def asked(self) -> list[Request]:
        """What lies in the ledger, the oldest first."""
        entries = self.intake.ledger.recent(actor=None, limit=100)
        opened = [self.intake.verifier.open(entry.sealed, Request, by="bot") for entry in entries]
        return sorted(opened, key=lambda request: request.due)

    def told(self) -> list[str]:
        """The notices that are due."""
        outbox = Outbox(self.intake.ledger)
        due = [one for one in outbox.take(100) if one.kind == NOTICE]
        found = [outbox.read_notice(one.request, self.intake.verifier) for one in due]
        return [f"{one.channel} {one.text}" for one in found if one is not None]

    def records(self) -> list[AuditRecord]:
        """The audit stream, as the recorder would read it."""
        entries: Any = self.intake.ledger.redis.xrange(self.intake.ledger.audit)
        return [self.intake.verifier.open(fields[b"sealed"], AuditRecord, by="bot") for _, fields in entries]


@pytest.fixture
def start(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Bots]:
    def make(policy: str) -> Bots:
        make_keys(tmp_path / "keys")
        vcenter = {"host": "h", "user": "u", "password": {"env": "P"}, "environment": "dev"}
        sites = {"instance": f"clock-{secrets.token_hex(4)}", "vcenters": {"lab": vcenter}}
        (tmp_path / "sites.yaml").write_text(yaml.safe_dump(sites))
        (tmp_path / "policy.yaml").write_text(policy)
        monkeypatch.setenv("REDIS_URL", redis_server.url)
        monkeypatch.setenv("ANDOCK_CONFIG_DIR", str(tmp_path))
        monkeypatch.setenv("ANDOCK_KEYS_DIR", str(tmp_path / "keys"))
        settings = read_settings(Settings)
        bots = Bots(make_intake(load_installation(settings), settings))
        bots.intake.ledger.say_alive("vsphere", 600)
        return bots

    return make


def test_once_a_day_it_is_asked_for_whoever_looks_and_however_often(start: Callable[[str], Bots]) -> None:
    bots = start(ALLOWED)
    bots.look("2026-11-23T07:00")
    bots.look("2026-11-23T07:59:59")
    assert bots.asked() == []
    bots.look("2026-11-23T08:00", bots=5)
    bots.look("2026-11-23T20:00")
    (request,) = bots.asked()
    assert request.actor.key == "schedule/schedule:snapshots"
    assert request.command == "snapshot report --older-than 7d --share"
    assert (request.channel, request.reply.channel, request.reply.private) == ("C0OPS", "C0OPS", False)
    bots.look("2026-11-24T08:00:01")
    assert [one.due for one in bots.asked()] == [berlin("2026-11-23T08:00"), berlin("2026-11-24T08:00")]
    asked = [record for record in bots.records() if record.event is Event.ASKED]
    assert {record.actor for record in asked} == {"schedule/schedule:snapshots"}
    assert len(asked) == 2


def test_what_was_due_before_the_first_start_is_not_asked_for(start: Callable[[str], Bots]) -> None:
    bots = start(ALLOWED)
    bots.look("2026-11-23T10:00")
    assert bots.asked() == []
    bots.look("2026-11-24T08:00")
    assert len(bots.asked()) == 1


def test_what_was_missed_while_no_bot_ran_is_asked_for_once_for_the_last_day(
    start: Callable[[str], Bots],
) -> None:
    bots = start(ALLOWED)
    bots.look("2026-11-20T07:00")
    bots.look("2026-11-20T08:00")
    bots.look("2026-11-23T11:30")
    bots.look("2026-11-23T11:31")
    assert [one.due for one in bots.asked()] == [berlin("2026-11-20T08:00"), berlin("2026-11-23T08:00")]
    bots.look("2026-11-24T08:00")
    assert len(bots.asked()) == 3


def test_a_later_time_of_day_in_sites_yaml_is_no_second_digest_that_day(
    start: Callable[[str], Bots],
) -> None:
    bots = start(ALLOWED)
    bots.look("2026-11-23T07:00")
    bots.look("2026-11-23T08:00")
    bots.digests = {"snapshots": DAILY.model_copy(update={"at": datetime(2026, 1, 1, 9, tzinfo=UTC).time()})}
    bots.look("2026-11-23T09:30")
    assert len(bots.asked()) == 1


def test_while_no_worker_lives_it_waits_and_is_asked_for_afterwards(start: Callable[[str], Bots]) -> None:
    bots = start(ALLOWED)
    bots.look("2026-11-23T07:00")
    bots.intake.ledger.redis.delete(bots.intake.ledger.key("alive", "vsphere"))
    bots.look("2026-11-23T08:00")
    assert bots.asked() == []
    assert bots.told() == []
    bots.intake.ledger.say_alive("vsphere", 600)
    bots.look("2026-11-23T08:20")
    assert [one.due for one in bots.asked()] == [berlin("2026-11-23T08:00")]


def test_everyone_does_not_mean_the_clock_and_a_refusal_is_recorded_and_told_once_a_day(
    start: Callable[[str], Bots],
) -> None:
    bots = start(NOBODY)
    bots.look("2026-11-23T07:00")
    bots.look("2026-11-23T08:00")
    bots.look("2026-11-23T12:00")
    (told,) = bots.told()
    assert told.startswith("C0ADMIN ⚠️ `snapshot report --older-than 7d`, due on <!date^")
    assert "Not allowed: no rule matches" in told
    assert "a group with the user `schedule:snapshots`" in told
    assert bots.asked() == []
    assert {record.result for record in bots.records()} == {"denied"}
    bots.look("2026-11-24T08:00")
    assert len(bots.told()) == 1


def test_a_channel_that_andock_is_not_in_is_told_to_operators(start: Callable[[str], Bots]) -> None:
    bots = start(ALLOWED)
    bots.look("2026-11-23T07:00")
    bots.member = False
    bots.look("2026-11-23T08:00")
    (told,) = bots.told()
    assert "I cannot post here" in told
    assert bots.asked() == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("snapshot reprot", "There is no operation `snapshot reprot`"),
        (
            "snapshot delete web-01 snapshot-1",
            "`snapshot delete web-01 snapshot-1` does not only read a site",
        ),
        ("request list", "`request list` does not only read a site"),
        ("snapshot report --older-than soon", "--older-than"),
    ],
)
def test_a_command_that_cannot_be_asked_for_stops_the_start(
    start: Callable[[str], Bots], command: str, says: str
) -> None:
    bots = start(ALLOWED)
    bots.digests = {"snapshots": DAILY.model_copy(update={"command": command})}
    with pytest.raises(ConfigError) as refused:
        bots.start()
    assert refused.value.sentence.startswith("sites.yaml, digests.snapshots.command")
    assert says in refused.value.sentence
