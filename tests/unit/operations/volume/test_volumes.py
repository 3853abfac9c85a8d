from __future__ import annotations

import pytest

from andock.errors import OutcomeUnknownError, TargetNotFoundError, UserError
from andock.operation import OWN_LABEL, Done, NotDone
from andock.operations.volume.inventory import VOLUME_LIST, ListParams
from andock.operations.volume.prune import VOLUME_PRUNE, PruneParams
from andock.ports.uses import Use
from tests.fakes.fleet import MIB
from tests.unit.operations.fleet import Fleet

SHOP = (Use("1" * 64, "shop", running=False),)
ANONYMOUS = "ab" * 32


def test_a_list_has_sizes_and_users(fleet: Fleet) -> None:
    fleet.containers.hold_volume("edge-1", "data", size=MIB, used_by=SHOP)
    fleet.containers.hold_volume("edge-1", ANONYMOUS, size=2 * MIB)
    fleet.containers.hold_volume("edge-2", "remote")
    outcome = fleet.ask(VOLUME_LIST, ListParams())
    assert outcome.summary == "3 volumes on 2 engines, 3 MiB; 2 used by no container, 2 MiB."
    assert outcome.table is not None
    assert [row[:2] + row[4:6] for row in outcome.table.rows] == [
        ("abababababab (no name)", "2 MiB", "", "edge-1"),
        ("data", "1 MiB", "`shop`", "edge-1"),
        ("remote", "?", "", "edge-2"),
    ]
    assert fleet.ask(VOLUME_LIST, ListParams(unused=True)).summary.startswith("2 volumes")
    assert fleet.ask(VOLUME_LIST, ListParams(name="x")).summary == "No volume like `x` on edge-1, edge-2."


def test_a_prune_takes_what_has_no_name_and_says_what_is_lost(fleet: Fleet) -> None:
    fleet.containers.hold_volume("edge-1", ANONYMOUS, size=MIB)
    fleet.containers.hold_volume("edge-1", "named", size=MIB)
    plan = fleet.plan(VOLUME_PRUNE, PruneParams())
    assert [step.text for step in plan.steps] == [
        f"remove volume `{ANONYMOUS}` (made 2026-01-01, 1 MiB). Lost: all data in it"
    ]
    assert plan.warnings == ("Frees 1 MiB. What is in a volume is lost for good.",)
    assert VOLUME_PRUNE.apply(plan.steps[0], fleet.writer()).text == f"`{ANONYMOUS}` is removed."
    assert [row.name for row in fleet.containers.list_volumes().rows] == ["named"]


def test_a_prune_of_all_leaves_used_kept_and_andocks_own(fleet: Fleet) -> None:
    fleet.containers.hold_volume("edge-1", "used", used_by=SHOP)
    fleet.containers.hold_volume("edge-1", "own", labels={OWN_LABEL: "redis"})
    fleet.containers.hold_volume("edge-2", "kept")
    fleet.containers.hold_volume("edge-2", "small", size=1)
    fleet.containers.hold_volume("edge-1", "large", size=2)
    plan = fleet.plan(VOLUME_PRUNE, PruneParams(all=True, keep=("kept",)))
    assert [step.target.name for step in plan.steps] == ["large", "small"]
    assert "Left alone, as Andock's own: `own`." in plan.warnings
    with pytest.raises(TargetNotFoundError, match="Did you mean `kept`"):
        fleet.plan(VOLUME_PRUNE, PruneParams(all=True, keep=("kep",)))


def test_a_prune_of_nothing_says_what_would_go_with_all(fleet: Fleet) -> None:
    fleet.containers.hold_volume("edge-1", "named")
    with pytest.raises(UserError, match=r"on edge-1, edge-2. With `--all` 1 volume with a name"):
        fleet.plan(VOLUME_PRUNE, PruneParams())


def test_a_volume_made_anew_under_its_name_is_another_one(fleet: Fleet) -> None:
    fleet.containers.hold_volume("edge-1", ANONYMOUS)
    before = fleet.plan(VOLUME_PRUNE, PruneParams())
    fleet.containers.tick(5)
    fleet.containers.hold_volume("edge-1", ANONYMOUS)
    assert before.differences(fleet.plan(VOLUME_PRUNE, PruneParams()))


def test_a_lost_answer_and_a_crash_are_looked_after(fleet: Fleet) -> None:
    fleet.containers.hold_volume("edge-1", ANONYMOUS)
    step = fleet.plan(VOLUME_PRUNE, PruneParams()).steps[0]
    fleet.containers.lost.add("edge-1")
    with pytest.raises(OutcomeUnknownError, match="is still there"):
        VOLUME_PRUNE.apply(step, fleet.writer())
    assert fleet.settle(VOLUME_PRUNE, step, seconds_ago=60) == NotDone()
    fleet.containers.volumes.clear()
    assert isinstance(fleet.settle(VOLUME_PRUNE, step), Done)
