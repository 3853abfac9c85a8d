from __future__ import annotations

import pytest

from andock.catalogue import load_catalogue
from andock.errors import UnknownSiteError, UserError
from andock.operation import Backend, Found, Outcome, Params, Read
from andock.routing import Route, Routing, find_service

CATALOGUE = load_catalogue()
LIST, VMS = CATALOGUE.get("container list"), CATALOGUE.get("vm list")
ONE = Routing({"edge-1": Route(Backend.DOCKER, "docker"), "lab": Route(Backend.VSPHERE, "vsphere")})
TWO = Routing({"edge-1": Route(Backend.DOCKER, "docker"), "edge-2": Route(Backend.DOCKER, "edge")})


def test_one_pool_needs_no_name() -> None:
    assert ONE.pool(LIST, None) == "docker"
    assert ONE.pool(VMS, None) == "vsphere"


def test_a_site_or_a_pool_leads_to_its_workers() -> None:
    assert TWO.pool(LIST, "edge-2") == "edge"
    assert TWO.pool(LIST, None, "edge") == "edge"
    assert TWO.pool(LIST, "edge-2", "edge") == "edge"


def test_several_pools_are_named_when_none_was() -> None:
    with pytest.raises(
        UserError, match=r"with `--pool` \(`docker`, `edge`\) or `--site` \(`edge-1`, `edge-2`\)"
    ):
        TWO.pool(LIST, None)


def test_what_does_not_exist_or_fit_is_refused() -> None:
    with pytest.raises(UserError, match=r"no pool `egde` for `container list`; there are: `docker`, `edge`"):
        TWO.pool(LIST, None, "egde")
    with pytest.raises(UserError, match="`edge-1` is in pool `docker`, not in `edge`"):
        TWO.pool(LIST, "edge-1", "edge")
    with pytest.raises(UserError, match="there are: none"):
        TWO.pool(VMS, None, "edge")
    with pytest.raises(UnknownSiteError):
        TWO.pool(LIST, "edge-9")


@pytest.mark.parametrize(
    ("command", "params", "pool"),
    [
        ("container restart", {"container": ("edge-2/web", "edge-2/api-*")}, "edge"),
        ("container info", {"container": ("/edge-1/web",)}, "docker"),
        ("container logs", {"container": "edge-2/web"}, "edge"),
        ("container restart", {"container": ("edge-2/web", "api")}, None),
        ("container restart", {"container": ("team/web",)}, None),
        ("container list", {}, None),
        ("container stats", {"label": ("app=shop",)}, None),
        ("image info", {"image": "edge-1/team/web:1"}, "docker"),
        ("network info", {"network": "edge-2/shop"}, "edge"),
        ("engine disk", {"name": "edge-2"}, "edge"),
        ("engine disk", {}, None),
        ("vm info", {"vm": "lab:web-01"}, "vsphere"),
        ("vm info", {"vm": "/DC0/vm/web-01"}, None),
    ],
)
def test_the_site_before_a_name_leads_to_its_pool(command: str, params: dict[str, object], pool: str) -> None:
    routing = Routing({**TWO.sites, "lab": Route(Backend.VSPHERE, "vsphere")})
    operation = CATALOGUE.get(command)
    assert routing.find_pool(operation, operation.params.model_validate(params)) == pool


def test_names_on_sites_of_several_pools_are_refused_with_their_pools() -> None:
    restart = CATALOGUE.get("container restart")
    params = restart.params.model_validate({"container": ("edge-1/web", "edge-2/web")})
    with pytest.raises(UserError, match="are in several: `edge-1` in pool `docker`, `edge-2` in pool `edge`"):
        TWO.find_pool(restart, params)


class Named(Params):
    name: str


class Filtered(Params):
    name: str | None = None


class OfService(Params):
    service: str


def read(name: str, params: type[Params], backend: Backend = Backend.DOCKER) -> Read[Params, None]:
    return Read(
        name=name,
        summary="",
        params=params,
        backend=backend,
        find=lambda _params, _ctx: Found(()),
        run=lambda _params, _ctx, _found: Outcome(summary=""),
    )


def test_the_service_that_an_operation_is_about_is_found() -> None:
    assert find_service(read("service info", OfService), OfService(service="api")) == "api"
    assert find_service(read("service plan", Named), Named(name="api")) == "api"
    assert find_service(read("deploy", Named), Named(name="api")) == "api"


def test_what_is_no_service_is_not_taken_for_one() -> None:
    assert find_service(read("service list", Filtered), Filtered(name="ap")) is None
    assert find_service(read("network info", Named), Named(name="shop")) is None
    assert find_service(read("vm info", OfService, Backend.VSPHERE), OfService(service="api")) is None
