"""People's word in a deployment: go on or roll back, cancel, and what is told and offered at its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.slack.reports import Message
from tests.e2e.conftest import Chat
from tests.e2e.endings import CHANGES, UNTOUCHED, begin, compare, end, kill_worker, look, request_of
from tests.e2e.service_lab import END, NEW, OLD, Lab, everywhere, lab_with_a_service
from tests.e2e.test_deployment_failures import heal, make_sick

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
POLICY = """
groups:
  ops: {users: [U0OPS1, U0OPS2]}
  leads: {users: [U0LEAD1, U0LEAD2]}
rules:
  - {name: two leads agree, allow: ["service deploy"], channels: [C0PROD], to: [ops],
     approvals: {count: 2, from: [leads], within: 15m}}
  - {name: a lead agrees to the way back, allow: ["service rollback"], channels: [C0RELEASES], to: [ops],
     approvals: {count: 1, from: [leads], within: 15m}}
  - {name: ops do the rest at once, allow: ["*"], to: [ops]}
"""
UNSEEN = "v1.2.0"  # no engine has its image yet
STOPPED = r"\*Stopped halfway\*"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_with_a_service(tmp_path_factory.mktemp("lab"), policy=POLICY, workers=2) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _old_everywhere(lab: Lab) -> Iterator[None]:
    assert lab.runs() == everywhere(OLD)
    yield
    lab.put_right()


@pytest.fixture
def chat(lab: Lab) -> Chat:
    return Chat(lab.installation.slack)


@pytest.fixture
def sick(lab: Lab) -> Iterator[None]:
    """The new version is on the second engine, and somebody is asked then."""
    lab.describe(failure_action="pause")
    make_sick(lab.installation.engines["edge-2"], NEW)
    yield
    heal(lab.installation.engines["edge-2"])


def end_of(lab: Lab, message: Message) -> Message:
    return lab.installation.slack.wait(message.channel, "U0OPS1", ts=message.ts, regex=END, timeout=120)


@pytest.mark.usefixtures("sick")
def test_who_says_go_on_gets_the_rest_and_is_told_which_engine_is_behind(lab: Lab) -> None:
    old = look(lab)
    asked = end(lab, begin(lab), until=STOPPED)
    now = look(lab)
    assert "Put back: api on edge-2. Left as changed: api on edge-1." in asked.spoken
    assert (now["edge-2"], now["edge-3"]) == (old["edge-2"], old["edge-3"])
    assert any(one.version == NEW and one.is_settled for one in now["edge-1"])

    lab.installation.slack.click("U0LEAD1", asked, "Go on", confirm=True)  # policy lets no lead change it
    assert end(lab, asked.ts[:-1], until=STOPPED).ts == asked.ts
    lab.installation.slack.click("U0OPS1", asked, "Go on", confirm=True)
    ended = end_of(lab, asked)
    said = compare(lab, ended, old)
    assert said == {"edge-1": "healthy", "edge-2": "rolled back", "edge-3": "healthy"}
    assert "Now edge-1, edge-3 run the new version, edge-2 runs the old one." in ended.spoken
    assert "Failed halfway" in ended.spoken


@pytest.mark.usefixtures("sick")
@pytest.mark.parametrize("how", ["a button", "text"])
def test_who_says_roll_back_gets_the_old_version_everywhere(lab: Lab, chat: Chat, how: str) -> None:
    old = look(lab)
    asked = end(lab, begin(lab), until=STOPPED)
    if how == "text":
        chat.say(f"/andock request roll-back {asked.payload['request']} --reason 'errors in its log'")
    else:
        lab.installation.slack.click("U0OPS1", asked, "Roll back", confirm=True)
    ended = end_of(lab, asked)
    assert "*Rolled back*" in ended.spoken
    said = compare(lab, ended, old)
    assert (said["edge-1"], said["edge-2"]) == ("rolled back", "rolled back")
    assert said["edge-3"] in UNTOUCHED


def test_who_cancels_in_the_middle_gets_everything_put_back(lab: Lab) -> None:
    old, slack = look(lab), lab.installation.slack
    held = lab.gate("edge-2").hold(CHANGES, skip=3)
    asked = begin(lab)
    held.wait_met(60)
    running = end(lab, asked, until=r"\*Running\*")
    slack.click("U0OPS1", running, "Cancel", confirm=True)
    slack.wait("C0OPS", "U0OPS1", ts=running.ts, contains="asked to cancel", timeout=30)
    held.release()
    ended = end(lab, asked, until=r"\*(Cancelled|Rolled back)\*")
    assert "ops-1 asked to cancel" in ended.spoken
    said = compare(lab, ended, old)
    assert (said["edge-1"], said["edge-2"]) == ("rolled back", "rolled back")
    assert said["edge-3"] in UNTOUCHED


@pytest.mark.parametrize(
    ("word", "state"),
    [("Go on", "healthy"), ("Roll back", "rolled back")],
)
def test_after_an_interruption_of_more_than_ten_minutes_a_person_is_asked(
    lab: Lab, word: str, state: str
) -> None:
    old = look(lab)
    held = lab.gate("edge-2").hold(CHANGES, skip=3)
    before = begin(lab)
    request = request_of(lab, before)
    held.wait_met(60)
    kill_worker(lab, request, minutes=11)
    held.break_off()
    asked = end(lab, before, until=STOPPED)
    assert "Interrupted for 11 min." in asked.spoken
    standing = look(lab)
    assert standing["edge-3"] == old["edge-3"]
    lab.installation.slack.click("U0OPS1", asked, word, confirm=True)
    said = compare(lab, end_of(lab, asked), old)
    assert (said["edge-1"], said["edge-2"]) == (state, state)
    assert said["edge-3"] in ({"healthy"} if state == "healthy" else UNTOUCHED)


def agree(lab: Lab, chat: Chat, version: str) -> Message:
    """Ask for it where two leads must agree, let both, and wait for its end."""
    asked = chat.ask(f"/deploy api {version} to prod", channel="C0PROD", until="Waits for approval")
    for lead in ("U0LEAD1", "U0LEAD2"):
        asked = lab.installation.slack.wait("C0PROD", lead, ts=asked.ts, button="Approve")
        lab.installation.slack.click(lead, asked, "Approve", confirm=True)
    return end_of(lab, asked)


def test_the_end_is_announced_with_a_way_back_that_policy_judges(lab: Lab, chat: Chat) -> None:
    slack, old = lab.installation.slack, look(lab)
    ended = agree(lab, chat, NEW)
    said = slack.wait(
        "C0RELEASES", "U0OPS1", after_ts=ended.ts, contains=ended.payload["request"], timeout=30
    )
    assert compare(lab, said, old) == compare(lab, ended, old)
    assert "*Done*" in said.spoken
    assert re.search(r"sha256:[0-9a-f]{64}", said.spoken)
    assert re.search(r"took [\d.]+ (s|min)", said.spoken)
    assert "approved by @lead-1, @lead-2" in said.spoken

    now = look(lab)
    slack.click("U0LEAD1", said, "Roll back", confirm=True)  # policy lets leads agree, and not ask
    slack.wait("C0RELEASES", "U0LEAD1", ephemeral=True, contains="Not allowed", after_ts=said.ts, timeout=30)
    slack.click("U0OPS1", said, "Roll back", confirm=True)
    waits = slack.wait(
        "C0RELEASES", "U0OPS1", author="app", after_ts=said.ts, regex="Waits for approval", timeout=30
    )
    assert look(lab) == now
    slack.click("U0LEAD2", waits, "Approve", confirm=True)
    back = end_of(lab, waits)
    assert "*Done*" in back.spoken
    assert set(compare(lab, back, now, OLD).values()) == {"healthy"}


def test_the_message_shows_where_each_engine_is_while_it_runs(lab: Lab) -> None:
    old = look(lab)
    pull = lab.gate("edge-2").hold("POST .*/images/create")
    start = lab.gate("edge-2").hold("POST .*/containers/[0-9a-f]+/start")
    asked = begin(lab, UNSEEN)
    pull.wait_met(60)
    end(lab, asked, UNSEEN, until=r"on edge-1: pulled\n.* on edge-2: pulling\b.*\n.* on edge-3: pulled")
    pull.release()
    start.wait_met(60)
    end(lab, asked, UNSEEN, until=r"on edge-1: healthy\n.* on edge-2: starting\b.*\n.* on edge-3: pulled")
    start.release()
    assert set(compare(lab, end(lab, asked, UNSEEN), old, UNSEEN).values()) == {"healthy"}


def test_what_a_deployment_did_is_told_and_planned_scaled_and_restarted_from_there(
    lab: Lab, chat: Chat
) -> None:
    ended = agree(lab, chat, NEW)
    assert "*Done*" in ended.spoken
    history = chat.ask("/service history api in prod").spoken
    (row,) = [line for line in history.splitlines() if ended.payload["request"] in line]
    assert re.search(rf"ops-1 +service deploy api {NEW} to prod +lead-2, lead-1 +succeeded.* \d+ s ", row)

    assert "nothing differs from what runs" in chat.ask(f"/service diff api {NEW} to prod").spoken
    lab.describe(ports="18082-18083")
    diff = chat.ask(f"/service diff api {NEW} to prod").spoken
    assert set(re.findall(r"edge-1 +(\w+)", diff)) == {"config", "ports"}
    lab.describe()
    said = plan_against_a_freeze_and_a_lock(chat)
    assert f"on edge-1, edge-2, edge-3 is of ops-1: request {ended.payload['request']}, 20" in said

    now = look(lab)
    chat.ask("/service scale api in prod to 2", until=r"\*Done\*", timeout=120)
    scaled = look(lab)
    for name, found in scaled.items():
        assert {one.slot: one.version for one in found} == {"1": NEW, "2": NEW}
        assert all(one.is_settled for one in found)
        assert now[name][0] in found
    chat.ask("/service restart api in prod --yes", until=r"\*Done\*", timeout=120)
    for name, found in look(lab).items():
        assert {one.slot: one.version for one in found} == {"1": NEW, "2": NEW}
        assert all(one.is_settled for one in found)
        assert not {one.id for one in found} & {one.id for one in scaled[name]}


def plan_against_a_freeze_and_a_lock(chat: Chat) -> str:
    """What somebody else reads who types `service plan` then."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    chat.ask(f"/andock freeze add closing --until {ends:%Y-%m-%dT%H:%M} --environment prod --reason year")
    chat.ask("/andock lock take api --for 1h --reason 'looking into it'")
    try:
        said = chat.ask("/service plan api v1.2.0 to prod", user="U0OPS2").spoken
    finally:
        chat.ask("/andock freeze end closing")
        chat.ask("/andock lock release api")
    assert "`api` v1.2.0 to prod would take " in said
    assert "freeze closing (added by ops-1) is in force from " in said
    assert "the lock of ops-1 on `api` until " in said
    return said
