"""policy.yaml changes while the bot runs: it counts, a broken one is told to operators, limits hold."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from andock.audit import AuditRecord, Event
from andock.messages import Notice, State, Succeeded
from andock.operation import Outcome
from andock.outbox import Outbox
from andock.signing import load_verifier
from sandbox.redis_server import RedisServer
from sandbox.slack.client import Workspace
from tests.integration.bot.conftest import POLICY, Door, StartBot

BROKEN = POLICY.replace("allow:", "alow:", 1)


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def own_door(start_bot: StartBot, redis_server: RedisServer, workspace: Workspace) -> Door:
    workspace.set_user("U0OPS3", name="ops-3")
    return start_bot(redis_server)


@pytest.fixture
def desk(own_door: Door) -> Iterator[Door]:
    """A bot whose policy a test may spoil."""
    own_door.forget()
    own_door.pretend_workers()
    yield own_door
    write(own_door, POLICY)
    assert until(lambda: "warnings" not in ready(own_door))


def write(door: Door, text: str) -> None:
    """As a careful operator: beside it, and moved into place."""
    beside = door.config / "policy.new"
    beside.write_text(text)
    beside.replace(door.config / "policy.yaml")


def ready(door: Door) -> dict[str, object]:
    return dict(json.loads(door.get("/readyz").body))


def told(door: Door) -> list[Notice]:
    """What is due in Slack besides answers, oldest first."""
    outbox, verifier = Outbox(door.ledger), load_verifier(door.keys)
    due = [member.decode().split("|")[0] for member in door.redis.zrange(door.ledger.outbox, 0, -1)]  # type: ignore[union-attr]  # redis-py
    found = [outbox.read_notice(notice, verifier) for notice in due if notice.startswith("policy")]
    return sorted((notice for notice in found if notice is not None), key=lambda notice: notice.at)


def recorded(door: Door) -> list[AuditRecord]:
    """What the bot recorded of the policy, oldest first."""
    verifier = load_verifier(door.keys)
    entries = door.redis.xrange(door.ledger.key("audit"))
    records = [verifier.open(fields[b"sealed"], AuditRecord, by="bot") for _, fields in entries]  # type: ignore[union-attr]  # redis-py
    return [record for record in records if record.event is Event.POLICY]


def test_a_new_policy_counts_without_a_restart(desk: Door) -> None:
    assert "Working on" in desk.slash("vm list", user="U0LEAD1").text

    write(desk, POLICY.replace("[everyone]", "[ops]"))

    assert until(lambda: "Not allowed" in desk.slash("vm list", user="U0LEAD1").text)
    assert desk.process.alive


def test_sighup_alone_has_the_file_read_again_and_kills_nothing(
    start_bot: StartBot, redis_server: RedisServer
) -> None:
    door = start_bot(redis_server, module="tests.patient")
    door.pretend_workers()
    os.kill(door.process.pid, signal.SIGHUP)
    assert "Working on" in door.slash("vm list", user="U0LEAD1").text
    write(door, POLICY.replace("[everyone]", "[ops]"))
    os.utime(door.config / "policy.yaml", (time.time() - 60, time.time() - 60))
    assert "Working on" in door.slash("vm list", user="U0LEAD1").text  # by itself it looks once an hour

    os.kill(door.process.pid, signal.SIGHUP)

    assert until(lambda: "Not allowed" in door.slash("vm list", user="U0LEAD1").text)
    assert door.process.alive


def test_a_broken_policy_is_told_once_the_one_before_it_counts_and_its_mending_is_told(desk: Door) -> None:
    write(desk, BROKEN)
    assert until(lambda: "warnings" in ready(desk))

    said = ready(desk)
    assert said["ready"] is True
    assert "policy.yaml:5: `rules.0.alow` is not known. Fix: did you mean `allow`?" in str(said["warnings"])
    assert desk.get("/readyz").status == 200
    assert "Working on" in desk.slash("vm list").text
    assert until(lambda: len(told(desk)) == 1)

    write(desk, BROKEN.replace("alow", "allo"))
    assert until(lambda: len(told(desk)) == 2)

    write(desk, POLICY)
    assert until(lambda: len(told(desk)) == 3)
    time.sleep(2.5)  # two more looks at the file
    first, second, last = told(desk)
    assert {notice.channel for notice in (first, second, last)} == {"C0ADMIN"}
    assert "`rules.0.alow` is not known" in first.text
    assert "`rules.0.allo` is not known" in second.text
    assert "mended" in last.text
    assert [(record.result, record.text.partition(": ")[0]) for record in recorded(desk)[-3:]] == [
        ("refused", f"{desk.config}/policy.yaml:5"),
        ("refused", f"{desk.config}/policy.yaml:5"),
        ("read", ""),
    ]
    assert "warnings" not in ready(desk)


@pytest.mark.parametrize("questions", [("help", "can-i halt"), ("vm list", "can-i vm off x")])
def test_too_many_commands_of_a_person_are_refused_whatever_they_ask(
    desk: Door, questions: tuple[str, str]
) -> None:
    write(desk, "limits: {user: {per_minute: 2}}\n" + POLICY)
    assert until(lambda: "Too fast" in desk.slash("help", user="U0LEAD2").text)

    texts = [desk.slash(text, user="U0LEAD1").text for text in (*questions, "vm list")]

    assert [("Too fast: you have 2 commands a minute" in text) for text in texts] == [False, False, True]


def test_too_many_commands_in_a_channel_are_refused_whoever_asks(desk: Door) -> None:
    write(desk, "limits: {channel: {per_minute: 2}}\n" + POLICY)
    assert until(lambda: "Too fast: this channel has 2" in desk.slash("help", user="U0LEAD2").text)

    assert "Too fast" in desk.slash("vm list", user="U0LEAD1").text
    assert "Too fast" not in desk.slash("vm list", user="U0LEAD1", channel="C0PROD").text


def test_a_new_policys_user_groups_are_asked_for(desk: Door) -> None:
    leads = POLICY.replace("rules:", "  leads: {usergroups: [S0LEADS]}\nrules:").replace("everyone", "leads")
    write(desk, leads)

    assert until(lambda: "Not allowed" in desk.slash("vm list", user="U0OPS3").text)
    assert "Working on" in desk.slash("vm list", user="U0LEAD1").text


def test_what_was_shared_is_shown_again_only_to_who_may_still_read_it(desk: Door) -> None:
    desk.slash("vm list --share")
    request = desk.requests()[0].id
    desk.ledger.claim(request, 1, "a-worker")
    listed = Succeeded(outcome=Outcome(summary="3 VMs in the vault."))
    desk.ledger.conclude(request, listed, State.SUCCEEDED, owner="a-worker", record=b"not looked for")

    def shown() -> Outcome:
        desk.slash(f"request show {request}", user="U0LEAD1")
        result = desk.ledger.recent(actor=None, limit=1)[0].result
        assert isinstance(result, Succeeded)
        return result.outcome

    assert shown().notes == ("3 VMs in the vault.",)

    denial = "rules:\n  - {name: not the leads, deny: [vm list]}"
    write(desk, POLICY.replace("rules:", denial))
    assert until(lambda: "Not allowed" in desk.slash("vm list", user="U0LEAD1").text)

    now = shown()
    assert now.notes == (
        "Not allowed: `vm list` is denied to you here (rule: not the leads (policy.yaml:5)).",
    )
    assert [label for label, _ in now.fields] == ["State", "Asked by", "Asked at"]
