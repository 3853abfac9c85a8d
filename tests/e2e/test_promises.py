"""What always holds: one change at most, one message, private answers, own things safe, clean logs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from redis import Redis
from slack_sdk import WebClient

from sandbox.installation import Installation
from sandbox.slack.delivery import RETRY_DELAYS
from sandbox.slack.reports import Message
from sandbox.vcenter.control import Rule
from tests.e2e.conftest import Chat


@pytest.fixture
def vm(installation: Installation) -> Iterator[str]:
    """A VM of this test alone, on; afterwards vCenter and Slack behave again."""
    name = f"app-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(name, folder="dev", power_on=True)
    yield name
    installation.vcenter.control.set_rules([])
    installation.slack.clear_faults()
    installation.slack.set_retries(*RETRY_DELAYS)
    installation.slack.set_limits(enabled=False)


def effects(installation: Installation, vm: str) -> dict[str, int]:
    """What happened to the VM since it was made and powered on."""
    counts = dict(installation.vcenter.control.vm(vm).effects)
    return {name: count for name, count in counts.items() if name not in {"create", "powerOn"}}


def about(installation: Installation, command: str) -> list[Message]:
    """Andock's messages in the channel about one command."""
    return [m for m in installation.slack.messages("C0OPS", "*") if m.bot_id and command in m.spoken]


def keep_busy(installation: Installation, seconds: float) -> None:
    """The next power-off is a task that takes this long."""
    installation.vcenter.control.set_rules([Rule("PowerOffVM_Task", count=1, delay=seconds)])


# --- one message -----------------------------------------------------------------------------------------


def test_a_change_is_one_message_from_queued_to_its_end(
    installation: Installation, chat: Chat, vm: str
) -> None:
    keep_busy(installation, 3)

    said = chat.ask(f"/vm off {vm}", until=r"\*Done\*")

    assert [m.ts for m in about(installation, f"vm off {vm}")] == [said.ts]
    assert any("Running" in earlier for earlier in said.earlier)


def test_a_post_whose_answer_was_lost_is_not_repeated(
    installation: Installation, chat: Chat, vm: str
) -> None:
    keep_busy(installation, 2)
    installation.slack.fault("chat.postMessage", "drop", when="after")

    chat.ask(f"/vm off {vm}", until=r"\*Done\*")

    assert len(about(installation, f"vm off {vm}")) == 1


@pytest.mark.parametrize("kind", ["ratelimited", "http_error"])
def test_an_edit_that_slack_did_not_take_is_made_up_for(
    installation: Installation, chat: Chat, vm: str, kind: str
) -> None:
    keep_busy(installation, 2)
    installation.slack.fault("chat.update", kind, times=2)

    said = chat.ask(f"/vm off {vm}", until=r"\*Done\*")

    assert [m.ts for m in about(installation, f"vm off {vm}")] == [said.ts]


def test_a_message_that_somebody_deleted_is_posted_anew(
    installation: Installation, chat: Chat, vm: str
) -> None:
    keep_busy(installation, 3)
    running = chat.ask(f"/vm off {vm}", until=r"\*Running\*")

    slack = WebClient(token=installation.slack.bot_token, base_url=installation.slack.api_url)
    slack.chat_delete(channel="C0OPS", ts=running.ts)

    again = installation.slack.wait("C0OPS", contains=f"vm off {vm}", regex=r"\*Done\*", timeout=15)
    assert again.ts != running.ts


def test_within_slacks_real_rates_every_change_ends_in_its_right_state(
    installation: Installation, chat: Chat, vm: str
) -> None:
    others = [f"{vm}-{number}" for number in range(3)]
    for name in others:
        installation.vcenter.control.create_vm(name, folder="dev", power_on=True)
    installation.slack.set_limits(enabled=True)

    with ThreadPoolExecutor(4) as people:
        list(
            people.map(
                lambda name: installation.slack.type("U0OPS1", "C0OPS", f"/vm off {name}"), [vm, *others]
            )
        )

    for name in (vm, *others):
        installation.slack.wait("C0OPS", contains=f"vm off {name}`", regex=r"\*Done\*", timeout=30)


# --- one effect ------------------------------------------------------------------------------------------


def test_a_second_change_of_the_same_vm_waits_and_is_told_for_whom(
    installation: Installation, chat: Chat, vm: str
) -> None:
    keep_busy(installation, 3)
    first = chat.ask(f"/vm off {vm}", until=r"\*Running\*")
    request = str(first.payload["request"])

    waiting = chat.ask(f"/vm off {vm}", user="U0OPS2", until=f"(?is)waits for its turn.*{request}")

    assert waiting.ts != first.ts
    installation.slack.wait("C0OPS", ts=first.ts, regex=r"\*Done\*")
    installation.slack.wait("C0OPS", "U0OPS2", contains="must be", after_ts=first.ts, timeout=20)
    assert effects(installation, vm) == {"powerOff": 1}


def test_an_answer_that_vcenter_lost_is_looked_up_and_the_call_not_repeated(
    installation: Installation, chat: Chat, vm: str
) -> None:
    installation.vcenter.control.set_rules([Rule("ResetVM_Task", count=1, lose_answer=True)])

    said = chat.ask(f"/vm reset {vm}", until=r"\*(Done|Outcome unknown)\*")

    assert effects(installation, vm) == {"reset": 1}
    assert "vm reset" in said.spoken


def ensure_sessions(chat: Chat, vm: str) -> None:
    """A job that finds its worker's session dead flags it, and the worker logs in before the next one."""
    chat.ask(f"/vm info {vm}")
    chat.ask(f"/vm info {vm}")


def test_sessions_that_vcenter_has_ended_are_made_anew_for_a_read(
    installation: Installation, chat: Chat, vm: str
) -> None:
    ensure_sessions(chat, vm)
    assert installation.vcenter.control.expire_sessions() >= 1

    assert f"`{vm}` is on" in chat.ask(f"/vm info {vm}").spoken


def test_sessions_that_vcenter_has_ended_are_made_anew_for_a_change_that_is_done_once(
    installation: Installation, chat: Chat, vm: str
) -> None:
    ensure_sessions(chat, vm)
    assert installation.vcenter.control.expire_sessions() >= 1

    assert "is off" in chat.ask(f"/vm off {vm}").spoken
    assert effects(installation, vm) == {"powerOff": 1}


def test_a_session_that_ends_between_looking_and_changing_changes_at_most_once(
    installation: Installation, chat: Chat, vm: str
) -> None:
    rule = Rule("PowerOffVM_Task", count=1, fault="NotAuthenticated")
    installation.vcenter.control.set_rules([rule])

    said = chat.ask(f"/vm off {vm}").spoken

    off = installation.vcenter.control.vm(vm).power == "poweredOff"
    assert effects(installation, vm).get("powerOff", 0) == int(off)
    assert ("Done" in said) == off


# --- sockets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["refresh", "drop"])
def test_commands_typed_while_the_socket_changes_are_all_done_once(
    installation: Installation, vm: str, trouble: str
) -> None:
    names = [f"{vm}-{number}" for number in range(4)]
    for name in names:
        installation.vcenter.control.create_vm(name, folder="dev", power_on=True)
    mention = f"<@{installation.slack.bot_user}>"
    installation.slack.set_retries(0.0, 5.0, 10.0)  # Slack sends again after a minute what nobody took

    for number, name in enumerate(names):
        if number == 1:
            installation.slack.disturb(trouble)
        installation.slack.type("U0OPS1", "C0OPS", f"{mention} vm off {name}")

    for name in names:
        installation.slack.wait(
            "C0OPS", "*", contains=f"vm off {name}`", regex=r"\*Done\*", timeout=30, author="app"
        )
        assert effects(installation, name) == {"powerOff": 1}
    installation.slack.wait_sockets()


# --- private and protected -------------------------------------------------------------------------------


def test_a_private_request_is_kept_from_others_who_ask_for_it(
    installation: Installation, chat: Chat, vm: str
) -> None:
    chat.ask(f"/vm info {vm}")
    mine = chat.ask("/andock request list").spoken
    request = next(word.strip("`|") for line in mine.splitlines() if vm in line for word in line.split()[:2])

    assert f"vm info {vm}" not in chat.ask("/andock request list", user="U0LEAD1").spoken
    theirs = chat.ask(f"/andock request show {request}", user="U0LEAD1").spoken
    assert vm not in theirs.replace(request, "")


def test_a_container_of_andocks_own_is_refused_as_a_target(installation: Installation, chat: Chat) -> None:
    name = f"own-{secrets.token_hex(3)}"
    installation.engine.run_container(name, ["sleep", "600"], labels={"andock.role": "redis"})

    said = chat.ask(f"/container stop {name}").spoken

    assert "Andock itself runs on it" in said
    assert installation.engine.inspect(name).state == "running"


def test_a_denial_names_the_rule_and_nothing_happens(installation: Installation, chat: Chat) -> None:
    before = installation.vcenter.control.vm("prod-db-1")

    said = chat.ask("/vm reset prod-db-1").spoken

    assert "production databases are left alone (policy.yaml:" in said
    assert installation.vcenter.control.vm("prod-db-1").effects == before.effects


def test_of_several_targets_one_denial_refuses_all(installation: Installation, chat: Chat, vm: str) -> None:
    said = chat.ask(f"/vm off {vm} prod-db-1 --yes").spoken

    assert "production databases are left alone" in said
    assert effects(installation, vm) == {}


def test_a_cancel_of_a_plan_by_somebody_else_leaves_it(
    installation: Installation, chat: Chat, vm: str
) -> None:
    plan = chat.ask(f"/vm off {vm} web-02")

    installation.slack.click("U0OPS2", plan, "Cancel")
    installation.slack.wait("C0OPS", "U0OPS2", ephemeral=True, contains="who asked, can say that")

    installation.slack.click("U0OPS1", plan, "Cancel")
    installation.slack.wait("C0OPS", ts=plan.ts, regex=r"\*Cancelled\*")


def test_a_plan_that_no_longer_holds_when_go_ahead_comes_is_refused(
    installation: Installation, chat: Chat, vm: str
) -> None:
    other = f"{vm}-2"
    installation.vcenter.control.create_vm(other, folder="dev", power_on=True)
    plan = chat.ask(f"/vm reset {vm} {other}")
    assert installation.run(f"vm off {other}")[0] == 0

    installation.slack.click("U0OPS1", plan, "Go ahead")

    said = installation.slack.wait("C0OPS", ts=plan.ts, regex=r"\*Failed\*")
    assert f"`{other}` is off" in said.spoken
    assert effects(installation, vm) == {}


def test_go_ahead_clicked_five_times_is_one_go_ahead(installation: Installation, chat: Chat, vm: str) -> None:
    other = f"{vm}-2"
    installation.vcenter.control.create_vm(other, folder="dev", power_on=True)
    plan = chat.ask(f"/vm reset {vm} {other}")

    with ThreadPoolExecutor(5) as fingers:
        list(
            fingers.map(
                lambda _: installation.slack.click("U0OPS1", plan, "Go ahead", stale=True, force=True),
                range(5),
            )
        )

    installation.slack.wait("C0OPS", ts=plan.ts, regex=r"\*Done\*")
    assert effects(installation, vm) == effects(installation, other) == {"reset": 1}


# --- what is written down --------------------------------------------------------------------------------


def log_lines(installation: Installation) -> list[str]:
    logs = sorted((installation.state / "logs").glob("*.log"))
    assert {log.stem for log in logs} >= {"bot", "keeper", "worker-vsphere", "worker-docker"}
    return [line for log in logs for line in log.read_text().splitlines()]


def test_every_log_line_is_json_and_a_requests_lines_carry_its_id(
    installation: Installation, chat: Chat, vm: str
) -> None:
    request = str(chat.ask(f"/vm off {vm}").payload["request"])

    entries = [json.loads(line) for line in log_lines(installation)]

    of_request = [entry for entry in entries if entry.get("request") == request]
    assert {entry["process"] for entry in of_request} >= {"bot", "worker-vsphere"}
    whole = {"event", "level", "timestamp", "process"}
    assert [entry for entry in entries if not whole <= entry.keys()] == []


def test_no_secret_and_nothing_that_was_typed_is_in_a_log_or_in_redis(
    installation: Installation, chat: Chat
) -> None:
    chat.ask("/vm info hunter2-is-a-name")
    secret = {
        "Redis' password": installation.redis.url.split("@")[0].rpartition(":")[2],
        "vCenter's password": installation.vcenter.password,
        "the bot token": installation.slack.bot_token,
        "the app token": installation.slack.app_token,
        "the signing secret": installation.slack.signing_secret,
        "the bot's key": (installation.state / "keys" / "bot.key").read_text().strip(),
    }
    logs = "\n".join(log_lines(installation))
    redis = Redis.from_url(installation.redis.url)
    stored = b"".join(redis.dump(key) or b"" for key in redis.scan_iter("*"))

    assert [name for name, value in secret.items() if value in logs] == []
    assert [name for name, value in secret.items() if value.encode() in stored] == []
    assert "hunter2" not in logs


def test_metrics_of_a_bot_at_work_say_what_it_did(installation: Installation, chat: Chat) -> None:
    chat.ask("/vm list")

    bot = HTTPConnection(urlsplit(installation.andock.bot_urls[0]).netloc, timeout=10)
    bot.request("GET", "/metrics")
    text = bot.getresponse().read().decode()
    bot.close()

    assert "andock_redis_up 1.0" in text
    assert "andock_commands_total" in text
