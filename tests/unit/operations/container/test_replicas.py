"""A plan that ends the last container of a service that runs says so before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from andock.operation import Plan
from andock.operations.container.lifecycle import StartParams, StopParams, plan_restart, plan_start, plan_stop
from andock.operations.container.removal import RemoveParams, plan_remove
from andock.operations.container.signals import (
    KillParams,
    PauseParams,
    plan_kill,
    plan_pause,
)
from tests.unit.operations.container.chat import Chat

API = {"andock.service": "api"}
COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
LAST = "Nothing else of service `api` in dev runs and is healthy: `api-1` is the last"


def stop(chat: Chat, *names: str) -> Plan:
    return plan_stop(StopParams(container=names), chat.reader())


@pytest.mark.parametrize(
    "plan",
    [
        lambda chat: stop(chat, "api-1"),
        lambda chat: plan_restart(StopParams(container=("api-1",)), chat.reader()),
        lambda chat: plan_kill(KillParams(container=("api-1",)), chat.reader()),
        lambda chat: plan_pause(PauseParams(container=("api-1",)), chat.reader()),
        lambda chat: plan_remove(RemoveParams(container=("api-1",), force=True), chat.reader()),
    ],
    ids=["stop", "restart", "kill", "pause", "remove"],
)
def test_whatever_ends_the_last_of_a_service_warns(chat: Chat, plan: Callable[[Chat], Plan]) -> None:
    chat.containers.run("edge-1", "api-1", labels=API)

    assert plan(chat).warnings == (LAST,)


@pytest.mark.parametrize(
    ("site", "fields", "warned"),
    [
        ("edge-1", {}, False),
        ("edge-1", {"health": "healthy"}, False),
        ("edge-1", {"health": "unhealthy"}, True),
        ("edge-1", {"health": "starting"}, True),
        ("edge-1", {"state": "exited"}, True),
        ("edge-1", {"state": "paused"}, True),
        ("edge-2", {}, True),  # of production
    ],
)
def test_another_that_runs_well_in_the_same_environment_is_enough(
    chat: Chat, site: str, fields: dict[str, object], warned: bool
) -> None:
    chat.containers.run("edge-1", "api-1", labels=API)
    other = chat.containers.run(site, "api-2", labels=API)
    chat.containers.change(site, other, **fields)

    assert stop(chat, "api-1").warnings == ((LAST,) if warned else ())


def test_several_that_end_together_are_the_last_together(chat: Chat) -> None:
    for name in ("api-1", "api-2"):
        chat.containers.run("edge-1", name, labels=API)

    (warning,) = stop(chat, "api-1", "api-2").warnings

    assert warning.endswith("`api-1`, `api-2` are the last")


def test_of_a_compose_project_its_own_engine_counts(chat: Chat) -> None:
    chat.containers.run("edge-1", "web", labels=COMPOSE)
    chat.containers.run("edge-2", "shop-web-1", labels=COMPOSE)
    chat.containers.run("edge-1", "shop-db-1", labels={**COMPOSE, "com.docker.compose.service": "db"})

    (warning,) = stop(chat, "web").warnings

    assert "Nothing else of `web` of the Compose project `shop` on edge-1 runs" in warning
    chat.containers.run("edge-1", "shop-web-2", labels=COMPOSE)
    assert stop(chat, "web").warnings == ()


def test_what_does_not_run_or_is_of_no_service_is_the_last_of_nothing(chat: Chat) -> None:
    chat.containers.run("edge-1", "lonely")
    gone = chat.containers.run("edge-1", "api-1", labels=API)
    chat.containers.change("edge-1", gone, state="exited")

    assert stop(chat, "lonely").warnings == ()
    assert plan_start(StartParams(container=("api-1",)), chat.reader()).warnings == ()
    assert plan_remove(RemoveParams(container=("api-1",)), chat.reader()).warnings == ()
