"""A new container is watched for `monitor`, and only a look that finds it well ends that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from andock.errors import BackendError, Changed, LeaseLostError
from andock.operation import Done, Mark, NotDone, Plan, Step
from andock.operations.service import health
from andock.operations.service.deploying import plan_deploy
from andock.operations.service.params import VersionParams
from andock.operations.service.taking import settle_step, take_step
from andock.ports.services import Check, Rollout
from tests.unit.operations.container.chat import Eye
from tests.unit.operations.service.stage import API, Stage

READY = Check("/ready", 8080, within=60)
SHORT = 0.2  # seconds of `monitor`: over before three rounds of checks, or a restart of the engine


@dataclass
class Scene(Eye):
    """Something happens at so many looks at a container that is watched, or that is waited for."""

    at: Mapping[int, Callable[[], None]] = field(default_factory=dict)
    during: str = "watching"
    met: int = 0

    def look(self, *, percent: int | None = None, text: str = "") -> None:
        super().look(percent=percent, text=text)
        if text.startswith(self.during):
            self.met += 1
            self.at.get(self.met, lambda: None)()


def first(stage: Stage, *, monitor: float = SHORT, checks: tuple[Check, ...] = ()) -> Step:
    """The roll of a first deployment; its image is there."""
    stage.change_service(update=Rollout(monitor=monitor), checks=checks)
    found = plan(stage)
    take_step(found.steps[0], stage.writer())
    return next(step for step in found.steps if step.action == "roll")


def plan(stage: Stage) -> Plan:
    return plan_deploy(VersionParams(name="api", version="v1", environment="staging"), stage.reader())


def changes(stage: Stage, **fields: object) -> Callable[[], None]:
    return lambda: stage.containers.change("edge-1", stage.on("edge-1")["api-1"].id, **fields)


def answers(stage: Stage, said: str) -> Callable[[], None]:
    return lambda: stage.containers.probes.update({("edge-1", 8080, "/ready"): said})


def goes_away(stage: Stage) -> Callable[[], None]:
    return lambda: stage.containers.away.update({"edge-1": "connection refused"})


def fails(stage: Stage, roll: Step) -> BackendError:
    with pytest.raises(BackendError) as caught:
        take_step(roll, stage.writer())
    assert caught.value.changed is Changed.PARTLY
    return caught.value


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BACK_SECONDS", "AWAY_SECONDS"):
        monkeypatch.setattr(health, name, 1.0)
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.15)


@pytest.mark.parametrize("policy", ["on-failure", "unless-stopped", "no"])
def test_one_that_ends_while_it_is_watched_and_stays_down_is_a_failure(policy: str) -> None:
    stage = Stage()
    stage.change_service(limits=replace(API.limits, restart=policy))
    roll = first(stage)
    stage.eye = Scene(at={1: changes(stage, state="exited", exit_code=0)})
    assert fails(stage, roll).sentence == "`api-1` on edge-1 is exited (exit code 0)."


def test_one_that_its_engine_starts_again_as_it_comes_back_is_watched_on() -> None:
    stage = Stage()
    roll = first(stage)
    stage.eye = Scene(at={1: changes(stage, state="exited"), 5: changes(stage, state="running")})
    take_step(roll, stage.writer())
    assert stage.eye.met >= 5


def test_an_engine_that_goes_away_while_it_is_watched_proves_nothing() -> None:
    stage = Stage()
    roll = first(stage)
    stage.eye = Scene(at={1: goes_away(stage)})
    assert fails(stage, roll).sentence.startswith("Engine `edge-1` went away while `api` was being changed")


def test_an_engine_that_is_back_before_patience_ends_is_looked_at_again() -> None:
    stage = Stage()
    roll = first(stage)
    stage.eye = Scene(at={1: goes_away(stage), 5: stage.containers.away.clear})
    take_step(roll, stage.writer())
    assert stage.eye.met >= 5


@pytest.mark.parametrize("monitor", [SHORT, 30.0])
def test_a_check_that_begins_to_fail_while_it_is_watched_is_a_failure(monitor: float) -> None:
    stage = Stage()
    roll = first(stage, monitor=monitor, checks=(READY,))
    stage.eye = Scene(at={1: answers(stage, "it answers 503")})
    why = fails(stage, roll).sentence
    assert why == "`api-1` on edge-1 does not pass its check `/ready` on port 8080: it answers 503."


def test_a_check_that_fails_at_the_end_is_asked_until_it_passes() -> None:
    stage = Stage()
    roll = first(stage, checks=(READY,))
    stage.eye = Scene(at={1: answers(stage, "it answers 503"), 3: answers(stage, "")})
    take_step(roll, stage.writer())
    assert stage.eye.met >= 3


def test_health_that_begins_anew_at_the_end_is_waited_for() -> None:
    stage = Stage()
    roll = first(stage)
    stage.eye = Scene(at={1: changes(stage, health="starting"), 6: changes(stage, health="healthy")})
    take_step(roll, stage.writer())
    assert stage.eye.met >= 6


def test_without_monitor_the_first_good_look_is_the_last() -> None:
    stage = Stage()
    roll = first(stage, monitor=0, checks=(READY,))
    stage.eye = Scene()
    take_step(roll, stage.writer())
    assert stage.eye.met == 0


@pytest.mark.parametrize(("due", "naps"), [(0.0, [0.02, 0.02]), (60.0, [0.25, 0.25])])
def test_health_is_looked_at_seldom_until_its_first_check_is_due(
    due: float, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    roll = first(stage, monitor=0)
    stage.containers.checked = True
    napped: list[float] = []
    monkeypatch.setattr("andock.operations.service.health.time.sleep", napped.append)
    stage.eye = Scene(
        at={1: changes(stage, check_every=due), 3: changes(stage, health="healthy")}, during="waiting"
    )
    take_step(roll, stage.writer())
    assert napped[1:3] == naps  # the first was over before `due` was known


# --- after a crash --------------------------------------------------------------------------------------


def dies(stage: Stage, during: str) -> Scene:
    def die() -> None:
        raise LeaseLostError("killed")

    return Scene(at={1: die}, during=during)


@pytest.mark.parametrize(("said", "during"), [("it answers 503", "waiting for health"), ("", "watching")])
def test_a_worker_killed_before_the_checks_passed_long_enough_leaves_nothing_done(
    said: str, during: str
) -> None:
    stage = Stage()
    roll = first(stage, checks=(READY,))
    answers(stage, said)()
    stage.eye = dies(stage, during)
    with pytest.raises(LeaseLostError):
        take_step(roll, stage.writer())
    stage.containers.tick(60)
    assert isinstance(settle_step(roll, stage.reader(), Mark(begun_at=0)), NotDone)
    answers(stage, "")()
    stage.eye = Scene()
    assert "taken up where it was left" in take_step(roll, stage.writer()).text


def test_health_that_came_after_the_crash_was_not_watched() -> None:
    stage = Stage()
    roll = first(stage)
    take_step(roll, stage.writer())
    stage.containers.tick(60)
    assert isinstance(settle_step(roll, stage.reader(), Mark(begun_at=0)), Done)
    changes(stage, health="healthy")()
    assert isinstance(settle_step(roll, stage.reader(), Mark(begun_at=0)), NotDone)
