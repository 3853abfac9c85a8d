from __future__ import annotations

import pytest
from pydantic import ValidationError

from andock.errors import NameTakenError
from andock.operation import Done, Mark, NotDone, Step, Unknown
from andock.operations.container.renaming import CONTAINER_RENAME, RenameParams
from tests.unit.operations.container.chat import Chat


def step_of(chat: Chat, name: str = "web-old") -> Step:
    params = RenameParams(container="web", name=name)
    return CONTAINER_RENAME.plan(params, chat.reader()).steps[0]


def test_policy_judges_it_by_both_names(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    params = RenameParams(container="web", name="prod-db")
    plan = CONTAINER_RENAME.plan(params, chat.reader())
    assert [target.name for target in plan.judged] == ["web", "prod-db"]
    assert plan.steps[0].text == "rename `web` (running) to `prod-db`"


def test_a_name_that_is_taken_is_refused(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    other = chat.containers.run("edge-1", "db")
    chat.containers.run("edge-2", "free-here")
    with pytest.raises(NameTakenError, match=f"`db` is taken on edge-1 by container {other[:12]}"):
        step_of(chat, "db")
    assert step_of(chat, "free-here").args == {"name": "free-here"}


def test_rename(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    done = CONTAINER_RENAME.apply(step_of(chat), chat.writer())
    assert done == Done(text="`web` is named `web-old` now.")
    assert chat.containers.read_container("edge-1", made).name == "web-old"
    assert len(chat.marks) == 1


def test_after_a_crash(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    step = step_of(chat)
    mark = Mark(begun_at=0.0, site_time=chat.containers.now.timestamp())
    assert CONTAINER_RENAME.settle(step, chat.reader(), mark) == NotDone()
    chat.containers.rename("edge-1", made, "web-old")
    assert isinstance(CONTAINER_RENAME.settle(step, chat.reader(), mark), Done)
    chat.containers.rename("edge-1", made, "third")
    assert isinstance(CONTAINER_RENAME.settle(step, chat.reader(), mark), Unknown)
    del chat.containers.held["edge-1", made]
    assert CONTAINER_RENAME.settle(step, chat.reader(), mark) == Unknown("`web` is gone.")


@pytest.mark.parametrize("name", ["", "-web", "we b", "web/1", "w" * 65])
def test_names_that_no_container_can_have(name: str) -> None:
    with pytest.raises(ValidationError):
        RenameParams(container="web", name=name)
