"""Production changes from the ask to the effect: others agree first, once each, to exactly this plan."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.installation import Installation
from sandbox.slack.reports import Message
from tests.e2e.conftest import Chat

WAITS = r"\*Waits for approval\*"


@pytest.fixture
def vm(installation: Installation) -> Iterator[str]:
    """A production VM of this test alone, on."""
    name = f"app-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(name, folder="prod", power_on=True)
    yield name
    installation.vcenter.control.set_rules([])


def effects(installation: Installation, vm: str) -> dict[str, int]:
    counts = dict(installation.vcenter.control.vm(vm).effects)
    return {name: count for name, count in counts.items() if name not in {"create", "powerOn"}}


def approve(installation: Installation, user: str, message: Message, **how: bool) -> None:
    installation.slack.click(user, message, "Approve", confirm=True, **how)


def end_of(installation: Installation, message: Message, state: str) -> Message:
    return installation.slack.wait("C0OPS", ts=message.ts, regex=rf"\*{state}\*", timeout=30)


def test_two_leads_agree_and_it_is_done_once(installation: Installation, chat: Chat, vm: str) -> None:
    asked = chat.ask(f"/vm off {vm}", until=WAITS)
    assert effects(installation, vm) == {}

    approve(installation, "U0LEAD1", asked)
    first = installation.slack.wait("C0OPS", ts=asked.ts, contains="Approved by: @lead-1")
    assert effects(installation, vm) == {}
    approve(installation, "U0LEAD2", first)

    end_of(installation, asked, "Done")
    assert effects(installation, vm) == {"powerOff": 1}
    records = chat.ask(f"/andock audit search {asked.payload['request']}").spoken
    assert all(word in records for word in ("asked", "decided", "approved", "started", "concluded"))


def test_an_approver_can_answer_in_the_direct_message_and_by_text(
    installation: Installation, chat: Chat, vm: str
) -> None:
    asked = chat.ask(f"/vm off {vm}", until=WAITS)
    request = asked.payload["request"]
    direct = installation.slack.wait("D0LEAD1", "U0LEAD1", contains=f"vm off {vm}", button="Approve")

    approve(installation, "U0LEAD1", direct)
    said = chat.ask(f"/andock request approve {request}", user="U0LEAD2").spoken

    assert "it goes ahead now" in said
    end_of(installation, asked, "Done")
    assert effects(installation, vm) == {"powerOff": 1}


def test_fifty_clicks_of_both_leads_at_once_are_one_change(
    installation: Installation, chat: Chat, vm: str
) -> None:
    asked = chat.ask(f"/vm off {vm}", until=WAITS)
    with ThreadPoolExecutor(10) as fingers:
        list(
            fingers.map(
                lambda user: approve(installation, user, asked, stale=True, force=True),
                ["U0LEAD1", "U0LEAD2"] * 25,
            )
        )

    end_of(installation, asked, "Done")
    assert effects(installation, vm) == {"powerOff": 1}


def test_a_no_takes_its_reason_from_a_form_and_ends_it(
    installation: Installation, chat: Chat, vm: str
) -> None:
    asked = chat.ask(f"/vm off {vm}", until=WAITS)

    installation.slack.click("U0LEAD1", asked, "Deny …")
    installation.slack.wait_form("U0LEAD1", title="Deny this plan")
    installation.slack.submit("U0LEAD1", {"text": "not during the backup"})

    ended = end_of(installation, asked, "Denied")
    assert "lead-1 said No: not during the backup" in ended.spoken
    assert effects(installation, vm) == {}


@pytest.mark.parametrize("user", ["U0OPS1", "U0OPS2", "U0GUEST1"])
def test_neither_the_asker_nor_others_can_approve(
    installation: Installation, chat: Chat, vm: str, user: str
) -> None:
    asked = chat.ask(f"/vm off {vm}", until=WAITS)

    approve(installation, user, asked)

    installation.slack.wait("C0OPS", user, ephemeral=True, contains="Not allowed", after_ts=asked.ts)
    assert effects(installation, vm) == {}
    chat.ask(f"/andock request withdraw {asked.payload['request']}", until="Withdrawn")


def test_what_changed_after_it_was_approved_is_refused_with_the_difference(
    installation: Installation, chat: Chat, vm: str
) -> None:
    asked = chat.ask(f"/vm off {vm}", until=WAITS)
    approve(installation, "U0LEAD1", asked)
    suspend = chat.ask(f"/vm suspend {vm}", user="U0LEAD1", until="Go ahead")
    installation.slack.click("U0LEAD1", suspend, "Go ahead")
    end_of(installation, suspend, "Done")

    approve(installation, "U0LEAD2", asked, stale=True)

    installation.slack.wait("C0OPS", ts=asked.ts, contains="power was on and is suspended", timeout=20)
    assert effects(installation, vm) == {"suspend": 1}


def test_the_person_on_call_breaks_the_glass_and_everybody_named_hears_of_it(
    installation: Installation, chat: Chat, vm: str
) -> None:
    done = chat.ask(f'/vm off {vm} --break-glass "the shop is down"', user="U0OPS2", until=r"\*Done\*")

    assert effects(installation, vm) == {"powerOff": 1}
    for channel, user in (("C0PROD", "U0OPS1"), ("D0LEAD1", "U0LEAD1"), ("D0LEAD2", "U0LEAD2")):
        told = installation.slack.wait(channel, user, contains=f"vm off {vm}", regex="broke the glass")
        assert "the shop is down" in told.spoken
    said = chat.ask(f"/andock request review {done.payload['request']} --note fine", user="U0LEAD1").spoken
    assert "is reviewed" in said


def test_who_may_not_break_the_glass_waits_for_approval_like_anybody(
    installation: Installation, chat: Chat, vm: str
) -> None:
    asked = chat.ask(f'/vm off {vm} --break-glass "I want to"', until=WAITS)
    assert effects(installation, vm) == {}
    chat.ask(f"/andock request withdraw {asked.payload['request']}", until="Withdrawn")


def test_a_plan_is_shown_and_nothing_else_happens(installation: Installation, chat: Chat, vm: str) -> None:
    said = chat.ask(f"/vm off {vm} --plan").spoken
    assert "after 2 approvals from leads" in said
    assert f"power off `{vm}`" in said or f"power off {vm}" in said
    assert effects(installation, vm) == {}


def test_a_vm_is_destroyed_only_when_its_name_was_typed_again(installation: Installation, chat: Chat) -> None:
    name = f"old-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(name, folder="dev", power_on=False)
    asked = chat.ask(f"/vm destroy {name} --yes", until="Type the name")

    installation.slack.click("U0OPS1", asked, "Type the name …")
    installation.slack.wait_form("U0OPS1", title="Are you sure?")
    wrong = installation.slack.submit("U0OPS1", {"text": "web-01"})
    assert name in str(wrong.answer)
    assert installation.vcenter.control.vm(name).power == "poweredOff"
    installation.slack.submit("U0OPS1", {"text": name})

    end_of(installation, asked, "Done")
    assert name not in [vm.name for vm in installation.vcenter.control.vms()]
