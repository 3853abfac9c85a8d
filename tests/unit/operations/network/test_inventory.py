from __future__ import annotations

import pytest

from andock.errors import TargetNotFoundError
from andock.operations.network.inventory import NETWORK_INFO, NETWORK_LIST, InfoParams, ListParams
from andock.ports.uses import Use
from tests.unit.operations.fleet import Fleet

SHOP, OLD = Use("1" * 64, "shop", running=True), Use("2" * 64, "old-shop", running=False)


def test_a_list_has_subnets_and_how_many_containers_are_in_each(fleet: Fleet) -> None:
    subnets = ("172.18.0.0/16 by 172.18.0.1",)
    fleet.containers.hold_network("edge-1", "shop", subnets=subnets, used_by=(SHOP, OLD), internal=True)
    fleet.containers.hold_network("edge-2", "bridge", builtin=True)
    outcome = fleet.ask(NETWORK_LIST, ListParams())
    assert outcome.summary == "2 networks on 2 engines."
    assert outcome.table is not None
    assert outcome.table.rows == (
        ("bridge", "bridge", "", "", "edge-2", "prod"),
        ("shop", "bridge, internal", "172.18.0.0/16", "2", "edge-1", "dev"),
    )
    assert fleet.ask(NETWORK_LIST, ListParams(name="x")).summary == "No network like `x` on edge-1, edge-2."


def test_info_has_addresses_and_who_will_come_back(fleet: Fleet) -> None:
    fleet.containers.hold_network(
        "edge-1",
        "shop",
        subnets=("172.18.0.0/16 by 172.18.0.1",),
        used_by=(SHOP, OLD),
        addresses=(("shop", "172.18.0.2/16"),),
        options=("com.docker.network.bridge.name=br1",),
    )
    outcome = fleet.ask(NETWORK_INFO, InfoParams(network="shop"))
    assert outcome.summary == "Network `shop` on edge-1: 1 container in it."
    fields = dict(outcome.fields)
    assert fields["Subnets"] == "172.18.0.0/16 by 172.18.0.1"
    assert fields["In it"] == "shop 172.18.0.2/16"
    assert fields["Stopped"] == "`old-shop`"
    assert fields["Ways"] == "a way out"


def test_an_unknown_network_is_told_with_the_nearest(fleet: Fleet) -> None:
    fleet.containers.hold_network("edge-1", "shop-net")
    with pytest.raises(TargetNotFoundError, match="Did you mean `shop-net`"):
        fleet.ask(NETWORK_INFO, InfoParams(network="shop_net"))
