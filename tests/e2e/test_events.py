"""What happens on the simulated vCenter beside Andock, told in a channel."""

from __future__ import annotations

import secrets
import time

from sandbox.installation import Installation
from tests.e2e.conftest import TOLD_IN, Chat

OFF = "VmPoweredOffEvent"


def test_a_vm_that_others_turn_off_is_told_and_one_that_was_shut_down_from_chat_is_not(
    installation: Installation, chat: Chat
) -> None:
    control, slack = installation.vcenter.control, installation.slack
    asked, others, own = (
        control.create_vm(f"{kind}-{secrets.token_hex(3)}", folder="dev", power_on=True)
        for kind in ("asked", "others", "own")
    )

    def about(vm: str) -> list[str]:
        return [one.spoken for one in slack.messages(TOLD_IN, "U0OPS1") if vm in one.spoken]

    def see(vm: str) -> str:
        deadline = time.monotonic() + 30
        while not about(vm):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return about(vm)[0]

    assert "is shut down" in chat.ask(f"/vm shutdown {asked.name}").spoken
    # a real guest that goes down at somebody's request says nothing of who asked
    control.post_event(OFF, "VirtualMachine", asked.id)
    assert "*Done*" in chat.ask(f"/vm off {own.name}").spoken
    control.post_event(OFF, "VirtualMachine", others.id, user="CORP\\admin")
    said = see(others.name)
    assert "*vm-off*" in said
    assert "by CORP\\admin" in said
    control.post_event(OFF, "VirtualMachine", own.id)  # by itself: nobody asked for its guest to go down
    see(own.name)
    assert about(asked.name) == []
    assert "are muted by ops-1" in chat.ask(f"/andock alarm mute {others.name} --name vm-off").spoken
    before = about(others.name)
    control.post_event(OFF, "VirtualMachine", others.id, user="CORP\\admin")
    control.post_event("VmFailedMigrateEvent", "VirtualMachine", others.id, text="no room")
    deadline = time.monotonic() + 30
    while not any("no room" in text for text in about(others.name)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [text for text in about(others.name) if "vm-off" in text] == before
