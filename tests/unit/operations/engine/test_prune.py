from __future__ import annotations

from dataclasses import replace

import pytest

from andock.errors import BackendRejectedError, OutcomeUnknownError, UserError
from andock.operation import OWN_LABEL, Done, NotDone, Unknown
from andock.operations.engine.prune import ENGINE_PRUNE, PruneParams
from andock.ports.engines import Held
from andock.ports.uses import Use
from andock.protection import Protection
from andock.refusals import ProtectedTargetError
from tests.fakes.fleet import MIB
from tests.unit.operations.fleet import Fleet

EDGE = PruneParams(name="edge-1")
DIGEST = "sha256:" + "ab" * 32


def stopped(fleet: Fleet, name: str, **labels: str) -> str:
    made = fleet.containers.run("edge-1", name, labels=labels)
    fleet.containers.stop("edge-1", made, 1)
    return made


def cache(size: int, *, used: bool = False) -> Held:
    return Held("cache", f"c{size}", f"c{size}", size, used, "dev")


def test_the_plan_lists_everything_by_name_and_id_with_what_is_lost(fleet: Fleet) -> None:
    container = stopped(fleet, "old")
    network = fleet.containers.hold_network("edge-1", "empty", subnets=("10.1.0.0/16 by 10.1.0.1",))
    image = fleet.containers.hold_image("edge-1", size=3 * MIB)
    fleet.containers.hold_image("edge-1", "web:1", digests=(f"registry.lab/web@{DIGEST}",), size=2 * MIB)
    fleet.containers.caches["edge-1"] = (cache(2 * MIB), cache(MIB, used=True))
    lost = "Lost: its writable layer, 1 MiB; volumes stay"
    plan = fleet.plan(ENGINE_PRUNE, PruneParams(name="edge-1", all=True))
    assert [[step.text for step in batch] for batch in plan.batches] == [
        [f"remove container `old` ({container[:12]}, Up 1 second). {lost}"],
        [f"remove network `empty` ({network[:12]}, 10.1.0.0/16 by 10.1.0.1), which no container belongs to"],
        [
            f"remove image `{image[7:19]}` (no name, {image}). Lost: 3 MiB of layers",
            f"remove image `web:1` ({DIGEST}). Lost: 2 MiB of layers",
        ],
        ["remove what builds have left on edge-1. Lost: 2 MiB of build cache"],
    ]
    assert plan.warnings == ("Frees up to 8 MiB on edge-1. Volumes stay; `volume prune` is for them.",)


def test_it_all_goes_and_nothing_else(fleet: Fleet) -> None:
    stopped(fleet, "old")
    fleet.containers.run("edge-1", "web")
    fleet.containers.hold_network("edge-1", "empty")
    fleet.containers.hold_network("edge-1", "bridge", builtin=True)
    fleet.containers.hold_network("edge-1", "shop", used_by=(Use("1" * 64, "web", running=True),))
    fleet.containers.hold_image("edge-1", "named:1", "named:2")
    fleet.containers.hold_image("edge-1")
    fleet.containers.hold_volume("edge-1", "data")
    fleet.containers.caches["edge-1"] = (cache(MIB),)
    texts = [done.text for done in fleet.do(ENGINE_PRUNE, EDGE)]
    assert texts[-1] == "What builds had left on edge-1 is removed, 1 MiB."
    assert [row.name for row in fleet.containers.list_containers("edge-1").rows] == ["web"]
    assert [row.name for row in fleet.containers.list_networks("edge-1").rows] == ["bridge", "shop"]
    assert [row.names for row in fleet.containers.list_images("edge-1").rows] == [("named:1", "named:2")]
    assert len(fleet.containers.list_volumes("edge-1").rows) == 1
    fleet.do(ENGINE_PRUNE, PruneParams(name="edge-1", all=True))
    assert fleet.containers.list_images("edge-1").rows == ()
    with pytest.raises(UserError, match="Nothing to prune on edge-1"):
        fleet.plan(ENGINE_PRUNE, EDGE)


def test_andocks_own_and_what_is_to_be_kept_are_left(fleet: Fleet) -> None:
    stopped(fleet, "andock-old", **{OWN_LABEL: "worker"})
    stopped(fleet, "kept")
    stopped(fleet, "gone")
    fleet.containers.hold_network("edge-1", "own-net", labels={OWN_LABEL: "redis"})
    plan = fleet.plan(ENGINE_PRUNE, PruneParams(name="edge-1", keep=("kept",)))
    assert [step.target.name for step in plan.steps] == ["gone"]
    assert "Left alone, as Andock's own: `andock-old`, `own-net`." in plan.warnings


def test_a_container_that_sites_yaml_declares_as_own_is_refused(fleet: Fleet) -> None:
    made = stopped(fleet, "my-redis")
    plan = fleet.plan(ENGINE_PRUNE, EDGE)
    for own in ("my-redis", made[:12], made):
        with pytest.raises(ProtectedTargetError, match="my-redis"):
            Protection(containers=frozenset({own})).refuse_own(plan.targets)


@pytest.mark.parametrize("kind", ["image", "network", "volume", "engine", "container"])
def test_what_bears_andocks_label_is_refused_whatever_it_is(fleet: Fleet, kind: str) -> None:
    stopped(fleet, "old")
    target = fleet.plan(ENGINE_PRUNE, EDGE).steps[0].target
    own = target.model_copy(update={"kind": kind, "labels": (f"{OWN_LABEL}=redis",)})
    with pytest.raises(ProtectedTargetError, match=r"label andock\.role"):
        Protection().refuse_own([own])
    Protection().refuse_own([target])


def test_policy_judges_each_thing_by_its_own_environment(fleet: Fleet) -> None:
    fleet.containers.environments = {"env=prod": "prod"}
    stopped(fleet, "dev-one")
    stopped(fleet, "prod-one", env="prod")
    plan = fleet.plan(ENGINE_PRUNE, EDGE)
    assert {step.target.name: step.target.environment for step in plan.steps} == {
        "dev-one": "dev",
        "prod-one": "prod",
    }


def test_one_that_was_started_in_between_is_kept(fleet: Fleet) -> None:
    made = stopped(fleet, "old")
    plan = fleet.plan(ENGINE_PRUNE, EDGE)
    fleet.containers.start("edge-1", made)
    with pytest.raises(BackendRejectedError, match="cannot remove a running container"):
        ENGINE_PRUNE.apply(plan.steps[0], fleet.writer())
    assert fleet.containers.read_container("edge-1", made).state == "running"


def test_a_crash_is_settled_by_what_is_there(fleet: Fleet) -> None:
    stopped(fleet, "old")
    fleet.containers.hold_network("edge-1", "empty")
    fleet.containers.hold_image("edge-1")
    fleet.containers.caches["edge-1"] = (cache(MIB),)
    *things, builds = fleet.plan(ENGINE_PRUNE, EDGE).steps
    for step in things:
        assert fleet.settle(ENGINE_PRUNE, step, seconds_ago=60) == NotDone()
        ENGINE_PRUNE.apply(step, fleet.writer())
        assert isinstance(fleet.settle(ENGINE_PRUNE, step), Done)
    assert fleet.settle(ENGINE_PRUNE, builds) == Unknown(
        "A prune of what builds left was begun; 1 MiB of it are there now."
    )


def test_a_lost_answer_of_the_build_cache_is_unknown(fleet: Fleet) -> None:
    fleet.containers.caches["edge-1"] = (cache(MIB),)
    step = fleet.plan(ENGINE_PRUNE, EDGE).steps[0]
    fleet.containers.lost.add("edge-1")
    with pytest.raises(OutcomeUnknownError):
        ENGINE_PRUNE.apply(step, fleet.writer())


def test_a_network_that_got_a_user_in_between_changes_the_plan(fleet: Fleet) -> None:
    made = fleet.containers.hold_network("edge-1", "empty")
    stopped(fleet, "old")
    before = fleet.plan(ENGINE_PRUNE, EDGE)
    held = fleet.containers.networks["edge-1", made]
    used = (Use("1" * 64, "shop", running=True),)
    fleet.containers.networks["edge-1", made] = replace(held, used_by=used)
    assert before.differences(fleet.plan(ENGINE_PRUNE, EDGE)) == (
        f"{before.steps[1].text} is no longer part of it",
    )
