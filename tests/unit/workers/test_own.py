"""What Andock runs on, as a worker knows it before it asks any engine."""

from __future__ import annotations

import pytest

from andock.operation import Target
from andock.protection import Protection
from andock.refusals import ProtectedTargetError
from config.sites import OwnMachines
from workers.own import find_own

ID = "db0123456789" + "0" * 52


def container(name: str, made: str = ID) -> Target:
    return Target(kind="container", site="edge-1", id=made, name=name, environment="dev")


def test_what_is_declared_and_what_is_found_are_its_own() -> None:
    found = find_own(OwnMachines(vms=("4210-AA",), containers=("redis",), engines=("edge-1",)), [ID])

    assert "4210-aa" in found.vms
    assert found.containers == {"redis", ID}
    assert set(found.engines) == {"edge-1"}


@pytest.mark.parametrize("own", ["db", "db0123", "db012345678"])
def test_a_declared_name_is_no_beginning_of_an_id(own: str) -> None:
    protection = Protection(containers=frozenset({own}))

    protection.refuse_own([container("web")])
    with pytest.raises(ProtectedTargetError):
        protection.refuse_own([container(own)])


@pytest.mark.parametrize("digits", [12, 13, 64])
def test_twelve_or_more_digits_are(digits: int) -> None:
    with pytest.raises(ProtectedTargetError, match=f"container {ID[:12]}"):
        Protection(containers=frozenset({ID[:digits]})).refuse_own([container("web")])


def test_an_own_engine_is_refused_with_the_way_out() -> None:
    engine = Target(kind="engine", site="edge-1", id="edge-1", name="edge-1", environment="dev")
    own = find_own(OwnMachines(engines=("edge-1",)), [])

    with pytest.raises(ProtectedTargetError) as refused:
        own.refuse_own([engine])

    assert refused.value.sentence == (
        "`edge-1` is refused: Andock itself runs on it (`own:` in sites.yaml says so). Prune it on its host, "
        "where you see what is Andock's; `--site` names another engine to prune from here."
    )
    own.refuse_own([container("web"), engine.model_copy(update={"id": "edge-2", "site": "edge-2"})])
