"""Engines in two pools, each with workers of its own: a command goes to those that reach what it is about."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from sandbox.installation import Installation
from tests.e2e.conftest import Chat

WAIT = ["sh", "-c", "trap exit TERM; sleep 1000 & wait"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    pools = {"engines": {"edge-2": {"pool": "edge"}}, "pools": {"edge": {"read": 1, "change": 1, "long": 0}}}
    folder = tmp_path_factory.mktemp("pools")
    with Installation.start(
        folder, engines=2, own_engine=True, sites_extra=pools, workers=("docker",)
    ) as running:
        running.slack.set_limits(enabled=False)
        yield running


@pytest.fixture
def chat(fleet: Installation) -> Chat:
    return Chat(fleet.slack)


@pytest.fixture
def web(fleet: Installation) -> str:
    """The name of a container on each of the two engines."""
    name = f"web-{secrets.token_hex(3)}"
    for engine in fleet.engines.values():
        engine.run_container(name, WAIT)
    return name


def test_a_list_of_a_pool_is_made_by_its_workers_and_one_without_is_asked_back(chat: Chat, web: str) -> None:
    said = chat.ask("/container list --pool edge").spoken
    assert f"{web}" in said
    assert "edge-2" in said
    assert "edge-1" not in said
    assert "say which with `--pool` (`docker`, `edge`) or `--site`" in chat.say("/container list")


def test_an_engine_before_a_name_leads_to_its_workers(fleet: Installation, chat: Chat, web: str) -> None:
    before = {site: engine.inspect(web).started_at for site, engine in fleet.engines.items()}

    assert f"`{web}` was restarted" in chat.ask(f"/container restart edge-2/{web} --grace 2").spoken

    after = {site: engine.inspect(web).started_at for site, engine in fleet.engines.items()}
    assert after["edge-1"] == before["edge-1"]
    assert after["edge-2"] > before["edge-2"]
    assert "edge-2" in chat.ask("/engine disk edge-2").spoken
    refused = chat.say(f"/container restart edge-1/{web} edge-2/{web}")
    assert "`edge-1` in pool `docker`, `edge-2` in pool `edge`" in refused
