from __future__ import annotations

import pytest
from pydantic import ValidationError

from andock.errors import BackendUnavailableError, TargetNotFoundError, TargetStateError, UserError
from andock.operations.container.lifecycle import CONTAINER_START, CONTAINER_STOP, StartParams, StopParams
from andock.operations.container.selection import MOST, Selection, select
from tests.unit.operations.container.chat import Chat


def chosen(chat: Chat, *names: str, label: tuple[str, ...] = ()) -> list[str]:
    selected = select(Selection(container=names, label=label), chat.reader())
    return [f"{row.site}/{row.name}" for row in selected.rows]


@pytest.fixture
def shop(chat: Chat) -> Chat:
    chat.containers.run("edge-1", "web-1", labels={"app": "shop", "tier": "front"})
    chat.containers.run("edge-1", "web-2", labels={"app": "shop"})
    chat.containers.run("edge-2", "web-3", labels={"app": "mail"})
    chat.containers.run("edge-2", "db")
    return chat


def test_names_patterns_and_labels(shop: Chat) -> None:
    assert chosen(shop, "db", "web-1") == ["edge-2/db", "edge-1/web-1"]
    assert chosen(shop, "web-*") == ["edge-1/web-1", "edge-1/web-2", "edge-2/web-3"]
    assert chosen(shop, "edge-1/web-*") == ["edge-1/web-1", "edge-1/web-2"]
    assert chosen(shop, "web-[23]", "db") == ["edge-2/db", "edge-1/web-2", "edge-2/web-3"]
    assert chosen(shop, label=("app=shop",)) == ["edge-1/web-1", "edge-1/web-2"]
    assert chosen(shop, label=("app=shop", "tier")) == ["edge-1/web-1"]
    assert chosen(shop, "web-*", label=("app=mail",)) == ["edge-2/web-3"]
    assert chosen(shop, "web-1", "web-*") == ["edge-1/web-1", "edge-1/web-2", "edge-2/web-3"]


def test_something_must_be_named() -> None:
    with pytest.raises(ValidationError, match="name a container, or select some"):
        Selection()


def test_a_name_without_the_label_is_no_quiet_nothing(shop: Chat) -> None:
    with pytest.raises(UserError, match="`db` on edge-2 has no label `app=shop`"):
        chosen(shop, "db", label=("app=shop",))


def test_what_nothing_fits_is_said_with_the_engines_searched(shop: Chat) -> None:
    with pytest.raises(TargetNotFoundError, match=r"No container `mail-\*` on `edge-1`, `edge-2`"):
        chosen(shop, "mail-*")
    with pytest.raises(TargetNotFoundError, match=r"Did you mean .*`web-1`"):
        chosen(shop, "wbe-*")
    with pytest.raises(TargetNotFoundError, match="app=none"):
        chosen(shop, label=("app=none",))


def test_an_engine_that_is_away_may_have_what_nothing_fits_here(shop: Chat) -> None:
    shop.containers.away["edge-2"] = "connection refused"
    with pytest.raises(BackendUnavailableError, match="edge-2"):
        chosen(shop, "db*")


def test_a_pattern_says_that_it_does_not_reach_an_engine_that_is_away(shop: Chat) -> None:
    shop.containers.away["edge-2"] = "connection refused"
    selected = select(Selection(container=("web-*",)), shop.reader())
    assert [row.name for row in selected.rows] == ["web-1", "web-2"]
    assert selected.warnings == ("edge-2 not reached: connection refused; what it has is not part of this",)


def test_too_many_are_refused(chat: Chat) -> None:
    for number in range(MOST + 1):
        chat.containers.run("edge-1", f"web-{number}")
    with pytest.raises(UserError, match=f"means {MOST + 1} containers; at most {MOST}"):
        chosen(chat, "web-*")


def test_a_pattern_leaves_out_what_is_so_already_and_a_name_does_not(shop: Chat) -> None:
    (web,) = [row.id for row in shop.containers.held.values() if row.name == "web-1"]
    shop.containers.stop("edge-1", web, 1)
    plan = CONTAINER_STOP.plan(StopParams(container=("web-*",)), shop.reader())
    assert [step.target.name for step in plan.steps] == ["web-2", "web-3"]
    assert plan.warnings == ("Left out, for nothing is to be done: `web-1` (exited)",)
    plan = CONTAINER_START.plan(StartParams(container=("web-*",)), shop.reader())
    assert [step.target.name for step in plan.steps] == ["web-1"]
    with pytest.raises(TargetStateError, match="`web-1` is exited"):
        CONTAINER_STOP.plan(StopParams(container=("web-1", "web-2")), shop.reader())
    with pytest.raises(TargetStateError, match="must be stopped"):
        CONTAINER_START.plan(StartParams(container=("db*",)), shop.reader())


def test_a_plan_says_how_many_at_a_time_and_when_to_stop(shop: Chat) -> None:
    params = StopParams(container=("web-*",), at_once=2, max_fail=3)
    plan = CONTAINER_STOP.plan(params, shop.reader())
    assert (len(plan.batches), plan.at_once, plan.max_fail) == (1, 2, 3)
