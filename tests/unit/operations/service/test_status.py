from __future__ import annotations

from andock.operation import Outcome
from andock.operations.service.deploying import plan_deploy
from andock.operations.service.difference import find_diff, show_diff
from andock.operations.service.params import VersionParams
from andock.operations.service.status import StatusParams, find_status, show_status
from tests.unit.operations.service.stage import Stage


def deploy(stage: Stage, version: str, environment: str) -> None:
    params = VersionParams(name="api", version=version, environment=environment)
    request = f"r{version}{environment}"
    stage.take(plan_deploy(params, stage.reader(request)), request)


def status(stage: Stage, environment: str = "") -> Outcome:
    params = StatusParams(name="api", environment=environment)
    return show_status(params, stage.reader(), find_status(params, stage.reader()))


def diff(stage: Stage, version: str) -> Outcome:
    params = VersionParams(name="api", version=version, environment="prod")
    return show_diff(params, stage.reader(), find_diff(params, stage.reader()))


def test_each_environment_is_summed_up() -> None:
    stage = Stage()
    assert status(stage).summary == "`api`: staging has nothing of it; prod has nothing of it."
    deploy(stage, "v2", "staging")
    deploy(stage, "v1", "prod")
    said = status(stage)
    assert said.summary == (
        "`api`: staging runs v2 (222222222222), healthy on 1 engine; "
        "prod runs v1 (111111111111), healthy on 3 engines."
    )
    assert said.table is not None
    assert said.table.rows[0][:6] == ("edge-1", "staging", "api-1", "v2", "222222222222", "running")
    assert len(said.table.rows) == 4


def test_policy_judges_each_engine() -> None:
    found = find_status(StatusParams(name="api", environment="prod"), Stage().reader())
    assert [(target.key, target.environment) for target, _ in found.rows] == [
        (f"service:edge-{number}/api", "prod") for number in (2, 3, 4)
    ]


def test_what_is_not_well_is_said() -> None:
    stage = Stage()
    deploy(stage, "v1", "prod")
    stage.containers.change("edge-3", stage.on("edge-3")["api-1"].id, health="unhealthy")
    assert status(stage, "prod").summary == "`api`: prod is not well, `api-1` on edge-3 is unhealthy."


def test_an_engine_that_is_away_is_said() -> None:
    stage = Stage()
    deploy(stage, "v1", "prod")
    stage.containers.away["edge-3"] = "connection refused"
    said = status(stage, "prod")
    assert said.summary == "`api`: prod is not known whole."
    assert said.notes == ("edge-3 not reached: connection refused",)
    assert said.table is not None
    assert said.table.rows[1] == ("edge-3", "prod", "", "not reached", "", "", "")


def test_a_difference_is_told_engine_by_engine() -> None:
    stage = Stage()
    deploy(stage, "v1", "prod")
    assert diff(stage, "v1").summary == "`api` v1 in prod: nothing differs from what runs."
    stage.change_service(replicas=2, networks=("back",), ports=("80:80",), environment={"MODE": "fast"})
    config = stage.services.held["api"].config
    said = diff(stage, "v2")
    assert said.table is not None
    rows = [row for row in said.table.rows if row[0] == "edge-2"]
    assert rows[0] == ("edge-2", "image", "v1 (111111111111)", "v2 (222222222222)")
    assert ("edge-2", "replicas", "1", "2") in rows
    assert ("edge-2", "networks", "", "back") in rows
    assert any(row[1] == "config" and row[3] == config for row in rows)
    assert ("edge-2", "ports", "not set", "set") in rows
    assert ("edge-2", "environment MODE", "not set", "set") in rows


def test_what_of_the_file_is_as_it_was_is_no_difference() -> None:
    stage = Stage()
    stage.change_service(environment={"MODE": "slow", "GONE": ""})
    deploy(stage, "v1", "prod")
    stage.change_service(environment={"MODE": "fast"})
    said = diff(stage, "v1")
    assert said.table is not None
    assert [row[1:] for row in said.table.rows if row[0] == "edge-2" and row[1] != "config"] == [
        ("environment MODE", "set", "set otherwise"),
        ("environment GONE", "set", "not set"),
    ]


def test_where_nothing_runs_that_is_the_difference() -> None:
    said = diff(Stage(), "v1")
    assert said.table is not None
    assert said.table.rows[0] == ("edge-2", "containers", "none", "1")
