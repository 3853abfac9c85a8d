from __future__ import annotations

import pytest

from andock.errors import AmbiguousTargetError, BackendUnavailableError, TargetNotFoundError
from andock.operations.container.targets import list_reached, resolve, target_of
from tests.unit.operations.container.chat import Chat


def named(chat: Chat, *names: str, site: str | None = None) -> list[str]:
    return [f"{row.site}/{row.name}" for row in resolve(list_reached(chat.reader(site)), names)]


def test_by_name_by_engine_and_name_and_by_id(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    assert named(chat, "web") == ["edge-1/web"]
    assert named(chat, "/web") == ["edge-1/web"]
    assert named(chat, "edge-1/web") == ["edge-1/web"]
    assert named(chat, web[:12]) == ["edge-1/web"]
    assert named(chat, web) == ["edge-1/web"]


def test_less_than_twelve_digits_are_a_name(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    with pytest.raises(TargetNotFoundError):
        named(chat, web[:11])


def test_a_name_wins_over_an_id(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    chat.containers.run("edge-2", web[:12])
    assert named(chat, web[:12]) == [f"edge-2/{web[:12]}"]


def test_one_container_named_twice_is_one(chat: Chat) -> None:
    web = chat.containers.run("edge-1", "web")
    chat.containers.run("edge-1", "db")
    assert named(chat, "web", "db", web[:12]) == ["edge-1/web", "edge-1/db"]
    assert chat.containers.calls == [("list", "edge-1", "edge-2")]  # and asked once for all names


def test_candidates_can_be_typed_back(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    chat.containers.run("edge-2", "web")
    with pytest.raises(AmbiguousTargetError) as caught:
        named(chat, "web")
    assert caught.value.candidates == ("edge-1/web", "edge-2/web")
    assert [named(chat, candidate) for candidate in caught.value.candidates] == [
        ["edge-1/web"],
        ["edge-2/web"],
    ]
    assert named(chat, "web", site="edge-2") == ["edge-2/web"]


def test_a_name_that_nobody_has_is_answered_with_the_nearest(chat: Chat) -> None:
    for name in ("webshop", "shop-db-1", "mail"):
        chat.containers.run("edge-1", name)
    with pytest.raises(TargetNotFoundError) as caught:
        named(chat, "webshpo")
    assert caught.value.sentence == "No container `webshpo` on `edge-1`, `edge-2`. Did you mean `webshop`?"
    with pytest.raises(TargetNotFoundError, match="`shop-db-1`"):
        named(chat, "db")


def test_what_may_be_on_an_engine_that_is_away_is_not_called_missing(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    chat.containers.away["edge-2"] = "connection refused"
    with pytest.raises(BackendUnavailableError) as caught:
        named(chat, "db")
    assert (
        "Engine `edge-2` was not reached (connection refused, and no `db` on edge-1)" in caught.value.sentence
    )
    with pytest.raises(TargetNotFoundError):
        named(chat, "edge-1/db")
    assert named(chat, "web") == ["edge-1/web"]


def test_no_engine_at_all_is_an_error(chat: Chat) -> None:
    chat.containers.away.update({"edge-1": "connection refused", "edge-2": "no answer in time"})
    with pytest.raises(BackendUnavailableError, match="edge-1"):
        list_reached(chat.reader())


def test_policy_gets_labels_environment_and_engine(chat: Chat) -> None:
    made = chat.containers.run("edge-2", "web", labels={"team": "a", "app": "shop"})
    target = target_of(list_reached(chat.reader()).rows[0])
    assert (target.key, target.environment) == (f"container:edge-2/{made}", "prod")
    assert target.labels == ("app=shop", "team=a")
    assert target.parents == ("engine:edge-2/edge-2",)


def test_only_the_engine_that_is_named_is_asked(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    names = ["edge-1/web", "edge-1/db"]
    listing = list_reached(chat.reader(), names)
    assert listing.searched == ("edge-1",)
    assert set(chat.containers.calls) == {("list", "edge-1")}
    assert list_reached(chat.reader(), ["edge-1/web", "edge-2/web"]).searched == ("edge-1", "edge-2")
    assert list_reached(chat.reader(), ["nowhere/web"]).searched == ("edge-1", "edge-2")
    assert list_reached(chat.reader("edge-2"), ["edge-1/web"]).searched == ("edge-2",)


def test_a_container_of_a_service_belongs_to_it_so_that_a_deployment_keeps_others_from_it(chat: Chat) -> None:
    chat.containers.run("edge-1", "api-1", labels={"andock.service": "api"})
    row = list_reached(chat.reader()).rows[0]
    assert target_of(row).parents == ("engine:edge-1/edge-1", "service:edge-1/api")
