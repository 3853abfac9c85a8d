from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from andock.errors import BackendUnavailableError, TargetStateError
from andock.operation import Outcome
from andock.operations.container.stats import CONTAINER_STATS, StatsParams
from andock.ports.container_insight import Counters, Limits
from tests.unit.operations.container.chat import Chat

MIB = 1024 * 1024


def stats(chat: Chat, *names: str, **params: object) -> Outcome:
    checked = StatsParams.model_validate({"container": names or ("web",), **params})
    return CONTAINER_STATS.run(checked, chat.reader(), CONTAINER_STATS.find(checked, chat.reader()))


def using(chat: Chat, site: str, name: str, share: float, monkeypatch: pytest.MonkeyPatch) -> str:
    """A container that uses so much of a CPU, and a MiB more memory with every look."""
    made = chat.containers.run(site, name)
    began = chat.containers.now
    chat.containers.counters[made] = Counters(began, 1.0, 10 * MIB, 3, received=1024)
    count = chat.containers.count

    def counted(where: str, container: str) -> Counters:
        found = count(where, container)
        if container != made:
            return found
        chat.containers.counters[made] = replace(found, memory=found.memory + MIB)
        return replace(found, cpu_seconds=1.0 + share * (chat.containers.now - began).total_seconds())

    monkeypatch.setattr(chat.containers, "count", counted)
    return made


def test_figures_of_now(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    made = using(chat, "edge-1", "web", 0.25, monkeypatch)
    chat.containers.limits[made] = Limits(memory=64 * MIB)
    outcome = stats(chat)
    assert outcome.summary == "1 container."
    assert outcome.table is not None
    assert outcome.table.rows == (
        ("web", "25.0 %", "11 MiB", "64 MiB", "3", "1 KiB", "0 B", "0 B", "0 B", "edge-1"),
    )
    assert outcome.attachment is None


def test_over_a_while_there_are_means_peaks_and_a_chart(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    using(chat, "edge-1", "web", 0.25, monkeypatch)
    using(chat, "edge-2", "db", 1.5, monkeypatch)
    outcome = stats(chat, "*", for_=timedelta(seconds=10))
    assert outcome.summary == "2 containers over 10s."
    assert outcome.table is not None
    assert {row[0]: row[1:5] for row in outcome.table.rows} == {
        "db": ("150.0 %", "150.0 %", "15.5 MiB", "20 MiB"),
        "web": ("25.0 %", "25.0 %", "15.5 MiB", "20 MiB"),
    }
    assert outcome.attachment is not None
    assert outcome.attachment.name == "2-containers.png"
    assert chat.paper.kept == [b"a picture"]
    (chart,) = chat.pen.drawn
    cpu, memory = chart.panels
    assert [line.name for line in cpu.lines] == ["edge-2/db", "edge-1/web"]
    assert [round(value) for _, value in cpu.lines[0].points] == [150] * 10
    assert [at for at, _ in memory.lines[1].points] == pytest.approx(list(range(1, 11)))


def test_a_long_look_takes_no_more_than_120_points(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    using(chat, "edge-1", "web", 0.5, monkeypatch)
    stats(chat, for_=timedelta(minutes=5))
    assert len(chat.pen.drawn[0].panels[0].lines[0].points) == 120


def test_who_ends_meanwhile_is_said(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    using(chat, "edge-1", "web", 0.5, monkeypatch)
    db = chat.containers.run("edge-1", "db")
    limits = chat.containers.read_limits

    def end(site: str, container: str) -> Limits:
        if container == db:
            chat.containers.change("edge-1", db, state="exited")
        return limits(site, container)

    monkeypatch.setattr(chat.containers, "read_limits", end)
    outcome = stats(chat, "*")
    assert outcome.notes == ("`db` has ended meanwhile",)
    assert outcome.summary == "1 container."


def test_only_what_runs(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    chat.containers.stop("edge-1", made, 1)
    with pytest.raises(TargetStateError, match="`web` is exited"):
        stats(chat)
    params = StatsParams(container=("we*",))
    found = CONTAINER_STATS.find(params, chat.reader())
    assert (found.rows, found.empty) == ((), "No container that is meant runs.")


def test_an_engine_that_goes_away_meanwhile_ends_nobody_elses_figures(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.containers.run("edge-1", "web")
    chat.containers.run("edge-1", "api")
    chat.containers.run("edge-2", "db")
    count, asked = chat.containers.count, Counter[str]()

    def counted(site: str, container: str) -> Counters:
        asked[site] += 1
        if asked["edge-1"] > 4:
            chat.containers.away["edge-1"] = "connection refused"
        return count(site, container)

    monkeypatch.setattr(chat.containers, "count", counted)
    outcome = stats(chat, "*", for_=timedelta(seconds=5))

    assert outcome.notes == ("edge-1 not reached: connection refused",)
    assert outcome.summary == "3 containers over 5s."
    assert [len(line.points) for line in chat.pen.drawn[0].panels[0].lines] == [1, 5, 1]
    assert asked == {"edge-1": 5, "edge-2": 6}


def test_an_engine_that_goes_away_before_the_first_look_has_no_figures(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.containers.run("edge-1", "web")
    chat.containers.run("edge-2", "db")
    limits = chat.containers.read_limits

    def lose(site: str, container: str) -> Limits:
        chat.containers.away["edge-1"] = "connection refused"
        return limits(site, container)

    monkeypatch.setattr(chat.containers, "read_limits", lose)
    outcome = stats(chat, "*")
    assert outcome.notes == ("edge-1 not reached: connection refused",)
    assert outcome.table is not None
    assert [row[0] for row in outcome.table.rows] == ["db"]
    chat.containers.away.clear()
    with pytest.raises(BackendUnavailableError):
        stats(chat, "edge-1/web")
