from __future__ import annotations

from andock.operation import End, Phase, Plan
from andock.operations.service.deploying import plan_deploy
from andock.operations.service.params import VersionParams
from andock.operations.service.report import report
from tests.unit.operations.service.stage import V1, Stage

FAILURE = "`api-1` on edge-3 is unhealthy: no database.\nstarting\nno database"


def plan(stage: Stage | None = None) -> Plan:
    """Pulls 0 to 2, rolls 3 to 5, cleaning 6 to 8; on edge-2, edge-3 and edge-4 each."""
    params = VersionParams(name="api", version="v1", environment="prod")
    return plan_deploy(params, (stage or Stage()).reader())


def done(*numbers: int) -> dict[int, End]:
    return {number: End(Phase.DONE, f"step {number} is done") for number in numbers}


def undone(end: End, text: str = "v0 is back.") -> End:
    return End(end.phase, end.text, Phase.DONE, text)


def test_a_good_one_says_version_digest_and_how_to_go_back() -> None:
    said = report(plan(), done(*range(9)))
    assert said.summary == "`api` v1 (111111111111) is healthy in prod on 3 engines."
    assert said.fields[0] == ("Digest", V1)
    assert [offer.command for offer in said.offers] == [
        "service rollback api in prod",
        "service status api in prod",
    ]
    assert said.offers[0].danger
    assert said.table is not None
    assert [row[:2] for row in said.table.rows] == [(f"edge-{n}", "healthy") for n in (2, 3, 4)]


def test_one_that_failed_and_was_put_back_says_why_and_shows_the_last_lines() -> None:
    ends = done(0, 1, 2)
    ends[3] = undone(End(Phase.DONE, "v1 is healthy"), "v0 is back on edge-2.")
    ends[4] = undone(End(Phase.FAILED, FAILURE))
    said = report(plan(), ends)
    assert said.summary == (
        "`api` v1 (111111111111) is not out in prod: 2 rolled back, 1 pulled. "
        "All engines run what they ran before."
    )
    assert said.table is not None
    assert said.table.rows == (
        ("edge-2", "rolled back", "v0 is back on edge-2."),
        ("edge-3", "rolled back", "`api-1` on edge-3 is unhealthy: no database."),
        ("edge-4", "pulled", "step 2 is done"),
    )
    assert said.text == "edge-3:\nstarting\nno database"
    assert [offer.label for offer in said.offers] == ["Status"]


def test_two_versions_side_by_side_are_never_left_unsaid() -> None:
    ends = done(0, 1, 2, 3)
    ends[4] = undone(End(Phase.FAILED, FAILURE))
    assert report(plan(), ends).summary == (
        "`api` v1 (111111111111) is not out in prod: 1 healthy, 1 rolled back, 1 pulled. "
        "Now edge-2 runs the new version, edge-3, edge-4 run the old one."
    )


def rest() -> Plan:
    """Engine edge-3 has it already; rolls 0 and 1, cleaning 2 and 3."""
    stage = Stage()
    stage.take(plan(stage))
    for site in ("edge-2", "edge-4"):
        stage.containers.remove(site, stage.on(site)["api-1"].id, force=True, volumes=False)
    return plan(stage)


def test_an_engine_that_was_left_alone_is_one_that_runs_it() -> None:
    said = report(rest(), done(0, 1, 2, 3))
    assert said.summary == "`api` v1 (111111111111) is healthy in prod on 3 engines."
    assert said.table is not None
    assert said.table.rows == (
        ("edge-3", "healthy", "It had it already and was left alone."),
        ("edge-2", "healthy", "step 0 is done"),
        ("edge-4", "healthy", "step 1 is done"),
    )


def test_one_that_failed_beside_an_engine_that_was_left_alone_leaves_two_versions_and_says_so() -> None:
    ends = {0: undone(End(Phase.FAILED, FAILURE))}
    assert report(rest(), ends).summary == (
        "`api` v1 (111111111111) is not out in prod: 1 healthy, 1 rolled back, 1 pending. "
        "Now edge-3 runs the new version, edge-2, edge-4 run the old one."
    )


def test_what_could_not_be_put_back_must_be_looked_at() -> None:
    ends = done(0, 1, 2)
    ends[3] = End(
        Phase.FAILED, "Engine `edge-2` went away.", Phase.FAILED, "Engine `edge-2` was not reached."
    )
    said = report(plan(), ends)
    assert said.summary.endswith(
        "1 not rolled back, 2 pulled. Now edge-3, edge-4 run the old one, edge-2 must be looked at."
    )
    assert said.table is not None
    assert said.table.rows[0] == ("edge-2", "not rolled back", "Engine `edge-2` was not reached.")


def test_a_pull_that_failed_is_told() -> None:
    ends = {**done(0, 2), 1: End(Phase.FAILED, "Engine `edge-3` refused: no space left on device.")}
    said = report(plan(), ends)
    assert said.summary == (
        "`api` v1 (111111111111) is not out in prod: 2 pulled, 1 pull failed. "
        "All engines run what they ran before."
    )


def test_one_that_never_began_is_pending() -> None:
    assert "3 pending" in report(plan(), {}).summary


def test_what_was_not_cleaned_up_is_noted() -> None:
    ends = {**done(*range(8)), 8: End(Phase.FAILED, "Engine `edge-4` was not reached.")}
    said = report(plan(), ends)
    assert said.summary.startswith("`api` v1 (111111111111) is healthy in prod")
    assert "edge-4: Engine `edge-4` was not reached." in said.notes
