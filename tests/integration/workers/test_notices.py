"""Notices on a strict workspace: said once, edited where they stand, found again when it got lost where."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from andock.messages import Notice
from andock.outbox import Outbox
from sandbox.slack.client import Workspace
from sandbox.slack.reports import Message
from tests.integration.workers.conftest import Playground
from workers.courier import Courier, connect_slack


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace.start(tmp_path_factory.mktemp("slack")) as running:
        yield running


@dataclass
class Board:
    """A courier, and a channel of this test alone."""

    toys: Playground
    slack: Workspace
    channel: str
    courier: Courier

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.toys.ledger)

    def notice(self, text: str, name: str = "alarm1") -> Notice:
        instance = self.toys.instance
        return Notice(id=name, instance=instance, channel=self.channel, text=text, at=time.time())

    def deliver(self, seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while (wait := self.outbox.next_due()) is not None:
            assert time.monotonic() < deadline, "messages stay due"
            time.sleep(min(wait, 0.5))
            self.courier.deliver_due()

    def said(self) -> list[Message]:
        return self.slack.messages(self.channel, "")


@pytest.fixture
def board(toys: Playground, workspace: Workspace) -> Board:
    workspace.clear_faults()
    workspace.set_limits(enabled=False)
    channel = f"C0{secrets.token_hex(4).upper()}"
    workspace.set_channel(channel, name=channel.lower(), members=["U0OPS1", workspace.bot_user])
    courier = Courier(
        toys.ledger, toys.journal, toys.verifier, connect_slack(workspace.bot_token, workspace.api_url)
    )
    return Board(toys, workspace, channel, courier)


def test_a_notice_is_said_once_and_edited_where_it_stands(board: Board) -> None:
    assert board.outbox.tell(board.notice("it is red"), board.toys.signer)
    board.deliver()
    assert not board.outbox.tell(board.notice("it is red again"), board.toys.signer)
    board.outbox.edit(board.notice("it is green"), board.toys.signer)
    board.deliver()
    (said,) = board.said()
    assert (said.spoken, said.edits) == ("it is green", 1)


def test_one_that_changed_before_it_was_said_is_said_as_it_is_now(board: Board) -> None:
    board.outbox.tell(board.notice("it is red"), board.toys.signer)
    board.outbox.edit(board.notice("it is green"), board.toys.signer)
    board.deliver()
    (said,) = board.said()
    assert (said.spoken, said.edits) == ("it is green", 0)


def test_one_whose_place_got_lost_is_found_again_and_edited(board: Board) -> None:
    board.outbox.tell(board.notice("it is red"), board.toys.signer)
    board.deliver()
    board.toys.redis.delete(board.toys.ledger.key("notice", "alarm1", "post"))  # it died before this note
    board.outbox.edit(board.notice("it is green"), board.toys.signer)
    board.deliver()
    (said,) = board.said()
    assert (said.spoken, said.edits) == ("it is green", 1)


def test_one_that_somebody_deleted_stays_deleted(board: Board) -> None:
    board.outbox.tell(board.notice("it is red"), board.toys.signer)
    board.deliver()
    (said,) = board.said()
    board.courier._slack.chat_delete(channel=board.channel, ts=said.ts)
    board.outbox.edit(board.notice("it is green"), board.toys.signer)
    board.deliver()
    assert board.said() == []


def test_two_notices_are_two_messages(board: Board) -> None:
    board.outbox.tell(board.notice("one"), board.toys.signer)
    board.outbox.tell(board.notice("two", "alarm2"), board.toys.signer)
    board.deliver()
    assert sorted(said.spoken for said in board.said()) == ["one", "two"]


def test_one_of_which_nobody_can_read_where_it_stands_does_not_stop_the_others(board: Board) -> None:
    board.outbox.tell(board.notice("it is red"), board.toys.signer)
    board.toys.redis.set(board.toys.ledger.key("notice", "alarm1", "post"), "{")
    board.outbox.tell(board.notice("so is this", "alarm2"), board.toys.signer)

    board.deliver()

    assert sorted(said.spoken for said in board.said()) == ["it is red", "so is this"]
