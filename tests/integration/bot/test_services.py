"""An operation on a service goes to the workers that reach its engines, and a wrong file is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.redis_server import RedisServer
from tests.integration.bot.conftest import Door, StartBot

SITES = """
instance: {instance}
engines:
  edge-1: {{url: "unix:///nowhere", environment: dev}}
  far-1: {{url: "unix:///nowhere", environment: prod, pool: far}}
registries: {{docker.io: {{}}}}
"""


def service(folder: Path, name: str, text: str) -> None:
    (folder / "services").mkdir(exist_ok=True)
    (folder / "services" / f"{name}.yaml").write_text(
        f"services:\n  {name}:\n    image: redis:7\n    {text}\n"
    )


@pytest.fixture(scope="module")
def two_pools(start_bot: StartBot, redis_server: RedisServer) -> Door:
    door = start_bot(redis_server, SITES)
    for pool in ("docker", "far"):
        door.ledger.say_alive(pool, 600)
    service(door.config, "near", "x-andock: {environments: {dev: {engines: [edge-1]}}}")
    service(door.config, "away", "x-andock: {environments: {prod: {engines: [far-1]}}}")
    return door


def queued(door: Door, pool: str) -> int:
    instance = door.ledger.prefix.split(":")[1]
    return int(door.redis.llen(f"rq:queue:{instance}.{pool}.read"))


def test_it_goes_to_the_pool_of_its_engines_without_a_word_about_pools(two_pools: Door) -> None:
    two_pools.slash("service info away")
    assert (two_pools.requests()[0].command, two_pools.requests()[0].pool) == ("service info away", "far")
    assert (queued(two_pools, "far"), queued(two_pools, "docker")) == (1, 0)

    two_pools.slash("service info near")
    assert two_pools.requests()[0].pool == "docker"
    assert (queued(two_pools, "far"), queued(two_pools, "docker")) == (1, 1)


def test_a_site_or_pool_that_is_named_counts(two_pools: Door) -> None:
    two_pools.slash("service info away --site edge-1")
    assert (two_pools.requests()[0].site, two_pools.requests()[0].pool) == ("edge-1", None)


def test_one_that_is_not_there_or_cannot_be_read_is_refused_at_once(two_pools: Door) -> None:
    before = len(two_pools.requests())
    service(two_pools.config, "odd", "build: .")

    unknown = two_pools.slash("service info naer").text
    assert "No service `naer` on `config/services`. Did you mean `near`?" in unknown
    wrong = two_pools.slash("service info odd").text
    assert "services/odd.yaml:4: `build` is not supported. Fix: let CI build the image" in wrong
    assert len(two_pools.requests()) == before
