"""An alarm from the simulated vCenter to the channel and its end, and a mute typed in Slack."""

from __future__ import annotations

import secrets
import time

from sandbox.installation import Installation
from tests.e2e.conftest import Chat

CPU = "alarm.VmCPUUsageAlarm"


def test_an_alarm_is_told_edited_and_closed_and_a_mute_keeps_the_next_one_away(
    installation: Installation, chat: Chat
) -> None:
    control, slack = installation.vcenter.control, installation.slack
    names = [f"{kind}-{secrets.token_hex(3)}" for kind in ("loud", "quiet", "after")]
    loud, quiet, after = (control.create_vm(name, folder="dev") for name in names)

    def about(vm: str) -> list[str]:
        return [one.spoken for one in slack.messages("C0PROD", "U0OPS1") if vm in one.spoken]

    def see(vm: str, words: str) -> None:
        deadline = time.monotonic() + 30
        while not any(words in text for text in about(vm)):
            assert time.monotonic() < deadline, about(vm)
            time.sleep(0.1)

    try:
        control.set_alarm("VirtualMachine", loud.id, CPU, "red")
        see(loud.name, "red since")
        control.set_alarm("VirtualMachine", loud.id, CPU, "green")
        see(loud.name, "green since")
        assert len(about(loud.name)) == 1

        said = chat.ask('/andock alarm mute "quiet-*" --name "*cpu*" --for 2h').spoken
        assert "Alarms `*cpu*` on `quiet-*` are muted by ops-1 until" in said
        control.set_alarm("VirtualMachine", quiet.id, CPU, "red")
        control.set_alarm("VirtualMachine", after.id, CPU, "red")
        see(after.name, "red since")  # it was raised later, so the other one's turn is over
        assert about(quiet.name) == []
        assert "quiet-*" in chat.ask("/andock alarm muted").spoken
        assert "are told again" in chat.ask('/andock alarm unmute "quiet-*" --name "*cpu*"').spoken
        see(quiet.name, "red since")
    finally:
        for vm in (loud, quiet, after):
            control.set_alarm("VirtualMachine", vm.id, CPU, "green")
