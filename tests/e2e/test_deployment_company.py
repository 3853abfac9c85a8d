"""A deployment and what else happens meanwhile: locks, freezes, other changes, parts that die or restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.conftest import Chat
from tests.e2e.endings import CHANGES, begin, compare, end, look, told
from tests.e2e.service_lab import NEW, OLD, Lab, everywhere, lab_with_a_service
from tests.e2e.test_crashes import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

POLICY = """
groups:
  ops: {users: [U0OPS1, U0OPS2]}
  leads: {users: [U0LEAD1, U0LEAD2]}
rules:
  - {name: a lead agrees, allow: ["service deploy"], channels: [C0PROD], to: [ops],
     approvals: {count: 1, from: [leads], within: 15m}}
  - {name: ops do the rest at once, allow: ["*"], to: [ops]}
"""
RENAME, CREATE, START = 1, 2, 3  # how many changes of an engine come before


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_with_a_service(tmp_path_factory.mktemp("lab"), policy=POLICY) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _old_everywhere(lab: Lab) -> Iterator[None]:
    assert lab.runs() == everywhere(OLD)
    yield
    lab.put_right()


@pytest.fixture
def chat(lab: Lab) -> Chat:
    return Chat(lab.installation.slack)


@pytest.mark.parametrize("scope", ["prod", "api"])
def test_a_lock_of_somebody_else_refuses_it_or_lets_it_wait(lab: Lab, chat: Chat, scope: str) -> None:
    old = look(lab)
    chat.ask(f"/andock lock take {scope} --for 1h --reason 'moving racks'", user="U0OPS2")
    try:
        refused = chat.ask(f"/deploy api {NEW} to prod --yes").spoken
        assert "is locked by ops-2 until" in refused
        assert "moving racks" in refused
        waiting = chat.ask(f"/deploy api {NEW} to prod --yes --wait", until="Waits for its turn")
        assert f"the lock of ops-2 on `{scope}` until" in waiting.spoken
        assert look(lab) == old
    finally:
        chat.ask(f"/andock lock release {scope}", user="U0OPS2")
    ended = lab.installation.slack.wait("C0OPS", "U0OPS1", ts=waiting.ts, regex="Done|Failed", timeout=60)
    assert set(compare(lab, ended, old).values()) == {"healthy"}


def test_a_restart_of_one_of_its_containers_waits_for_its_end(lab: Lab, chat: Chat) -> None:
    old = look(lab)
    held = lab.gate("edge-2").hold(CHANGES, skip=CREATE)
    asked = begin(lab)
    held.wait_met(60)
    waiting = chat.ask("/container restart edge-3/api-1 --yes", until="Waits for its turn")
    request = end(lab, asked, until=".").payload["request"]
    assert f"Request `{request}` is changing the target" in waiting.spoken
    assert look(lab)["edge-3"] == old["edge-3"]
    held.release()
    compare(lab, end(lab, asked), old)
    lab.installation.slack.wait("C0OPS", "U0OPS1", ts=waiting.ts, regex=r"\*(Done|Failed)", timeout=60)
    until(lambda: all(one.is_settled for one in look(lab)["edge-3"]))
    assert lab.runs() == everywhere(NEW)


def test_the_same_asked_twice_at_once_is_done_once(lab: Lab, chat: Chat) -> None:
    old = look(lab)
    held = lab.gate("edge-1").hold(CHANGES)
    first = begin(lab)
    held.wait_met(60)
    second = chat.ask(f"/deploy api {NEW} to prod --yes", until="Waits for its turn|Waiting|A worker takes")
    held.release()
    compare(lab, end(lab, first), old)
    now = look(lab)
    said = lab.installation.slack.wait("C0OPS", "U0OPS1", ts=second.ts, regex=r"[Nn]o change", timeout=60)
    assert "Changed: *nothing*" in said.spoken
    assert look(lab) == now


def test_what_was_approved_is_refused_when_another_version_came_in_meanwhile(lab: Lab, chat: Chat) -> None:
    asked = chat.ask(f"/deploy api {NEW} to prod", channel="C0PROD", until="Waits for approval")
    assert "Done" in lab.deploy("v1.2.0").spoken
    now = look(lab)
    slack = lab.installation.slack
    slack.click("U0LEAD1", asked, "Approve", confirm=True)
    said = slack.wait("C0PROD", "U0OPS1", ts=asked.ts, regex=r"\*(Failed|Done|Denied)", timeout=60).spoken
    assert OLD in said
    assert "v1.2.0" in said
    assert "Changed: *nothing*" in said
    assert look(lab) == now


def test_a_freeze_that_begins_while_it_waits_for_approval_refuses_it(lab: Lab, chat: Chat) -> None:
    old, slack = look(lab), lab.installation.slack
    asked = chat.ask(f"/deploy api {NEW} to prod", channel="C0PROD", until="Waits for approval")
    ends = datetime.now(UTC) + timedelta(hours=1)
    window = f"--until {ends:%Y-%m-%dT%H:%M} --environment prod --reason 'end of year'"
    chat.ask(f"/andock freeze add closing {window}")
    try:
        slack.click("U0LEAD1", asked, "Approve", confirm=True)
        said = slack.wait("C0PROD", "U0OPS1", ts=asked.ts, regex=r"\*(Failed|Done|Denied)", timeout=60).spoken
    finally:
        chat.ask("/andock freeze end closing")
    assert "`service deploy` is frozen in prod from " in said
    assert f"until {ends:%a %Y-%m-%d %H:%M} (UTC): end of year" in said
    assert look(lab) == old


def test_a_bot_that_is_killed_meanwhile_changes_nothing_about_it(lab: Lab, chat: Chat) -> None:
    old = look(lab)
    held = lab.gate("edge-2").hold(CHANGES, skip=START)
    asked = begin(lab)
    held.wait_met(60)
    lab.installation.kill("bot")
    try:
        held.release()
        ended = end(lab, asked)
        assert set(compare(lab, ended, old).values()) == {"healthy"}
    finally:
        lab.installation.restart("bot")
    before, slack = f"{time.time():.6f}", lab.installation.slack
    slack.click("U0OPS1", ended, "Status")
    slack.wait(
        "C0OPS", "U0OPS1", author="app", after_ts=before, regex=r"\*Done\* · `service status", timeout=30
    )


@pytest.mark.parametrize("site", ["edge-1", "edge-2"])
def test_an_engine_that_is_restarted_meanwhile_is_waited_for(lab: Lab, site: str) -> None:
    """One that is done, and one that is under way."""
    old = look(lab)
    held = lab.gate("edge-2").hold(CHANGES, skip=START)
    asked = begin(lab)
    held.wait_met(60)
    lab.installation.engines[site].restart()
    held.release()
    assert set(compare(lab, end(lab, asked), old).values()) == {"healthy"}


@pytest.mark.parametrize("gone", ["edge-1", "edge-2"])
def test_an_engine_that_is_away_when_a_change_fails_is_put_back_when_it_is_there_again(
    lab: Lab, gone: str
) -> None:
    """One that is done, and one that goes in the midst of its change."""
    old, engine = look(lab), lab.installation.engines[gone]
    held = lab.gate("edge-2").hold(CHANGES, skip=START)
    asked = begin(lab)
    held.wait_met(60)
    engine.kill()
    lab.gate("edge-2").refuse(f"{CHANGES}[0-9a-f]+/start")
    held.break_off()
    end(lab, asked, until="waiting for engine")
    engine.restart()
    ended = end(lab, asked)
    assert "*Rolled back*" in ended.spoken
    compare(lab, ended, old)


def test_a_redis_that_is_killed_and_comes_back_leaves_it_to_be_ended(lab: Lab) -> None:
    old = look(lab)
    held = lab.gate("edge-2").hold(CHANGES, skip=START)
    asked = begin(lab)
    held.wait_met(60)
    lab.installation.redis.kill()
    held.release()
    lab.installation.redis.restart()
    compare(lab, end(lab, asked, timeout=180), old)


def test_an_engine_that_is_gone_when_all_is_put_back_is_named_with_what_is_on_it(
    lab: Lab, chat: Chat
) -> None:
    """The first engine has the new version when it goes, and the second one refuses."""
    old = look(lab)
    lab.gate("edge-2").refuse("POST .*/containers/create", times=20)
    held = lab.gate("edge-2").hold(CHANGES)
    asked = begin(lab)
    held.wait_met(60)
    gone = lab.installation.engines["edge-1"]
    gone.kill()
    held.release()
    try:
        ended = end(lab, asked, timeout=180)
    finally:
        gone.restart()
    said = told(ended)
    assert said["edge-1"] == "not rolled back"
    assert "Not put back: Engine `edge-1` was not reached" in ended.spoken
    assert "Now edge-2, edge-3 run the old one, edge-1 must be looked at." in ended.spoken
    assert "Changed: *partly*" in ended.spoken
    now = look(lab)
    assert {site: now[site] for site in ("edge-2", "edge-3")} == {
        site: old[site] for site in ("edge-2", "edge-3")
    }
    assert NEW in chat.ask("/service status api in prod").spoken
