"""Every operation from the typed command to its effect on the backend and back to the thread."""

from __future__ import annotations

import re
import secrets
import time

import pytest

from sandbox.installation import Installation
from tests.e2e.conftest import Chat


@pytest.fixture
def vm(installation: Installation) -> str:
    """The name of a VM of this test alone: on, with tools."""
    name = f"app-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(name, folder="dev", power_on=True)
    return name


@pytest.fixture
def container(installation: Installation) -> str:
    """The name of a running container of this test alone; it ends on TERM at once."""
    name = f"job-{secrets.token_hex(3)}"
    line = "trap 'exit 0' TERM; echo started $0; while :; do sleep 0.1; done"
    installation.engine.run_container(name, ["sh", "-c", line, name])
    return name


def test_vm_list_shows_what_the_vcenter_has(chat: Chat, vm: str) -> None:
    answer = chat.ask("/vm list --fresh")

    assert answer.ephemeral
    assert vm in answer.spoken


def test_vm_info_shows_the_vm_as_it_is(installation: Installation, chat: Chat, vm: str) -> None:
    state = installation.vcenter.control.vm(vm)

    answer = chat.ask(f"/vm info {vm}")

    assert f"`{vm}` is on" in answer.spoken
    assert state.id in answer.spoken


def test_vm_info_shows_what_was_planted(installation: Installation, chat: Chat, vm: str) -> None:
    control, state = installation.vcenter.control, installation.vcenter.control.vm(vm)
    chat.ask(f"/snapshot create {vm} --reason planted")
    tree = chat.ask(f"/snapshot tree {vm}").spoken
    (snapshot,) = re.findall(r"\((snapshot-\d+)", tree)
    control.set_snapshot(state.id, snapshot, age=5 * 86_400 + 3 * 3600 + 60)
    assert "are changed" in chat.ask(f'/vm note {vm} "owner: planted team"').spoken
    installation.vcenter.tags.attach(state.id, f"herd={vm}")
    control.set_guest(state.id, address="10.77.0.9")

    control.set_alarm("VirtualMachine", state.id, "alarm.VmCPUUsageAlarm", "red")
    try:
        deadline = time.monotonic() + 30  # tags are read every ten seconds
        while f"herd={vm}" not in (said := chat.ask(f"/vm info {vm}").spoken):
            assert time.monotonic() < deadline, said
    finally:
        control.set_alarm("VirtualMachine", state.id, "alarm.VmCPUUsageAlarm", "green")

    assert f"*Tags*\nherd={vm}" in said
    assert re.search(r"its tags as they were \d+ s ago", said)
    assert "*Oldest snapshot*\n5 d 3 h (" in said
    assert "*Notes*\nowner: planted team" in said
    assert "*Alarms*\nred: Virtual machine CPU usage" in said
    assert "*Addresses*\n10.77.0.9" in said
    assert "*VMware Tools*\nrunning" in said
    assert re.search(r"\*Up for\*\n.*\(since \d{4}-\d\d-\d\d", said)


def test_vm_off_and_on_change_the_power(installation: Installation, chat: Chat, vm: str) -> None:
    assert "is off" in chat.ask(f"/vm off {vm}").spoken
    assert installation.vcenter.control.vm(vm).power == "poweredOff"

    assert "is on" in chat.ask(f"/vm on {vm}").spoken
    assert installation.vcenter.control.vm(vm).power == "poweredOn"


def test_vm_shutdown_asks_the_guest(installation: Installation, chat: Chat, vm: str) -> None:
    assert "is shut down" in chat.ask(f"/vm shutdown {vm}").spoken

    state = installation.vcenter.control.vm(vm)
    assert (state.power, state.effects.get("guestShutdown"), state.effects.get("powerOff")) == (
        "poweredOff",
        1,
        None,
    )


def test_vm_restart_counts_only_with_a_new_boot_time(installation: Installation, chat: Chat, vm: str) -> None:
    before = installation.vcenter.control.vm(vm)

    assert "restarted" in chat.ask(f"/vm restart {vm}").spoken

    after = installation.vcenter.control.vm(vm)
    assert after.boot_time != before.boot_time
    assert after.effects.get("guestReboot") == 1


def test_a_guest_that_does_not_obey_is_said_so_and_the_hard_way_offered_as_a_button(
    installation: Installation, chat: Chat, vm: str
) -> None:
    state = installation.vcenter.control.vm(vm)
    installation.vcenter.control.set_guest(state.id, reboot=-1)

    answer = chat.ask(f"/vm restart {vm} --within 5s")

    assert "has not restarted" in answer.spoken
    assert installation.vcenter.control.vm(vm).boot_time == state.boot_time
    button = answer.button("Reset hard")
    installation.slack.click("U0OPS1", answer, button.label, confirm=True)
    installation.slack.wait(
        "C0OPS", "U0OPS1", thread_ts=answer.ts, author="app", regex=r"Done\*.*vm reset", timeout=20
    )
    assert installation.vcenter.control.vm(vm).effects.get("reset") == 1


def test_the_hard_way_can_be_taken_beforehand(installation: Installation, chat: Chat, vm: str) -> None:
    state = installation.vcenter.control.vm(vm)
    installation.vcenter.control.set_guest(state.id, reboot=-1)

    answer = chat.ask(f"/vm restart {vm} --hard-after 5s")

    assert "Done" in answer.spoken
    now = installation.vcenter.control.vm(vm)
    assert now.effects.get("reset") == 1
    assert now.boot_time != state.boot_time


def test_vm_reset_is_the_hard_way(installation: Installation, chat: Chat, vm: str) -> None:
    chat.ask(f"/vm reset {vm}")

    assert installation.vcenter.control.vm(vm).effects.get("reset") == 1


def test_container_list_and_info_show_the_engine(
    installation: Installation, chat: Chat, container: str
) -> None:
    assert container in chat.ask("/container list").spoken

    answer = chat.ask(f"/container info {container}")
    assert installation.engine.inspect(container).id[:12] in answer.spoken


def test_container_stop_start_and_restart_are_seen_on_the_engine(
    installation: Installation, chat: Chat, container: str
) -> None:
    chat.ask(f"/container stop {container}")
    assert installation.engine.inspect(container).state == "exited"

    chat.ask(f"/container start {container}")
    started = installation.engine.inspect(container)
    assert started.state == "running"

    chat.ask(f"/container restart {container}")
    restarted = installation.engine.inspect(container)
    assert restarted.state == "running"
    assert restarted.started_at != started.started_at


def test_container_logs_show_what_it_wrote(chat: Chat, container: str) -> None:
    assert f"started {container}" in chat.ask(f"/container logs {container}").spoken


def test_a_long_log_comes_as_a_file_by_direct_message(installation: Installation, chat: Chat) -> None:
    name = f"loud-{secrets.token_hex(3)}"
    line = "i=0; while [ $i -lt 900 ]; do echo line $i of a long log; i=$((i+1)); done"
    installation.engine.run_container(name, ["sh", "-c", line])
    installation.engine.api.call("POST", f"/containers/{name}/wait")  # until it has written all of it

    answer = chat.ask(f"/container logs {name} --tail 900")

    assert "line 899" in answer.spoken
    direct = installation.slack.wait("D0OPS1", "U0OPS1", file=f"{name}.log")
    content = installation.slack.read_file(direct.files[0].id)
    assert content.count(b"of a long log") == 900


def test_requests_can_be_listed_and_shown(chat: Chat, vm: str) -> None:
    done = chat.ask(f"/vm off {vm}")
    request = str(done.metadata["event_payload"]["request"])

    assert request in chat.ask("/andock request list").spoken
    shown = chat.ask(f"/andock request show {request}")
    assert f"vm off {vm}" in shown.spoken
    assert "succeeded" in shown.spoken


def test_halt_refuses_changes_lets_reads_go_on_and_resume_shows_what_is_held(
    installation: Installation, chat: Chat, vm: str
) -> None:
    chat.ask('/andock halt lab --reason "storage"')
    try:
        held = chat.ask(f"/vm off {vm}")
        assert "Held by a halt" in held.spoken
        assert installation.vcenter.control.vm(vm).power == "poweredOn"
        assert vm in chat.ask("/vm list --fresh").spoken

        shown = chat.ask("/andock resume lab", until="held")
        assert f"vm off {vm}" in shown.spoken
    finally:
        chat.ask("/andock resume lab --yes")
    installation.slack.wait("C0OPS", ts=held.ts, regex=r"Done\*")
    assert installation.vcenter.control.vm(vm).power == "poweredOff"


def test_halt_of_everything_refuses_new_changes_at_once(
    installation: Installation, chat: Chat, vm: str
) -> None:
    chat.ask("/andock halt")
    try:
        assert "halted by" in chat.say(f"/vm off {vm}")
    finally:
        chat.ask("/andock resume --yes")
    assert installation.vcenter.control.vm(vm).power == "poweredOn"


def test_can_i_names_the_rule_and_its_line_and_changes_nothing(
    installation: Installation, chat: Chat, vm: str
) -> None:
    assert "policy.yaml:" in chat.ask(f"/andock can-i vm off {vm}").spoken

    denied = chat.ask("/andock can-i vm off prod-db-1").spoken
    assert "No:" in denied
    assert "production databases are left alone" in denied
    assert installation.vcenter.control.vm(vm).power == "poweredOn"


def test_can_i_answers_for_another_person_and_names_their_rule(chat: Chat, vm: str) -> None:
    said = chat.ask(f"/andock can-i vm off {vm} --as @lead-1")

    assert f"Yes: `vm off {vm} --as @lead-1`" in said.spoken
    assert "ops and leads run the rest (policy.yaml:" in said.spoken
    assert said.only_for == "U0OPS1"


def test_help_lists_what_can_be_asked(chat: Chat) -> None:
    nouns = chat.ask("/andock help").spoken
    assert "restart" in nouns
    assert "snapshot" in nouns
    assert "vm restart" in chat.ask("/vm help").spoken
    assert "--hard-after" in chat.ask("/vm help restart", until="hard-after|restart").spoken


def test_a_command_on_the_host_goes_the_same_way_and_prints_its_result(
    installation: Installation, vm: str
) -> None:
    code, out, err = installation.run(f"vm off {vm}")

    assert (code, err) == (0, "")
    assert f"`{vm}` is off" in out or f"{vm} is off" in out
    assert installation.vcenter.control.vm(vm).power == "poweredOff"


def test_a_command_on_the_host_that_fails_says_why_and_exits_with_one(installation: Installation) -> None:
    code, _, err = installation.run("vm off nosuch-vm")

    assert code == 1
    assert "No VM `nosuch-vm`" in err
