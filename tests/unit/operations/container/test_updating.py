from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from andock.errors import OutcomeUnknownError, UserError
from andock.operation import Done, Mark, NotDone, Plan, Unknown
from andock.operations.container.updating import CONTAINER_UPDATE, UpdateParams
from andock.ports.container_insight import Counters, Limits
from tests.unit.operations.container.chat import Chat

MIB = 1024 * 1024


def plan(chat: Chat, *names: str, **params: object) -> Plan:
    checked = UpdateParams.model_validate({"container": names or ("web",), **params})
    return CONTAINER_UPDATE.plan(checked, chat.reader())


def limited(chat: Chat, name: str = "web") -> str:
    made = chat.containers.run("edge-1", name)
    chat.containers.limits[made] = Limits(64 * MIB, 128 * MIB, 0.0, 0, "no")
    return made


def test_a_plan_says_before_and_after(chat: Chat) -> None:
    limited(chat)
    step = plan(chat, memory="256m", cpus="0.5", pids=100, restart="always").steps[0]
    assert step.text == (
        "update `web` (running): memory 64 MiB -> 256 MiB, with swap 128 MiB -> 320 MiB, cpus none -> 0.5, "
        "pids none -> 100, restart no -> always"
    )
    assert step.facts["limits"] == "memory 64 MiB, with swap 128 MiB, cpus none, pids none, restart no"


@pytest.mark.parametrize(
    ("old", "kept"),
    [
        pytest.param(Limits(64 * MIB, 128 * MIB), 320 * MIB, id="as much swap as before"),
        pytest.param(Limits(64 * MIB, 64 * MIB), 256 * MIB, id="no swap"),
        pytest.param(Limits(64 * MIB, -1), -1, id="unlimited swap"),
        pytest.param(Limits(), 0, id="the engine's own where nothing was limited"),
    ],
)
def test_more_memory_is_not_more_swap(chat: Chat, old: Limits, kept: int) -> None:
    made = limited(chat)
    chat.containers.limits[made] = old
    step = plan(chat, memory="256m").steps[0]
    assert ("with swap" in step.text) == (kept > 0)

    CONTAINER_UPDATE.apply(step, chat.writer())

    assert chat.containers.limits[made].memory_with_swap == kept


def test_a_limit_with_swap_that_came_out_otherwise_is_not_called_done(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = limited(chat)
    step = plan(chat, memory="256m").steps[0]

    def double(site: str, container: str, new: Limits) -> None:
        chat.containers.limits[made] = replace(new, memory_with_swap=2 * new.memory, restart="no")

    monkeypatch.setattr(chat.containers, "update", double)
    with pytest.raises(OutcomeUnknownError, match="with swap 512 MiB"):
        CONTAINER_UPDATE.apply(step, chat.writer())


def test_less_memory_than_it_uses_is_warned_of(chat: Chat) -> None:
    made = limited(chat)
    chat.containers.counters[made] = Counters(chat.containers.now, 1.0, 50 * MIB, 1)
    assert plan(chat, memory="32m").warnings == (
        "`web` uses 50 MiB now: it may be refused, or killed for it",
    )
    assert plan(chat, memory="64m", cpus="1").warnings == ()
    chat.containers.stop("edge-1", made, 1)
    assert plan(chat, memory="32m").warnings == ()


def test_who_has_the_limits_already_is_left_out(chat: Chat) -> None:
    limited(chat)
    limited(chat, "db")
    chat.containers.limits[limited(chat, "db")] = Limits(memory=32 * MIB)
    changed = plan(chat, "*", memory="64m")
    assert [step.target.name for step in changed.steps] == ["db"]
    assert changed.warnings == ("`web` has these limits already",)
    with pytest.raises(UserError, match="Nothing to do: `web` has these limits already"):
        plan(chat, memory="64m")


def test_update(chat: Chat) -> None:
    made = limited(chat)
    step = plan(chat, memory="256m").steps[0]
    assert CONTAINER_UPDATE.apply(step, chat.writer()) == Done(
        text="`web` is updated: memory 64 MiB -> 256 MiB, with swap 128 MiB -> 320 MiB."
    )
    # the limit with swap goes along, or the engine would refuse
    assert chat.containers.read_limits("edge-1", made) == Limits(256 * MIB, 320 * MIB, 0.0, 0, "no")


def test_an_update_that_changed_nothing_is_not_called_done(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(chat)
    step = plan(chat, pids=5).steps[0]
    monkeypatch.setattr(chat.containers, "update", lambda *_: None)
    with pytest.raises(OutcomeUnknownError, match="`web` was updated and has memory 64 MiB"):
        CONTAINER_UPDATE.apply(step, chat.writer())


def test_after_a_crash(chat: Chat) -> None:
    made = limited(chat)
    step = plan(chat, pids=5).steps[0]
    mark = Mark(begun_at=0.0, site_time=chat.containers.now.timestamp())
    assert CONTAINER_UPDATE.settle(step, chat.reader(), mark) == NotDone()
    chat.containers.update("edge-1", made, Limits(pids=5))
    assert isinstance(CONTAINER_UPDATE.settle(step, chat.reader(), mark), Done)
    chat.containers.update("edge-1", made, Limits(pids=6))
    assert isinstance(CONTAINER_UPDATE.settle(step, chat.reader(), mark), Unknown)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "say what to set"),
        ({"memory": "lots"}, "match pattern"),
        ({"memory": "0m"}, "match pattern"),
        ({"cpus": "0"}, "must be at least 0.01"),
        ({"pids": 0}, "greater than or equal to 1"),
        ({"restart": "often"}, "unless-stopped"),
    ],
)
def test_limits(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        UpdateParams.model_validate({"container": ("web",), **wrong})
