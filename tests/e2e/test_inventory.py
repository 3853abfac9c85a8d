"""The inventory index and tags, from the typed command to the message."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandbox.installation import Installation
from tests.e2e.conftest import Chat

BY_TAG = {"vcenters": {"lab": {"environments": [{"tag": "env=prod", "is": "prod"}]}}}
NOTED = r"lab as it was \d+ s ago"


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation where environments go by tags."""
    state = tmp_path_factory.mktemp("tagged")
    with Installation.start(state, sites_extra=BY_TAG, engines=0, workers=("vsphere",)) as running:
        running.slack.set_limits(enabled=False)
        yield running


@pytest.fixture
def chat(tagged: Installation) -> Chat:
    return Chat(tagged.slack)


def ask_until(chat: Chat, command: str, *wanted: str) -> str:
    """Ask again until the answer has all this: the index is a moment behind."""
    deadline = time.monotonic() + 30
    while True:
        said = chat.ask(command).spoken
        if all(word in said for word in wanted):
            return said
        assert time.monotonic() < deadline, said


def test_vms_are_found_by_what_they_are_like_with_the_age_of_the_answer(
    tagged: Installation, chat: Chat
) -> None:
    made = tagged.vcenter.control.create_vm("needle-1", folder="dev/shop", power_on=True)
    tagged.vcenter.control.create_vm("needle-2", folder="dev/shop")
    tagged.vcenter.tags.attach(made.id, "team=shop")
    said = ask_until(chat, f"/vm find {made.address}", "needle-1", "s ago")
    assert "needle-2" not in said
    assert "1 VM, 1 on" in said
    said = ask_until(chat, "/vm list needle --power off --folder shop", "needle-2")
    assert "needle-1" not in said
    said = ask_until(chat, "/vm list --tag team=shop --columns name,tags", "team=shop")
    assert "needle-2" not in said
    assert "s ago" not in chat.ask("/vm list needle --fresh").spoken


def test_a_tag_decides_as_soon_as_it_is_attached(tagged: Installation, chat: Chat) -> None:
    vm = tagged.vcenter.control.create_vm("judged", folder="dev", power_on=True)
    tagged.vcenter.tags.attach(vm.id, "env=prod")
    asked = chat.ask("/vm off judged", until="Waits for approval")  # as in production, and in dev it is done
    assert "lab · prod" in asked.spoken
    assert tagged.vcenter.control.vm(vm.id).power == "poweredOn"
