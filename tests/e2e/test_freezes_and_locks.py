"""Freezes refuse with their window; locks keep others off and let their owner through; who waits goes on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.installation import Installation
from tests.e2e.conftest import Chat


def make_vm(installation: Installation, folder: str) -> str:
    """A VM of this test alone, on."""
    name = f"app-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(name, folder=folder, power_on=True)
    return name


@pytest.fixture
def locked(installation: Installation, chat: Chat) -> Iterator[str]:
    """A VM that ops-1 has locked."""
    name = make_vm(installation, "dev")
    said = chat.ask(f'/andock lock take {name} --for 2h --reason "looking into its disk"').spoken
    assert f"`{name}` is locked by ops-1 until" in said
    yield name
    chat.ask(f"/andock lock release {name} --force", until="released by|no lock on")


def power(installation: Installation, vm: str) -> str:
    return installation.vcenter.control.vm(vm).power


def test_a_freeze_refuses_changes_with_its_window_and_end_until_it_is_ended(
    installation: Installation, chat: Chat
) -> None:
    vm = make_vm(installation, "prod")
    end = datetime.now(UTC) + timedelta(hours=1)
    name = f"storage-{secrets.token_hex(3)}"
    window = f"--until {end:%Y-%m-%dT%H:%M} --environment prod --reason 'failing over'"
    chat.ask(f"/andock freeze add {name} {window}", user="U0LEAD1")
    try:
        refused = chat.ask(f"/vm off {vm}", user="U0LEAD1").spoken
        assert "Denied" in refused
        assert "`vm off` is frozen in prod from " in refused
        assert f"until {end:%a %Y-%m-%d %H:%M} (UTC): failing over" in refused
        assert f"freeze {name} (added by lead-1)" in refused
        assert vm in chat.ask(f"/vm info {vm}", user="U0LEAD1").spoken
        assert f"freeze {name}" in chat.ask(f"/andock can-i vm off {vm}", user="U0LEAD1").spoken
        assert name in chat.ask("/andock freeze list", user="U0LEAD1").spoken
        assert power(installation, vm) == "poweredOn"
    finally:
        chat.ask(f"/andock freeze end {name}", user="U0LEAD1")
    again = chat.ask(f"/vm off {vm}", user="U0LEAD1", until="Waits for approval")
    chat.ask(f"/andock request withdraw {again.payload['request']}", user="U0LEAD1", until="Withdrawn")


def test_a_lock_refuses_others_names_its_owner_and_lets_the_owner_through(
    installation: Installation, chat: Chat, locked: str
) -> None:
    refused = chat.ask(f"/vm off {locked}", user="U0OPS2").spoken
    assert f"`{locked}` is locked by ops-1 until" in refused
    assert "looking into its disk" in refused
    assert power(installation, locked) == "poweredOn"
    assert "only ops-1" in chat.ask(f"/andock lock release {locked}", user="U0OPS2").spoken
    assert locked in chat.ask("/andock lock show", user="U0OPS2").spoken

    chat.ask(f"/vm off {locked}", until=r"\*Done\*")
    assert power(installation, locked) == "poweredOff"


def test_who_waits_for_a_lock_is_told_whose_it_is_and_goes_on_after_its_release(
    installation: Installation, chat: Chat, locked: str
) -> None:
    waiting = chat.ask(f"/vm off {locked} --wait", user="U0OPS2", until="Waits for its turn")
    assert f"the lock of ops-1 on `{locked}` until" in waiting.spoken
    assert power(installation, locked) == "poweredOn"

    chat.ask(f"/andock lock release {locked}")

    installation.slack.wait("C0OPS", ts=waiting.ts, regex=r"\*Done\*", timeout=30)
    assert power(installation, locked) == "poweredOff"
