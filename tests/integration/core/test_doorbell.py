"""On which queue a request waits, in a real Redis."""

from __future__ import annotations

import pytest

from andock.catalogue import load_catalogue
from andock.doorbell import Doorbell, queue_name
from andock.ledger import Ledger
from config.installation import pools_with_long_workers
from config.sites import Engine, Pool, Sites


@pytest.mark.parametrize(("workers", "kind"), [(1, "long"), (0, "change")])
def test_a_pull_waits_on_the_long_queue_only_where_that_has_workers(
    ledger: Ledger, workers: int, kind: str
) -> None:
    sites = Sites(
        engines={"edge-1": Engine(url="unix:///nowhere", environment="dev")},
        pools={"docker": Pool(long=workers)},
    )
    instance = f"{ledger.instance}-{kind}"
    doorbell = Doorbell(ledger.redis, instance, pools_with_long_workers(sites))

    doorbell.ring("docker", load_catalogue().get("image pull"), f"r{kind}abcdef", 1)

    queues = {each: queue_name(instance, "docker", each) for each in ("read", "change", "long")}
    waiting = {each: ledger.redis.llen(f"rq:queue:{name}") for each, name in queues.items()}
    assert waiting == {"read": 0, "change": 0, "long": 0, kind: 1}


def test_rqs_list_of_queues_is_written_once_and_rings_do_not_need_it(ledger: Ledger) -> None:
    redis, instance = ledger.redis, f"{ledger.instance}-listed"
    doorbell, name = Doorbell(redis, instance), queue_name(instance, "vsphere", "read")
    listing = load_catalogue().get("vm list")

    doorbell.ring("vsphere", listing, "rlistedabcde", 1)
    assert redis.sismember("rq:queues", f"rq:queue:{name}")
    redis.srem("rq:queues", f"rq:queue:{name}")
    doorbell.ring("vsphere", listing, "rlistedabcde", 2)
    doorbell.ring("vsphere", listing, "rlistedabcde", 2)

    assert redis.llen(f"rq:queue:{name}") == 2
    assert not redis.sismember("rq:queues", f"rq:queue:{name}")
