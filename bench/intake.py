"""What accepting a command costs the bot, against Bolt with a bare `queue.enqueue`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from redis import Redis

from andock.doorbell import queue_name
from andock.ledger import Ledger
from bench import bare
from bench.lab import DisagreementError, Effort, Lab
from bench.load import OK, Answer, Slash, send_all, send_at
from bench.meters import cpu_seconds
from bench.rows import Row, at_most_for, compare, limit, middle
from config.installation import connect
from sandbox.installation import Installation
from sandbox.processes import LOOPBACK, Child, accepts_connections, free_port, start

MOST_CPU = 2.0  # times the peer's
MOST_WAIT = 100.0  # ms in which 99 % of acknowledgements are there
CONNECTIONS = 16
RATE = 50.0  # commands a second
ASKED = "info web-01"
POOL = "vsphere"


@dataclass
class Contender:
    """One of the two bots, and where its accepted commands are counted."""

    name: str
    url: str
    pid: int
    count: Callable[[], int]  # commands that it has accepted since Redis was emptied
    cpu: list[float] = field(default_factory=list)  # ms a command, by round
    wait: list[float] = field(default_factory=list)  # ms, p99 by round


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    installation = lab.door()
    redis = connect(installation.redis.url)
    with _start_bare(installation) as child:
        ours, peer = _contenders(installation, redis, child)
        slash = Slash(installation.slack.signing_secret, installation.slack.team_id, "/vm", ASKED)
        for one in (ours, peer):  # connections, caches, code that has not run yet
            _round(one, installation, redis, partial(send_all, one.url, slash, count=32, connections=4))
        for number in range(lab.effort.rounds):
            for one in (ours, peer):
                _measure_round(one, installation, redis, slash, lab.effort)
            lab.tell(
                f"round {number + 1}: CPU {ours.cpu[-1]:.2f} against {peer.cpu[-1]:.2f} ms, "
                f"p99 {ours.wait[-1]:.1f} against {peer.wait[-1]:.1f} ms"
            )
    return [
        compare(
            "bot CPU per accepted command, 16 connections, against bare Bolt",
            ours=middle(ours.cpu), peer=middle(peer.cpu), most=MOST_CPU, unit="ms",
        ),
        limit(
            "acknowledgement at 50 commands a second, p99",
            ours=middle(ours.wait), peer=middle(peer.wait), most=MOST_WAIT, unit="ms",
        ),
    ]  # fmt: skip


def _contenders(
    installation: Installation, redis: Redis, child: tuple[Child, int]
) -> tuple[Contender, Contender]:
    instance = str(installation.sites["instance"])
    ledger = Ledger(redis, instance)
    queue = f"rq:queue:{queue_name(instance, POOL, 'read')}"

    def accepted() -> int:
        recorded, rung = int(redis.zcard(ledger.key("requests"))), int(redis.llen(queue))
        if recorded != rung:
            raise DisagreementError(f"{recorded} requests are in the ledger and {rung} doorbells were rung")
        return recorded

    bare_child, port = child
    return (
        Contender(
            "ours",
            f"{installation.andock.bot_urls[0]}/slack/events",
            installation.processes["bot"].pid,
            accepted,
        ),
        Contender(
            "bare",
            f"http://{LOOPBACK}:{port}{bare.PATH}",
            bare_child.pid,
            lambda: int(redis.llen(f"rq:queue:{bare.QUEUE}")),
        ),
    )


def _measure_round(
    one: Contender, installation: Installation, redis: Redis, slash: Slash, effort: Effort
) -> None:
    before = cpu_seconds(one.pid)
    _round(
        one, installation, redis,
        partial(send_all, one.url, slash, count=effort.commands, connections=CONNECTIONS),
    )  # fmt: skip
    one.cpu.append((cpu_seconds(one.pid) - before) * 1000 / effort.commands)
    answers = _round(
        one, installation, redis, partial(send_at, one.url, slash, rate=RATE, seconds=effort.seconds)
    )
    one.wait.append(at_most_for(0.99, [answer.seconds * 1000 for answer in answers]))


def _round(
    one: Contender, installation: Installation, redis: Redis, send: Callable[[], list[Answer]]
) -> list[Answer]:
    """Send commands to one bot on an empty Redis; every one of them must be accepted, once.

    Raises:
        DisagreementError: they were not.
    """
    redis.flushdb()
    Ledger(redis, str(installation.sites["instance"])).say_alive(POOL, 3600)
    answers = send()
    wrong = [answer for answer in answers if answer.status != OK or "Working on" not in answer.body]
    if wrong:
        raise DisagreementError(f"{one.name} answered {wrong[0].status}: {wrong[0].body[:300]}")
    if one.count() != len(answers):
        raise DisagreementError(f"{one.name} was sent {len(answers)} commands and accepted {one.count()}")
    return answers


@contextmanager
def _start_bare(installation: Installation) -> Iterator[tuple[Child, int]]:
    port = free_port()
    child = start(
        [sys.executable, "-m", "bench.bare"],
        log=installation.state / "logs" / "bare.log",
        ready=lambda: accepts_connections(port),
        env={**installation.env, "BENCH_PORT": str(port)},
    )
    try:
        yield child, port
    finally:
        child.stop()
