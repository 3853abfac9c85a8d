from __future__ import annotations

from datetime import UTC, datetime

import pytest

from andock.errors import BackendUnavailableError
from andock.operation import Outcome
from andock.operations.service.deploying import plan_deploy
from andock.operations.service.params import VersionParams
from andock.operations.service.versions import VersionsParams, find_versions, show_versions
from tests.unit.operations.service.stage import IMAGE, V1, V2, Stage


def versions(stage: Stage, limit: int = 15) -> Outcome:
    params = VersionsParams(name="api", limit=limit)
    return show_versions(params, stage.reader(), find_versions(params, stage.reader()))


def deploy(stage: Stage, version: str, environment: str) -> None:
    params = VersionParams(name="api", version=version, environment=environment)
    request = f"r{version}{environment}"
    stage.take(plan_deploy(params, stage.reader(request)), request)


def test_the_newest_comes_first_with_its_date_and_where_it_runs() -> None:
    stage = Stage()
    stage.registry.made = {
        V1: datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        V2: datetime(2026, 11, 23, tzinfo=UTC),
    }
    deploy(stage, "v2", "staging")
    deploy(stage, "v1", "prod")

    said = versions(stage)

    assert said.summary == f"`api`: versions of `{IMAGE}`, newest first."
    assert said.table is not None
    assert said.table.rows == (
        ("v2", "2026-11-23 00:00", "222222222222", "staging"),
        ("v1", "2026-11-20 09:30", "111111111111", "prod"),
        ("v3", "", "333333333333", ""),
    )
    assert said.offers[0].command == "service deploy api"


def test_a_tag_that_was_moved_no_longer_runs_where_it_was_deployed() -> None:
    stage = Stage()
    deploy(stage, "v2", "staging")
    stage.registry.hold(f"{IMAGE}:latest", V2)
    stage.registry.hold(f"{IMAGE}:v2", "sha256:" + "4" * 64)
    said = versions(stage)
    assert said.table is not None
    assert {row[0]: row[3] for row in said.table.rows} == {"latest": "staging", "v1": "", "v2": "", "v3": ""}


def test_what_is_not_shown_or_not_known_is_said() -> None:
    stage = Stage()
    for number in range(60):
        stage.registry.hold(f"{IMAGE}:v9.{number:02}", V1)
    stage.registry.silent = {"v9.58"}
    said = versions(stage, limit=2)
    assert said.summary == f"`api`: versions of `{IMAGE}`, the 2 newest of 63."
    assert said.notes == (
        "Only the 50 highest of 63 tags were asked for; any can be deployed.",
        "Of 1 tag the registry said nothing in time.",
    )


def test_an_engine_that_is_away_is_noted_and_a_registry_that_is_away_refuses() -> None:
    stage = Stage()
    stage.containers.away["edge-3"] = "connection refused"
    assert versions(stage).notes == ("edge-3 not reached: connection refused",)
    stage.registry.away = "connection refused"
    with pytest.raises(BackendUnavailableError):
        versions(stage)
