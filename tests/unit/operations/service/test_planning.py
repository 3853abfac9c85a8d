from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from andock.errors import (
    BackendUnavailableError,
    NameTakenError,
    NoChangeError,
    TargetNotFoundError,
    UserError,
)
from andock.operation import OnFailure, Plan
from andock.operations.service.deploying import find_engines, plan_deploy, show_plan
from andock.operations.service.params import PlaceParams, VersionParams
from andock.operations.service.promotion import PromoteParams, plan_promote
from andock.operations.service.returning import RollbackParams, plan_rollback
from andock.operations.service.scaling import ScaleParams, plan_restart, plan_scale
from andock.ports.registry import ImageName
from andock.ports.services import Check, Place, Rollout, SecretRef
from andock.refusals import ImageNotAllowedError, NotListedError
from config.containers import AllowedByFile, Powers
from tests.unit.operations.service.stage import API, IMAGE, V1, V2, Stage, texts

MIB = 1024 * 1024


def plan(stage: Stage, version: str, environment: str = "prod", request: str = "r1") -> Plan:
    params = VersionParams(name="api", version=version, environment=environment)
    return plan_deploy(params, stage.reader(request))


def deployed(stage: Stage, *versions: str, environment: str = "prod") -> None:
    for number, version in enumerate(versions):
        request = f"d{environment}{number}"
        stage.take(plan(stage, version, environment, request), request)


# --- what it would do -----------------------------------------------------------------------------------


def test_all_engines_pull_before_any_of_them_is_touched() -> None:
    found = plan(Stage(), "v1")
    assert [texts(batch) for batch in found.batches] == [
        ["pull edge-2", "pull edge-3", "pull edge-4"],
        ["roll edge-2"],
        ["roll edge-3"],
        ["roll edge-4"],
    ]
    assert texts(found.closing) == ["clean edge-2", "clean edge-3", "clean edge-4"]
    assert found.at_once == 3


@pytest.mark.parametrize(("parallelism", "sizes"), [(1, [1, 1, 1]), (2, [2, 1]), (0, [3])])
def test_batches_are_as_wide_as_the_file_says(parallelism: int, sizes: list[int]) -> None:
    stage = Stage()
    stage.change_service(update=Rollout(parallelism=parallelism, delay=7, monitor=0))
    batches = plan(stage, "v1").batches[1:]
    assert [len(batch) for batch in batches] == sizes
    delays = [step.args["delay"] for batch in batches for step in batch]
    assert delays == [0.0] * sizes[0] + [7.0] * (3 - sizes[0])


def test_an_image_that_is_there_is_not_pulled() -> None:
    stage = Stage()
    stage.containers.hold_image("edge-3", digests=[f"{IMAGE}@{V1}"])
    assert texts(plan(stage, "v1").batches[0]) == ["pull edge-2", "pull edge-4"]


def test_every_roll_can_be_put_back() -> None:
    stage = Stage()
    deployed(stage, "v1")
    rolls = [step for step in plan(stage, "v2").steps if step.action == "roll"]
    assert [step.undo.text for step in rolls if step.undo] == [
        f"put v1 (111111111111) back on edge-{number}" for number in (2, 3, 4)
    ]


@pytest.mark.parametrize(
    ("action", "on_failure"),
    [("pause", OnFailure.ASK), ("rollback", OnFailure.UNDO), ("continue", OnFailure.GO_ON)],
)
def test_a_failure_comes_to_what_the_file_says(action: str, on_failure: OnFailure) -> None:
    stage = Stage()
    stage.change_service(update=replace(API.update, failure_action=action, max_failure_ratio=0.4))
    found = plan(stage, "v1")
    assert (found.on_failure, found.max_fail) == (on_failure, 2)


def test_two_deployments_to_an_environment_wait_for_each_other_and_a_channel_is_told() -> None:
    stage = Stage()
    stage.change_service(announce="#releases")
    found = plan(stage, "v1")
    assert (found.holds, found.announce) == (("deploying:prod",), "#releases")


def test_an_engine_that_has_it_already_is_left_alone_and_said() -> None:
    stage = Stage()
    deployed(stage, "v1")
    stage.containers.remove("edge-3", stage.on("edge-3")["api-1"].id, force=True, volumes=False)
    found = plan(stage, "v1")
    assert texts(found.steps) == ["roll edge-3", "clean edge-3"]
    assert "edge-2 has it already and is left alone" in found.warnings
    assert "edge-4 has it already and is left alone" in found.warnings


def test_a_rerun_of_the_same_is_no_change() -> None:
    stage = Stage()
    deployed(stage, "v1")
    with pytest.raises(NoChangeError) as caught:
        plan(stage, "v1")
    assert caught.value.sentence == (
        "No change: `api` v1 (111111111111) is what runs in prod already, healthy on `edge-2`, `edge-3`, "
        "`edge-4`."
    )


def test_a_file_that_was_changed_is_a_change_and_its_approvers_read_what_of_it() -> None:
    stage = Stage()
    stage.change_service(
        environment={"MODE": "slow", "TOKEN": SecretRef("env", "API_TOKEN"), "OLD.NAME": "1"},
        ports=("8080:80",),
    )
    stage.services.secrets[SecretRef("env", "API_TOKEN")] = "four"
    deployed(stage, "v1")
    assert not any("config" in step.text for step in plan(stage, "v2").steps)
    stage.change_service(
        environment={"MODE": "fast", "TOKEN": SecretRef("env", "API_TOKEN"), "PIN": SecretRef("file", "pin")},
        ports=("8080:80", "9090:90"),
        command=("serve", "--all"),
        limits=replace(API.limits, memory=64 * MIB),
    )
    roll = plan(stage, "v1").steps[0]
    said = "command, ports, environment MODE, environment PIN, memory, environment OLD.NAME"
    assert roll.text.endswith(f", config: {said}")


def test_of_a_secret_a_containers_labels_hold_digits_of_where_it_lies_and_no_more() -> None:
    stage, token = Stage(), SecretRef("env", "API_TOKEN")
    stage.change_service(environment={"TOKEN": token})
    stage.services.secrets[token] = "four"
    deployed(stage, "v1")
    before = stage.on("edge-2")["api-1"].labels["andock.parts"]
    stage.services.secrets[token] = "five"
    stage.deploy(lambda ctx: plan_restart(PlaceParams(name="api", environment="prod"), ctx), "again")
    assert stage.on("edge-2")["api-1"].labels["andock.parts"] == before
    assert re.fullmatch(r"stop_grace_period=\w{6} environment\.TOKEN=[0-9a-f]{6} restart=\w{6}", before)


def test_what_is_unhealthy_is_made_anew() -> None:
    stage = Stage()
    deployed(stage, "v1")
    stage.containers.change("edge-3", stage.on("edge-3")["api-1"].id, health="unhealthy")
    assert texts(plan(stage, "v1").steps) == ["roll edge-3", "clean edge-3"]


def test_policy_judges_the_old_containers_too() -> None:
    stage = Stage()
    deployed(stage, "v1")
    touched = plan(stage, "v2").touches
    assert [(target.kind, target.site, target.name) for target in touched] == [
        ("container", f"edge-{number}", "api-1") for number in (2, 3, 4)
    ]
    assert touched[0].parents == ("engine:edge-2/edge-2", "service:edge-2/api")


# --- what is agreed to ----------------------------------------------------------------------------------


def test_an_agreement_is_bound_to_the_digest_and_not_to_the_tag() -> None:
    stage = Stage()
    before = plan(stage, "v1")
    assert before.digest == plan(stage, "v1").digest
    stage.registry.hold(f"{IMAGE}:v1", V2)
    assert f"api: digest was {V1} and is {V2}" in before.differences(plan(stage, "v1"))


def test_an_agreement_is_bound_to_what_runs_now() -> None:
    stage = Stage()
    deployed(stage, "v1")
    before = plan(stage, "v3")
    stage.take(plan(stage, "v2", request="other"), "other")
    assert any("slot 1 was v1@" in said for said in before.differences(plan(stage, "v3")))


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"failure_action": "continue"}, "what it does on failure was to ask and is to go on"),
        ({"max_failure_ratio": 1.0}, "how many failures it ends at was 1 and is 4"),
    ],
)
def test_an_agreement_is_bound_to_what_failures_come_to(update: dict[str, Any], said: str) -> None:
    stage = Stage()
    before = plan(stage, "v1")
    stage.change_service(update=replace(API.update, **update))
    assert before.differences(plan(stage, "v1")) == (said,)


def test_an_agreement_is_bound_to_the_checks() -> None:
    stage = Stage()
    before = plan(stage, "v1")
    stage.change_service(checks=(Check("/ready", 8080),))
    now = plan(stage, "v1")
    assert "api: checks was none and is `/ready` on port 8080 within 60 s" in before.differences(now)
    stage.change_service(checks=(Check("/ready", 8080, within=5),))
    assert now.digest != plan(stage, "v1").digest


def test_health_and_status_are_no_part_of_an_agreement() -> None:
    stage = Stage()
    deployed(stage, "v1")
    before = plan(stage, "v2")
    stage.containers.change("edge-2", stage.on("edge-2")["api-1"].id, health="unhealthy", status="Up 2 h")
    assert before.digest == plan(stage, "v2").digest


def test_a_digest_may_be_deployed() -> None:
    found = plan(Stage(), V2)
    assert found.steps[0].facts["digest"] == V2
    assert "pull 222222222222 to edge-2" in found.steps[0].text


# --- order ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ports", "replicas", "order"),
    [
        ((), 1, "start-first"),
        (("80",), 2, "start-first"),
        (("8080:80",), 1, "stop-first"),
        (("8080-8081:80",), 1, "start-first"),
        (("127.0.0.1:8080-8081:80/tcp",), 2, "stop-first"),
        (("8080-8082:80", "9000-9002:9000/udp"), 2, "start-first"),
    ],
)
def test_a_new_container_joins_first_where_the_ports_have_room(
    ports: tuple[str, ...], replicas: int, order: str
) -> None:
    stage = Stage()
    stage.change_service(ports=ports, replicas=replicas, update=Rollout(order="start-first", monitor=0))
    found = plan(stage, "v1")
    assert next(step for step in found.steps if step.action == "roll").args["order"] == order
    assert any("stop-first" in said for said in found.warnings) == (order == "stop-first")


def test_more_replicas_than_ports_are_refused() -> None:
    stage = Stage()
    stage.change_service(ports=("8080-8081:80",), replicas=3)
    with pytest.raises(UserError, match=r"`8080-8081:80`, which has room for 2\. Give it a range"):
        plan(stage, "v1")


# --- warnings and refusals ------------------------------------------------------------------------------


def test_it_is_warned_of_what_is_not_proven_in_the_environment_before() -> None:
    stage = Stage()
    assert "not proven in staging: edge-1 has nothing of it" in plan(stage, "v1").warnings
    deployed(stage, "v1", environment="staging")
    assert not any("proven" in said for said in plan(stage, "v1").warnings)
    assert "not proven in staging, where v1 (111111111111) runs" in plan(stage, "v2").warnings


def test_it_is_warned_of_a_disk_that_is_too_small() -> None:
    stage = Stage()
    stage.containers.free["edge-3"] = 2000
    assert any(
        said.startswith("edge-3 has 2") and "the image may take" in said
        for said in plan(stage, "v1").warnings
    )


def test_it_is_warned_of_different_versions_and_of_what_others_have_set_aside() -> None:
    stage = Stage()
    deployed(stage, "v1")
    stage.change_service(places=API.places | {"prod": Place("prod", ("edge-2",))})
    found = plan(stage, "v2", request="half")
    stage.take(found.model_copy(update={"closing": ()}), "half")
    stage.change_service(places=API.places)
    warnings = plan(stage, "v3").warnings
    assert "`api-1-before-half` on edge-2 was left by request half and is removed at the end" in warnings
    assert any(said.startswith("different versions run now: edge-2 v2") for said in warnings)


def test_it_is_warned_of_another_version_that_somebody_else_brought() -> None:
    stage = Stage()
    theirs = VersionParams(name="api", version="v1", environment="prod")
    stage.take(plan_deploy(theirs, stage.reader("theirs", "ops-2")), "theirs")
    mine = VersionParams(name="api", version="v2", environment="prod")
    (said,) = [said for said in plan_deploy(mine, stage.reader("mine", "ops-1")).warnings if "ops-2" in said]
    said, _, made = said.rpartition(", ")
    assert said == "v1 (111111111111) on edge-2, edge-3, edge-4 is of ops-2: request theirs"
    assert re.fullmatch(r"[-0-9]{10} [:0-9]{5} UTC", made)
    for actor, params in (("ops-2", mine), ("ops-1", theirs)):
        stage.containers.change("edge-3", stage.on("edge-3")["api-1"].id, health="unhealthy")
        warnings = plan_deploy(params, stage.reader("again", actor)).warnings
        assert not any("theirs" in said for said in warnings)


def test_what_others_have_left_is_cleaned_up_even_where_nothing_else_is_to_be_done() -> None:
    stage = Stage()
    deployed(stage, "v1")
    left = dict(stage.on("edge-3")["api-1"].labels)
    stage.containers.run("edge-3", "api-1-before-half", labels=left)
    found = plan(stage, "v1")
    assert texts(found.steps) == ["roll edge-3", "clean edge-3"]
    assert "api-1-before-half" in found.steps[0].facts
    assert [target.name for target in found.touches] == ["api-1-before-half"]
    old = stage.on("edge-3")["api-1"].id
    stage.take(found)
    assert {name: row.id for name, row in stage.on("edge-3").items()} == {"api-1": old}


def test_what_is_not_allowed_or_not_there_is_refused() -> None:
    stage = Stage()
    with pytest.raises(TargetNotFoundError, match="Did you mean"):
        plan(stage, "v9")
    with pytest.raises(TargetNotFoundError, match="service `web`"):
        plan_deploy(VersionParams(name="web", version="v1", environment="prod"), stage.reader())
    with pytest.raises(UserError, match="no environment `test`"):
        plan(stage, "v1", "test")
    stage.change_service(image=ImageName.parse("registry.evil/team/api:v1"))
    with pytest.raises(ImageNotAllowedError):
        plan(stage, "v1")


def test_somebody_elses_container_is_not_touched() -> None:
    stage = Stage()
    stage.containers.run("edge-3", "api-1")
    with pytest.raises(NameTakenError, match="`api-1` is taken on edge-3"):
        plan(stage, "v1")


def test_the_same_service_of_another_environment_is_somebody_elses() -> None:
    stage = Stage()
    deployed(stage, "v1", environment="staging")
    stage.change_service(places={"prod": Place("prod", ("edge-1",))})
    with pytest.raises(NameTakenError):
        plan(stage, "v1")


def test_an_engine_that_is_away_is_told() -> None:
    stage = Stage()
    stage.containers.away["edge-3"] = "connection refused"
    with pytest.raises(BackendUnavailableError, match="edge-3"):
        plan(stage, "v1")


def test_an_engine_of_another_pool_is_told() -> None:
    stage = Stage()
    stage.change_service(places={"prod": Place("prod", ("elsewhere-1",))})
    with pytest.raises(UserError, match="--pool"):
        plan(stage, "v1")


def test_powers_need_a_rule() -> None:
    stage = Stage()
    stage.change_service(volumes=("/srv/data:/data", "cache:/cache"), networks=("host",))
    stage.containers.allowances = AllowedByFile((Powers(name="nets", images=("*",), may=("net=host",)),))
    for site in ("edge-2", "edge-3", "edge-4"):
        stage.containers.hold_network(site, "host")
    with pytest.raises(NotListedError, match="bind=/srv/data:/data"):
        plan(stage, "v1")
    rule = Powers(name="data", images=(f"{IMAGE}*",), may=("net=host", "bind=/srv/*"))
    stage.containers.allowances = AllowedByFile((rule,))
    assert "it gets `bind=/srv/data:/data` of its host (rule: data)" in plan(stage, "v1").warnings


def test_a_network_that_is_missing_is_told_with_the_way_out() -> None:
    stage = Stage()
    stage.change_service(networks=("back",))
    stage.containers.hold_network("edge-2", "back")
    with pytest.raises(UserError, match=r"edge-3 has no network `back`.*docker network create back"):
        plan(stage, "v1")


def test_an_external_volume_that_is_missing_is_told_with_the_way_out() -> None:
    stage = Stage()
    stage.change_service(volumes=("db:/var/lib/api", "cache:/cache"), external_volumes=("db",))
    stage.containers.hold_volume("edge-2", "db")
    with pytest.raises(UserError, match=r"edge-3 has no volume `db`.*docker volume create db"):
        plan(stage, "v1")
    for site in ("edge-3", "edge-4"):
        stage.containers.hold_volume(site, "db")
    plan(stage, "v1")


def test_a_check_that_cannot_be_asked_is_refused_with_the_way_out() -> None:
    stage = Stage()
    stage.change_service(checks=(Check("/ready", 8080),))
    plan(stage, "v1")
    stage.containers.far.add("edge-4")
    with pytest.raises(UserError, match=r"`/ready` .*8080.*`edge-4`.*Publish"):
        plan(stage, "v1")
    for reached in ({"ports": ("18080:8080",)}, {"networks": ("host",)}):
        stage.change_service(ports=(), networks=())
        stage.change_service(**reached)
        stage.containers.allowances = AllowedByFile((Powers(name="nets", images=("*",), may=("net=host",)),))
        for site in ("edge-2", "edge-3", "edge-4"):
            stage.containers.hold_network(site, "host")
        plan(stage, "v1")


# --- the other commands ---------------------------------------------------------------------------------


def test_a_plan_can_be_looked_at() -> None:
    stage = Stage()
    params = VersionParams(name="api", version="v1", environment="prod")
    found = find_engines(params, stage.reader())
    assert [target.key for target, _ in found.rows] == [f"service:edge-{n}/api" for n in (2, 3, 4)]
    outcome = show_plan(params, stage.reader(), found)
    assert outcome.summary == "`api` v1 to prod would take 9 steps in 4 batches."
    deployed(stage, "v1")
    assert show_plan(params, stage.reader(), found).summary.startswith("No change: ")


def rolled_back(stage: Stage, to: str = "") -> Plan:
    return plan_rollback(RollbackParams(name="api", environment="prod", to=to), stage.reader("back"))


def test_a_rollback_goes_to_the_last_version_that_was_healthy_and_on_from_there() -> None:
    stage = Stage()
    deployed(stage, "v1", "v2", "v3")
    for expected in ("v2", "v1"):
        found = rolled_back(stage)
        stage.take(found, f"back{expected}")
        assert {stage.version_on(f"edge-{number}") for number in (2, 3, 4)} == {expected}
    with pytest.raises(UserError, match="no version in prod that was healthy before"):
        rolled_back(stage)


def test_a_rollback_skips_what_was_not_healthy() -> None:
    stage = Stage()
    deployed(stage, "v1", "v2")
    for number in (2, 3, 4):
        stage.containers.change(f"edge-{number}", stage.on(f"edge-{number}")["api-1"].id, health="unhealthy")
    stage.take(plan(stage, "v3", request="third"), "third")
    assert rolled_back(stage).steps[0].facts["digest"] == V1


def test_a_rollback_may_name_its_version_and_has_rules_of_its_own() -> None:
    stage = Stage()
    deployed(stage, "v1", "v2", "v3")
    stage.change_service(rollback=Rollout(parallelism=0, failure_action="continue", monitor=0))
    found = rolled_back(stage, "v1")
    assert found.steps[0].facts["digest"] == V1
    assert (found.on_failure, len(found.batches)) == (OnFailure.GO_ON, 1)
    with pytest.raises(UserError, match="it was as `v2`, `v1`"):
        rolled_back(stage, "v7")


def test_a_rollback_needs_no_registry_where_the_image_is_still_there() -> None:
    stage = Stage()
    deployed(stage, "v1", "v2")
    stage.registry.away = "connection refused"
    assert rolled_back(stage).steps[0].facts["digest"] == V1
    stage.registry.allow = ()
    with pytest.raises(ImageNotAllowedError):
        rolled_back(stage)


def promoted(stage: Stage) -> Plan:
    return plan_promote(PromoteParams(name="api", environment="prod"), stage.reader("up"))


def test_what_is_proven_is_promoted_by_its_digest() -> None:
    stage = Stage()
    deployed(stage, "v1", environment="staging")
    stage.registry.hold(f"{IMAGE}:v1", V2)  # the tag has moved on since
    stage.registry.hold(f"{IMAGE}:old", V1)
    assert promoted(stage).steps[0].facts["digest"] == V1


def test_what_is_not_proven_is_not_promoted() -> None:
    stage = Stage()
    with pytest.raises(UserError, match="not proven in staging: edge-1 has nothing of it"):
        promoted(stage)
    deployed(stage, "v1", environment="staging")
    stage.containers.change("edge-1", stage.on("edge-1")["api-1"].id, health="unhealthy")
    with pytest.raises(UserError, match="not proven in staging: `api-1` on edge-1 is unhealthy"):
        promoted(stage)
    stage.change_service(places={"prod": Place("prod", ("edge-2",))})
    with pytest.raises(UserError, match="--from ENVIRONMENT"):
        promoted(stage)


def test_it_is_warned_of_an_environment_that_a_promotion_skips() -> None:
    stage = Stage()
    dev, staging = Place("dev", ("edge-4",)), Place("staging", ("edge-1",), after="dev")
    stage.change_service(
        places={"dev": dev, "staging": staging, "prod": Place("prod", ("edge-2",), "staging")}
    )
    deployed(stage, "v1", environment="dev")
    params = PromoteParams(name="api", environment="prod", from_="dev")
    found = plan_promote(params, stage.reader("up"))
    assert "not proven in staging: edge-1 has nothing of it" in found.warnings
    deployed(stage, "v1", environment="staging")
    assert not any("proven" in said for said in plan_promote(params, stage.reader("up")).warnings)
    assert not any("proven" in said for said in promoted(stage).warnings)


def test_scaling_adds_and_takes_away_and_leaves_the_rest_alone() -> None:
    stage = Stage()
    deployed(stage, "v1")
    old = stage.on("edge-2")["api-1"].id
    found = plan_scale(ScaleParams(name="api", environment="prod", replicas="3"), stage.reader("s1"))
    assert "the next deployment goes back to the 1 of its file" in found.warnings
    stage.take(found, "s1")
    assert sorted(stage.on("edge-2")) == ["api-1", "api-2", "api-3"]
    assert stage.on("edge-2")["api-1"].id == old
    stage.take(plan(stage, "v1", request="s2"), "s2")
    assert sorted(stage.on("edge-2")) == ["api-1"]


def test_a_restart_makes_all_anew_with_the_same_version() -> None:
    stage = Stage()
    deployed(stage, "v1", "v2")
    old = stage.on("edge-2")["api-1"].id
    found = plan_restart(PlaceParams(name="api", environment="prod"), stage.reader("again"))
    assert not any(step.action == "pull" for step in found.steps)
    stage.take(found, "again")
    new = stage.on("edge-2")["api-1"]
    assert (new.id == old, new.labels["andock.version"]) == (False, "v2")
    assert new.labels["andock.healthy"] == f"v1@{V1}"


def test_what_runs_nowhere_is_not_restarted() -> None:
    with pytest.raises(UserError, match="runs nowhere in prod; deploy it first"):
        plan_restart(PlaceParams(name="api", environment="prod"), Stage().reader())
