from __future__ import annotations

from andock.operations.container.inventory import CONTAINER_LIST, ListParams
from tests.unit.operations.container.chat import Chat


def test_a_list_has_all_engines_and_says_who_was_away(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    stopped = chat.containers.run("edge-1", "db")
    chat.containers.stop("edge-1", stopped, 1)
    chat.containers.away["edge-2"] = "connection refused"
    params = ListParams()
    found = CONTAINER_LIST.find(params, chat.reader())
    outcome = CONTAINER_LIST.run(params, chat.reader(), found)
    assert outcome.summary == "2 containers on 1 engine, 1 running."
    assert outcome.table is not None
    assert outcome.table.columns == ("name", "state", "status", "image", "engine", "environment")
    assert [row[:2] for row in outcome.table.rows] == [("db", "exited"), ("web", "running")]
    assert outcome.notes == ("edge-2 not reached: connection refused",)


def test_a_glob_and_a_part_of_the_name(chat: Chat) -> None:
    for name in ("web-1", "web-2", "myWeb"):
        chat.containers.run("edge-1", name)

    def listed(name: str) -> list[str]:
        return [target.name for target, _ in CONTAINER_LIST.find(ListParams(name=name), chat.reader()).rows]

    assert listed("web-*") == ["web-1", "web-2"]
    assert listed("web") == ["myWeb", "web-1", "web-2"]
    assert listed("web-[!1]") == ["web-2"]
    found = CONTAINER_LIST.find(ListParams(name="db"), chat.reader())
    assert (found.rows, found.empty) == ((), "No container like `db` on edge-1, edge-2.")


def listed(chat: Chat, **asked: object) -> list[str]:
    params = ListParams.model_validate(asked)
    return [target.name for target, _ in CONTAINER_LIST.find(params, chat.reader()).rows]


def test_filters_are_all_to_be_met(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web", labels={"app": "shop", "tier": "front"})
    db = chat.containers.run("edge-1", "db", labels={"app": "shop"})
    chat.containers.run("edge-2", "web", labels={"app": "mail"})
    chat.containers.change("edge-1", web, health="unhealthy", image="registry.lab:5000/team/web:1")
    chat.containers.change("edge-1", db, state="exited")
    assert listed(chat, label=("app=shop",)) == ["db", "web"]
    assert listed(chat, label=("app=shop", "tier")) == ["web"]
    assert listed(chat, health="unhealthy") == ["web"]
    assert listed(chat, health="none") == ["db", "web"]
    assert listed(chat, state="exited") == ["db"]
    assert listed(chat, image="*/team/*") == ["web"]
    assert listed(chat, image="busybox") == ["db", "web"]
    assert listed(chat, name="edge-2/w*") == ["web"]
    assert listed(chat, label=("app=shop",), state="running", health="unhealthy") == ["web"]
    found = CONTAINER_LIST.find(ListParams(state="dead"), chat.reader())
    assert found.empty == "No container that is as you ask on edge-1, edge-2."
