"""Changes of many VMs, from the typed command to what the simulator says happened, and their cancellation."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest

from sandbox.installation import Installation
from sandbox.slack.reports import Message
from sandbox.vcenter import Rule, VmState
from tests.e2e.conftest import Chat

RUNNING = r"(?s)\*Running\*.*at once"
TWENTY_DONE = r"(?s)\*Running\*.*21 of 60: 20 at once"


@pytest.fixture
def herd(installation: Installation) -> Iterator[tuple[str, list[VmState]]]:
    """The beginning of the names of eight VMs of this test alone, and the VMs; all are on."""
    prefix = f"herd-{secrets.token_hex(3)}"
    control = installation.vcenter.control
    yield prefix, [control.create_vm(f"{prefix}-{n}", folder="dev", power_on=True) for n in range(8)]
    control.set_rules([])


def powers(installation: Installation, vms: list[VmState]) -> list[str]:
    return [installation.vcenter.control.vm(vm.id).power for vm in vms]


def wait_for_end(installation: Installation, message: Message, word: str) -> Message:
    return installation.slack.wait("C0OPS", ts=message.ts, regex=rf"{word}\*", timeout=30)


def test_a_pattern_with_a_tag_changes_exactly_those_vms(
    installation: Installation, chat: Chat, herd: tuple[str, list[VmState]]
) -> None:
    prefix, vms = herd
    for vm in vms[:5]:
        installation.vcenter.tags.attach(vm.id, f"herd={prefix}")

    answer = chat.ask(f"/vm off {prefix}-* --tag herd={prefix} --at-once 3 --yes")

    assert "vm off: 5 of 5 done." in answer.spoken
    assert powers(installation, vms) == ["poweredOff"] * 5 + ["poweredOn"] * 3


def test_after_the_allowed_failures_the_rest_is_left_alone_and_each_vm_has_its_result(
    installation: Installation, chat: Chat, herd: tuple[str, list[VmState]]
) -> None:
    prefix, vms = herd
    fault = "InsufficientResourcesFault"
    installation.vcenter.control.set_rules(
        [Rule("SuspendVM_Task", this=vm.id, task_fault=fault) for vm in vms[1:3]]
    )

    answer = chat.ask(f"/vm suspend {prefix}-* --at-once 1 --max-fail 2 --yes")

    assert "Failed halfway" in answer.spoken
    assert "vm suspend: 1 of 8 done." in answer.spoken
    assert powers(installation, vms) == ["suspended"] + ["poweredOn"] * 7
    assert "not enough resources" in answer.spoken


def test_cancel_in_the_message_cancels_the_tasks_and_says_what_was_done(
    installation: Installation, chat: Chat, herd: tuple[str, list[VmState]]
) -> None:
    prefix, vms = herd
    installation.vcenter.control.set_rules([Rule("PowerOffVM_Task", delay=20.0)])

    running = chat.ask(f"/vm off {prefix}-* --at-once 4 --yes", until=RUNNING)
    installation.slack.click("U0OPS1", running, "Cancel")
    cancelled = wait_for_end(installation, running, "Cancelled")

    assert "ops-1 asked to cancel: 0 of 8 done, 4 stopped under way and left as they were, 4 not begun." in (
        cancelled.spoken
    )
    assert "Changed: *nothing*" in cancelled.spoken or "Changed: nothing" in cancelled.spoken
    assert powers(installation, vms) == ["poweredOn"] * 8


def test_in_the_middle_of_many_cancel_tells_what_the_simulator_has_done(
    installation: Installation, chat: Chat
) -> None:
    prefix, control = f"crowd-{secrets.token_hex(3)}", installation.vcenter.control
    vms = [control.create_vm(f"{prefix}-{n:02}", folder="dev") for n in range(60)]
    control.set_rules([Rule("PowerOnVM_Task", this=vm.id, delay=60.0) for vm in vms[20:]])

    try:
        running = chat.ask(f"/vm on {prefix}-* --at-once 20 --yes", until=TWENTY_DONE)
        installation.slack.click("U0OPS1", running, "Cancel")
        cancelled = wait_for_end(installation, running, "Cancelled")
    finally:
        control.set_rules([])

    assert (
        "ops-1 asked to cancel: 20 of 60 done, 20 stopped under way and left as they were, 20 not begun."
        in (cancelled.spoken)
    )
    assert powers(installation, vms) == ["poweredOn"] * 20 + ["poweredOff"] * 40
    assert [control.vm(vm.id).effects.get("powerOn", 0) for vm in vms] == [1] * 20 + [0] * 40


def test_a_colleague_cancels_by_a_command_and_the_message_names_them(
    installation: Installation, chat: Chat, herd: tuple[str, list[VmState]]
) -> None:
    prefix, vms = herd
    installation.vcenter.control.set_rules([Rule("PowerOffVM_Task", this=vms[0].id, delay=20.0)])

    running = chat.ask(f"/vm off {vms[0].name}", until=r"\*Running\*")
    request = str(running.metadata["event_payload"]["request"])
    said = chat.ask(f"/andock request cancel {request}", user="U0OPS2")

    assert "is asked to stop" in said.spoken
    cancelled = wait_for_end(installation, running, "Cancelled")
    assert "ops-2 asked to cancel. Cancelled;" in cancelled.spoken
    assert "was left as it was" in cancelled.spoken
    assert powers(installation, vms[:1]) == ["poweredOn"]
    assert prefix in cancelled.spoken


def test_eight_at_once_take_the_time_of_one_round_and_not_of_eight(
    installation: Installation, chat: Chat, herd: tuple[str, list[VmState]]
) -> None:
    prefix, vms = herd
    installation.vcenter.control.set_rules([Rule("PowerOffVM_Task", delay=2.0)])

    started = time.monotonic()
    answer = chat.ask(f"/vm off {prefix}-* --at-once 8 --yes")

    assert "vm off: 8 of 8 done." in answer.spoken
    assert time.monotonic() - started < 12  # one after another it would be 16
    assert powers(installation, vms) == ["poweredOff"] * 8
