"""The life of a VM from the typed command to the simulated vCenter and back."""

from __future__ import annotations

import secrets

import pytest

from sandbox.installation import Installation
from sandbox.vcenter import Rule, VmState
from tests.e2e.conftest import Chat


@pytest.fixture
def vm(installation: Installation) -> VmState:
    """A VM of this test alone; it is off."""
    return installation.vcenter.control.create_vm(f"life-{secrets.token_hex(3)}", folder="dev")


def now(installation: Installation, vm: VmState) -> VmState:
    return installation.vcenter.control.vm(vm.id)


def test_a_vm_is_cloned_from_a_template_as_asked(installation: Installation, chat: Chat) -> None:
    control = installation.vcenter.control
    template = control.create_vm(f"tpl-{secrets.token_hex(3)}", folder="dev", template=True)
    name = f"new-{secrets.token_hex(3)}"

    said = chat.ask(
        f"/vm clone {template.name} {name} --cpus 3 --memory 4G --note shop --spec vcsim-linux --on"
    )

    assert f"`{name}` was cloned from `/DC0/vm/dev/{template.name}`." in said.spoken
    made = control.vm(name)
    assert (made.folder, made.power, made.cpus, made.memory_mb, made.notes) == (
        "/DC0/vm/dev",
        "poweredOn",
        3,
        4096,
        "shop",
    )
    assert made.effects.get("customize") == 1
    assert f"`{name}` is on. `{name}` is customized and has the address {made.address}." in said.spoken
    again = chat.ask(f"/vm clone {template.name} {name}").spoken
    assert f"There is a VM `/DC0/vm/dev/{name}` already" in again


def test_a_clone_is_waited_for_until_a_card_of_its_own_has_an_address(
    installation: Installation, chat: Chat
) -> None:
    control = installation.vcenter.control
    template = control.create_vm(f"tpl-{secrets.token_hex(3)}", folder="dev", template=True)
    control.set_guest(template.id, address="172.17.0.2", customization="never")  # that of docker's bridge
    name = f"new-{secrets.token_hex(3)}"

    asked = chat.ask(
        f"/vm clone {template.name} {name} --spec vcsim-linux --on", until=f"`{name}` is being customized"
    )
    control.set_guest(control.vm(name).id, customization="")
    installation.slack.wait("C0OPS", ts=asked.ts, regex="waiting for an address", timeout=30)
    control.set_guest(control.vm(name).id, address="10.9.8.7")
    ended = installation.slack.wait("C0OPS", ts=asked.ts, regex=r"\*Done\*", timeout=30)
    assert f"`{name}` is customized and has the address 10.9.8.7." in ended.spoken


def test_a_clone_whose_customization_fails_or_takes_too_long_says_what_is_there(
    installation: Installation, chat: Chat
) -> None:
    control = installation.vcenter.control
    template = control.create_vm(f"tpl-{secrets.token_hex(3)}", folder="dev", template=True)
    control.set_guest(template.id, customization="CustomizationNetworkSetupFailed")
    name = f"new-{secrets.token_hex(3)}"
    said = chat.ask(f"/vm clone {template.name} {name} --spec vcsim-linux --on", until=r"\*Failed").spoken
    assert f"`{name}` is made and is on, but its customization failed: The network of VM {name}" in said
    assert "Changed: *partly*" in said

    control.set_guest(template.id, customization="", address="none")
    name = f"new-{secrets.token_hex(3)}"
    said = chat.ask(f"/vm clone {template.name} {name} --on --within 5s", until=r"\*Failed").spoken
    assert f"`{name}` is made and is on, and VMware Tools run in it. Not seen within 5s: an address" in said
    assert control.vm(name).power == "poweredOn"


def test_a_clone_into_production_is_judged_by_where_it_would_lie(
    installation: Installation, chat: Chat
) -> None:
    control = installation.vcenter.control
    template = control.create_vm(f"tpl-{secrets.token_hex(3)}", folder="dev", template=True)
    control.create_vm(f"there-{secrets.token_hex(3)}", folder="prod")
    name = f"new-{secrets.token_hex(3)}"

    asked = chat.ask(f"/vm clone {template.name} {name} --folder /DC0/vm/prod", until="Waits for approval")

    assert control.vms(name) == ()
    chat.ask(f"/andock request withdraw {asked.payload['request']}", until="Withdrawn")


def test_a_vm_is_resized_while_off_and_says_so_while_on(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    assert "has 4 CPUs and 8.0 GiB" in chat.ask(f"/vm resize {vm.name} --cpus 4 --memory 8G").spoken
    assert (now(installation, vm).cpus, now(installation, vm).memory_mb) == (4, 8192)
    chat.ask(f"/vm on {vm.name}")

    refused = chat.ask(f"/vm resize {vm.name} --cpus 6").spoken
    assert "its settings do not let CPUs be added while it is" in refused
    assert now(installation, vm).cpus == 4

    installation.vcenter.control.set_hot_add(vm.id, on=True)
    assert "has 6 CPUs" in chat.ask(f"/vm resize {vm.name} --cpus 6").spoken
    assert (now(installation, vm).cpus, now(installation, vm).power) == (6, "poweredOn")


def test_a_vm_moves_unless_vcenter_says_that_it_cannot(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    control = installation.vcenter.control
    host = next(name for name in ("DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2") if name != vm.host)
    control.set_maintenance(host, on=True)
    try:
        refused = chat.ask(f"/vm migrate {vm.name} --host {host}").spoken
    finally:
        control.set_maintenance(host, on=False)
    assert "kept where it is by vCenter (the host is in maintenance mode" in refused
    assert now(installation, vm).host == vm.host

    assert f"is on host `{host}`" in chat.ask(f"/vm migrate {vm.name} --host {host}").spoken
    assert now(installation, vm).host == host
    assert now(installation, vm).effects.get("relocate") == 1


def test_a_migration_is_cancelled_from_its_message(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    host = next(name for name in ("DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2") if name != vm.host)
    installation.vcenter.control.set_rules([Rule("RelocateVM_Task", this=vm.id, delay=20.0)])

    running = chat.ask(f"/vm migrate {vm.name} --host {host}", until=r"(?s)\*Running\*.* %")
    installation.slack.click("U0OPS1", running, "Cancel")
    ended = installation.slack.wait("C0OPS", ts=running.ts, regex=r"\*Cancelled\*", timeout=30)

    assert "was left as it was" in ended.spoken
    assert now(installation, vm).host == vm.host


def test_names_and_notes_are_changed_and_a_name_into_denial_is_not(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    denied = chat.ask(f"/vm rename {vm.name} prod-db-{secrets.token_hex(2)}").spoken
    assert "production databases are left alone" in denied
    assert now(installation, vm).name == vm.name

    name = f"renamed-{secrets.token_hex(3)}"
    assert f"is called `{name}` now" in chat.ask(f"/vm rename {vm.name} {name}").spoken
    assert now(installation, vm).name == name
    chat.ask(f'/vm note {name} "owner: shop team"')
    chat.ask(f'/vm note {name} "disk replaced" --append')
    first, second = now(installation, vm).notes.splitlines()
    assert first == "owner: shop team"
    assert second.endswith("ops-1: disk replaced")
    assert "owner: shop team" in chat.ask(f"/vm info {name}").spoken


def test_a_tag_is_attached_and_taken_away(installation: Installation, chat: Chat, vm: VmState) -> None:
    tag = f"owner=team-{secrets.token_hex(3)}"
    assert f"No tag `{tag}`" in chat.ask(f"/tag attach {tag} {vm.name}").spoken
    installation.vcenter.tags.create(tag)

    assert f"is tagged `{tag}`" in chat.ask(f"/tag attach {tag} {vm.name}").spoken
    assert installation.vcenter.tags.of(vm.id) == {tag}
    assert f"is no longer tagged `{tag}`" in chat.ask(f"/tag detach {tag} {vm.name}").spoken
    assert installation.vcenter.tags.of(vm.id) == set()


def test_only_a_vm_that_is_off_is_destroyed(installation: Installation, chat: Chat, vm: VmState) -> None:
    chat.ask(f"/vm on {vm.name}")
    assert "it must be off for this" in chat.ask(f"/vm destroy {vm.name}").spoken
    chat.ask(f"/vm off {vm.name}")

    assert f"`{vm.name}` is destroyed." in chat.destroy(f"/vm destroy {vm.name}").spoken
    assert installation.vcenter.control.vms(vm.id) == ()


def test_a_question_is_answered_by_a_button(installation: Installation, chat: Chat, vm: VmState) -> None:
    installation.vcenter.control.ask(vm.id, "Did you move it?", ("I moved it", "I copied it"))

    asked = chat.ask(f"/vm question {vm.name} --share")
    assert "Did you move it?" in asked.spoken
    installation.slack.click("U0OPS1", asked, "I copied it", confirm=True)

    installation.slack.wait(
        "C0OPS", "U0OPS1", thread_ts=asked.ts, author="app", regex=r"(?s)Done\*.*was answered", timeout=20
    )
    assert now(installation, vm).effects.get("answer:1") == 1
    assert "asks nothing" in chat.ask(f"/vm question {vm.name}").spoken


def test_a_console_is_a_link_without_a_ticket(installation: Installation, chat: Chat, vm: VmState) -> None:
    answer = chat.ask(f"/vm console {vm.name}")

    assert answer.ephemeral
    assert f"/ui/app/vm;nav=v/urn:vmomi:VirtualMachine:{vm.id}:" in answer.spoken
    assert "icket" not in str(answer)
    assert "AcquireTicket" not in installation.vcenter.control.calls()
