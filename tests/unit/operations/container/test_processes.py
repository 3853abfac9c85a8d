from __future__ import annotations

import pytest

from andock.errors import TargetStateError
from andock.operation import Table
from andock.operations.container.processes import CONTAINER_DIFF, CONTAINER_TOP, OneParams
from andock.ports.container_insight import FileChange
from tests.unit.operations.container.chat import Chat

WEB = OneParams(container="web")


def test_top(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    outcome = CONTAINER_TOP.run(WEB, chat.reader(), CONTAINER_TOP.find(WEB, chat.reader()))
    assert outcome.summary == "`web` on edge-1 has 1 process."
    assert outcome.table == Table(columns=("UID", "PID", "CMD"), rows=(("root", "1", "sh"),))
    chat.containers.stop("edge-1", made, 1)
    with pytest.raises(TargetStateError, match="`web` is exited"):
        CONTAINER_TOP.run(WEB, chat.reader(), CONTAINER_TOP.find(WEB, chat.reader()))


def test_diff(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    chat.containers.changes[made] = (
        FileChange("added", "/a"), FileChange("changed", "/etc"), FileChange("deleted", "/tmp/x"),
    )  # fmt: skip
    outcome = CONTAINER_DIFF.run(WEB, chat.reader(), CONTAINER_DIFF.find(WEB, chat.reader()))
    assert outcome.summary == "`web` on edge-1 differs from its image in: 1 added, 1 changed, 1 deleted."
    assert outcome.text == "+ /a\n~ /etc\n- /tmp/x"


def test_no_difference_and_a_great_one(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    outcome = CONTAINER_DIFF.run(WEB, chat.reader(), CONTAINER_DIFF.find(WEB, chat.reader()))
    assert outcome.summary == "`web` on edge-1 differs from its image in: nothing."
    chat.containers.changes[made] = tuple(FileChange("added", f"/data/{n}") for n in range(1000))
    outcome = CONTAINER_DIFF.run(WEB, chat.reader(), CONTAINER_DIFF.find(WEB, chat.reader()))
    assert outcome.attachment is not None
    assert outcome.attachment.name == "web.diff"
    assert chat.paper.kept[0].count(b"\n") == 1000
