from __future__ import annotations

import pytest

from andock.errors import UserError
from andock.operations.service.targets import place_of, target_of
from andock.ports.registry import ImageName
from andock.ports.services import Place, Service

STAGING = Place("staging", ("edge-1",))
PROD = Place("prod", ("edge-2", "edge-3"), after="staging")
API = Service(
    "api",
    ImageName.parse("registry.lab:5000/team/api"),
    labels={"team": "shop", "tier": "web"},
    places={"staging": STAGING, "prod": PROD},
)


def test_a_service_on_an_engine_lies_on_it_in_the_environment_of_its_file() -> None:
    target = target_of(API, PROD, "edge-2")
    assert (target.key, target.environment) == ("service:edge-2/api", "prod")
    assert target.parents == ("engine:edge-2/edge-2",)
    assert target.labels == ("team=shop", "tier=web")


def test_an_environment_that_it_does_not_have_is_refused_with_those_that_it_has() -> None:
    assert place_of(API, "prod") is PROD
    with pytest.raises(UserError, match="`api` has no environment `prd`; it has: `staging`, `prod`"):
        place_of(API, "prd")
