"""Snapshots from the typed command to the simulated vCenter and back."""

from __future__ import annotations

import re
import secrets
import time

import pytest
from redis import Redis

from sandbox.installation import Installation
from sandbox.vcenter import Rule, VmState
from tests.e2e.conftest import TOLD_IN, Chat

DAY = 86_400


@pytest.fixture
def vm(installation: Installation) -> VmState:
    """A VM of this test alone; it is on."""
    name = f"snap-{secrets.token_hex(3)}"
    return installation.vcenter.control.create_vm(name, folder="dev", power_on=True)


def effects(installation: Installation, vm: VmState) -> dict[str, int]:
    now = installation.vcenter.control.vm(vm.id).effects
    return {name: count for name, count in now.items() if name != "powerOn"}


def take(chat: Chat, vm: VmState, reason: str) -> str:
    """Take a snapshot; its id, as the tree shows it."""
    said = chat.ask(f'/snapshot create {vm.name} --reason "{reason}"').spoken
    assert f"A snapshot of `{vm.name}` was taken." in said
    tree = chat.ask(f"/snapshot tree {vm.name}").spoken
    line = next(line for line in tree.splitlines() if reason in line)
    return line[line.rindex("(snapshot") + 1 :].partition(",")[0]


def test_create_tree_list_revert_and_delete(installation: Installation, chat: Chat, vm: VmState) -> None:
    reason = f"patch {secrets.token_hex(3)}"
    first = take(chat, vm, reason)
    second = take(chat, vm, f"{reason} again")

    tree = chat.ask(f"/snapshot tree {vm.name}").spoken
    assert f"{reason} [ops-1 until " in tree
    assert "<- the VM stands on it" in tree.replace("&lt;", "<")
    listed = chat.ask(f"/snapshot list {vm.name}").spoken
    assert first in listed
    assert second in listed

    assert "is back at" in chat.destroy(f"/snapshot revert {vm.name} {first}").spoken
    assert installation.vcenter.control.vm(vm.id).power == "poweredOff"
    deleted = chat.destroy(f"/snapshot delete {vm.name} {first} --children")
    assert "is deleted" in deleted.spoken
    assert "has no snapshots" in chat.ask(f"/snapshot tree {vm.name}").spoken
    assert effects(installation, vm) == {"createSnapshot": 2, "revert": 1, "remove": 1}


def test_a_report_shows_planted_age_and_size_and_deletes_the_expired_by_a_button(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    snapshot = take(chat, vm, "old one")
    control = installation.vcenter.control
    control.set_snapshot(vm.id, snapshot, age=9 * DAY, size=42 * 1024**3)

    report = chat.ask("/snapshot report --older-than 8d --bigger-than 40G")

    row = next(line for line in report.spoken.splitlines() if line.startswith(vm.name))
    assert "9 d old, 42.0 GiB" in row


def test_what_has_expired_is_offered_for_deletion_by_a_button(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    snapshot = take(chat, vm, "over")
    expired = "over [ops-1 until 2020-01-01 10:00Z]"
    installation.vcenter.control.set_snapshot(vm.id, snapshot, name=expired)

    tree = chat.ask(f"/snapshot tree {vm.name} --share")
    installation.slack.click("U0OPS1", tree, f"Delete {expired}", confirm=True)

    asked = installation.slack.wait(
        "C0OPS", "U0OPS1", thread_ts=tree.ts, author="app", contains="Type the name", timeout=20
    )
    chat.type_name(asked)
    assert effects(installation, vm) == {"createSnapshot": 1, "remove": 1}


def test_a_digest_that_was_missed_is_told_once_and_names_what_to_type_against_what_has_expired(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    snapshot = take(chat, vm, "forgotten")
    expired = "forgotten [ops-1 until 2020-01-01 10:00Z]"
    installation.vcenter.control.set_snapshot(vm.id, snapshot, name=expired)
    redis = Redis.from_url(installation.redis.url)
    (since,) = redis.scan_iter("andock:*:digest:snapshots")
    redis.set(since, "0")  # as if the digest had been wanted for days, and no bot had run

    def digests() -> list[str]:
        said = installation.slack.messages(TOLD_IN, "U0OPS1")
        return [one.spoken for one in said if "`snapshot report --share`" in one.spoken]

    deadline = time.monotonic() + 60
    while not any("*Done*" in text for text in digests()):
        assert time.monotonic() < deadline, digests()
        time.sleep(0.2)
    (said,) = digests()
    assert "Asked by `schedule:snapshots` for 20" in said
    assert ", late ·" in said
    assert expired in said
    command = re.search(rf"snapshot delete {vm.id} \S+ --site lab", said)
    assert command is not None
    chat.destroy(f"/{command.group()}")
    assert effects(installation, vm) == {"createSnapshot": 1, "remove": 1}
    asked = re.search(r"request `(\w+)`", said)
    assert asked is not None
    found = chat.ask("/andock audit search --by schedule:snapshots --event asked").spoken
    assert asked.group(1) in found
    assert len(digests()) == 1


def test_disks_are_consolidated(installation: Installation, chat: Chat, vm: VmState) -> None:
    assert "without disks to consolidate" in chat.ask(f"/snapshot consolidate {vm.name}").spoken
    installation.vcenter.control.set_consolidation(vm.id, needed=True)
    assert f"{vm.name}` needs consolidation" in chat.ask("/snapshot list").spoken

    assert "are consolidated" in chat.ask(f"/snapshot consolidate {vm.name}").spoken
    assert effects(installation, vm) == {"consolidateDisks": 1}


def test_a_full_datastore_is_warned_of_before_a_snapshot(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    store = installation.vcenter.control.vm(vm.id).datastores
    assert store
    installation.vcenter.control.set_space(store[0], free=3 * 1024**3, capacity=100 * 1024**3)
    try:
        said = chat.ask(f"/snapshot create {vm.name} --reason tight").spoken
    finally:
        installation.vcenter.control.set_space(store[0], free=90 * 1024**3, capacity=100 * 1024**3)
    assert f"Datastore `{store[0]}` on lab has 3.0 GiB left of 100.0 (3 %)." in said


def test_a_snapshot_that_takes_long_is_cancelled_from_its_message(
    installation: Installation, chat: Chat, vm: VmState
) -> None:
    installation.vcenter.control.set_rules([Rule("CreateSnapshot_Task", this=vm.id, delay=20.0)])

    running = chat.ask(f"/snapshot create {vm.name} --reason slow", until=r"(?s)\*Running\*.* %")
    installation.slack.click("U0OPS1", running, "Cancel")
    ended = installation.slack.wait("C0OPS", ts=running.ts, regex=r"\*Cancelled\*", timeout=30)

    assert "was left as it was" in ended.spoken
    assert effects(installation, vm) == {}
