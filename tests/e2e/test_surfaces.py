"""The same grammar by slash command, mention, direct message and button; who sees what; what asks back."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from sandbox.installation import Installation
from sandbox.slack.client import Refused
from tests.e2e.conftest import END, Chat
from tests.e2e.test_crashes import until


@pytest.fixture
def vm(installation: Installation) -> str:
    name = f"web-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(name, folder="dev", power_on=True)
    return name


def power(installation: Installation, vm: str) -> str:
    return installation.vcenter.control.vm(vm).power


def test_a_mention_is_answered_in_its_thread(installation: Installation, chat: Chat, vm: str) -> None:
    asked = installation.slack.type("U0OPS1", "C0OPS", f"<@U0ANDOCK> vm off {vm}")

    answer = installation.slack.wait("C0OPS", thread_ts=asked.ts, author="app", regex=END)

    assert f"`{vm}` is off" in answer.spoken
    assert power(installation, vm) == "poweredOff"


def test_a_direct_message_works_and_its_change_is_also_told_in_the_environments_channel(
    installation: Installation, chat: Chat, vm: str
) -> None:
    answer = chat.ask(f"vm off {vm}", channel="D0OPS1")

    assert f"`{vm}` is off" in answer.spoken
    told = installation.slack.wait("C0OPS", author="app", regex=f"Done.*vm off {vm}")
    assert not told.ephemeral


def test_what_slack_does_to_typed_text_is_undone(installation: Installation, chat: Chat, vm: str) -> None:
    chat.ask(f"/vm off\u00a0\u201c{vm}\u201d \u2014yes")

    assert power(installation, vm) == "poweredOff"


def test_a_typo_gets_a_suggestion_and_never_runs(installation: Installation, chat: Chat, vm: str) -> None:
    said = chat.say(f"/vm retsart {vm}")

    assert "Did you mean `vm restart`" in said
    assert installation.vcenter.control.vm(vm).effects.get("guestReboot") is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/vm off", "Say which VMs: names, a pattern"),
        ("/vm off x --hrad", "has no option `--hrad`. A name that begins"),
        ("/vm shutdown x --hrad-after 5m", "Did you mean `--hard-after`?"),
        ("/vm list --site labb", "Did you mean `lab`"),
        ("/vm off x --site labb", "Did you mean `lab`"),
        ("/andock frobnicate", "There is no operation"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_way_out(chat: Chat, typed: str, said: str) -> None:
    answer = chat.say(typed)

    assert said in answer
    assert "\nUsage: `" in answer


def test_an_unknown_name_is_told_to_the_asker_alone_with_the_nearest(chat: Chat, vm: str) -> None:
    answer = chat.ask(f"/vm off {vm}x")

    assert answer.ephemeral
    assert f"Did you mean `{vm}`" in answer.spoken
    assert "Usage: `vm off" in answer.spoken


def test_reads_are_seen_by_the_asker_alone_unless_shared(
    installation: Installation, chat: Chat, vm: str
) -> None:
    assert chat.ask(f"/vm info {vm}").ephemeral

    shared = chat.ask(f"/vm info {vm} --share")
    assert not shared.ephemeral
    assert any(message.ts == shared.ts for message in installation.slack.messages("C0OPS", "U0LEAD1"))


def test_an_ambiguous_name_is_refused_with_candidates_that_can_be_typed_back(
    installation: Installation, chat: Chat
) -> None:
    name = f"twin-{secrets.token_hex(3)}"
    for folder in ("dev", "stage"):
        installation.vcenter.control.create_vm(name, folder=folder, power_on=True)

    said = chat.ask(f"/vm off {name}").spoken
    candidates = [line.strip("• `") for line in said.splitlines() if line.startswith("•")]

    assert len(candidates) == 2
    assert {vm.power for vm in installation.vcenter.control.vms(name)} == {"poweredOn"}
    chat.ask(f"/vm off {candidates[0]} --yes")
    assert sorted(vm.power for vm in installation.vcenter.control.vms(name)) == ["poweredOff", "poweredOn"]


def test_several_targets_show_the_plan_and_only_the_asker_may_go_ahead(
    installation: Installation, chat: Chat, vm: str
) -> None:
    slack = installation.slack
    plan = chat.ask(f"/vm off {vm} web-02")
    assert "Waits for your Go ahead" in plan.spoken
    assert power(installation, vm) == "poweredOn"

    slack.click("U0LEAD1", plan, "Go ahead")
    slack.wait("C0OPS", "U0LEAD1", ephemeral=True, contains="only ops-1, who asked, can say that")
    assert power(installation, vm) == "poweredOn"

    slack.click("U0OPS1", plan, "Go ahead")
    done = slack.wait("C0OPS", ts=plan.ts, regex=r"\*Done\*")
    assert "2 of 2 done" in done.spoken
    assert not done.buttons
    assert power(installation, vm) == "poweredOff"
    chat.ask("/vm on web-02")


def test_cancel_ends_it_with_nothing_done(installation: Installation, chat: Chat, vm: str) -> None:
    plan = chat.ask(f"/vm off {vm} web-03")

    installation.slack.click("U0OPS1", plan, "Cancel")

    ended = installation.slack.wait("C0OPS", ts=plan.ts, regex=r"\*Cancelled\*")
    assert "nothing" in ended.spoken
    assert power(installation, vm) == "poweredOn"


def test_yes_needs_no_go_ahead(installation: Installation, chat: Chat, vm: str) -> None:
    other = f"web-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(other, folder="dev", power_on=True)

    assert "2 of 2 done" in chat.ask(f"/vm off {vm} {other} --yes").spoken


def test_on_the_host_as_json_a_plan_that_needs_a_go_ahead_is_one_object_with_its_steps(
    installation: Installation, vm: str
) -> None:
    code, said, _ = installation.run(f"vm off {vm} web-02", "--json", "--as", "U0OPS1", "--channel", "C0OPS")

    refused = json.loads(said)
    assert code == 1
    assert refused["state"] == "refused"
    assert refused["result"]["code"] == "needs_go_ahead"
    assert any(vm in step for step in refused["steps"])
    assert power(installation, vm) == "poweredOn"


def test_on_the_host_as_json_what_is_answered_at_once_is_an_object_too(installation: Installation) -> None:
    code, said, _ = installation.run("can-i halt", "--json", "--as", "U0OPS1", "--channel", "C0OPS")

    assert code == 0
    assert json.loads(said)["result"]["outcome"]["summary"].startswith("Yes")


def test_a_rule_may_ask_for_a_look_at_the_plan_of_a_single_target(
    installation: Installation, chat: Chat
) -> None:
    plan = chat.ask("/vm restart prod-web-1", user="U0LEAD1", channel="C0PROD")

    assert "Waits for your Go ahead" in plan.spoken
    installation.slack.click("U0LEAD1", plan, "Go ahead")
    installation.slack.wait("C0PROD", ts=plan.ts, regex=r"\*Done\*")


def test_a_change_where_the_bot_cannot_post_is_refused(
    installation: Installation, chat: Chat, vm: str
) -> None:
    assert "invite me" in chat.say(f"/vm off {vm}", channel="C0LAB")
    assert power(installation, vm) == "poweredOn"


def test_a_read_where_the_bot_is_no_member_is_answered_by_direct_message(
    installation: Installation, vm: str
) -> None:
    after = f"{time.time():.6f}"
    installation.slack.type("U0OPS1", "C0LAB", f"/vm info {vm}")

    assert vm in installation.slack.wait("D0OPS1", "U0OPS1", after_ts=after, regex=r"\*Done\*").spoken


@pytest.mark.parametrize("user", ["U0GUEST1", "U0BOT1", "U0GONE1", "U0STRANGER1"])
def test_guests_bots_and_strangers_never_act(
    installation: Installation, chat: Chat, vm: str, user: str
) -> None:
    try:
        installation.slack.type(user, "C0OPS", f"/vm off {vm}", force=True)
        installation.slack.type(user, "C0OPS", f"<@U0ANDOCK> vm off {vm}", force=True)
    except Refused as refused:
        pytest.fail(str(refused))
    chat.ask("/vm list")  # what came before this has been dealt with

    assert power(installation, vm) == "poweredOn"


def test_an_edited_message_never_acts(installation: Installation, chat: Chat, vm: str) -> None:
    slack = installation.slack
    slack.type("U0OPS1", "C0OPS", "nothing of interest")
    typed = next(m for m in reversed(slack.messages("C0OPS")) if m.user == "U0OPS1")
    slack.edit("U0OPS1", typed, f"<@U0ANDOCK> vm off {vm}")
    chat.ask("/vm list")

    assert power(installation, vm) == "poweredOn"


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two bots, reached over signed HTTP."""
    state = tmp_path_factory.mktemp("twins")
    with Installation.start(state, own_engine=True, http_mode=True, bots=2, workers=("vsphere",)) as running:
        running.slack.set_limits(enabled=False)
        yield running


def test_the_same_request_delivered_five_times_to_two_bots_is_done_once_and_answered_once(
    twins: Installation,
) -> None:
    slack, name = twins.slack, "web-01"
    before = twins.vcenter.control.vm(name).effects.get("reset", 0)
    first = slack.type("U0OPS1", "C0OPS", f"/vm reset {name}")
    urls = [f"{url}/slack/events" for url in twins.andock.bot_urls]

    for url in (urls * 3)[:5]:
        slack.post(delivery_id=first.id, url=url)
    slack.wait("C0OPS", regex=rf"\*Done\*.*vm reset {name}")
    asked = Chat(slack).ask("/andock request list").spoken

    assert asked.count(f"vm reset {name}") == 1
    answers = [
        m
        for m in slack.messages("C0OPS", "*")
        if f"vm reset {name}" in m.text and m.user == "U0ANDOCK" and not m.ephemeral
    ]
    assert len(answers) == 1
    assert twins.vcenter.control.vm(name).effects.get("reset", 0) == before + 1


def test_http_and_socket_mode_speak_the_same(twins: Installation) -> None:
    chat = Chat(twins.slack)
    assert "web-01" in chat.ask("/vm list").spoken

    asked = chat.ask("/vm suspend web-01 web-02")
    twins.slack.click("U0OPS1", asked, "Cancel")
    twins.slack.wait("C0OPS", ts=asked.ts, regex=r"\*Cancelled\*")
    assert twins.vcenter.control.vm("web-01").power == "poweredOn"


def test_a_bot_that_lost_its_socket_says_that_it_is_not_ready(installation: Installation) -> None:
    slack = installation.slack
    slack.disturb("link_disabled")
    try:
        until(lambda: ask_ready(installation) == (503, ["slack: no socket"]), 20)
    finally:
        slack.disturb("link_enabled")
    until(lambda: ask_ready(installation) == (200, []), 30)


def ask_ready(installation: Installation) -> tuple[int, list[str]]:
    bot = HTTPConnection(urlsplit(installation.andock.bot_urls[0]).netloc, timeout=10)
    bot.request("GET", "/readyz")
    answer = bot.getresponse()
    return answer.status, json.loads(answer.read())["faults"]
