"""Hosts from the typed command to the simulated vCenter and back."""

from __future__ import annotations

import re
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandbox.installation import Installation
from sandbox.slack.reports import Message
from sandbox.vcenter import Rule, VmState
from tests.e2e.conftest import Chat


@dataclass(frozen=True)
class Home:
    """A host that runs one VM of this test alone."""

    name: str
    id: str
    vm: VmState


@pytest.fixture
def home(installation: Installation, chat: Chat) -> Iterator[Home]:
    control = installation.vcenter.control
    vm = control.create_vm(f"runs-{secrets.token_hex(3)}", folder="dev", power_on=True)
    listed = chat.ask("/host list").spoken
    other = next(name for name in re.findall(r"DC0_C0_H\d", listed) if name != vm.host)
    assert f"is on host `{other}`" in chat.ask(f"/vm migrate {vm.name} --host {other}").spoken
    found = re.search(r"\bhost-\d+\b", chat.ask(f"/host info {other}").spoken)
    assert found is not None
    yield Home(other, found.group(), control.vm(vm.id))
    control.set_rules([])
    control.set_maintenance(other, on=False)


def test_a_host_is_emptied_taken_out_of_service_and_put_back(
    installation: Installation, chat: Chat, home: Home
) -> None:
    control = installation.vcenter.control
    before = control.effects("HostSystem", home.id)
    said = chat.ask(f"/host maintenance enter {home.name} --yes").spoken
    assert f"Host `{home.name}` is in maintenance mode." in said
    assert control.vm(home.vm.id).host != home.name
    assert f"Host `{home.name}` is maintenance." in chat.ask(f"/host info {home.name}").spoken
    assert "1 not in service" in chat.ask("/host list").spoken
    said = chat.ask(f"/host maintenance exit {home.name} --yes").spoken
    assert f"Host `{home.name}` is in service again." in said
    after = control.effects("HostSystem", home.id)
    done = {name: count - before.get(name, 0) for name, count in after.items()}
    assert done == {"enterMaintenanceMode": 1, "exitMaintenanceMode": 1}


def test_a_host_that_runs_a_protected_machine_is_not_emptied(installation: Installation, chat: Chat) -> None:
    protected = installation.vcenter.control.vm("prod-db-1")
    said = chat.ask(f"/host maintenance enter {protected.host} --yes").spoken
    assert "*Denied*" in said
    assert "production databases are left alone" in said
    assert installation.vcenter.control.vm("prod-db-1").host == protected.host


def test_a_slow_evacuation_is_cancelled_from_its_message(
    installation: Installation, chat: Chat, home: Home
) -> None:
    control = installation.vcenter.control
    control.set_rules([Rule("EnterMaintenanceMode_Task", this=home.id, delay=40.0)])
    running = chat.ask(f"/host maintenance enter {home.name} --yes", until=r"(?s)\*Running\*.* %")
    counted = rf"\*Running\*(?s:.*)[1-9]\d* VMs? (is|are) still on `{home.name}`"
    installation.slack.wait("C0OPS", ts=running.ts, regex=counted, timeout=30)
    installation.slack.click("U0OPS1", running, "Cancel")
    ended = installation.slack.wait("C0OPS", ts=running.ts, regex=r"\*Cancelled\*", timeout=30)
    assert "was left as it was" in ended.spoken
    assert control.vm(home.vm.id).host == home.name


def test_a_pending_question_is_named_before_anything_moves(
    installation: Installation, chat: Chat, home: Home
) -> None:
    control = installation.vcenter.control
    control.ask(home.vm.id, "Copied or moved?")
    said = chat.ask(f"/host maintenance enter {home.name} --plan", until="(?s)cannot move").spoken
    assert f"`{home.vm.name}` waits for an answer" in said
    control.ask(home.vm.id, "", ())
    assert control.vm(home.vm.id).host == home.name


def test_figures_come_as_a_picture_of_five_diagrams_in_the_thread(
    installation: Installation, chat: Chat, home: Home
) -> None:
    control, slack, title = installation.vcenter.control, installation.slack, f"{home.vm.name}-stats"
    control.set_figure("VirtualMachine", home.vm.id, "cpu.usage.average", 4321)

    def upload(shown: Message, name: str) -> bytes:
        (file,) = slack.wait("C0OPS", "U0OPS1", thread_ts=shown.ts, file=name).files
        return slack.read_file(file.id)

    hour = chat.ask(f"/vm stats {home.vm.name} --share")
    assert "43.2 %" in hour.spoken
    picture = upload(hour, f"{title}.png")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 800
    assert height > 1000
    control.set_figure("HostSystem", home.id, "cpu.usage.average", 1234)
    day = chat.ask(f"/host stats {home.name} --last 1d --share")
    assert "12.3 %" in day.spoken
    assert upload(day, f"{home.name}-stats.png").startswith(b"\x89PNG")


def test_what_binds_a_vm_to_its_host_is_named_with_the_way_out_and_keeps_it_there(
    installation: Installation, chat: Chat, home: Home
) -> None:
    control = installation.vcenter.control
    control.set_devices(home.vm.id, "pci")
    control.set_rule("DC0_C0", "licence", "on", [home.vm.id], hosts=[home.name])
    try:
        said = chat.ask(f"/host maintenance enter {home.name} --plan", until="(?s)uses PCI").spoken
        assert f"`{home.vm.name}` uses PCI device 0 of the host and cannot move" in said
        assert (
            f"No other host may take `{home.vm.name}`: it runs only on `{home.name}` (rule `licence`)" in said
        )
        ended = chat.ask(f"/host maintenance enter {home.name} --yes", until=r"\*Failed").spoken
        assert "time limit" in ended
        assert control.vm(home.vm.id).host == home.name
    finally:
        control.set_rule("DC0_C0", "licence", "on")
        control.set_devices(home.vm.id)


def test_a_locked_vm_is_not_moved_by_emptying_its_host(
    installation: Installation, chat: Chat, home: Home
) -> None:
    chat.ask(f"/andock lock take {home.vm.name} --for 1h")
    try:
        said = chat.ask(f"/host maintenance enter {home.name} --yes", user="U0OPS2").spoken
        assert f"`{home.vm.name}` is locked by ops-1 until" in said
        assert f"This would touch `{home.vm.name}`." in said
        assert installation.vcenter.control.vm(home.vm.id).host == home.name
    finally:
        chat.ask(f"/andock lock release {home.vm.name}")
    chat.ask(f"/host maintenance enter {home.name} --yes", user="U0OPS2", until=r"\*Done\*")
    assert installation.vcenter.control.vm(home.vm.id).host != home.name


def test_figures_of_a_vm_and_a_host_show_planted_values_and_come_as_a_file(
    installation: Installation, chat: Chat, home: Home
) -> None:
    control = installation.vcenter.control
    control.set_figure("VirtualMachine", home.vm.id, "cpu.usage.average", 4321)
    control.set_figure("HostSystem", home.id, "cpu.usage.average", 1234)
    assert "43.2 %" in chat.ask(f"/vm stats {home.vm.name}").spoken
    assert "12.3 %" in chat.ask(f"/host stats {home.name} --last 1d").spoken
    code, said, errors = installation.run(f"vm stats {home.vm.name} --csv")
    assert code == 0, errors
    assert "time,CPU (%)" in said
    assert "43.21" in said
