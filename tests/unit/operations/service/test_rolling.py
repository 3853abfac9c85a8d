from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from andock.errors import (
    BackendError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    LeaseLostError,
    UserError,
)
from andock.operation import Done, Mark, NotDone, Plan, Step, Writer
from andock.operations.service import hands
from andock.operations.service.deploying import plan_deploy
from andock.operations.service.params import VersionParams
from andock.operations.service.taking import settle_step, take_step
from andock.ports.services import Check, Rollout, SecretRef
from tests.unit.operations.service.stage import API, V1, Stage

ORDERS = ("stop-first", "start-first")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is away is not waited for."""
    monkeypatch.setattr(hands, "AWAY_SECONDS", 0.0)


@dataclass
class Dying:
    """A checkpoint behind which the worker dies, before the change that it was for."""

    after: int
    marks: list[Mark] = field(default_factory=list)

    def __call__(self, mark: Mark) -> None:
        if len(self.marks) == self.after:
            raise LeaseLostError("killed")
        self.marks.append(mark)


def plan(stage: Stage, version: str, request: str = "r1") -> Plan:
    params = VersionParams(name="api", version=version, environment="staging")
    return plan_deploy(params, stage.reader(request))


def roll_of(found: Plan) -> Step:
    return next(step for step in found.steps if step.action == "roll")


def undo_of(step: Step) -> Step:
    assert step.undo is not None
    return step.undo


def running(stage: Stage, order: str = "stop-first", replicas: int = 2) -> Stage:
    """Version 1 runs, and the image of version 2 is there."""
    stage.change_service(
        replicas=replicas,
        update=Rollout(order=order, monitor=0),
        networks=("back", "front"),  # type: ignore[arg-type]  one of ORDERS
    )
    for network in ("back", "front"):
        stage.containers.hold_network("edge-1", network)
    stage.take(plan(stage, "v1", "first"), "first")
    take_step(plan(stage, "v2").steps[0], stage.writer())
    stage.containers.calls.clear()
    return stage


def dying(stage: Stage, after: int) -> Writer:
    return replace(stage.writer(), checkpoint=Dying(after))


def came_to_life(stage: Stage) -> set[str]:
    return {name for name, row in stage.on("edge-1").items() if row.state == "running"}


def as_before(stage: Stage) -> bool:
    found = stage.on("edge-1")
    policies = {stage.containers.limits[row.id].restart for row in found.values()}
    versions = {row.labels["andock.version"] for row in found.values()}
    return came_to_life(stage) == {"api-1", "api-2"} == set(found) and (versions, policies) == (
        {"v1"},
        {"unless-stopped"},
    )


# --- a good one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_new_containers_are_labelled_and_the_old_ones_set_aside(order: str) -> None:
    stage = running(Stage(), order)
    done = take_step(roll_of(plan(stage, "v2")), stage.writer())
    assert done.text == "v2 (222222222222) is healthy on edge-1 with 2 replicas after 0 s."
    found = stage.on("edge-1")
    assert came_to_life(stage) == {"api-1", "api-2"}
    assert set(found) == {"api-1", "api-2", "api-1-before-r1", "api-2-before-r1"}
    assert found["api-1"].labels == {
        "andock.service": "api",
        "andock.environment": "staging",
        "andock.version": "v2",
        "andock.digest": "sha256:" + "2" * 64,
        "andock.config": stage.services.held["api"].config,
        "andock.parts": " ".join(f"{name}={said}" for name, said in stage.services.held["api"].parts.items()),
        "andock.slot": "1",
        "andock.deployment": "r1",
        "andock.asker": "",
        "andock.made": found["api-1"].labels["andock.made"],
        "andock.healthy": f"v1@{V1}",
    }
    assert found["api-1"].networks == ("back", "front")
    assert stage.containers.limits[found["api-1-before-r1"].id].restart == "no"


def test_start_first_starts_the_new_one_before_the_old_one_stops() -> None:
    starts = {}
    for order in ORDERS:
        stage = running(Stage(), order, replicas=1)
        take_step(roll_of(plan(stage, "v2")), stage.writer())
        starts[order] = [call[0] for call in stage.containers.calls if call[0] in {"start", "stop"}]
    assert starts == {"stop-first": ["stop", "start"], "start-first": ["start", "stop"]}


def test_a_mark_is_stored_before_every_change() -> None:
    stage = running(Stage(), replicas=1)
    stage.marks.clear()
    take_step(roll_of(plan(stage, "v2")), stage.writer())
    changes = [call for call in stage.containers.calls if call[0] != "list"]
    assert len(stage.marks) == len(changes) + 1


def test_cleaning_takes_away_what_was_set_aside_and_nothing_else() -> None:
    stage = running(Stage())
    found = plan(stage, "v2")
    take_step(roll_of(found), stage.writer())
    theirs = {"andock.environment": "prod"}
    for name, labels in (("api-1-before-older", {}), ("api-1-before-prod", theirs)):
        stage.containers.run("edge-1", name, labels={**stage.on("edge-1")["api-1"].labels, **labels})
    stage.containers.run("edge-1", "api-1-before-lunch")
    take_step(found.closing[0], stage.writer())
    assert set(stage.on("edge-1")) == {"api-1", "api-2", "api-1-before-prod", "api-1-before-lunch"}
    assert isinstance(settle_step(found.closing[0], stage.reader(), Mark(begun_at=0)), Done)


def test_secrets_are_read_when_a_container_is_made_and_shown_nowhere() -> None:
    stage = Stage()
    stage.services.secrets[SecretRef("env", "API_TOKEN")] = "planted-value"
    stage.change_service(environment={"TOKEN": SecretRef("env", "API_TOKEN"), "MODE": "fast"})
    found = plan(stage, "v1")
    stage.take(found)
    made = stage.containers.made[stage.on("edge-1")["api-1"].id]
    assert made.environment == {"TOKEN": "planted-value", "MODE": "fast"}
    assert "planted-value" not in found.model_dump_json() + repr(made)


def test_time_passes_between_two_batches() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    roll = roll.model_copy(update={"args": {**roll.args, "delay": 30.0}})
    stage.eye.ends_with = CancelledError("enough")
    with pytest.raises(CancelledError) as caught:
        take_step(roll, stage.writer())
    assert caught.value.changed is Changed.NOTHING
    assert set(stage.on("edge-1")) == {"api-1"}


# --- failures -------------------------------------------------------------------------------------------


def fails(stage: Stage) -> BackendError:
    with pytest.raises(BackendError) as caught:
        take_step(roll_of(plan(stage, "v2")), stage.writer())
    assert caught.value.changed is Changed.PARTLY
    return caught.value


@pytest.mark.parametrize("order", ORDERS)
def test_what_ends_at_once_is_a_failure_and_the_old_ones_come_back(order: str) -> None:
    stage = running(Stage(), order)
    roll = roll_of(plan(stage, "v2"))
    stage.containers.dying = 3
    said = "`api-1` on edge-1 ended with exit code 3 and was started again by its engine."
    assert fails(stage).sentence == said
    stage.containers.dying = None
    done = take_step(undo_of(roll), stage.writer())
    assert done.text == "v1 (111111111111) is back on edge-1 after 0 s."
    assert as_before(stage)


def test_what_ends_and_is_not_started_again_is_a_failure() -> None:
    stage = running(Stage(), replicas=1)
    stage.change_service(limits=replace(API.limits, restart="no"))
    stage.containers.dying = 3
    assert fails(stage).sentence == "`api-1` on edge-1 is exited (exit code 3)."


def test_an_unhealthy_one_is_told_with_its_last_check_and_its_last_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = running(Stage(), replicas=1)
    start = stage.containers.start

    def sicken(site: str, container: str) -> None:
        start(site, container)
        stage.containers.change(site, container, health="unhealthy", last_check="no\ndatabase")
        stage.containers.write(container, *(f"line {number}" for number in range(20)))

    monkeypatch.setattr(stage.containers, "start", sicken)
    first, *lines = fails(stage).sentence.split("\n")
    assert first == "`api-1` on edge-1 is unhealthy: no database."
    assert lines == [f"line {number}" for number in range(10, 20)]


def test_one_that_its_engine_has_to_start_again_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = running(Stage(), replicas=1)
    stage.change_service(update=Rollout(monitor=5))
    seen: list[str] = []
    read = stage.containers.read_container

    def restart_later(site: str, container: str) -> object:
        found = read(site, container)
        seen.append(container)
        return replace(found, restarts=1, exit_code=7) if len(seen) > 20 else found

    roll = roll_of(plan(stage, "v2"))
    monkeypatch.setattr(stage.containers, "read_container", restart_later)
    with pytest.raises(BackendError, match="ended with exit code 7 and was started again by its engine"):
        take_step(roll, stage.writer())


def test_a_check_that_does_not_pass_in_time_is_a_failure() -> None:
    stage = Stage()
    stage.change_service(checks=(Check("/ready", 8080, within=0.3),))
    stage.containers.probes["edge-1", 8080, "/ready"] = "it answers 503"
    found = plan(stage, "v1")
    take_step(found.steps[0], stage.writer())
    with pytest.raises(
        BackendError, match=r"does not pass its check `/ready` on port 8080: it answers 503\."
    ):
        take_step(roll_of(found), stage.writer())


def test_a_port_that_is_taken_is_told_and_undone() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    stage.containers.refusing_start = "port is already allocated"
    with pytest.raises(BackendError, match="port is already allocated") as caught:
        take_step(roll, stage.writer())
    assert caught.value.changed is Changed.PARTLY
    stage.containers.refusing_start = ""
    take_step(undo_of(roll), stage.writer())
    assert came_to_life(stage) == {"api-1"} == set(stage.on("edge-1"))


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_goes_away_in_the_middle_is_no_nothing() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))

    def leave(mark: Mark) -> None:
        stage.marks.append(mark)
        if len(stage.marks) - begun == 3:
            stage.containers.away["edge-1"] = "connection refused"

    begun = len(stage.marks)
    with pytest.raises(BackendError, match=r"Engine `edge-1` went away while `api`") as caught:
        take_step(roll, replace(stage.writer(), checkpoint=leave))
    assert caught.value.changed is Changed.PARTLY
    with pytest.raises(BackendUnavailableError):
        take_step(undo_of(roll), stage.writer())
    stage.containers.away.clear()
    take_step(undo_of(roll), stage.writer())
    assert came_to_life(stage) == {"api-1"} == set(stage.on("edge-1"))


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_is_away_before_anything_is_touched_is_nothing() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    stage.containers.away["edge-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError) as caught:
        take_step(roll, stage.writer())
    assert caught.value.changed is Changed.NOTHING


def test_an_engine_that_is_restarted_is_waited_for() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    for step, version in ((roll, "v2"), (undo_of(roll), "v1")):
        stage.containers.away["edge-1"] = "connection refused"
        threading.Timer(0.3, stage.containers.away.clear).start()
        take_step(step, stage.writer())
        assert stage.version_on("edge-1") == version


def test_a_cancel_in_the_middle_says_that_something_was_changed() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    stage.eye.ends_with = CancelledError("enough")
    with pytest.raises(CancelledError) as caught:
        take_step(roll, stage.writer())
    assert caught.value.changed is Changed.PARTLY


def test_a_file_that_was_changed_after_the_plan_is_refused() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    stage.change_service(command=("other",))
    with pytest.raises(UserError, match="was changed since this was planned"):
        take_step(roll, stage.writer())
    assert set(stage.on("edge-1")) == {"api-1"}


def test_the_checks_that_were_agreed_on_are_asked_whatever_the_file_says_now() -> None:
    stage = Stage()
    stage.change_service(checks=(Check("/ready", 8080, within=0.3),))
    stage.containers.probes["edge-1", 8080, "/ready"] = "it answers 503"
    found = plan(stage, "v1")
    take_step(found.steps[0], stage.writer())
    stage.change_service(checks=())
    with pytest.raises(BackendError, match="does not pass its check `/ready`"):
        take_step(roll_of(found), stage.writer())


# --- crashes --------------------------------------------------------------------------------------------


def kill_everywhere(stage_of: str, action: str = "roll") -> list[Stage]:
    """One stage for each mark behind which the worker died."""
    stages = []
    for after in range(100):
        stage = running(Stage(), stage_of)
        roll = roll_of(plan(stage, "v2"))
        if action == "restore":
            take_step(roll, stage.writer())
        step = roll if action == "roll" else undo_of(roll)
        try:
            take_step(step, dying(stage, after))
        except LeaseLostError:
            stages.append(stage)
            continue
        return stages
    pytest.fail("it never ends")


@pytest.mark.parametrize("order", ORDERS)
def test_a_worker_killed_anywhere_is_settled_and_the_roll_taken_up(order: str) -> None:
    roll = roll_of(plan(running(Stage(), order), "v2"))
    stages = kill_everywhere(order)
    assert len(stages) > 10
    for stage in stages:
        if isinstance(settle_step(roll, stage.reader(), Mark(begun_at=0)), NotDone):
            done = take_step(roll, stage.writer())
            assert "v2 (222222222222) is healthy on edge-1" in done.text
        assert isinstance(settle_step(roll, stage.reader(), Mark(begun_at=0)), Done)
        assert {stage.version_on("edge-1", name) for name in ("api-1", "api-2")} == {"v2"}
        assert came_to_life(stage) == {"api-1", "api-2"}
        assert stage.on("edge-1")["api-1"].labels["andock.healthy"] == f"v1@{V1}"
        take_step(plan_closing(order), stage.writer())
        assert set(stage.on("edge-1")) == {"api-1", "api-2"}


def plan_closing(order: str) -> Step:
    return plan(running(Stage(), order), "v2").closing[0]


@pytest.mark.parametrize("order", ORDERS)
def test_a_worker_killed_anywhere_can_be_undone(order: str) -> None:
    roll = roll_of(plan(running(Stage(), order), "v2"))
    for stage in kill_everywhere(order):
        take_step(undo_of(roll), stage.writer())
        assert as_before(stage)
        assert isinstance(settle_step(undo_of(roll), stage.reader(), Mark(begun_at=0)), Done)


@pytest.mark.parametrize("order", ORDERS)
def test_a_worker_killed_while_it_puts_back_puts_back_again(order: str) -> None:
    roll = roll_of(plan(running(Stage(), order), "v2"))
    stages = kill_everywhere(order, "restore")
    assert len(stages) > 8
    for stage in stages:
        if isinstance(settle_step(undo_of(roll), stage.reader(), Mark(begun_at=0)), NotDone):
            take_step(undo_of(roll), stage.writer())
        assert as_before(stage)


def test_what_was_taken_up_says_so() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    with pytest.raises(LeaseLostError):
        take_step(roll, dying(stage, 4))
    assert take_step(roll, stage.writer()).text.endswith("after 0 s, taken up where it was left.")


def test_a_container_that_comes_true_late_is_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = running(Stage(), replicas=1)
    create = stage.containers.create

    def late(site: str, new: object) -> str:
        create(site, new)  # type: ignore[arg-type]  as the port is called
        return create(site, new)  # type: ignore[arg-type]  the name is taken now, by ourselves

    monkeypatch.setattr(stage.containers, "create", late)
    take_step(roll_of(plan(stage, "v2")), stage.writer())
    assert stage.version_on("edge-1") == "v2"


def test_it_is_not_done_before_it_was_watched_long_enough() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    take_step(roll, stage.writer())
    watched = roll.model_copy(update={"args": {**roll.args, "monitor": 60.0}})
    assert isinstance(settle_step(watched, stage.reader(), Mark(begun_at=0)), NotDone)
    stage.containers.tick(61)
    assert isinstance(settle_step(watched, stage.reader(), Mark(begun_at=0)), Done)


# --- putting back ---------------------------------------------------------------------------------------


def test_an_old_container_that_is_gone_is_told_and_the_new_one_stays() -> None:
    stage = running(Stage())
    roll = roll_of(plan(stage, "v2"))
    take_step(roll, stage.writer())
    stage.containers.remove("edge-1", stage.on("edge-1")["api-1-before-r1"].id, force=True, volumes=False)
    with pytest.raises(BackendError, match=r"old `api-1` on edge-1 is gone; the new one is left") as caught:
        take_step(undo_of(roll), stage.writer())
    assert caught.value.changed is Changed.PARTLY
    assert stage.version_on("edge-1", "api-1") == "v2"
    assert stage.version_on("edge-1", "api-2") == "v1"


def test_what_did_not_run_before_is_not_started() -> None:
    stage = running(Stage(), replicas=1)
    stage.containers.stop("edge-1", stage.on("edge-1")["api-1"].id, 1)
    roll = roll_of(plan(stage, "v2"))
    take_step(roll, stage.writer())
    take_step(undo_of(roll), stage.writer())
    assert {name: row.state for name, row in stage.on("edge-1").items()} == {"api-1": "exited"}
    assert isinstance(settle_step(undo_of(roll), stage.reader(), Mark(begun_at=0)), Done)


def test_a_first_deployment_is_put_back_to_nothing() -> None:
    stage = Stage()
    found = plan(stage, "v1")
    take_step(found.steps[0], stage.writer())
    take_step(roll_of(found), stage.writer())
    done = take_step(undo_of(roll_of(found)), stage.writer())
    assert (done.text, stage.on("edge-1")) == ("Nothing of it is left on edge-1 after 0 s.", {})


def test_replicas_that_were_too_many_come_back_too() -> None:
    stage = running(Stage(), replicas=2)
    stage.change_service(replicas=1)
    roll = roll_of(plan(stage, "v2"))
    take_step(roll, stage.writer())
    assert came_to_life(stage) == {"api-1"}
    take_step(undo_of(roll), stage.writer())
    assert as_before(stage)


def test_an_old_container_gets_its_restart_policy_back() -> None:
    stage = Stage()
    stage.change_service(limits=replace(API.limits, restart="always"))
    stage.take(plan(stage, "v1", "first"), "first")
    found = plan(stage, "v2")
    take_step(found.steps[0], stage.writer())
    take_step(roll_of(found), stage.writer())
    take_step(undo_of(roll_of(found)), stage.writer())
    assert stage.containers.limits[stage.on("edge-1")["api-1"].id].restart == "always"


# --- pulling --------------------------------------------------------------------------------------------


def test_a_pull_that_fails_changes_nothing() -> None:
    stage = Stage()
    pull = plan(stage, "v1").steps[0]
    stage.containers.pull_fails = "no space left on device"
    with pytest.raises(BackendError, match="no space left") as caught:
        take_step(pull, stage.writer())
    assert caught.value.changed is Changed.NOTHING
    stage.containers.pull_fails = ""
    assert take_step(pull, stage.writer()).text == "v1 (111111111111) is on edge-1, 2 MiB."
    assert isinstance(settle_step(pull, stage.reader(), Mark(begun_at=0)), Done)


def test_nothing_is_touched_where_the_image_is_missing() -> None:
    stage = running(Stage(), replicas=1)
    roll = roll_of(plan(stage, "v2"))
    for key in [key for key, image in stage.containers.images.items() if "2222" in image.id]:
        del stage.containers.images[key]
    with pytest.raises(BackendError, match="edge-1 does not have the image of v2") as caught:
        take_step(roll, stage.writer())
    assert caught.value.changed is Changed.NOTHING
    assert came_to_life(stage) == {"api-1"} == set(stage.on("edge-1"))


def test_a_pull_that_was_broken_off_is_taken_again() -> None:
    stage = Stage()
    pull = plan(stage, "v1").steps[0]
    mark = Mark(begun_at=0, site_time=stage.containers.now.timestamp() - 60)
    assert isinstance(settle_step(pull, stage.reader(), mark), NotDone)
