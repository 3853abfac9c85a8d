from __future__ import annotations

import pytest

from andock.errors import BackendError, Changed, OutcomeUnknownError, TargetStateError
from andock.operation import Done, Mark, NotDone, Step, Unknown
from andock.operations.container.named_commands import CONTAINER_EXEC, ExecParams
from andock.ports.container_output import Ran
from andock.refusals import NotListedError
from config.containers import AllowedByFile, Command
from tests.unit.operations.container.chat import Chat


@pytest.fixture
def lab(chat: Chat) -> Chat:
    chat.containers.run("edge-1", "web")
    chat.containers.allowances = AllowedByFile(
        exec={
            "disk": Command(argv=("df", "-h"), output=1),
            "dump": Command(argv=("pg_dump",), containers=("db-*",)),
        }
    )
    return chat


def exec_step(chat: Chat, command: str = "disk") -> Step:
    return CONTAINER_EXEC.plan(ExecParams(container="web", command=command), chat.reader()).steps[0]


def test_a_plan_says_the_words_and_the_limit(lab: Chat) -> None:
    step = exec_step(lab)
    assert step.text == "run `df -h` in `web` (running), at most 10 s"
    assert step.args == {"command": "disk", "argv": ["df", "-h"]}


def test_only_named_commands_run_and_only_where_they_are_meant_to(lab: Chat) -> None:
    with pytest.raises(
        NotListedError, match=r"Command `dsik` is not allowed by `exec:`.*Did you mean `disk`"
    ):
        exec_step(lab, "dsik")
    with pytest.raises(NotListedError, match="Command `dump` in `web`"):
        exec_step(lab, "dump")
    with pytest.raises(NotListedError, match="Did you mean `disk` or `dump`"):
        exec_step(lab, "rm -rf /")


def test_only_in_what_runs(lab: Chat) -> None:
    (web,) = (row.id for row in lab.containers.held.values())
    lab.containers.stop("edge-1", web, 1)
    with pytest.raises(TargetStateError, match="`web` is exited"):
        exec_step(lab)


def test_what_it_says_is_below_the_first_line(lab: Chat) -> None:
    lab.containers.says = Ran(1, running=False, output="a\nb\n")
    done = CONTAINER_EXEC.apply(exec_step(lab), lab.writer())
    assert done == Done(text="`disk` in `web` ended with exit code 1.\na\nb")
    lab.containers.says = Ran(0, running=False)
    assert CONTAINER_EXEC.apply(exec_step(lab), lab.writer()).text.endswith("code 0. It said nothing.")


def test_the_mark_knows_what_was_prepared_before_it_is_started(lab: Chat) -> None:
    step = exec_step(lab)
    lab.containers.lost.add("edge-1")
    with pytest.raises(OutcomeUnknownError):
        CONTAINER_EXEC.apply(step, lab.writer())
    assert [mark.task for mark in lab.marks] == ["exec-disk"]


def test_too_much_is_cut(lab: Chat) -> None:
    lab.containers.says = Ran(0, running=False, output="#" * 3000)
    text = CONTAINER_EXEC.apply(exec_step(lab), lab.writer()).text
    assert text.count("#") == 1024
    assert text.endswith("\n… cut here: it said more than it may")


def test_what_takes_too_long_runs_on_and_that_is_said(lab: Chat) -> None:
    lab.containers.says = Ran(None, running=True, output="so far")
    with pytest.raises(BackendError, match=r"was not done after 10 s and runs on there.*so far") as caught:
        CONTAINER_EXEC.apply(exec_step(lab), lab.writer())
    assert caught.value.changed is Changed.UNKNOWN


def test_after_a_crash(lab: Chat) -> None:
    step = exec_step(lab)
    lab.containers.tick()
    mark = Mark(begun_at=0.0, site_time=lab.containers.now.timestamp(), task="exec-disk")
    commands = lab.containers.commands
    commands["exec-disk"] = Ran(0, running=False)
    assert CONTAINER_EXEC.settle(step, lab.reader(), mark) == Done(
        text="`disk` in `web` ended with exit code 0; what it said is lost."
    )
    commands["exec-disk"] = Ran(None, running=False)
    assert CONTAINER_EXEC.settle(step, lab.reader(), mark) == NotDone()
    commands["exec-disk"] = Ran(None, running=True)
    assert CONTAINER_EXEC.settle(step, lab.reader(), mark) == Unknown("`disk` still runs in `web`.")
    assert lab.containers.now.timestamp() - mark.site_time > 15
    del commands["exec-disk"]
    assert isinstance(CONTAINER_EXEC.settle(step, lab.reader(), mark), Unknown)
