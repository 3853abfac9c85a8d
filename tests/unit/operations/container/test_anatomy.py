from __future__ import annotations

from datetime import UTC, datetime

from andock.operation import Table
from andock.operations.container.anatomy import CONTAINER_INFO, InfoParams
from andock.ports.container_insight import Counters, Limits
from tests.unit.operations.container.chat import Chat

MIB = 1024 * 1024


def test_info_says_what_the_engine_knows(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web", labels={"team": "a"})
    chat.containers.change(
        "edge-1", made, health="unhealthy", restarts=3, restart_policy="always",
        ports=("0.0.0.0:80 -> 80/tcp",),
        networks=("bridge 172.17.0.2",),
        started_at=datetime(2026, 1, 1, 8, 30, tzinfo=UTC),
    )  # fmt: skip
    chat.containers.limits[made] = Limits(64 * MIB, 128 * MIB, 0.5, 100, "always")
    chat.containers.counters[made] = Counters(
        chat.containers.now, 3.2, 12 * MIB, 7, throttled=4, periods=10, read=1024, written=2048
    )
    params = InfoParams(container=("web",))
    outcome = CONTAINER_INFO.run(params, chat.reader(), CONTAINER_INFO.find(params, chat.reader()))
    assert outcome.summary == "`web` on edge-1 is running, unhealthy."
    assert dict(outcome.fields) == {
        "Environment": "dev",
        "Image": "busybox:test (11)",
        "Id": made[:12],
        "Started": "2026-01-01 08:30:00 UTC",
        "Restarts": "3 (policy: always)",
        "Ports": "0.0.0.0:80 -> 80/tcp",
        "Networks": "bridge 172.17.0.2",
        "Labels": "1",
        "Own namespaces": "pid, net, ipc, uts, cgroup",
        "Shared namespaces": "user with host",
        "Layers": "1 read-only, 1.9 MiB; the writable one 1.5 KiB (overlay2)",
        "Runtime": "runc",
        "Variables": "PATH, SECRET (values are not read)",
    }
    assert outcome.table == Table(
        columns=("cgroup", "limit", "in use"),
        rows=(
            ("memory", "64 MiB (128 MiB with swap)", "12 MiB"),
            ("cpu", "0.5 CPUs", "3.2 s so far, held back in 4 of 10 periods"),
            ("pids", "100", "7"),
            ("blkio", "no limit", "1 KiB read, 2 KiB written"),
        ),
    )
    assert [offer.command for offer in outcome.offers] == [
        "container logs edge-1/web",
        "container restart edge-1/web",
    ]


def test_info_of_one_that_has_ended(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    chat.containers.stop("edge-1", made, 1)
    chat.containers.change("edge-1", made, exit_code=137)
    params = InfoParams(container=("web",))
    outcome = CONTAINER_INFO.run(params, chat.reader(), CONTAINER_INFO.find(params, chat.reader()))
    assert dict(outcome.fields)["Ended"].endswith("exit code 137")
    assert outcome.offers[1].command == "container start edge-1/web"


def test_of_several_there_is_a_line_each(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    chat.containers.change(
        "edge-1", web, health="unhealthy", restarts=3, memory_limit=64 * MIB, cpus=0.5, ports=("0.0.0.0:80",)
    )
    chat.containers.counters[web] = Counters(chat.containers.now, 3.2, 12 * MIB, 7)
    db = chat.containers.run("edge-2", "db")
    chat.containers.stop("edge-2", db, 1)
    params = InfoParams()
    found = CONTAINER_INFO.find(params, chat.reader())

    outcome = CONTAINER_INFO.run(params, chat.reader(), found)

    assert outcome.summary == "2 containers, 1 running."
    assert outcome.table is not None
    assert outcome.table.rows == (
        ("db", "exited (0)", "", "0", "", "no limit", "no limit", "", "", "busybox:test", "edge-2"),
        ("web", "running", "unhealthy", "3", "12 MiB", "64 MiB", "0.5", "7", "0.0.0.0:80", "busybox:test",
         "edge-1"),
    )  # fmt: skip
    chat.containers.away["edge-2"] = "connection refused"
    outcome = CONTAINER_INFO.run(params, chat.reader(), found)
    assert outcome.notes == ("edge-2 not reached: connection refused",)
    assert outcome.table is not None
    assert [row[0] for row in outcome.table.rows] == ["web"]


def test_a_filter_that_leaves_one_tells_all_of_it(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    sick = chat.containers.run("edge-2", "sick")
    chat.containers.change("edge-2", sick, health="unhealthy")
    params = InfoParams(health="unhealthy")

    outcome = CONTAINER_INFO.run(params, chat.reader(), CONTAINER_INFO.find(params, chat.reader()))

    assert outcome.summary == "`sick` on edge-2 is running, unhealthy."
