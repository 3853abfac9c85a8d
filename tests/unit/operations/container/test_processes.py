from __future__ import annotations

import pytest

from andock.errors import BackendUnavailableError, TargetStateError
from andock.operation import Table
from andock.operations.container.processes import CONTAINER_DIFF, CONTAINER_TOP, DiffParams, TopParams
from andock.ports.container_insight import FileChange
from tests.unit.operations.container.chat import Chat

WEB = TopParams(container=("web",))
DIFF = DiffParams(container=("web",))


def test_top(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    outcome = CONTAINER_TOP.run(WEB, chat.reader(), CONTAINER_TOP.find(WEB, chat.reader()))
    assert outcome.summary == "`web` on edge-1 has 1 process."
    assert outcome.table == Table(columns=("UID", "PID", "CMD"), rows=(("root", "1", "sh"),))
    chat.containers.stop("edge-1", made, 1)
    with pytest.raises(TargetStateError, match="`web` is exited"):
        CONTAINER_TOP.run(WEB, chat.reader(), CONTAINER_TOP.find(WEB, chat.reader()))


def test_top_of_several_is_one_table(chat: Chat) -> None:
    chat.containers.run("edge-1", "web", labels={"app": "shop"})
    chat.containers.run("edge-2", "db", labels={"app": "shop"})
    chat.containers.stop("edge-1", chat.containers.run("edge-1", "old", labels={"app": "shop"}), 1)
    shop = TopParams(label=("app=shop",))

    outcome = CONTAINER_TOP.run(shop, chat.reader(), CONTAINER_TOP.find(shop, chat.reader()))

    assert outcome.summary == "2 containers, 2 processes."
    assert outcome.table == Table(
        columns=("name", "engine", "UID", "PID", "CMD"),
        rows=(("db", "edge-2", "root", "1", "sh"), ("web", "edge-1", "root", "1", "sh")),
    )


def test_an_engine_that_goes_away_meanwhile_takes_no_answer_with_it(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    made = chat.containers.run("edge-2", "db")
    chat.containers.changes[made] = (FileChange("added", "/a"),)
    for operation, params in ((CONTAINER_TOP, TopParams()), (CONTAINER_DIFF, DiffParams())):
        chat.containers.away.clear()
        found = operation.find(params, chat.reader())
        chat.containers.away["edge-1"] = "connection refused"
        outcome = operation.run(params, chat.reader(), found)
        assert outcome.notes == ("edge-1 not reached: connection refused",)
        assert outcome.summary.startswith("1 container")
        chat.containers.away["edge-2"] = "connection refused"
        with pytest.raises(BackendUnavailableError):
            operation.run(params, chat.reader(), found)


def test_one_that_ends_meanwhile_is_told(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    made = chat.containers.run("edge-1", "db")
    found = CONTAINER_TOP.find(TopParams(), chat.reader())
    chat.containers.stop("edge-1", made, 1)

    assert CONTAINER_TOP.run(TopParams(), chat.reader(), found).notes == ("`db` on edge-1: it does not run",)


def test_diff_of_several_puts_each_line_behind_its_container(chat: Chat) -> None:
    for site, name in (("edge-1", "web"), ("edge-2", "db")):
        chat.containers.changes[chat.containers.run(site, name)] = (FileChange("added", f"/{name}"),)
    both = DiffParams(image="busybox")

    outcome = CONTAINER_DIFF.run(both, chat.reader(), CONTAINER_DIFF.find(both, chat.reader()))

    assert outcome.summary == "2 containers against their images: `db` 1 added; `web` 1 added."
    assert outcome.text == "edge-2/db + /db\nedge-1/web + /web"


def test_diff(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    chat.containers.changes[made] = (
        FileChange("added", "/a"), FileChange("changed", "/etc"), FileChange("deleted", "/tmp/x"),
    )  # fmt: skip
    outcome = CONTAINER_DIFF.run(DIFF, chat.reader(), CONTAINER_DIFF.find(DIFF, chat.reader()))
    assert outcome.summary == "`web` on edge-1 differs from its image in: 1 added, 1 changed, 1 deleted."
    assert outcome.text == "+ /a\n~ /etc\n- /tmp/x"


def test_no_difference_and_a_great_one(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    outcome = CONTAINER_DIFF.run(DIFF, chat.reader(), CONTAINER_DIFF.find(DIFF, chat.reader()))
    assert outcome.summary == "`web` on edge-1 differs from its image in: nothing."
    chat.containers.changes[made] = tuple(FileChange("added", f"/data/{n}") for n in range(1000))
    outcome = CONTAINER_DIFF.run(DIFF, chat.reader(), CONTAINER_DIFF.find(DIFF, chat.reader()))
    assert outcome.attachment is not None
    assert outcome.attachment.name == "web.diff"
    assert chat.paper.kept[0].count(b"\n") == 1000
