"""Whom a lock keeps off what: by every name of a target, by its environment, and never its owner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andock.locks import Lock, lock_of_others
from andock.messages import Actor
from andock.operation import Target

LEAD = Actor(team="T1", user="U0LEAD1", name="lead-1")
OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
VM = Target(kind="vm", site="lab", id="vm-7", name="Web-01", environment="stage", path="/DC0/vm/Stage/Web-01")
BOX = Target(kind="container", site="edge-1", id="0123456789abcdef" * 4, name="web", environment="dev")


def lock(scope: str, owner: Actor = LEAD) -> Lock:
    return Lock(instance="main", scope=scope, owner=owner.key, name=owner.name, since=0, until=1)


@pytest.mark.parametrize(
    "scope",
    [
        "Web-01", "web-01", "WEB-01", "vm-7", "/dc0/vm/stage/web-01", "lab:web-01", "lab/Web-01", "LAB:vm-7",
        "Stage",
    ],
)  # fmt: skip
def test_every_name_of_a_target_and_its_environment_name_it(scope: str) -> None:
    assert lock(scope).covers(VM)
    assert not lock(scope).covers(BOX)


@pytest.mark.parametrize(
    "scope", ["web-0", "web-011", "lab", "edge-1:web-01", "lab:stage", "vm", "/DC0/vm/Stage", " "]
)
def test_nothing_else_does(scope: str) -> None:
    assert not lock(scope).covers(VM)


def test_a_container_is_named_by_twelve_digits_of_its_id_and_not_by_fewer() -> None:
    assert lock("0123456789ab").covers(BOX)
    assert lock(BOX.id).covers(BOX)
    assert not lock("0123456789a").covers(BOX)


def test_an_environment_that_is_not_known_is_named_by_nothing() -> None:
    nowhere = VM.model_copy(update={"environment": "", "path": ""})
    assert not lock("stage").covers(nowhere)


def test_the_first_lock_of_somebody_else_is_in_the_way_and_ones_own_never() -> None:
    locks = [lock("web-01", OPS), lock("db-01"), lock("stage"), lock("lab:web-01")]

    assert lock_of_others(locks, [BOX, VM], OPS) == lock("stage")
    assert lock_of_others(locks, [BOX], OPS) is None
    assert lock_of_others(locks, [VM], LEAD) == lock("web-01", OPS)


@given(st.text(min_size=1, max_size=20))
def test_a_target_is_always_covered_by_its_own_name_however_it_is_written(name: str) -> None:
    target = VM.model_copy(update={"name": name})
    assert lock(name).covers(target)
    assert lock(name.casefold()).covers(target)
    assert lock(f"lab:{name}").covers(target)
