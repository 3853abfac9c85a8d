from __future__ import annotations

import pytest

from andock.errors import BackendUnavailableError, TargetNotFoundError, TargetStateError, UserError
from andock.operations.container.reading import MOST_READ, Reading, find_running, find_some
from tests.unit.operations.container.chat import Chat


def found(chat: Chat, site: str | None = None, **asked: object) -> list[str]:
    rows = find_some(Reading.model_validate(asked), chat.reader(site)).rows
    return [f"{row.site}/{row.name}" for _, row in rows]


@pytest.fixture
def shop(chat: Chat) -> Chat:
    web = chat.containers.run("edge-1", "web", labels={"app": "shop"})
    chat.containers.change("edge-1", web, health="unhealthy", image="registry.lab:5000/team/web:1")
    chat.containers.stop("edge-1", chat.containers.run("edge-1", "db", labels={"app": "shop"}), 1)
    mail = chat.containers.run("edge-2", "mail")
    chat.containers.change("edge-2", mail, health="healthy")
    return chat


def test_an_engine_alone_is_enough_and_so_is_nothing(shop: Chat) -> None:
    assert found(shop) == ["edge-1/db", "edge-2/mail", "edge-1/web"]
    assert found(shop, "edge-1") == ["edge-1/db", "edge-1/web"]


def test_label_image_and_health_are_all_to_be_met(shop: Chat) -> None:
    assert found(shop, label=("app=shop",)) == ["edge-1/db", "edge-1/web"]
    assert found(shop, image="*/team/*") == ["edge-1/web"]
    assert found(shop, image="busybox", health="none") == ["edge-1/db"]
    assert found(shop, health="unhealthy") == ["edge-1/web"]
    assert found(shop, container=("*",), label=("app=shop",), health="unhealthy") == ["edge-1/web"]
    assert found(shop, container=("mail", "web")) == ["edge-2/mail", "edge-1/web"]


def test_a_name_that_is_not_what_the_rest_asks_for_is_no_quiet_nothing(shop: Chat) -> None:
    with pytest.raises(UserError, match="`web` on edge-1 is of health `unhealthy`, not `healthy`"):
        found(shop, container=("web",), health="healthy")
    with pytest.raises(UserError, match="`mail` on edge-2 is of image `busybox:test`, not of `team/web`"):
        found(shop, container=("mail",), image="team/web")
    with pytest.raises(TargetNotFoundError, match=r"No container `m\* --image web --health unhealthy`"):
        found(shop, container=("m*",), image="web", health="unhealthy")


def test_nothing_that_a_filter_means_is_an_answer(shop: Chat) -> None:
    none = find_some(Reading(label=("a", "b"), health="starting"), shop.reader())
    assert (none.rows, none.empty) == ((), "No container is as `--label a b --health starting` asks.")
    idle = find_running(Reading(image="busybox", health="none"), shop.reader())
    assert (idle.rows, idle.empty) == ((), "No container that is meant runs.")
    shop.containers.held.clear()
    assert find_some(Reading(), shop.reader()).empty == "No container is there."


def test_only_what_runs_where_that_is_needed(shop: Chat) -> None:
    rows = find_running(Reading(), shop.reader()).rows
    assert [row.name for _, row in rows] == ["mail", "web"]
    with pytest.raises(TargetStateError, match="`db` is exited"):
        find_running(Reading(container=("db", "web")), shop.reader())


def test_an_engine_that_is_away_is_told(shop: Chat) -> None:
    shop.containers.away["edge-2"] = "connection refused"
    some = find_some(Reading(health="healthy"), shop.reader())
    assert (some.rows, some.notes) == ((), ("edge-2 not reached: connection refused",))
    shop.containers.away["edge-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        find_some(Reading(), shop.reader())


def test_of_very_many_the_first_are_shown(chat: Chat) -> None:
    for number in range(MOST_READ + 1):
        chat.containers.run("edge-1", f"web-{number:02}")
    some = find_some(Reading(), chat.reader())
    assert len(some.rows) == MOST_READ
    assert some.notes == ("21 are meant; these are the first 20. Narrow it to see others.",)
